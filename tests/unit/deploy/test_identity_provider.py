"""The key of the identity provider that the sandbox plays."""

import json

from deploy.local import identity_provider
from services.gateway.tokens import TokenKeys


class TestTokenKeysFile:
    def test_holds_the_public_key_marked_as_the_sandbox_s(self, state):
        (key,) = json.loads(identity_provider.token_keys_file(state).read_text())["keys"]
        assert (key["kty"], key["crv"], key["alg"], key["use"], key["sandbox"]) == ("OKP", "Ed25519", "EdDSA", "sig", True)
        assert "d" not in key

    def test_is_one_that_the_gateway_takes(self, state):
        TokenKeys(identity_provider.token_keys_file(state), production=False)

    def test_stays_with_its_key_and_follows_a_new_one(self, state):
        before = identity_provider.token_keys_file(state).read_bytes()
        assert identity_provider.token_keys_file(state).read_bytes() == before
        identity_provider.key_file(state).unlink()
        assert identity_provider.token_keys_file(state).read_bytes() != before

    def test_keeps_the_private_key_from_others(self, state):
        assert identity_provider.key_file(state).stat().st_mode & 0o077 == 0
