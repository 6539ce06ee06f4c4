"""Plays the bureau's identity provider: short-lived tokens (JWT, RFC 7519) for enterprises, the reviewer and the supervisor.

A real provider asks who is there; this one gives a token to whoever holds its key.
"""

import warnings
from datetime import datetime, timedelta

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from services.common.identifiers import Ids
from services.sandbox.settings import TokenAccess

ROLES = ("enterprise", "reviewer", "supervisor")
LIFETIME = timedelta(minutes=15)


def token(access: TokenAccess, *, role: str, subject_code: str | None, now: datetime, ids: Ids) -> str:
    """Make a token for the portal that ends in 15 minutes; an enterprise's names its own code."""
    key = OKPKey.import_key(access.key_file.read_bytes())
    issued = int(now.timestamp())
    claims = {
        "iss": access.issuer,
        "aud": access.audience,
        "sub": f"{role}-{subject_code}" if subject_code else role,
        "jti": str(ids.new()),
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "role": role,
    }
    if subject_code is not None:
        claims["subject_code"] = subject_code
    header = {"alg": "EdDSA", "kid": key.thumbprint()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has got another name (RFC 9864), which few providers use yet
        return jwt.encode(header, claims, key, algorithms=["EdDSA"])
