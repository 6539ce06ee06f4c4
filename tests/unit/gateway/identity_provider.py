"""An identity provider for tests: good tokens, and every odd one that an attacker or a slip makes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.unit.gateway.examples import CHANGZHI

ISSUER, AUDIENCE = "https://identity.example", "portal"
ProviderKey = OKPKey | ECKey | RSAKey


def new_key(algorithm: str = "EdDSA") -> ProviderKey:
    match algorithm:
        case "EdDSA":
            return OKPKey.generate_key("Ed25519")
        case "ES256":
            return ECKey.generate_key("P-256")
        case _:
            return RSAKey.generate_key(2048)


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class IdentityProvider:
    """Keys by algorithm, the JWK set that is published of them, and tokens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[str, ProviderKey] = {algorithm: new_key(algorithm) for algorithm in ("EdDSA", "ES256", "RS256")}
        self.publish(*self.keys.values())

    def publish(self, *keys: ProviderKey, **changes: Any) -> None:
        """Write the JWK set of these keys, each with the changes."""
        entries = [{**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", **changes} for key in keys]
        self.path.write_text(json.dumps({"keys": entries}))

    def claims(self, *, without: str | None = None, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        made = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "clerk 7",
            "jti": "token-1",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "role": "enterprise",
            "subject_code": CHANGZHI,
            **changes,
        }
        return {name: value for name, value in made.items() if name != without}

    def token(
        self, algorithm: str = "EdDSA", *, key: ProviderKey | None = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        key = key or self.keys[algorithm]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            made = {"alg": algorithm, "kid": key.thumbprint(), **(header or {})}
            return jwt.encode(made, self.claims(**changes), key, algorithms=[algorithm])

    def unsigned(self, **changes: Any) -> str:
        """Make a token of algorithm `none`, which names a key of ours."""
        return f"{encoded({'alg': 'none', 'kid': self.keys['EdDSA'].thumbprint()})}.{encoded(self.claims(**changes))}."

    def signed_with_the_public_key(self, algorithm: str = "RS256") -> str:
        """Make an HMAC token whose secret is a published key in PEM, the classic confusion."""
        key = self.keys[algorithm]
        secret = key.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = f"{encoded({'alg': 'HS256', 'kid': key.thumbprint()})}.{encoded(self.claims())}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
