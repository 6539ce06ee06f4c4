"""Names why TLS handshakes fail. gRPC tells the caller UNAVAILABLE and the application nothing; only its C core's log knows.

That log goes to file descriptor 2. While a `HandshakeLog` is open, descriptor 2 is a pipe read here: lines about handshakes become
metric and log, all others go on to the real standard error. A callback of gRPC would be better; there is none (grpc#38665). The line
names no peer. Python's own `sys.stderr` keeps the real descriptor, so a traceback never depends on the reader; what the C core writes
in the instant in which it aborts the process may be lost.
"""

import contextlib
import fcntl
import logging
import os
import re
import sys
import threading
import time
from enum import Enum
from types import TracebackType
from typing import TextIO

from services.gateway import metrics

_log = logging.getLogger(__name__)

# The C core reads it when gRPC is first used; handshake failures are told at INFO (since grpc#38058).
VERBOSITY = "GRPC_VERBOSITY"
_PIPE_BYTES = 1024 * 1024
_FAILED = re.compile(rb"Handshake failed with error (.*)")
_NOISE = re.compile(rb"Log level INFO is not suitable for production|All log messages before absl::InitializeLog")
_LINE_CHARACTERS_MAX = 300
# A scanner makes thousands of failures; the metric counts each, the log one a second for each reason.
_LOG_EVERY_S = 1.0


class HandshakeReason(Enum):
    """Why a handshake failed."""

    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    CERTIFICATE_NOT_YET_VALID = "CERTIFICATE_NOT_YET_VALID"
    CERTIFICATE_AUTHORITY_UNKNOWN = "CERTIFICATE_AUTHORITY_UNKNOWN"
    CERTIFICATE_MISSING = "CERTIFICATE_MISSING"
    CERTIFICATE_REFUSED = "CERTIFICATE_REFUSED"
    SERVER_REFUSED_BY_CLIENT = "SERVER_REFUSED_BY_CLIENT"
    NOT_TLS = "NOT_TLS"
    OTHER = "OTHER"


# What BoringSSL says, in the order in which it is looked for.
_WORDS = (
    (b"certificate has expired", HandshakeReason.CERTIFICATE_EXPIRED),
    (b"certificate is not yet valid", HandshakeReason.CERTIFICATE_NOT_YET_VALID),
    (b"unable to get local issuer certificate", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
    (b"self signed certificate", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
    (b"self-signed certificate", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
    (b"certificate signature failure", HandshakeReason.CERTIFICATE_AUTHORITY_UNKNOWN),
    (b"PEER_DID_NOT_RETURN_A_CERTIFICATE", HandshakeReason.CERTIFICATE_MISSING),
    (b"CERTIFICATE_VERIFY_FAILED", HandshakeReason.CERTIFICATE_REFUSED),
    (b"TLSV1_ALERT_UNKNOWN_CA", HandshakeReason.SERVER_REFUSED_BY_CLIENT),
    (b"ALERT_BAD_CERTIFICATE", HandshakeReason.SERVER_REFUSED_BY_CLIENT),
    (b"ALERT_CERTIFICATE", HandshakeReason.SERVER_REFUSED_BY_CLIENT),
    (b"WRONG_VERSION_NUMBER", HandshakeReason.NOT_TLS),
    (b"HTTP_REQUEST", HandshakeReason.NOT_TLS),
    (b"HTTPS_PROXY_REQUEST", HandshakeReason.NOT_TLS),
)


def reason_of(detail: bytes) -> HandshakeReason:
    """Name the reason in the C core's words for a failed handshake; what has no name yet is OTHER and logged with its words."""
    return next((reason for words, reason in _WORDS if words in detail), HandshakeReason.OTHER)


def make_core_talk() -> None:
    """Have gRPC's C core log handshake failures; before gRPC is first used. A level that somebody has set stays."""
    os.environ.setdefault(VERBOSITY, "INFO")


class HandshakeLog:
    """Reads the C core's log of this process for as long as it is open; only one may be."""

    def __init__(self) -> None:
        self._real = -1
        self._python_stderr: TextIO | None = None
        self._reader: threading.Thread | None = None
        self._logged_at: dict[HandshakeReason, float] = {}
        self._unlogged: dict[HandshakeReason, int] = {}

    def __enter__(self) -> "HandshakeLog":
        self._real = os.dup(2)
        self._python_stderr = sys.stderr
        sys.stderr = os.fdopen(os.dup(self._real), "w", buffering=1)
        read_end, write_end = os.pipe()
        # A full pipe must cost lines, never block a thread of the C core.
        os.set_blocking(write_end, False)
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.dup2(write_end, 2)
        os.close(write_end)
        self._reader = threading.Thread(target=self._read, args=(read_end,), name="handshakes", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # The pipe's last write end is descriptor 2: replacing it ends the reader.
        os.dup2(self._real, 2)
        if self._reader is not None:
            self._reader.join(timeout=5)
        changed, sys.stderr = sys.stderr, self._python_stderr or sys.__stderr__
        changed.close()
        os.close(self._real)

    def _read(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as lines:
            for line in lines:
                failed = _FAILED.search(line)
                if failed is not None:
                    self._note(failed.group(1))
                elif _NOISE.search(line) is None:
                    os.write(self._real, line)

    def _note(self, detail: bytes) -> None:
        reason = reason_of(detail)
        metrics.HANDSHAKES_REFUSED.add(1, {"reason": reason.value})
        now = time.monotonic()
        if now - self._logged_at.get(reason, float("-inf")) < _LOG_EVERY_S:
            self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
            return
        self._logged_at[reason] = now
        _log.warning(
            "TLS handshake refused: %s",
            reason.value,
            extra={
                "event": "handshake-refused",
                "reason": reason.value,
                "detail": detail.decode("ascii", "replace")[:_LINE_CHARACTERS_MAX],
                "unlogged_before": self._unlogged.pop(reason, 0),
            },
        )
