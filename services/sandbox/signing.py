"""Signs the records of the providers that have to: a detached JWS (RFC 7515, appendix F) with Ed25519 over the exact bytes.

The key is the example of RFC 8037, appendix A.1: its private part is in every copy of the RFC, so it binds nobody, and the collector's
production profile refuses it.
"""

import base64
import hashlib
import json
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HEADER = "jws"
# Whose entries in deploy/local/providers.toml ask for a signature.
SIGNERS = frozenset({"verify-sx"})
_PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"


def jws(value: bytes, *, at: datetime) -> bytes:
    """Sign the bytes of a record as they are sent."""
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(_PRIVATE + "="))
    x = _base64url(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    header = {"alg": "EdDSA", "kid": _base64url(hashlib.sha256(members.encode("ascii")).digest()), "iat": int(at.timestamp())}
    protected = _base64url(json.dumps(header).encode("ascii"))
    signature = key.sign(f"{protected}.{_base64url(value)}".encode("ascii"))
    return f"{protected}..{_base64url(signature)}".encode("ascii")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
