"""Decides which key of a provider may have signed what: an Ed25519 public key, when it signs, and the name it goes by.

A retired key stays in the directory: what was signed within its time can be proved for as long as the record is kept.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

RAW_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureKey:
    """A public key of a provider. It signs from `valid_from` up to, but without, `valid_until`.

    `revoked_at` is when the bureau learned that the private key is in other hands: a signature received from then on counts no
    more, whatever time it says of itself.
    """

    raw: bytes
    valid_from: datetime
    valid_until: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def x(self) -> str:
        """Give the key as the member `x` of its JWK (RFC 8037, 2)."""
        return base64url(self.raw)

    @property
    def key_id(self) -> str:
        """Give the name by which a signature tells its key."""
        return thumbprint(self.raw)

    def may_have_signed(self, *, signed_at: datetime, received_at: datetime) -> bool:
        """Tell whether a signature of `signed_at` that was received at `received_at` counts."""
        within = self.valid_from <= signed_at and (self.valid_until is None or signed_at < self.valid_until)
        return within and (self.revoked_at is None or received_at < self.revoked_at)


def thumbprint(raw: bytes) -> str:
    """Give the RFC 7638 thumbprint of an Ed25519 key: SHA-256 over the required members in their one written form."""
    return base64url(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(raw)}"}}'.encode("ascii")).digest())


def base64url(raw: bytes) -> str:
    """Write bytes in base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def raw_key(x: str) -> bytes | None:
    """Read the member `x` of an Ed25519 JWK; None when it is no such key, or is written in another way than the one."""
    try:
        raw = base64.b64decode(x + "=" * (-len(x) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return raw if len(raw) == RAW_BYTES and base64url(raw) == x else None
