"""Who may ask what: every reason of refusal, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from services.gateway.domain.entitlement import judge, own_identities
from services.gateway.domain.inquiry import Call, Reason
from services.gateway.domain.subscriber import Directory, PermittedPurpose
from tests.unit.gateway.examples import BANK_URI, BEIJING, CHANGZHI, DATONG, OUTSIDE, TODAY, call, directory, subscriber


def reason(
    made: Call | None = None, *, uris: Sequence[str] = (BANK_URI,), known: Directory | None = None, today: date = TODAY
) -> Reason | None:
    return judge(uris=uris, certificate_fault=None, directory=known or directory(), call=made or call(), today=today).reason


class TestJudge:
    @pytest.mark.parametrize("code", [CHANGZHI, DATONG, OUTSIDE])
    def test_permits_a_subscriber_with_region_and_purpose(self, code: str) -> None:
        assert reason(call(code=code)) is None

    @pytest.mark.parametrize(
        "uris",
        [
            (),
            ("https://bank.example",),
            (BANK_URI, "carbonbureau://subscriber/bank-two"),
            (BANK_URI, BANK_URI),
            (BANK_URI, "CarbonBureau://subscriber/bank-two"),
            (BANK_URI, "carbonbureau://provider/grid"),
        ],
    )
    def test_refuses_anything_but_one_identity_of_the_scheme(self, uris: Sequence[str]) -> None:
        assert reason(uris=uris) is Reason.IDENTITY_AMBIGUOUS

    def test_ignores_uris_of_other_schemes(self) -> None:
        assert reason(uris=("spiffe://bank/one", BANK_URI, "https://bank.example")) is None

    @pytest.mark.parametrize(
        "uri", ["carbonbureau://subscriber/bank-two", "carbonbureau://provider/bank-one", BANK_URI.upper(), BANK_URI + "/", BANK_URI + " "]
    )
    def test_refuses_an_identity_that_no_subscriber_has(self, uri: str) -> None:
        assert reason(uris=(uri,)) is Reason.SUBSCRIBER_UNKNOWN

    def test_refuses_a_subscriber_whose_contract_has_ended(self) -> None:
        assert reason(known=directory(subscriber(valid_until=TODAY))) is Reason.SUBSCRIBER_UNKNOWN

    def test_refuses_a_region_without_contract_whether_or_not_the_subject_exists(self) -> None:
        assert reason(call(code=BEIJING)) is Reason.REGION_NOT_PERMITTED

    def test_refuses_a_purpose_that_the_contract_does_not_hold(self) -> None:
        assert reason(call(purpose=PermittedPurpose.GUARANTEE_REVIEW)) is Reason.PURPOSE_NOT_PERMITTED

    def test_judges_in_the_order_identity_form_region_purpose(self) -> None:
        wrong = {"code": BEIJING, "purpose": PermittedPurpose.GUARANTEE_REVIEW}
        assert reason(call(request_id="", **wrong), uris=()) is Reason.IDENTITY_AMBIGUOUS  # type: ignore[arg-type]
        assert reason(call(request_id="", **wrong)) is Reason.REQUEST_ID_MALFORMED  # type: ignore[arg-type]
        assert reason(call(**wrong)) is Reason.REGION_NOT_PERMITTED  # type: ignore[arg-type]

    def test_a_certificate_that_counts_no_longer_names_nobody(self) -> None:
        for fault in (Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN):
            verdict = judge(uris=(BANK_URI,), certificate_fault=fault, directory=directory(), call=call(), today=TODAY)
            assert (verdict.subscriber, verdict.question, verdict.reason) == (None, None, fault)

    def test_knows_the_subscriber_of_a_malformed_call_but_claims_nothing_for_it(self) -> None:
        verdict = judge(uris=(BANK_URI,), certificate_fault=None, directory=directory(), call=call(name="x"), today=TODAY)
        assert verdict.subscriber is not None
        assert verdict.question is None
        assert verdict.field == "name"


class TestOwnIdentities:
    def test_finds_the_scheme_in_any_spelling(self) -> None:
        assert own_identities(["CARBONBUREAU://a", "carbonbureau:/b", "x-carbonbureau://c"]) == ["CARBONBUREAU://a"]
