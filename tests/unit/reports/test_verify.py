"""Attacks on the verifier: whatever is done to a report, it must fail and say where."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.reports import wire
from services.reports.domain.report import Issuer, KeyProfile, compose
from services.reports.domain.revision import Place, Predecessor
from services.reports.published_keys import PublishedKey
from services.reports.verify import REPORT_BYTES_MAX, Outcome, Verification, verify
from tests.unit.reports.examples import COMPOSED_AT, assessment_made

TYPE = "carbonbureau-report+jws"
# The order of the group of Ed25519 (RFC 8032, section 5.1): adding it to S gives another encoding of the same signature.
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair of the test, signing by nothing but `cryptography`, so that any header and payload can be signed."""

    private: Ed25519PrivateKey
    published: PublishedKey

    def sign(self, payload: bytes, header: Mapping[str, object] | bytes | None = None) -> bytes:
        if header is None:
            header = {"alg": "EdDSA", "kid": self.published.key_id, "typ": TYPE}
        head = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
        message = encoded(head) + b"." + encoded(payload)
        return message + b"." + encoded(self.private.sign(message))


def make_key(seed: bytes, *, sandbox: bool = True, not_before: datetime | None = None) -> Key:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    start = not_before or COMPOSED_AT - timedelta(days=1)
    return Key(private=private, published=PublishedKey(raw=raw, not_before=start, expires_at=start + timedelta(days=10), sandbox=sandbox))


def encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


BUREAU, OTHER = make_key(b"bureau"), make_key(b"other")
KEYS = {BUREAU.published.key_id: BUREAU.published}


@cache
def content(*, number: int = 1, predecessor: str | None = None, rated: bool = False) -> bytes:
    assessed = wire.assessed_subject(assessment_made(number=number, rated=rated).SerializeToString())
    before = Predecessor(number=number - 1, content_sha256=predecessor) if predecessor else None
    return wire.canonical(
        compose(
            assessed=assessed,
            place=Place(number=number, predecessor=before),
            issuer=Issuer(name="Bureau", province="shanxi"),
            key_profile=KeyProfile.SANDBOX,
            composed_at=COMPOSED_AT,
        )
    )


