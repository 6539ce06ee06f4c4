"""Makes the certificates of one machine: a sandbox authority, the gateway's and the broker's own, one per subscriber for mTLS.

They say "sandbox" in their names and live for the state directory only. A certificate is made again when it nears its end or when
its authority is gone. The odd ones that tests need (expired, two of our URIs, none) come from `issue` too.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.state import LOOPBACK, State, write_atomically

ORGANISATION = "Carbon bureau sandbox"
SUBSCRIBER_URI = "carbonbureau://subscriber/"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
REVOCATION_LIST_DAYS = 365
RENEW_BEFORE = datetime.timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, both PEM; the key is readable by its owner only."""

    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, kw_only=True)
class Authority:
    """The sandbox authority: whoever holds its key can make subscribers, so it stays in the state directory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def authority_file(state: State) -> Path:
    """Give the authority's certificate, the one that the gateway and its clients trust."""
    authority(state)
    return _pair(state, "authority").certificate_file


def authority(state: State) -> Authority:
    """Give the sandbox authority, made on first use."""
    pair = _pair(state, "authority")
    if not (pair.certificate_file.exists() and pair.key_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("sandbox authority")
        now = _now()
        certificate = (
            _builder(subject=name, issuer=name, key=key, not_before=now, not_after=now + datetime.timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(pair, certificate, key)
    key_read = serialization.load_pem_private_key(pair.key_file.read_bytes(), password=None)
    assert isinstance(key_read, ec.EllipticCurvePrivateKey)
    return Authority(certificate=x509.load_pem_x509_certificate(pair.certificate_file.read_bytes()), key=key_read)


def revocation_list_file(state: State) -> Path:
    """Give the authority's revocation list (CRL), empty until `revoke` is used; made again when it nears its end."""
    file = state.tls / "authority.crl.pem"
    revoked = _revoked(file, authority(state))
    if revoked is None:
        _write_revocation_list(file, authority(state), ())
    elif revoked.next_update_utc is None or revoked.next_update_utc - RENEW_BEFORE <= _now():
        _write_revocation_list(file, authority(state), tuple(revoked))
    return file


def revoke(state: State, pair: KeyPair) -> None:
    """Put a certificate on the authority's revocation list."""
    file = revocation_list_file(state)
    certificate = x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(_now()).build()
    _write_revocation_list(file, authority(state), (*(_revoked(file, authority(state)) or ()), entry))


def _revoked(file: Path, issuer: Authority) -> x509.CertificateRevocationList | None:
    """Give the list made earlier if our authority signed it."""
    try:
        found = x509.load_pem_x509_crl(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.is_signature_valid(issuer.key.public_key()) else None


def _write_revocation_list(file: Path, issuer: Authority, entries: Sequence[x509.RevokedCertificate]) -> None:
    write_atomically(file, revocation_list(issuer, entries=entries).decode(), mode=0o644)


def revocation_list(
    issuer: Authority, *, entries: Sequence[x509.RevokedCertificate] = (), next_update: datetime.datetime | None = None
) -> bytes:
    """Make a revocation list of an authority, PEM; tests give it a `next_update` that is past."""
    now = datetime.datetime.now(datetime.UTC)
    next_update = next_update or now + datetime.timedelta(days=REVOCATION_LIST_DAYS)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(min(now, next_update - datetime.timedelta(seconds=1)))
        .next_update(next_update)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(time.time_ns() // 1000), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def gateway(state: State) -> KeyPair:
    """Give the gateway's server certificate, valid for `localhost` and the loopback address."""
    return _server(state, "gateway")


def broker(state: State) -> KeyPair:
    """Give the certificate of the broker's listener for providers, valid for `localhost` and the loopback address."""
    return _server(state, "kafka")


def new_broker(state: State) -> KeyPair:
    """Make the broker a new certificate with a new key, whatever life the old one has left."""
    pair = _pair(state, "kafka")
    pair.certificate_file.unlink(missing_ok=True)
    return broker(state)


def _server(state: State, name: str) -> KeyPair:
    pair = _pair(state, name)
    if not _usable(state, pair):
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
        _issue(authority(state), pair, common_name=name, names=names, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return pair


def subscriber(state: State, code: str) -> KeyPair:
    """Give the client certificate of one subscriber: its identity is the single URI `carbonbureau://subscriber/<code>`."""
    pair = _pair(state, f"subscriber-{code}")
    if not _usable(state, pair):
        issue(state, f"subscriber-{code}", uris=[f"{SUBSCRIBER_URI}{code}"])
    return pair


def issue(
    state: State,
    name: str,
    *,
    uris: Sequence[str],
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
    issuer: Authority | None = None,
) -> KeyPair:
    """Make a client certificate with any URIs, any life and any issuer, under `name` in the state directory; replaces that name's."""
    pair = _pair(state, name)
    _issue(
        issuer or authority(state),
        pair,
        common_name=name,
        names=[x509.UniformResourceIdentifier(uri) for uri in uris],
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        not_before=not_before,
        not_after=not_after,
    )
    return pair


def _issue(
    issuer: Authority,
    pair: KeyPair,
    *,
    common_name: str,
    names: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    not_before = not_before or _now()
    builder = (
        _builder(
            subject=_name(common_name),
            issuer=issuer.certificate.subject,
            key=key,
            not_before=not_before,
            not_after=not_after or not_before + datetime.timedelta(days=LEAF_DAYS),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(pair, builder.sign(issuer.key, hashes.SHA256()), key)


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _usable(state: State, pair: KeyPair) -> bool:
    """Tell whether a certificate made earlier still serves: it exists, our authority signed it, its end is not near."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())
        certificate.verify_directly_issued_by(authority(state).certificate)
    except Exception:  # whatever is wrong with a sandbox certificate, a new one is the answer
        return False
    return pair.key_file.exists() and certificate.not_valid_after_utc - RENEW_BEFORE > _now()


def _write(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write the key first: a crash between the two leaves a pair that is made again, since its certificate is missing or older."""
    pair.certificate_file.unlink(missing_ok=True)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(pair.key_file, private.decode(), mode=0o600)
    write_atomically(pair.certificate_file, certificate.public_bytes(serialization.Encoding.PEM).decode(), mode=0o644)


def _pair(state: State, name: str) -> KeyPair:
    return KeyPair(certificate_file=state.tls / f"{name}.pem", key_file=state.tls / f"{name}.key")


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]
    )


def _now() -> datetime.datetime:
    """Give the time, five minutes back, so that a client whose clock lags a little accepts a fresh certificate."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
