"""Holds the bureau's signing key and makes JWS signatures with it; the only module that touches a private key.

JWS compact serialisation (RFC 7515) with EdDSA over Ed25519 (RFC 8037). Ed25519 is deterministic: the same bytes under the same
key give the same signature, so a signature lost in a crash is simply made again. RFC 9864's name for the algorithm, `Ed25519`, is
refused for now because banks' stock libraries know `EdDSA`.
"""

import os
import stat
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from services.reports import published_keys
from services.reports.published_keys import PublishedKey

ALGORITHM = "EdDSA"
TYPE = "carbonbureau-report+jws"
VALID_DAYS = 400


# A SHA-256 in base64url. With it header and signature have one length whatever the key.
KEY_ID_CHARACTERS = 43
_HEADER_BYTES = len(f'{{"alg":"{ALGORITHM}","kid":"{KEY_ID_CHARACTERS * "k"}","typ":"{TYPE}"}}')
_SIGNATURE_BYTES = 64


class SigningKeyError(Exception):
    """The signing key cannot be used; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """The private key together with what is published about it."""

    published: PublishedKey
    _key: OKPKey = field(repr=False)

    @property
    def key_id(self) -> str:
        return self.published.key_id

    def sign(self, content: bytes) -> bytes:
        """Return the JWS compact serialisation over exactly `content`. The same content gives the same bytes."""
        header = {"alg": ALGORITHM, "kid": self.key_id, "typ": TYPE}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # the name of the algorithm, see above
            signed = jws.serialize_compact(header, content, self._key, algorithms=[ALGORITHM])
        return signed.encode("ascii")


def signed_bytes(content_bytes: int) -> int:
    """Return how many bytes a signed report has whose content has this many, before it is signed."""
    # Three parts in base64url without padding, and two dots.
    return sum(-(-part * 4 // 3) for part in (_HEADER_BYTES, content_bytes, _SIGNATURE_BYTES)) + 2


def load(*, key_file: Path, published_file: Path, production: bool) -> Signer:
    """Load the signing key and find it among the published ones.

    Raises:
        SigningKeyError: the file is open to others or is no Ed25519 key; the key is not published, so nobody could verify
            with it; or it is a sandbox key and this is production.
    """
    private = _private_key(key_file)
    raw = _raw_public(private)
    try:
        published = published_keys.read(published_file).get(published_keys.thumbprint(raw))
    except published_keys.PublishedKeysError as error:
        raise SigningKeyError(f"published keys: {error}") from error
    if published is None:
        raise SigningKeyError(f"{key_file}: its public key is not in {published_file}; publish it before signing with it")
    if production and published.sandbox:
        raise SigningKeyError(f"{key_file} is a sandbox key; the production profile refuses it")
    return Signer(published=published, _key=OKPKey.import_key(private))


def create(*, key_file: Path, published_file: Path, sandbox: bool, now: datetime, valid_days: int = VALID_DAYS) -> PublishedKey:
    """Make a signing key and publish its public part; with a key file that is there already, only make sure it is published.

    The key file is written first: a crash in between leaves a key that the next call publishes. An existing key keeps the
    validity and the marker it was published with.

    Raises:
        SigningKeyError: the existing file cannot be used.
    """
    _write_new_key(key_file)
    raw = _raw_public(_private_key(key_file))
    # Whole seconds, because that is what nbf holds; a report composed within the same second is inside.
    not_before = now.astimezone(UTC).replace(microsecond=0)
    made = PublishedKey(raw=raw, not_before=not_before, expires_at=not_before + timedelta(days=valid_days), sandbox=sandbox)
    try:
        published_keys.add(published_file, made)
        return published_keys.read(published_file)[made.key_id]
    except published_keys.PublishedKeysError as error:
        raise SigningKeyError(f"published keys: {error}") from error


def _write_new_key(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # A link refuses to replace: of two that make a key at once, one wins and both then use the same.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink(missing_ok=True)


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{path}: {error.strerror}; make one with `python -m services.reports keys create`") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SigningKeyError(f"{path} is open to group or others (mode {stat.S_IMODE(mode):04o}): a signing key is its owner's, chmod 600")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise SigningKeyError(f"{path} is not an unencrypted PKCS#8 key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path} is not an Ed25519 key")
    return key


def _raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
