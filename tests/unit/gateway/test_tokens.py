"""Signatures of tokens: the key decides the algorithm, the file decides the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey

from services.gateway.domain.caller import TokenFault
from services.gateway.domain.inquiry import Reason
from services.gateway.tokens import TokenKeys, TokenKeysError
from tests.unit.gateway.identity_provider import IdentityProvider, encoded, new_key


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> IdentityProvider:
    return IdentityProvider(tmp_path_factory.mktemp("provider") / "keys.json")


@pytest.fixture(scope="module")
def keys(provider: IdentityProvider) -> TokenKeys:
    return TokenKeys(provider.path, production=True)


@pytest.fixture
def own(provider: IdentityProvider, tmp_path: Path) -> IdentityProvider:
    """A provider whose file a test may change; its keys are those of the others."""
    made = IdentityProvider.__new__(IdentityProvider)
    made.path, made.keys = tmp_path / "keys.json", provider.keys
    made.publish(*made.keys.values())
    return made


def part(found: object) -> str | None:
    assert isinstance(found, TokenFault), f"accepted: {found}"
    assert found.reason is Reason.TOKEN_INVALID
    return found.part


class TestClaimsOf:
    @pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
    def test_reads_what_a_key_of_the_provider_signed(self, provider: IdentityProvider, keys: TokenKeys, algorithm: str) -> None:
        found = keys.claims_of(provider.token(algorithm, sub="clerk 9"))
        assert not isinstance(found, TokenFault)
        assert found["sub"] == "clerk 9"

    def test_refuses_algorithm_none(self, provider: IdentityProvider, keys: TokenKeys) -> None:
        assert part(keys.claims_of(provider.unsigned())) == "alg"

    @pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
    def test_refuses_an_hmac_with_a_public_key_for_its_secret(self, provider: IdentityProvider, keys: TokenKeys, algorithm: str) -> None:
        assert part(keys.claims_of(provider.signed_with_the_public_key(algorithm))) == "alg"

    @pytest.mark.parametrize("algorithm", ["PS256", "RS512"])
    def test_refuses_other_algorithms_of_a_key_that_is_ours(self, provider: IdentityProvider, keys: TokenKeys, algorithm: str) -> None:
        assert part(keys.claims_of(provider.token(algorithm, key=provider.keys["RS256"]))) == "alg"

    def test_refuses_the_algorithm_of_another_of_our_keys(self, provider: IdentityProvider, keys: TokenKeys) -> None:
        crossed = provider.token("ES256", header={"kid": provider.keys["RS256"].thumbprint()})
        assert part(keys.claims_of(crossed)) == "alg"

    def test_refuses_a_stranger_s_key_under_any_name(self, provider: IdentityProvider, keys: TokenKeys) -> None:
        stranger = new_key()
        assert part(keys.claims_of(provider.token(key=stranger))) == "kid"
        assert part(keys.claims_of(provider.token(key=stranger, header={"kid": provider.keys["EdDSA"].thumbprint()}))) == "signature"

    def test_takes_no_key_that_the_token_brings_or_points_to(self, provider: IdentityProvider, keys: TokenKeys) -> None:
        stranger = new_key()
        for header in ({"jwk": stranger.as_dict(private=False)}, {"jku": "https://attacker.example/keys.json"}):
            assert part(keys.claims_of(provider.token(key=stranger, header=header))) == "kid"

    @pytest.mark.parametrize(
        "header", [{"typ": "carbonbureau-report+jws"}, {"typ": 5}, {"crit": ["exp"], "exp": 1}, {"kid": None}, {"kid": 7}]
    )
    def test_refuses_odd_headers(self, provider: IdentityProvider, keys: TokenKeys, header: dict[str, Any]) -> None:
        plain = f"{encoded({'alg': 'EdDSA', 'kid': provider.keys['EdDSA'].thumbprint(), **header})}.{encoded(provider.claims())}"
        signature = provider.keys["EdDSA"].private_key.sign(plain.encode())  # type: ignore[union-attr, call-arg]
        assert part(keys.claims_of(f"{plain}.{encoded(signature)}")) in ("form", "kid", "typ")

    def test_refuses_a_token_in_which_a_character_changed(self, provider: IdentityProvider, keys: TokenKeys) -> None:
        header, claims, signature = provider.token().split(".")
        forged = encoded({**provider.claims(), "role": "supervisor"})
        assert part(keys.claims_of(f"{header}.{forged}.{signature}")) == "signature"
        assert part(keys.claims_of(f"{header}.{claims}.")) == "signature"
        assert part(keys.claims_of(f"{header}.{claims}")) == "form"

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "ä.b.c", "x" * 5000, "e30.e30.e30", encoded(b"[" * 3000) + ".e30.e30"])
    def test_refuses_what_is_no_token(self, keys: TokenKeys, token: str) -> None:
        assert part(keys.claims_of(token)) == "form"

    @pytest.mark.parametrize("claims", [b"[]", b"5", b"not JSON", b"\xff"])
    def test_refuses_claims_that_are_no_object_though_signed(self, provider: IdentityProvider, keys: TokenKeys, claims: bytes) -> None:
        plain = f"{encoded({'alg': 'EdDSA', 'kid': provider.keys['EdDSA'].thumbprint()})}.{encoded(claims)}"
        signature = provider.keys["EdDSA"].private_key.sign(plain.encode())  # type: ignore[union-attr, call-arg]
        assert part(keys.claims_of(f"{plain}.{encoded(signature)}")) == "form"

    @given(st.one_of(st.text(max_size=60), st.builds(".".join, st.lists(st.binary(max_size=40).map(encoded), min_size=3, max_size=3))))
    def test_never_raises(self, keys: TokenKeys, token: str) -> None:
        assert isinstance(keys.claims_of(token), TokenFault)


class TestFile:
    def test_takes_up_a_new_key_and_lets_go_of_the_old(self, own: IdentityProvider) -> None:
        keys, new = TokenKeys(own.path, production=True), new_key()
        before, after = own.token(), own.token(key=new)
        own.publish(own.keys["EdDSA"], new)
        assert keys.reload_if_changed()
        assert not isinstance(keys.claims_of(before), TokenFault)
        assert not isinstance(keys.claims_of(after), TokenFault)
        own.publish(new)
        assert keys.reload_if_changed()
        assert part(keys.claims_of(before)) == "kid"
        assert not isinstance(keys.claims_of(after), TokenFault)

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"keys": {}}', '{"keys": [5]}', '{"keys": []}', '{"keys": [{"kty": "OKP", "crv": "Ed25519"}]}', "[" * 20_000],
    )
    def test_keeps_the_old_keys_while_the_new_cannot_be_used(
        self, own: IdentityProvider, text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        keys = TokenKeys(own.path, production=True)
        own.path.write_text(text)
        assert not keys.reload_if_changed()
        assert any(getattr(record, "event", None) == "token-keys-refused" for record in caplog.records)
        assert not isinstance(keys.claims_of(own.token()), TokenFault)
        with pytest.raises(TokenKeysError):
            TokenKeys(own.path, production=True)

    @pytest.mark.parametrize("key", [OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-256"), OctKey.generate_key(256)])
    def test_refuses_a_key_that_is_no_public_one(self, own: IdentityProvider, key: OKPKey | ECKey | OctKey) -> None:
        own.path.write_text(json.dumps({"keys": [{**key.as_dict(private=True), "kid": "1"}]}))
        with pytest.raises(TokenKeysError, match="retire it at once"):
            TokenKeys(own.path, production=False)

    def test_refuses_a_short_rsa_key(self, own: IdentityProvider) -> None:
        own.path.write_text(json.dumps({"keys": [{**_short_rsa(), "kid": "1"}]}))
        with pytest.warns(SecurityWarning), pytest.raises(TokenKeysError, match="2048"):
            TokenKeys(own.path, production=False)

    def test_refuses_two_keys_of_one_name(self, own: IdentityProvider) -> None:
        own.publish(*own.keys.values(), kid="one")
        with pytest.raises(TokenKeysError, match="kid of its own"):
            TokenKeys(own.path, production=False)

    def test_refuses_the_sandbox_s_keys_in_production_only(self, own: IdentityProvider) -> None:
        own.publish(*own.keys.values(), sandbox=True)
        TokenKeys(own.path, production=False)
        with pytest.raises(TokenKeysError, match="sandbox"):
            TokenKeys(own.path, production=True)

    def test_passes_over_keys_for_other_purposes(self, own: IdentityProvider) -> None:
        entry = own.keys["RS256"].as_dict(private=False)
        others = [
            {**entry, "kid": "1", "use": "enc"},
            {**entry, "kid": "2", "alg": "RS512"},
            {"kty": "AKP", "kid": "3"},
            {**ECKey.generate_key("P-521").as_dict(private=False), "kid": "4"},
        ]
        good = {**own.keys["EdDSA"].as_dict(private=False), "kid": own.keys["EdDSA"].thumbprint()}
        own.path.write_text(json.dumps({"keys": [*others, good]}))
        keys = TokenKeys(own.path, production=True)
        assert not isinstance(keys.claims_of(own.token()), TokenFault)
        assert part(keys.claims_of(own.token("RS256", header={"kid": "1"}))) == "kid"


def _short_rsa() -> dict[str, Any]:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    return {"kty": "RSA", "n": encoded(numbers.n.to_bytes(128, "big")), "e": "AQAB"}
