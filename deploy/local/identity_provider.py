"""Makes the key pair with which the sandbox plays the bureau's identity provider, and the JWK set (RFC 7517) that the gateway reads.

The set marks its key as the sandbox's, so that the production profile refuses it. Whoever holds the private key can be any enterprise, the
reviewer and the supervisor, so it stays in the state directory, readable by its owner only.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from deploy.local.state import State, write_atomically

ISSUER = "https://identity.sandbox.invalid"
AUDIENCE = "carbonbureau-portal"


def key_file(state: State) -> Path:
    """Give the private key (Ed25519, PEM), made on first use."""
    path = state.keys / "identity-provider.pem"
    if not path.exists():
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomically(path, private.decode(), mode=0o600)
    return path


def token_keys_file(state: State) -> Path:
    """Give the JWK set with the public key, made again when it is not that of the private one."""
    path = state.keys / "token-keys.json"
    key = OKPKey.import_key(key_file(state).read_bytes())
    entry = {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": "EdDSA", "sandbox": True}
    text = json.dumps({"keys": [entry]}, indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        write_atomically(path, text, mode=0o644)
    return path
