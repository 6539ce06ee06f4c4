"""Knows which client certificates were revoked: the CRLs of one PEM file (RFC 5280, section 5), read again on change.

gRPC's Python binding checks no CRL at the handshake, and a connection outlives one anyway, so every call asks here. The file is taken as a
whole or not at all: each list must be signed by an authority of CLIENT_CA_FILE, not be of the future and no older than any taken
before, and no authority that is still trusted may lose its list. While a changed file is of no use the old lists hold, and an
alarm says so; they count until their nextUpdate. What was taken before is remembered by this process only.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from services.common.clock import Clock
from services.gateway import metrics
from services.gateway.domain.certificate import Revocation
from services.gateway.files import WatchedFiles
from services.gateway.identity import UNREADABLE

_log = logging.getLogger(__name__)

_PEM_END = b"-----END X509 CRL-----"
# A leaf, intermediates, a root: no honest chain is longer, and authorities that certify each other must not go round for ever.
_CHAIN_MAX = 5
# How far the clock of an authority may be before ours.
_CLOCKS_APART_MAX = timedelta(minutes=5)


class RevocationError(Exception):
    """The lists cannot be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class _List:
    """The list of one authority: the serial numbers it has revoked."""

    authority: x509.Certificate
    serials: frozenset[int]
    this_update: datetime
    next_update: datetime


class Revocations:
    """The lists as the file has them; without a file nothing is known. `_lists` is replaced as a whole."""

    def __init__(self, *, crl_file: Path | None, client_ca_file: Path, must_be_known: bool, clock: Clock) -> None:
        """Read the file, if there is one. Raises `RevocationError` when it cannot be used."""
        self.must_be_known = must_be_known
        self._crl_file, self._client_ca_file, self._clock = crl_file, client_ca_file, clock
        self._files = WatchedFiles(client_ca_file, *((crl_file,) if crl_file else ()))
        self._lists: Mapping[bytes, _List] = {}
        # The thisUpdate of the newest list ever taken of each authority, also of one that has left CLIENT_CA_FILE and may come back.
        self._newest: dict[bytes, datetime] = {}
        self._past = False
        if crl_file is not None:
            self._take(crl_file)
            self._tell_when_past()

    def state_of(self, certificate: x509.Certificate) -> Revocation:
        """Say whether a certificate, or an authority between it and a root of CLIENT_CA_FILE, was revoked."""
        lists, now = self._lists, self._clock.now()
        state = Revocation.GOOD
        for _ in range(_CHAIN_MAX):
            issuer = next((one for one in lists.values() if _issued(one.authority, certificate)), None)
            if issuer is None:
                return Revocation.UNKNOWN
            if certificate.serial_number in issuer.serials:
                return Revocation.REVOKED
            if now >= issuer.next_update:
                state = Revocation.UNKNOWN
            certificate = issuer.authority
            if certificate.issuer == certificate.subject:
                return state
        return Revocation.UNKNOWN

    def reload_if_changed(self) -> bool:
        """Read the lists again if their file or the authorities' is not as it was; return whether others hold now."""
        if self._crl_file is None:
            return False
        taken = self._files.changed() and self._retake(self._crl_file)
        self._tell_when_past()
        return taken

    def _retake(self, crl_file: Path) -> bool:
        try:
            self._take(crl_file)
        except RevocationError as error:
            if self._files.failed(error):
                metrics.REVOCATION_RELOAD_FAILED.add(1)
                _log.error("the changed revocation lists are not used: %s", error, extra={"event": "revocation-refused"})
            return False
        return True

    def _take(self, crl_file: Path) -> None:
        try:
            pem, authorities = crl_file.read_bytes(), x509.load_pem_x509_certificates(self._client_ca_file.read_bytes())
        except OSError as error:
            raise RevocationError(f"{error.filename}: {error.strerror}") from error
        except UNREADABLE as error:
            raise RevocationError(f"{self._client_ca_file}: not PEM that can be read: {error}") from error
        found = _lists_of(pem, authorities)
        self._refuse_a_step_back(found, authorities)
        self._lists = found
        self._newest |= {key: one.this_update for key, one in found.items()}
        metrics.REVOCATION_NEXT_UPDATE.set(self._next_update().timestamp())
        revoked = sum(len(one.serials) for one in found.values())
        _log.info("revocation lists read", extra={"event": "revocation-read", "lists": len(found), "revoked": revoked})

    def _refuse_a_step_back(self, found: Mapping[bytes, _List], authorities: Sequence[x509.Certificate]) -> None:
        """Raise `RevocationError` for lists that would bring somebody back to life, or keep the true ones out."""
        now = self._clock.now()
        for key, one in found.items():
            name = one.authority.subject.rfc4514_string()
            if one.this_update > now + _CLOCKS_APART_MAX:
                raise RevocationError(f"the list of {name} is of the future")
            if key in self._newest and one.this_update < self._newest[key]:
                raise RevocationError(f"the list of {name} is older than the one in use")
        trusted = {_key_of(authority) for authority in authorities}
        for key, one in self._lists.items():
            if key in trusted and key not in found:
                raise RevocationError(
                    f"the list of {one.authority.subject.rfc4514_string()} is missing, and the authority is still trusted"
                )

    def _next_update(self) -> datetime:
        return min(one.next_update for one in self._lists.values())

    def _tell_when_past(self) -> None:
        """Say once that a list has outlived its nextUpdate, and again after it was renewed and that one ends."""
        before, self._past = self._past, self._clock.now() >= self._next_update()
        if self._past and not before:
            meaning = "calls are refused" if self.must_be_known else "calls are answered all the same, because this is the sandbox"
            _log.error("a revocation list is past its nextUpdate: %s", meaning, extra={"event": "revocation-past"})


