"""Tokens of the identity provider that the sandbox plays."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from services.common.identifiers import RandomIds
from services.common.settings import SettingsError
from services.sandbox.__main__ import main
from services.sandbox.identity_provider import token
from services.sandbox.settings import SandboxSettings, TokenAccess

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
CODE = "91140400DEBBPY1YXR"


@pytest.fixture
def access(tmp_path: Path) -> TokenAccess:
    key_file = tmp_path / "key.pem"
    key_file.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return TokenAccess(key_file=key_file, issuer="https://identity.example", audience="portal")


def read(made: str, access: TokenAccess) -> jwt.Token:
    with pytest.warns(SecurityWarning, match="RFC 9864"):
        return jwt.decode(made, OKPKey.import_key(access.key_file.read_bytes()), algorithms=["EdDSA"])


class TestToken:
    def test_names_the_enterprise_and_ends_in_a_quarter_of_an_hour(self, access: TokenAccess) -> None:
        found = read(token(access, role="enterprise", subject_code=CODE, now=NOW, ids=RandomIds()), access)
        claims = found.claims
        assert (claims["role"], claims["subject_code"]) == ("enterprise", CODE)
        assert (claims["iss"], claims["aud"]) == ("https://identity.example", "portal")
        assert (claims["iat"], claims["exp"]) == (NOW.timestamp(), NOW.timestamp() + 900)
        assert uuid.UUID(claims["jti"])
        assert found.header["kid"] == OKPKey.import_key(access.key_file.read_bytes()).thumbprint()

    def test_gives_the_bureau_s_people_no_code(self, access: TokenAccess) -> None:
        assert "subject_code" not in read(token(access, role="reviewer", subject_code=None, now=NOW, ids=RandomIds()), access).claims


class TestCommand:
    @pytest.mark.parametrize(
        "arguments", [["token"], ["token", "--role", "enterprise"], ["token", "--role", "reviewer", "--subject", CODE]]
    )
    def test_is_told_who_the_token_is_for(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == 2

    def test_names_the_settings_that_are_missing(self) -> None:
        with pytest.raises(SettingsError, match="TOKEN_KEY_FILE"):
            SandboxSettings().tokens()
