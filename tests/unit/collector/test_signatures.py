"""A signature is believed when the provider's own key made it, in its time, over exactly these bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.collector import signatures
from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Kind
from services.collector.domain.provider import Provider
from services.collector.domain.signature import Signature, SignatureState
from tests.unit.collector.signing import base64url, signer

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
SIGNER = signer()
FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
PROVIDER = Provider(
    code="verify-sx",
    name="",
    kinds=frozenset(Kind),
    region_prefixes=("14",),
    bases=frozenset(Basis),
    keys=(SIGNER.key(valid_from=FROM, valid_until=UNTIL),),
)
VALUE = b"the exact bytes"


def examined(jws: bytes | None, value: bytes = VALUE, *, provider: Provider = PROVIDER, received_at: datetime = NOW) -> Signature:
    headers = {} if jws is None else {"jws": jws}
    return signatures.examined(headers, value, provider=provider, received_at=received_at)


class TestASoundSignature:
    def test_may_be_made_by_hand_or_by_a_stock_library(self) -> None:
        for jws in (SIGNER.jws(VALUE, at=NOW), SIGNER.jws_by_library(VALUE, at=NOW), SIGNER.jws(VALUE, at=NOW, alg="Ed25519", typ="JOSE")):
            assert examined(jws).state is SignatureState.SOUND

    def test_is_over_any_bytes_also_none(self) -> None:
        for value in (b"", bytes(range(256)) * 1024):
            assert examined(SIGNER.jws(value, at=NOW), value).state is SignatureState.SOUND

    def test_of_a_key_that_has_been_retired_since_still_counts(self) -> None:
        last_day = UNTIL - timedelta(days=1)
        assert examined(SIGNER.jws(VALUE, at=last_day), received_at=UNTIL + timedelta(days=20)).state is SignatureState.SOUND

    def test_is_of_whichever_of_its_keys_a_provider_names(self) -> None:
        newer = signer(2)
        both = replace(PROVIDER, keys=(*PROVIDER.keys, newer.key(valid_from=FROM)))
        for one in (SIGNER, newer):
            assert examined(one.jws(VALUE, at=NOW), provider=both).state is SignatureState.SOUND

    def test_is_none_where_there_is_no_header(self) -> None:
        assert examined(None).state is SignatureState.ABSENT


def _changed(jws: bytes, place: int) -> bytes:
    """Change one character to another one of the alphabet."""
    other = b"A" if jws[place : place + 1] != b"A" else b"B"
    return jws[:place] + other + jws[place + 1 :]


class TestAForgedSignature:
    def test_is_found_whichever_byte_of_the_value_was_changed(self) -> None:
        jws = SIGNER.jws(VALUE, at=NOW)
        for place in range(len(VALUE)):
            value = VALUE[:place] + bytes([VALUE[place] ^ 1]) + VALUE[place + 1 :]
            assert examined(jws, value).state is SignatureState.WRONG

    def test_is_found_whichever_character_of_it_was_changed(self) -> None:
        jws = SIGNER.jws(VALUE, at=NOW)
        for place in range(len(jws)):
            assert examined(_changed(jws, place)).state not in (SignatureState.SOUND, SignatureState.ABSENT), place

    def test_of_a_stranger_who_names_a_key_of_the_provider_is_wrong(self) -> None:
        assert examined(signer(2).jws(VALUE, at=NOW, kid=SIGNER.key_id)).state is SignatureState.WRONG

    def test_that_brings_its_own_key_is_of_an_unknown_key(self) -> None:
        stranger = signer(2)
        own = {"kty": "OKP", "crv": "Ed25519", "x": base64url(stranger.raw)}
        assert examined(stranger.jws(VALUE, at=NOW, jwk=own)).state is SignatureState.KEY_UNKNOWN

    def test_of_another_provider_is_of_an_unknown_key(self) -> None:
        assert examined(SIGNER.jws(VALUE, at=NOW), provider=replace(PROVIDER, keys=())).state is SignatureState.KEY_UNKNOWN


class TestTheTimeOfASignature:
    @pytest.mark.parametrize(
        ("signed_at", "received_at"),
        [
            (FROM - timedelta(seconds=1), FROM + timedelta(days=1)),
            (UNTIL, UNTIL),
            (NOW + timedelta(minutes=6), NOW),
            (NOW - timedelta(days=31, seconds=1), NOW),
        ],
        ids=["before the key", "after the key", "ahead", "long ago"],
    )
    def test_has_to_fit_the_key_and_the_arrival(self, signed_at: datetime, received_at: datetime) -> None:
        assert examined(SIGNER.jws(VALUE, at=signed_at), received_at=received_at).state is SignatureState.NOT_IN_TIME

    def test_may_be_a_little_ahead_of_ours(self) -> None:
        assert examined(SIGNER.jws(VALUE, at=NOW + timedelta(minutes=4))).state is SignatureState.SOUND

    def test_does_not_help_a_stolen_key(self) -> None:
        stolen = replace(PROVIDER, keys=(SIGNER.key(valid_from=FROM, revoked_at=NOW),))
        jws = SIGNER.jws(VALUE, at=NOW - timedelta(days=10))
        assert examined(jws, provider=stolen, received_at=NOW).state is SignatureState.NOT_IN_TIME
        assert examined(jws, provider=stolen, received_at=NOW - timedelta(days=9)).state is SignatureState.SOUND


SOUND = SIGNER.jws(VALUE, at=NOW)


class TestAMalformedSignature:
    @pytest.mark.parametrize(
        ("jws", "says"),
        [
            (b"", "not <header>..<signature>"),
            (b"\xff\xfe..\x00", "not base64url"),
            (SOUND.replace(b"..", b".e30."), "carries a payload"),
            (SOUND + b"=", "not base64url as it is written"),
            (SOUND.partition(b"..")[0] + b".." + base64url(bytes(63)).encode(), "Ed25519 makes 64"),
            (b"A" * 5000, "5000 bytes are more than"),
            (SIGNER.jws(VALUE, at=NOW, alg="none"), "alg is neither EdDSA nor Ed25519"),
            (SIGNER.jws(VALUE, at=NOW, alg="HS256"), "alg is neither"),
            (SIGNER.jws(VALUE, at=NOW, alg=["EdDSA"]), "alg is neither"),
            (SIGNER.jws(VALUE, at=NOW, crit=["b64"], b64=False), "asks for an extension"),
            (SIGNER.jws(VALUE, at=NOW, kid=None), "kid names no key"),
            (SIGNER.jws(VALUE, at=NOW, iat=None), "iat, when it was signed"),
            (SIGNER.jws(VALUE, at=NOW, iat=1e9), "iat, when it was signed"),
            (SIGNER.jws(VALUE, at=NOW, iat=10**30), "iat, when it was signed"),
            (f"{base64url(b'[]')}..{'A' * 86}".encode(), "not a JSON object"),
            (f"{base64url(b'{')}..{'A' * 86}".encode(), "not JSON"),
            (f"{base64url(b'[' * 2000)}..{'A' * 86}".encode(), "not JSON"),
        ],
    )
    def test_is_told_as_what_it_is(self, jws: bytes, says: str) -> None:
        found = examined(jws)
        assert found.state is SignatureState.MALFORMED
        assert says in found.detail

    def test_is_told_in_printable_words_whatever_its_kid_is(self) -> None:
        found = examined(SIGNER.jws(VALUE, at=NOW, kid="\x1b[31m" + "k" * 500))
        assert found.state is SignatureState.KEY_UNKNOWN
        assert found.detail.isprintable()
        assert len(found.detail) < 200

    def test_header_is_written_with_its_members_in_any_order(self) -> None:
        header = base64url(json.dumps({"iat": int(NOW.timestamp()), "kid": SIGNER.key_id, "alg": "EdDSA"}, indent=1).encode())
        signature = SIGNER.private.sign(f"{header}.{base64url(VALUE)}".encode())
        assert examined(f"{header}..{base64url(signature)}".encode()).state is SignatureState.SOUND