def _lists_of(pem: bytes, authorities: Sequence[x509.Certificate]) -> dict[bytes, _List]:
    """Read every list of a file, each under its authority's public key. Raises `RevocationError` for the first that is of no use."""
    try:
        crls = [x509.load_pem_x509_crl(part + _PEM_END) for part in pem.split(_PEM_END)[:-1]]
        found = [_list_of(crl, authorities) for crl in crls]
    except UNREADABLE as error:
        raise RevocationError(f"no X.509 CRL that can be read: {error}") from error
    lists = {_public(one.authority.public_key()): one for one in found}
    if not found or len(lists) < len(found):
        raise RevocationError("no X.509 CRL in PEM" if not found else "two lists of one authority")
    return lists


def _list_of(crl: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]) -> _List:
    name = crl.issuer.rfc4514_string()
    authority = next((one for one in authorities if one.subject == crl.issuer and _signed(one, crl)), None)
    if authority is None:
        raise RevocationError(f"the list of {name} is signed by no authority of CLIENT_CA_FILE that may sign lists")
    # Deltas, lists of some reasons only, lists in another authority's name: all say so in critical extensions, which must be
    # understood or the list not used (RFC 5280, sections 5.2 and 5.3). Such a list would be taken for a whole one here.
    if any(extension.critical for entry in (crl, *crl) for extension in entry.extensions):
        raise RevocationError(f"the list of {name} has a critical extension")
    if crl.next_update_utc is None:
        raise RevocationError(f"the list of {name} has no nextUpdate")
    serials = frozenset(entry.serial_number for entry in crl)
    return _List(authority=authority, serials=serials, this_update=crl.last_update_utc, next_update=crl.next_update_utc)


def _signed(authority: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    try:
        may_sign = authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        may_sign = True
    key = authority.public_key()
    try:
        return may_sign and crl.is_signature_valid(key)  # type: ignore[arg-type]  # keys that cannot sign are refused by a TypeError
    except (TypeError, UnsupportedAlgorithm):
        return False


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Tell whether an authority issued a certificate: by name, and by signature, since two authorities may bear one name."""
    if authority.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _key_of(authority: x509.Certificate) -> bytes | None:
    """Return an authority's public key; None for one of a kind that the library does not know, which has no list here."""
    try:
        return _public(authority.public_key())
    except UNREADABLE:
        return None


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
