"""Reports that were issued once verify for ever, and are composed again byte for byte from what they were made of.

The verification here knows `cryptography`, base64, hashlib and json, and no code of ours: what a bank could write in an hour.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.reports import published_keys, report_schema, verify, wire
from services.reports.domain.report import Issuer, KeyProfile, compose
from services.reports.domain.revision import Place, Predecessor
from tests.contract.reports.golden_reports import FOLDER, KEYS, MANIFEST, Golden, all_golden

ALL = all_golden()
IDS = [golden.name for golden in ALL]


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def content_of(golden: Golden) -> bytes:
    return decoded(golden.report_file.read_text(encoding="ascii").split(".")[1])


def verified_payload(golden: Golden) -> dict[str, Any]:
    """Verify a report by RFC 7515 and RFC 8037, as anybody may, and return its claims."""
    header_text, payload_text, signature_text = golden.report_file.read_text(encoding="ascii").split(".")
    header = json.loads(decoded(header_text))
    assert header["alg"] == "EdDSA"
    (jwk,) = [key for key in json.loads(KEYS.read_text())["keys"] if key["kid"] == header["kid"]]
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"), sort_keys=True)
    assert decoded(jwk["kid"]) == hashlib.sha256(members.encode()).digest(), "kid is the RFC 7638 thumbprint"
    public = Ed25519PublicKey.from_public_bytes(decoded(jwk["x"]))
    public.verify(decoded(signature_text), f"{header_text}.{payload_text}".encode("ascii"))
    claims: dict[str, Any] = json.loads(decoded(payload_text))
    composed = datetime.strptime(claims["composed_time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert jwk["nbf"] <= composed.timestamp() < jwk["exp"]
    return claims


class TestGoldenReports:
    def test_are_there(self) -> None:
        assert len(ALL) >= 3

    def test_are_all_in_the_manifest_and_nothing_else_is_there(self) -> None:
        expected = {MANIFEST, KEYS} | {golden.report_file for golden in ALL} | {golden.event_file for golden in ALL}
        assert set(FOLDER.iterdir()) == expected

    @pytest.mark.parametrize("golden", ALL, ids=IDS)
    def test_are_the_bytes_that_were_added(self, golden: Golden) -> None:
        assert hashlib.sha256(golden.report_file.read_bytes()).hexdigest() == golden.report_sha256
        assert hashlib.sha256(golden.event_file.read_bytes()).hexdigest() == golden.event_sha256

    @pytest.mark.parametrize("golden", ALL, ids=IDS)
    def test_verify_without_any_code_of_ours(self, golden: Golden) -> None:
        assert verified_payload(golden)["schema"] == "carbonbureau.report/1"

    @pytest.mark.parametrize("golden", ALL, ids=IDS)
    def test_fail_without_any_code_of_ours_when_a_claim_is_altered(self, golden: Golden) -> None:
        header, _, signature = golden.report_file.read_text(encoding="ascii").split(".")
        altered = content_of(golden).replace(b'"number":1', b'"number":9').replace(b'"number":2', b'"number":8')
        text = base64.urlsafe_b64encode(altered).rstrip(b"=").decode()
        jwk = next(key for key in json.loads(KEYS.read_text())["keys"] if key["kid"] == json.loads(decoded(header))["kid"])
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(decoded(jwk["x"])).verify(decoded(signature), f"{header}.{text}".encode("ascii"))

    @pytest.mark.parametrize("golden", ALL, ids=IDS)
    def test_verify_with_the_command_of_the_bureau(self, golden: Golden) -> None:
        before = next((one for one in ALL if one.name == golden.after), None)
        keys = published_keys.read(KEYS)
        verification = verify.verify(golden.report_file.read_bytes(), keys, predecessor=before.report_file.read_bytes() if before else None)
        assert verification.passed, verification.failures

    @pytest.mark.parametrize("golden", [golden for golden in ALL if golden.after], ids=lambda golden: golden.name)
    def test_name_their_predecessor_by_its_content(self, golden: Golden) -> None:
        before = next(one for one in ALL if one.name == golden.after)
        named = verified_payload(golden)["revision"]["predecessor"]
        assert named["content_sha256"] == hashlib.sha256(content_of(before)).hexdigest()

    @pytest.mark.parametrize("golden", ALL, ids=IDS)
    def test_are_composed_again_to_the_same_bytes(self, golden: Golden) -> None:
        """Same bytes for ever: the composer may gain schemas, but carbonbureau.report/1 never moves."""
        claims = json.loads(content_of(golden))
        named = claims["revision"]["predecessor"]
        assessed = wire.assessed_subject(golden.event().SerializeToString())
        again = compose(
            assessed=assessed,
            place=Place(number=claims["revision"]["number"], predecessor=Predecessor(**named) if named else None),
            issuer=Issuer(**claims["issuer"]),
            key_profile=KeyProfile(claims["profile"]),
            composed_at=report_schema.instant_of(claims["composed_time"]),
        )
        assert wire.canonical(again) == content_of(golden)
