"""Signs records as a provider would, with a library of its own choice; independent of the code that verifies."""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from services.collector.domain.signature_key import SignatureKey


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key pair of a provider."""

    private: Ed25519PrivateKey

    @property
    def raw(self) -> bytes:
        return self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": base64url(self.raw)}).thumbprint()

    def key(self, **times: datetime) -> SignatureKey:
        """Give the entry of the directory for this key."""
        return SignatureKey(raw=self.raw, **times)

    def jws(self, value: bytes, *, at: datetime, **more: object) -> bytes:
        """Sign by hand: header and payload in base64url, the payload left out (RFC 7515, appendix F)."""
        header = {"alg": "EdDSA", "kid": self.key_id, "iat": int(at.timestamp()), **more}
        protected = base64url(json.dumps({name: one for name, one in header.items() if one is not None}).encode())
        return f"{protected}..{base64url(self.private.sign(f'{protected}.{base64url(value)}'.encode()))}".encode()

    def jws_by_library(self, value: bytes, *, at: datetime) -> bytes:
        """Sign as a stock library does."""
        header = {"alg": "EdDSA", "kid": self.key_id, "iat": int(at.timestamp())}
        registry = jws.JWSRegistry(algorithms=["EdDSA"], strict_check_header=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            pem = self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            compact = jws.serialize_compact(header, value, OKPKey.import_key(pem), registry=registry)
        return jws.detach_content(compact).encode()


def signer(number: int = 1) -> Signer:
    """Give a key pair, the same for the same number."""
    return Signer(private=Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
