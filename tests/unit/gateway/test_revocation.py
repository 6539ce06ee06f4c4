"""Revocation lists: which are taken, what they say, and that a forged or older one changes nothing."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.gateway.domain.certificate import Revocation
from services.gateway.revocation import RevocationError, Revocations
from tests.unit.gateway.examples import certificate_of_version_6

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime.datetime:
        return self.at


class Authority:
    """An authority, by default a root."""

    def __init__(self, name: str, issuer: Authority | None = None, *, may_sign_lists: bool = True) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (issuer or self).certify(self.name, self.key, lists=may_sign_lists)

    def certify(self, name: x509.Name, key: ec.EllipticCurvePrivateKey | None = None, *, lists: bool = False) -> x509.Certificate:
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key((key or ec.generate_private_key(ec.SECP256R1())).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + 99 * DAY)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=lists, **usage), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def bank(self) -> x509.Certificate:
        return self.certify(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")]))

    def crl(
        self,
        *revoked: x509.Certificate,
        this_update: datetime.datetime = NOW - DAY,
        next_update: datetime.datetime = NOW + DAY,
        extension: x509.ExtensionType | None = None,
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(this_update).next_update(next_update)
        for one in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW - DAY).build()
            )
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Files:
    """CLIENT_CA_FILE and CLIENT_CRL_FILE."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.crl = folder / "ca.pem", folder / "crl.pem"

    def trust(self, *authorities: Authority) -> None:
        self.ca.write_bytes(b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in authorities))

    def read(self, clock: Clock | None = None, *, must_be_known: bool = True) -> Revocations:
        return Revocations(crl_file=self.crl, client_ca_file=self.ca, must_be_known=must_be_known, clock=clock or Clock())


@pytest.fixture
def authority() -> Authority:
    return Authority("authority")


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    made = Files(tmp_path)
    made.trust(authority)
    return made


def events(caplog: pytest.LogCaptureFixture) -> Sequence[str | None]:
    return [getattr(record, "event", None) for record in caplog.records]


class TestStateOf:
    def test_tells_the_revoked_from_the_others(self, files: Files, authority: Authority) -> None:
        good, stolen = authority.bank(), authority.bank()
        files.crl.write_bytes(authority.crl(stolen))
        revocations = files.read()
        assert revocations.state_of(good) is Revocation.GOOD
        assert revocations.state_of(stolen) is Revocation.REVOKED

    def test_knows_nothing_of_an_authority_whose_list_is_missing(self, files: Files, authority: Authority) -> None:
        other = Authority("other")
        files.trust(authority, other)
        files.crl.write_bytes(authority.crl())
        assert files.read().state_of(other.bank()) is Revocation.UNKNOWN

    def test_knows_nothing_of_another_authority_of_the_same_name(self, files: Files, authority: Authority) -> None:
        files.crl.write_bytes(authority.crl())
        assert files.read().state_of(Authority("authority").bank()) is Revocation.UNKNOWN

    def test_knows_nothing_without_a_file(self, files: Files, authority: Authority) -> None:
        revocations = Revocations(crl_file=None, client_ca_file=files.ca, must_be_known=False, clock=Clock())
        assert revocations.state_of(authority.bank()) is Revocation.UNKNOWN
        assert not revocations.reload_if_changed()

    def test_past_its_next_update_a_list_says_who_was_revoked_and_no_more(self, files: Files, authority: Authority) -> None:
        good, stolen, clock = authority.bank(), authority.bank(), Clock()
        files.crl.write_bytes(authority.crl(stolen))
        revocations = files.read(clock)
        clock.at = NOW + DAY
        assert revocations.state_of(good) is Revocation.UNKNOWN
        assert revocations.state_of(stolen) is Revocation.REVOKED

    def test_reads_one_list_for_each_authority_up_to_the_root(self, files: Files, authority: Authority) -> None:
        between = Authority("between", authority)
        bank, stolen = between.bank(), between.bank()
        files.trust(authority, between)
        files.crl.write_bytes(authority.crl() + between.crl(stolen))
        assert [files.read().state_of(one) for one in (bank, stolen)] == [Revocation.GOOD, Revocation.REVOKED]
        files.crl.write_bytes(between.crl())
        assert files.read().state_of(bank) is Revocation.UNKNOWN
        files.crl.write_bytes(authority.crl(between.certificate) + between.crl())
        assert files.read().state_of(bank) is Revocation.REVOKED