def report(**changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(content())
    return {**claims, **changes}


def failures(signed: bytes, *, keys: Mapping[str, PublishedKey] = KEYS, predecessor: bytes | None = None) -> dict[str, str]:
    """Return the failed checks by name; a report that passes has none."""
    verification = verify(signed, keys, predecessor=predecessor)
    failed = {check.name: check.detail for check in verification.failures}
    assert bool(failed) != verification.passed
    return failed


class TestVerify:
    def test_believes_a_report_of_the_bureau(self) -> None:
        verification = verify(BUREAU.sign(content(rated=True)), KEYS)
        assert verification.passed
        assert verification.content == content(rated=True)
        assert verification.key_id == BUREAU.published.key_id

    def test_tells_the_bytes_that_are_covered(self) -> None:
        signed = BUREAU.sign(content())
        details = {check.name: check.detail for check in verify(signed, KEYS).checks}
        assert details["signature"] == f"Ed25519 over bytes 0–{signed.rindex(b'.') - 1}"


class TestBytes:
    def test_an_altered_byte_at_any_position_fails_and_is_located(self) -> None:
        """Every single byte of a small report, in eight ways: every detail of the first failure names bytes, a key or a claim."""
        signed = BUREAU.sign(content())
        for position in range(len(signed)):
            for bit in range(8):
                altered = bytearray(signed)
                altered[position] ^= 1 << bit
                verification = verify(bytes(altered), KEYS)
                assert not verification.passed, f"byte {position} bit {bit} was altered unnoticed"
                located = verification.failures[0].detail
                assert re.search(r"byte|kid", located), f"byte {position}: {located}"

    def test_an_altered_payload_byte_is_found_by_the_signature_over_its_range(self) -> None:
        signed = BUREAU.sign(content())
        head, payload, _ = signed.split(b".")
        at = len(head) + 1 + 200
        altered = signed[:at] + (b"A" if signed[at : at + 1] != b"A" else b"B") + signed[at + 1 :]
        assert f"payload ({len(head) + 1}–{len(head) + len(payload)})" in failures(altered)["signature"]

    @given(st.integers(min_value=0), st.binary(min_size=1, max_size=3))
    def test_an_inserted_byte_fails(self, position: int, inserted: bytes) -> None:
        signed = BUREAU.sign(content())
        at = position % (len(signed) + 1)
        assert failures(signed[:at] + inserted + signed[at:])

    @given(st.integers(min_value=0))
    def test_a_removed_byte_fails(self, position: int) -> None:
        signed = BUREAU.sign(content())
        at = position % len(signed)
        assert failures(signed[:at] + signed[at + 1 :])

    @pytest.mark.parametrize("trailing", [b"\n", b" ", b"\x00", b"=", b"=="])
    def test_a_trailing_byte_fails_and_is_named(self, trailing: bytes) -> None:
        signed = BUREAU.sign(content())
        assert f"byte {len(signed)} (signature) is 0x{trailing[0]:02x}" in failures(signed + trailing)["structure"]

    def test_a_second_report_behind_the_first_fails(self) -> None:
        signed = BUREAU.sign(content())
        assert "dots" in failures(signed + b"." + signed)["structure"]

    @pytest.mark.parametrize("junk", [b"", b".", b"..", b"...", b"a.b", b"a.b.c", b"\xff", b"eyJ.eyJ.eyJ"])
    def test_what_is_no_report_fails(self, junk: bytes) -> None:
        assert failures(junk)["structure"]

    def test_a_report_beyond_the_limit_is_not_even_read(self) -> None:
        assert "more than" in failures(b"A" * (REPORT_BYTES_MAX + 1))["structure"]

    @given(st.binary(max_size=300))
    def test_nothing_makes_it_raise(self, junk: bytes) -> None:
        assert failures(junk)
        assert failures(BUREAU.sign(junk))

    @pytest.mark.parametrize("part", [1, 2])  # the one form of the header fills its characters
    def test_unused_bits_of_the_last_character_must_be_zero(self, part: int) -> None:
        """Two spellings of the same bytes: a library that decodes leniently would not see the difference."""
        padded = report()
        while True:  # find a content whose encoding has unused bits
            head, payload, signature = BUREAU.sign(rfc8785.dumps(padded)).split(b".")
            if len((head, payload, signature)[part]) % 4:
                break
            padded["issuer"]["name"] += "x"
        parts = [head, payload, signature]
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(parts[part][-1])
        parts[part] = parts[part][:-1] + alphabet[last + 1 : last + 2]
        assert "not canonical base64url" in failures(b".".join(parts))["structure"]

    def test_the_other_alphabet_of_base64_is_refused(self) -> None:
        signed = next(
            one for one in (BUREAU.sign(rfc8785.dumps(report(issuer={"name": "x" * n, "province": "s"}))) for n in range(50)) if b"_" in one
        )
        assert "0x2f" in failures(signed.replace(b"_", b"/"))["structure"]


class TestHeader:
    @pytest.mark.parametrize(
        "change",
        [
            {"alg": "none"},
            {"alg": "None"},
            {"alg": "HS256"},
            {"alg": "Ed25519"},
            {"alg": "RS256"},
            {"alg": None},
            {"typ": "JWT"},
            {"typ": None},
            {"kid": None},
            {"kid": 5},
            {"b64": False, "crit": ["b64"]},
            {"crit": []},
            {"jwk": {"kty": "OKP"}},
            {"jku": "https://example.test/keys"},
            {"x5c": []},
            {"cty": "JSON"},
        ],
    )
    def test_only_the_one_form_is_accepted(self, change: dict[str, object]) -> None:
        header = {"alg": "EdDSA", "kid": BUREAU.published.key_id, "typ": TYPE} | change
        assert failures(BUREAU.sign(content(), header))["header"]

    @pytest.mark.parametrize("missing", ["alg", "kid", "typ"])
    def test_no_member_may_be_missing(self, missing: str) -> None:
        header = {"alg": "EdDSA", "kid": BUREAU.published.key_id, "typ": TYPE}
        del header[missing]
        assert failures(BUREAU.sign(content(), header))["header"]

    def test_alg_none_without_signature_fails(self) -> None:
        head = json.dumps({"alg": "none", "kid": BUREAU.published.key_id, "typ": TYPE}).encode()
        assert "empty" in failures(encoded(head) + b"." + encoded(content()) + b".")["structure"]

    def test_a_public_key_is_no_shared_secret(self) -> None:
        """The classic confusion: HS256 keyed with what everyone knows."""
        head = encoded(json.dumps({"alg": "HS256", "kid": BUREAU.published.key_id, "typ": TYPE}).encode())
        message = head + b"." + encoded(content())
        forged = message + b"." + encoded(hmac.digest(BUREAU.published.raw, message, "sha256"))
        found = failures(forged)
        assert "HS256" in found["header"]

    def test_a_duplicated_member_fails(self) -> None:
        head = f'{{"alg":"EdDSA","kid":"{OTHER.published.key_id}","kid":"{BUREAU.published.key_id}","typ":"{TYPE}"}}'.encode()
        assert "'kid' stands twice" in failures(BUREAU.sign(content(), head))["header"]

    @pytest.mark.parametrize("head", [b"[]", b"null", b'"EdDSA"', b"\xff", b"{", b'{"alg":1e999}'])
    def test_what_is_no_header_fails(self, head: bytes) -> None:
        assert failures(BUREAU.sign(content(), head))["header"]


class TestKeys:
    def test_another_key_under_the_bureaus_name_fails(self) -> None:
        header = {"alg": "EdDSA", "kid": BUREAU.published.key_id, "typ": TYPE}
        assert "is not that of key" in failures(OTHER.sign(content(), header))["signature"]

    def test_a_key_that_is_not_published_fails(self) -> None:
        assert "none of the 1 published keys" in failures(OTHER.sign(content()))["key known"]

    def test_the_name_of_another_published_key_fails(self) -> None:
        header = {"alg": "EdDSA", "kid": OTHER.published.key_id, "typ": TYPE}
        assert failures(BUREAU.sign(content(), header), keys={**KEYS, OTHER.published.key_id: OTHER.published})["signature"]

    @pytest.mark.parametrize("days", [-10, 1])
    def test_a_key_that_was_not_valid_when_the_report_was_composed_fails(self, days: int) -> None:
        key = make_key(b"bureau", not_before=COMPOSED_AT + timedelta(days=days))
        assert "claim composed_time" in failures(key.sign(content()), keys={key.published.key_id: key.published})["key valid"]

    def test_a_key_that_expired_since_still_proves_what_it_signed(self) -> None:
        key = make_key(b"bureau", not_before=COMPOSED_AT)
        assert key.published.expires_at < datetime(2026, 11, 21, tzinfo=UTC)
        assert not failures(key.sign(content()), keys={key.published.key_id: key.published})

    def test_a_sandbox_report_cannot_pass_for_a_production_one(self) -> None:
        assert "claim profile" in failures(BUREAU.sign(rfc8785.dumps(report(profile="production"))))["profile"]
        key = make_key(b"bureau", sandbox=False)
        assert "claim profile" in failures(key.sign(content()), keys={key.published.key_id: key.published})["profile"]

    def test_the_second_encoding_of_a_signature_fails(self) -> None:
        message, _, text = BUREAU.sign(content()).rpartition(b".")
        signature = base64.urlsafe_b64decode(text + b"==")
        scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
        assert failures(message + b"." + encoded(signature[:32] + scalar.to_bytes(32, "little")))["signature"]

    @pytest.mark.parametrize("length", [1, 63, 65, 128])
    def test_a_signature_of_another_length_fails(self, length: int) -> None:
        message = BUREAU.sign(content()).rpartition(b".")[0]
        assert f"hold {length} bytes" in failures(message + b"." + encoded(b"\x01" * length))["signature"]

    def test_an_all_zero_signature_fails(self) -> None:
        message = BUREAU.sign(content()).rpartition(b".")[0]
        assert failures(message + b"." + encoded(bytes(64)))["signature"]


class TestPayload:
    """All of these carry a good signature: the bureau itself would have to be wrong, and a verifier must still say so."""

    @pytest.mark.parametrize(
        "spelled",
        [
            lambda: json.dumps(report()).encode(),  # spaces, escapes
            lambda: json.dumps(report(), separators=(",", ":"), sort_keys=True).encode(),  # \uXXXX where RFC 8785 has UTF-8
            lambda: content() + b" ",
            lambda: b" " + content(),
            lambda: content().replace(b'"windows":2', b'"windows":02'),
            lambda: content().replace(b'"windows":2', b'"windows":-0'),
            lambda: b"\xef\xbb\xbf" + content(),
        ],
    )
    def test_another_spelling_of_the_same_report_fails(self, spelled: Any) -> None:
        assert "canonical payload" in failures(BUREAU.sign(spelled()))

    def test_a_duplicated_member_fails(self) -> None:
        doubled = content().replace(b'"profile":"sandbox"', b'"profile":"sandbox","profile":"sandbox"')
        assert "'profile' stands twice" in failures(BUREAU.sign(doubled))["canonical payload"]

    @pytest.mark.parametrize("number", [b"2.0", b"2e0", b"1E400", b"NaN", b"Infinity", b"9007199254740993", b"1" + b"0" * 5000])
    def test_a_number_with_two_readings_fails(self, number: bytes) -> None:
        assert "canonical payload" in failures(BUREAU.sign(content().replace(b'"windows":2', b'"windows":' + number)))

    def test_half_a_character_fails(self) -> None:
        assert failures(BUREAU.sign(content().replace(b'"Bureau"', b'"\\ud800"')))["canonical payload"]
        assert "not UTF-8" in failures(BUREAU.sign(content().replace(b'"Bureau"', b'"\xed\xa0\x80"')))["canonical payload"]

    def test_endless_nesting_fails(self) -> None:
        assert failures(BUREAU.sign(b"[" * 100_000))["canonical payload"]

    @pytest.mark.parametrize("payload", [b"[]", b"null", b"5", b'"report"', b"{}"])
    def test_what_is_no_report_fails(self, payload: bytes) -> None:
        verification = verify(BUREAU.sign(payload), KEYS)
        assert not verification.passed

    @pytest.mark.parametrize(
        ("changes", "claim"),
        [
            ({"schema": "carbonbureau.report/2"}, "schema"),
            ({"schema": None}, "schema"),
            ({"extra": "claim"}, "extra: no such claim"),
            ({"composed_time": "2026-02-28T16:00:00Z"}, "composed_time"),
            ({"composed_time": "2026-02-30T16:00:00.000000Z"}, "composed_time"),
            ({"composed_time": "2026-02-28T16:00:00.000000+00:00"}, "composed_time"),
            ({"profile": "test"}, "profile"),
            ({"revision": {"number": 0, "predecessor": None}}, "revision.number"),
            ({"revision": {"number": 2, "predecessor": None}}, "revision.predecessor"),
            ({"revision": {"number": 1, "predecessor": {"number": 0, "content_sha256": "a" * 64}}}, "revision.predecessor"),
            ({"revision": {"number": 3, "predecessor": {"number": 1, "content_sha256": "a" * 64}}}, "revision.predecessor.number"),
            ({"revision": {"number": 2, "predecessor": {"number": 1, "content_sha256": "A" * 64}}}, "revision.predecessor.content_sha256"),
            ({"revision": {"number": True, "predecessor": None}}, "revision.number"),
            ({"assessment": {"outcome": "RATED"}}, "assessment.assessed_on_date: missing"),
            ({"assessment": {"outcome": "MAYBE"}}, "assessment.outcome"),
            ({"assessment": []}, "assessment.outcome"),
            ({"subject": {"code": "x"}}, "subject.code"),
            ({"pins": None}, "pins: not an object"),
        ],
    )
    def test_a_wrong_claim_is_named(self, changes: dict[str, Any], claim: str) -> None:
        assert f"claim {claim}" in failures(BUREAU.sign(rfc8785.dumps(report(**changes))))["schema claims"]

    @pytest.mark.parametrize("amount", ["", "1e3", "01.0", "-0", "-0.00", "+1", "1.", ".5", "1.0000000000", " 1", "١", "1\n"])
    def test_an_amount_of_another_form_is_named_with_its_place(self, amount: str) -> None:
        claims = report()
        claims["account"]["annual_figures"][1]["scope1_tco2e"] = amount
        assert "claim account.annual_figures[1].scope1_tco2e" in failures(BUREAU.sign(rfc8785.dumps(claims)))["schema claims"]

    def test_a_missing_claim_is_named(self) -> None:
        claims = report()
        del claims["pins"]["evidence_root"]
        assert "claim pins.evidence_root: missing" in failures(BUREAU.sign(rfc8785.dumps(claims)))["schema claims"]


class TestPredecessor:
    def chain(self) -> tuple[bytes, bytes]:
        first = content()
        return BUREAU.sign(first), BUREAU.sign(content(number=2, predecessor=hashlib.sha256(first).hexdigest()))

    def outcome(self, verification: Verification) -> Outcome:
        return next(check.outcome for check in verification.checks if check.name == "predecessor")

    def test_the_link_to_the_one_before_is_proven(self) -> None:
        first, second = self.chain()
        verification = verify(second, KEYS, predecessor=first)
        assert verification.passed
        assert self.outcome(verification) is Outcome.PASSED

    def test_a_report_passes_without_its_predecessor_but_says_that_it_was_not_checked(self) -> None:
        verification = verify(self.chain()[1], KEYS)
        assert verification.passed
        assert self.outcome(verification) is Outcome.SKIPPED

    def test_another_first_revision_is_not_the_predecessor(self) -> None:
        assert "content_sha256" in failures(self.chain()[1], predecessor=BUREAU.sign(content(rated=True)))["predecessor"]

    def test_a_predecessor_that_was_altered_fails(self) -> None:
        first, second = self.chain()
        assert "does not verify itself" in failures(second, predecessor=first[:-4] + b"AAAA")["predecessor"]

    def test_a_first_revision_has_none(self) -> None:
        first, second = self.chain()
        assert "first revision" in failures(first, predecessor=second)["predecessor"]
