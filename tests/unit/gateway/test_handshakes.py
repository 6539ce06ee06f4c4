"""Naming failed handshakes in the log of gRPC's C core."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from services.gateway.handshakes import HandshakeLog, HandshakeReason, reason_of

# Lines of grpcio 1.85.1, as they were seen.
PREFIX = b"I1121 09:27:31.952589    8503 ssl_transport_security.cc:2563] Handshake failed with error SSL_ERROR_SSL: "
FAILED = b"error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: "


class TestReasonOf:
    @pytest.mark.parametrize(
        ("detail", "reason"),
        [
            (FAILED + b"certificate has expired", HandshakeReason.CERTIFICATE_EXPIRED),
            (FAILED + b"certificate is not yet valid", HandshakeReason.CERTIFICATE_NOT_YET_VALID),
            (FAILED + b"unable to get local issuer certificate", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
            (FAILED + b"self signed certificate", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
            (FAILED + b"unsupported certificate purpose", HandshakeReason.CERTIFICATE_REFUSED),
            (
                b"error:100000c0:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE: Invalid certificate verification context",
                HandshakeReason.CERTIFICATE_MISSING,
            ),
            (b"error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid", HandshakeReason.NOT_TLS),
            (b"error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST: Invalid", HandshakeReason.NOT_TLS),
            (b"something that nobody has seen yet", HandshakeReason.OTHER),
        ],
    )
    def test_names_what_the_core_says(self, detail: bytes, reason: HandshakeReason) -> None:
        assert reason_of(detail) is reason


class TestHandshakeLog:
    def events(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        return [record.reason for record in caplog.records if getattr(record, "event", None) == "handshake-refused"]

    def test_logs_a_failed_handshake_by_name(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), HandshakeLog():
            os.write(2, PREFIX + FAILED + b"certificate has expired\n")
        assert self.events(caplog) == ["CERTIFICATE_EXPIRED"]

    def test_lets_every_other_line_pass_to_the_real_standard_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        with HandshakeLog():
            os.write(2, b"E1121 something else went wrong\n")
            os.write(2, PREFIX + FAILED + b"certificate has expired\n")
            print("a traceback", file=sys.stderr)
        shown = capfd.readouterr().err
        assert "something else went wrong" in shown
        assert "a traceback" in shown
        assert "Handshake" not in shown

    def test_leaves_standard_error_as_it_was(self, capfd: pytest.CaptureFixture[str]) -> None:
        before = sys.stderr
        with HandshakeLog():
            pass
        assert sys.stderr is before
        os.write(2, b"still there\n")
        assert "still there" in capfd.readouterr().err

    def test_logs_one_line_a_second_for_a_reason_however_many_fail(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), HandshakeLog():
            for _ in range(500):
                os.write(2, PREFIX + FAILED + b"certificate has expired\n")
            os.write(2, PREFIX + FAILED + b"certificate is not yet valid\n")
        assert sorted(self.events(caplog)) == ["CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_YET_VALID"]

    def test_never_blocks_the_one_who_writes(self) -> None:
        """A full pipe costs lines; a thread of the C core that waited here would hold up calls."""
        with HandshakeLog():
            line = PREFIX + FAILED + b"x" * 60_000 + b"\n"
            for _ in range(200):
                try:
                    os.write(2, line)
                except BlockingIOError:
                    return