class TestFile:
    @pytest.fixture
    def bad(self, request: pytest.FixtureRequest, authority: Authority) -> bytes:
        """A file that must not be taken."""
        match request.param:
            case "forged":
                return Authority("authority").crl()
            case "of a stranger":
                return authority.crl() + Authority("stranger").crl()
            case "two of one authority":
                return authority.crl() + authority.crl()
            case "delta":
                return authority.crl(extension=x509.DeltaCRLIndicator(1))
            case "older":
                return authority.crl(this_update=NOW - 2 * DAY)
            case "no CRL":
                return b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
            case "of no known version":
                return _with_version_6(authority.crl())
            case "of the future":
                return authority.crl(this_update=NOW + datetime.timedelta(minutes=6))
            case "altered":
                return authority.crl(authority.bank()).replace(b"A", b"B", 5)
        return b""

    BAD = ("forged", "of a stranger", "two of one authority", "delta", "no CRL", "of no known version", "of the future", "altered", "empty")

    @pytest.mark.parametrize("bad", [*BAD, "older"], indirect=True)
    def test_keeps_the_old_lists_while_the_new_are_of_no_use(
        self, files: Files, authority: Authority, bad: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        stolen = authority.bank()
        files.crl.write_bytes(authority.crl(stolen))
        revocations = files.read()
        files.crl.write_bytes(bad)
        assert not revocations.reload_if_changed()
        assert "revocation-refused" in events(caplog)
        assert revocations.state_of(stolen) is Revocation.REVOKED
        assert revocations.state_of(authority.bank()) is Revocation.GOOD

    @pytest.mark.parametrize("bad", BAD, indirect=True)
    def test_is_needed_whole_to_start(self, files: Files, bad: bytes) -> None:
        files.crl.write_bytes(bad)
        with pytest.raises(RevocationError):
            files.read()

    def test_keeps_the_lists_while_the_file_is_away(self, files: Files, authority: Authority) -> None:
        stolen = authority.bank()
        files.crl.write_bytes(authority.crl(stolen))
        revocations = files.read()
        files.crl.unlink()
        assert not revocations.reload_if_changed()
        assert revocations.state_of(stolen) is Revocation.REVOKED

    def test_is_taken_up_when_it_changes_and_when_the_authorities_do(self, files: Files, authority: Authority) -> None:
        first, second = authority.bank(), Authority("second")
        files.crl.write_bytes(authority.crl())
        revocations = files.read()
        files.crl.write_bytes(authority.crl(first))
        assert revocations.reload_if_changed()
        assert revocations.state_of(first) is Revocation.REVOKED
        files.crl.write_bytes(authority.crl(first) + second.crl())
        assert not revocations.reload_if_changed()
        files.trust(authority, second)
        assert revocations.reload_if_changed()
        assert revocations.state_of(second.bank()) is Revocation.GOOD

    def test_may_not_lack_the_list_of_an_authority_that_is_still_trusted(self, files: Files, authority: Authority) -> None:
        """Else an older list would come in by two steps: first none, which forgets the new one, then the old."""
        other, stolen = Authority("other"), authority.bank()
        files.trust(authority, other)
        files.crl.write_bytes(authority.crl(stolen) + other.crl())
        revocations = files.read()
        files.crl.write_bytes(other.crl())
        assert not revocations.reload_if_changed()
        files.crl.write_bytes(authority.crl(this_update=NOW - 2 * DAY) + other.crl())
        assert not revocations.reload_if_changed()
        assert revocations.state_of(stolen) is Revocation.REVOKED

    def test_may_lack_the_list_of_an_authority_that_has_left_but_takes_no_older_one_when_it_returns(
        self, files: Files, authority: Authority
    ) -> None:
        other, stolen = Authority("other"), authority.bank()
        files.trust(authority, other)
        files.crl.write_bytes(authority.crl(stolen) + other.crl())
        revocations = files.read()
        files.trust(other)
        files.crl.write_bytes(other.crl())
        assert revocations.reload_if_changed()
        files.trust(authority, other)
        files.crl.write_bytes(authority.crl(this_update=NOW - 2 * DAY) + other.crl())
        assert not revocations.reload_if_changed()
        assert revocations.state_of(stolen) is Revocation.UNKNOWN

    def test_may_be_of_an_authority_whose_clock_is_a_little_ahead(self, files: Files, authority: Authority) -> None:
        files.crl.write_bytes(authority.crl(this_update=NOW + datetime.timedelta(minutes=5)))
        assert files.read().state_of(authority.bank()) is Revocation.GOOD

    def test_of_the_future_does_not_keep_the_true_one_out(self, files: Files, authority: Authority) -> None:
        stolen = authority.bank()
        files.crl.write_bytes(authority.crl())
        revocations = files.read()
        files.crl.write_bytes(authority.crl(this_update=NOW + 2 * DAY, next_update=NOW + 9 * DAY))
        assert not revocations.reload_if_changed()
        files.crl.write_bytes(authority.crl(stolen, this_update=NOW))
        assert revocations.reload_if_changed()
        assert revocations.state_of(stolen) is Revocation.REVOKED

    def test_is_refused_from_an_authority_that_may_sign_no_lists(self, files: Files) -> None:
        authority = Authority("authority", may_sign_lists=False)
        files.trust(authority)
        files.crl.write_bytes(authority.crl())
        with pytest.raises(RevocationError, match="may sign lists"):
            files.read()

    def test_past_its_next_update_is_told_once_and_taken_all_the_same(
        self, files: Files, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A list that ended is better than none: it still says who was revoked."""
        clock = Clock()
        files.crl.write_bytes(authority.crl(next_update=NOW - DAY / 2))
        revocations = files.read(clock)
        revocations.reload_if_changed()
        assert events(caplog).count("revocation-past") == 1
        files.crl.write_bytes(authority.crl())
        assert revocations.reload_if_changed()
        clock.at = NOW + 2 * DAY
        revocations.reload_if_changed()
        assert events(caplog).count("revocation-past") == 2


def test_authorities_of_no_known_version_are_of_no_use(files: Files, authority: Authority) -> None:
    files.crl.write_bytes(authority.crl())
    files.ca.write_bytes(certificate_of_version_6(authority.certificate))
    with pytest.raises(RevocationError, match="not PEM that can be read"):
        files.read()


def _with_version_6(crl: bytes) -> bytes:
    """Alter the version of a list, for which the library raises an exception that is no ValueError."""
    der = x509.load_pem_x509_crl(crl).public_bytes(serialization.Encoding.DER)
    assert b"\x02\x01\x01" in der
    text = base64.encodebytes(der.replace(b"\x02\x01\x01", b"\x02\x01\x05", 1))
    return b"-----BEGIN X509 CRL-----\n" + text + b"-----END X509 CRL-----\n"
