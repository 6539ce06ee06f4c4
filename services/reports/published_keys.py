"""Reads and writes the bureau's published keys: a JWK set (RFC 7517) of Ed25519 public keys (RFC 8037), each with its validity.

All that a verifier needs, retired keys included: a key that leaves the file takes the proof of its reports with it. `nbf` and
`exp` bound the instants at which a report may have been composed; `sandbox` marks keys that bind nobody.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SCHEMA_ID = "carbonbureau.published-keys/1"
_RAW_KEY_BYTES = 32


class PublishedKeysError(ValueError):
    """The file cannot be used as published keys; the text says why."""


@dataclass(frozen=True, kw_only=True)
class PublishedKey:
    """One public key. It may have signed reports composed from `not_before` up to, but without, `expires_at`."""

    raw: bytes
    not_before: datetime
    expires_at: datetime
    sandbox: bool

    def __post_init__(self) -> None:
        if self.not_before >= self.expires_at:
            raise PublishedKeysError("a key expires after it becomes valid")

    @property
    def key_id(self) -> str:
        return thumbprint(self.raw)

    def valid_at(self, instant: datetime) -> bool:
        """Tell whether a report composed at `instant` may carry this key's signature."""
        return self.not_before <= instant < self.expires_at

    def verifies(self, *, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is this key's over exactly `message` (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def thumbprint(raw: bytes) -> str:
    """Return the RFC 7638 thumbprint of an Ed25519 public key: SHA-256 over its required members in their one written form."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64url(raw)}"}}'
    return _base64url(hashlib.sha256(members.encode("ascii")).digest())


def read(path: Path) -> dict[str, PublishedKey]:
    """Read the published keys by key id.

    Raises:
        PublishedKeysError: the file is missing, is not a JWK set of ours, or holds a key under an id that is not its thumbprint.
    """
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise PublishedKeysError(f"{path}: {error.strerror}") from error
    except PublishedKeysError as error:
        raise PublishedKeysError(f"{path}: {error}") from error


def parse(text: bytes) -> dict[str, PublishedKey]:
    """Read published keys from the bytes of their file. Raises `PublishedKeysError` as `read` does."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PublishedKeysError("not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise PublishedKeysError("not a JWK set: no list of keys")
    keys: dict[str, PublishedKey] = {}
    for entry in document["keys"]:
        key = _key(entry)
        if key.key_id in keys:
            raise PublishedKeysError(f"key {key.key_id} stands in it twice")
        keys[key.key_id] = key
    return keys


def add(path: Path, key: PublishedKey) -> bool:
    """Publish one more key beside those of the file; return whether it was new. A key that is published stays as it is."""
    keys = read(path) if path.exists() else {}
    if key.key_id in keys:
        return False
    keys[key.key_id] = key
    document = {"schema": SCHEMA_ID, "keys": [_entry(one) for one in keys.values()]}
    _replace(path, json.dumps(document, indent=2).encode("ascii") + b"\n")
    return True


def _key(entry: Any) -> PublishedKey:
    if not isinstance(entry, Mapping) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
        raise PublishedKeysError("a key is not an Ed25519 key")
    if "d" in entry:
        raise PublishedKeysError("a PRIVATE key was published: retire it at once")
    if not isinstance(entry.get("x"), str) or not isinstance(entry.get("sandbox", False), bool):
        raise PublishedKeysError("a key has members of the wrong type")
    try:
        raw = base64.urlsafe_b64decode(entry["x"] + "=" * (-len(entry["x"]) % 4))
    except ValueError as error:
        raise PublishedKeysError("a key is not base64url") from error
    if len(raw) != _RAW_KEY_BYTES:
        raise PublishedKeysError("a key is not of 32 bytes")
    key = PublishedKey(
        raw=raw, not_before=_instant(entry, "nbf"), expires_at=_instant(entry, "exp"), sandbox=bool(entry.get("sandbox", False))
    )
    if entry.get("kid") != key.key_id:
        raise PublishedKeysError(f"kid {entry.get('kid')!r} is not the thumbprint of its key ({key.key_id})")
    return key


def _entry(key: PublishedKey) -> dict[str, Any]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _base64url(key.raw),
        "kid": key.key_id,
        "use": "sig",
        "alg": "EdDSA",
        "nbf": int(key.not_before.timestamp()),
        "exp": int(key.expires_at.timestamp()),
        "sandbox": key.sandbox,
    }


def _instant(entry: Mapping[str, Any], name: str) -> datetime:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**33:
        raise PublishedKeysError(f"{name} is not a number of seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _replace(path: Path, content: bytes) -> None:
    """Replace a public file as a whole: a reader, or a crash, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
