"""The form of a call, and what a repeated request gets."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.inquiry import (
    Call,
    Decision,
    Malformed,
    Method,
    Question,
    Reason,
    RecordedInquiry,
    question_of,
    reason_for_repetition,
)
from services.gateway.domain.subscriber import PermittedPurpose
from tests.unit.gateway.examples import CHANGZHI, REQUEST_ID, call

REPORT = Method.GET_CREDIT_REPORT


def reason(made: Call) -> Reason | None:
    found = question_of(made)
    return found.reason if isinstance(found, Malformed) else None


class TestQuestionOf:
    def test_understands_a_call_for_a_grade(self) -> None:
        assert question_of(call()) == Question(
            subject_code=CHANGZHI, revision_number=None, purpose=PermittedPurpose.LOAN_APPROVAL, request_id=UUID(REQUEST_ID)
        )

    @pytest.mark.parametrize(("tail", "number"), [("", None), ("/revisions/1", 1), ("/revisions/120", 120)])
    def test_understands_a_call_for_a_report(self, tail: str, number: int | None) -> None:
        found = question_of(call(method=REPORT, name=f"subjects/{CHANGZHI}/creditReport{tail}"))
        assert isinstance(found, Question)
        assert found.revision_number == number

    @pytest.mark.parametrize(
        "name",
        [
            "",
            CHANGZHI,
            f"subjects/{CHANGZHI}",
            f"subjects/{CHANGZHI}/creditReport",
            f"subjects/{CHANGZHI}/creditGrade/",
            f"subjects/{CHANGZHI}/creditGrade\n",
            f"/subjects/{CHANGZHI}/creditGrade",
            f"subjects/{CHANGZHI[:-1]}0/creditGrade",
            f"subjects/{CHANGZHI.lower()}/creditGrade",
            "subjects//creditGrade",
            "subjects/../creditGrade",
            "subjects/\x00/creditGrade",
        ],
    )
    def test_refuses_another_name(self, name: str) -> None:
        assert reason(call(name=name)) is Reason.NAME_MALFORMED

    @pytest.mark.parametrize(
        "tail", ["/revisions/0", "/revisions/01", "/revisions/-1", "/revisions/", "/revisions/9" + "9" * 18, "/revisions/１"]
    )
    def test_refuses_another_revision_number(self, tail: str) -> None:
        assert reason(call(method=REPORT, name=f"subjects/{CHANGZHI}/creditReport{tail}")) is Reason.NAME_MALFORMED

    def test_refuses_a_call_without_purpose(self) -> None:
        assert reason(call(purpose=None)) is Reason.PURPOSE_MISSING

    @pytest.mark.parametrize(
        "request_id", ["", "1", REQUEST_ID[:-1], REQUEST_ID.replace("-", ""), "{" + REQUEST_ID + "}", REQUEST_ID + "\n"]
    )
    def test_refuses_a_request_id_that_is_no_uuid(self, request_id: str) -> None:
        assert reason(call(request_id=request_id)) is Reason.REQUEST_ID_MALFORMED

    @pytest.mark.parametrize("case_reference", ["x" * 65, "a\x00b", "a\nb"])
    def test_refuses_a_case_reference_that_cannot_be_kept(self, case_reference: str) -> None:
        assert question_of(call(case_reference=case_reference)) == Malformed(reason=Reason.NAME_MALFORMED, field="case_reference")

    def test_names_the_first_thing_to_mend(self) -> None:
        assert reason(call(name="", purpose=None, request_id="")) is Reason.NAME_MALFORMED
        assert reason(call(purpose=None, request_id="")) is Reason.PURPOSE_MISSING

    @given(st.text(), st.text(), st.text())
    def test_never_raises(self, name: str, request_id: str, case_reference: str) -> None:
        for method in Method:
            question_of(call(name=name, request_id=request_id, case_reference=case_reference, method=method))


class TestSha256:
    def test_is_the_same_for_the_same_request_whatever_its_id(self) -> None:
        assert call().sha256 == call(request_id="other").sha256

    @pytest.mark.parametrize(
        "other", [call(name="x"), call(purpose=None), call(case_reference="case 2"), call(method=REPORT, name=call().name)]
    )
    def test_differs_for_another_request(self, other: Call) -> None:
        assert other.sha256 != call().sha256

    def test_does_not_confuse_where_one_part_ends(self) -> None:
        assert call(name="a1:b", case_reference="").sha256 != call(name="a", case_reference="1:b").sha256


class TestReasonForRepetition:
    def first(self, *, reason: Reason | None = None) -> RecordedInquiry:
        return RecordedInquiry(
            inquiry_id=UUID(int=1),
            request_sha256="same",
            decision=Decision.DENIED if reason else Decision.PERMITTED,
            reason=reason,
            received_at=datetime(2026, 11, 21, tzinfo=UTC),
        )

    def test_permits_the_same_request_again(self) -> None:
        assert reason_for_repetition(self.first(), request_sha256="same", now_denied=None) is None

    def test_refuses_another_request_under_the_same_id(self) -> None:
        assert reason_for_repetition(self.first(), request_sha256="other", now_denied=None) is Reason.REQUEST_ID_REUSED

    def test_repeats_a_denial_though_the_contract_would_permit_it_now(self) -> None:
        first = self.first(reason=Reason.REGION_NOT_PERMITTED)
        assert reason_for_repetition(first, request_sha256="same", now_denied=None) is Reason.REGION_NOT_PERMITTED

    def test_denies_what_was_permitted_once_but_is_no_more(self) -> None:
        now_denied = Reason.PURPOSE_NOT_PERMITTED
        assert reason_for_repetition(self.first(), request_sha256="same", now_denied=now_denied) is now_denied
