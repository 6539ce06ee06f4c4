"""The server's certificate: what is not taken, and that a failure that passes is not for ever."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.gateway import identity
from services.gateway.tls import ServerTls, TlsError
from tests.unit.gateway.examples import certificate_of_version_6

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime.datetime:
        return self.at


class Files:
    """The server's certificate and key, and CLIENT_CA_FILE, which holds the same certificate."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key, self.ca = folder / "server.pem", folder / "server.key", folder / "ca.pem"
        self.clock = Clock()
        self.key_of_server = ec.generate_private_key(ec.SECP256R1())
        none = serialization.NoEncryption()
        self.key.write_bytes(self.key_of_server.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))

    def issue(self, *, begin: datetime.datetime = NOW - DAY, end: datetime.datetime = NOW + 9 * DAY) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key_of_server.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        made = builder.sign(self.key_of_server, hashes.SHA256())
        for path in (self.certificate, self.ca):
            path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return made

    def read(self) -> ServerTls:
        return ServerTls(certificate_file=self.certificate, key_file=self.key, client_ca_file=self.ca, clock=self.clock)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def alarms(caplog: pytest.LogCaptureFixture) -> int:
    return sum(getattr(record, "event", None) == "tls-refused" for record in caplog.records)


class TestCertificate:
    def test_that_is_not_yet_valid_does_not_replace_one_that_is_and_is_taken_up_on_its_day(
        self, files: Files, caplog: pytest.LogCaptureFixture
    ) -> None:
        files.issue()
        tls = files.read()
        files.issue(begin=NOW + DAY)
        assert [tls.reload_if_changed() for _ in range(3)] == [False] * 3
        assert alarms(caplog) == 1
        files.clock.at = NOW + DAY
        assert [tls.reload_if_changed() for _ in range(2)] == [True, False]

    def test_that_is_not_yet_valid_is_none_to_start_with(self, files: Files) -> None:
        files.issue(begin=NOW + DAY)
        with pytest.raises(TlsError, match="not valid before"):
            files.read()

    def test_of_no_known_version_is_of_no_use(self, files: Files) -> None:
        made = files.issue()
        tls = files.read()
        for path in (files.certificate, files.ca):
            path.write_bytes(certificate_of_version_6(made))
            assert not tls.reload_if_changed()
            files.issue()
            assert tls.reload_if_changed()

    def test_of_a_caller_of_no_known_version_names_nobody(self, files: Files) -> None:
        assert identity._read(certificate_of_version_6(files.issue())) == (None, (), None)
