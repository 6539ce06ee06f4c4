"""Reading ReportRevised and calls, writing answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from carbonbureau.bureau.v1 import error_reason_pb2
from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.common.v1 import grade_pb2
from carbonbureau.reports.v1 import report_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import wire
from services.gateway.domain.inquiry import Answer, Method, Reason
from services.gateway.domain.subscriber import PermittedPurpose
from services.gateway.store import ServedGrade, ServedReport
from tests.unit.gateway.examples import CHANGZHI, SUBJECT_ID, report_revised

Message = report_pb2.ReportRevised
ISSUED_AT = datetime(2026, 11, 21, 1, 1, tzinfo=UTC)


def answer(*, fresh_as_of: datetime | None = ISSUED_AT, stale: bool = False) -> Answer:
    return Answer(inquiry_id=UUID(int=9), subject_code=CHANGZHI, fresh_as_of=fresh_as_of, stale=stale)


def served(message: Message) -> ServedGrade:
    revision = wire.issued_revision(message.SerializeToString())
    return ServedGrade(
        revision_number=revision.number,
        content_sha256=revision.content_sha256,
        issued_at=revision.issued_at,
        assessment=revision.assessment,
    )


class TestIssuedRevision:
    def test_reads_a_revision(self) -> None:
        found = wire.issued_revision(report_revised(number=3).SerializeToString())
        assert (found.subject_id, found.number, found.subject_code) == (SUBJECT_ID, 3, CHANGZHI)
        assert found.signed_report == report_revised(number=3).signed_report

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda m: setattr(m.envelope, "subject_id", "x"), "not a UUID"),
            (lambda m: setattr(m.assessment, "subject_id", str(UUID(int=1))), "different subjects"),
            (lambda m: setattr(m.envelope, "subject_revision", 2), "subject_revision"),
            (lambda m: setattr(m, "revision_number", 0), "revision_number"),
            (lambda m: setattr(m, "subject_code", CHANGZHI[:-1] + "0"), "subject_code"),
            (lambda m: setattr(m, "content_sha256", "0" * 64), "content_sha256"),
            (lambda m: setattr(m, "signed_report", b"a.b"), "content_sha256"),
            (lambda m: setattr(m, "signed_report", b"a.!.c"), "content_sha256"),
            (lambda m: setattr(m, "key_id", ""), "missing"),
            (lambda m: m.ClearField("issued_time"), "missing"),
            (lambda m: setattr(m.issued_time, "seconds", 2**62), "instant"),
            (lambda m: m.assessment.ClearField("rated"), "missing"),
        ],
    )
    def test_refuses_an_event_whose_parts_contradict_each_other(self, spoil: Callable[[Message], None], reason: str) -> None:
        message = report_revised()
        spoil(message)
        with pytest.raises(wire.UnreadableEventError, match=reason):
            wire.issued_revision(message.SerializeToString())

    @given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
    def test_never_raises_anything_else_when_a_byte_is_altered(self, position: int, byte: int) -> None:
        value = bytearray(report_revised().SerializeToString())
        value[position % len(value)] = byte
        with contextlib.suppress(wire.UnreadableEventError):
            wire.issued_revision(bytes(value))


class TestCall:
    def test_reads_every_purpose_of_the_contract(self) -> None:
        found = {number: wire.call(Method.GET_CREDIT_GRADE, pb.GetCreditGradeRequest(purpose=number)).purpose for number in range(1, 4)}  # type: ignore[arg-type]
        assert set(found.values()) == set(PermittedPurpose)

    @pytest.mark.parametrize("number", [0, 4, 2**31 - 1])
    def test_reads_no_purpose_where_the_contract_knows_none(self, number: int) -> None:
        assert wire.call(Method.GET_CREDIT_GRADE, pb.GetCreditGradeRequest(purpose=number)).purpose is None  # type: ignore[arg-type]


class TestCreditGrade:
    def test_states_the_three_grades_and_hides_no_dimension(self) -> None:
        written = wire.credit_grade(served(report_revised(number=2)), answer())
        assert written.rating_state == pb.RATING_STATE_RATED
        assert written.final_grade == written.held_grade == written.model_grade == grade_pb2.GRADE_BBB
        assert written.score == "63.12"
        assert [one.weight for one in written.dimensions] == ["0.400000"]
        assert [one.code for one in written.reasons] == ["R401"]
        assert written.report_revision_number == 2
        assert written.name == f"subjects/{CHANGZHI}/creditGrade"
        assert written.inquiry_id == str(UUID(int=9))

    def test_says_why_there_is_no_grade(self) -> None:
        written = wire.credit_grade(served(report_revised(rated=False)), answer())
        assert written.rating_state == pb.RATING_STATE_NOT_RATED
        assert written.final_grade == grade_pb2.GRADE_UNSPECIFIED
        assert [one.code for one in written.reasons] == ["TOO_FEW_PERIODS"]

    def test_claims_no_freshness_that_is_unknown(self) -> None:
        written = wire.credit_grade(served(report_revised()), answer(fresh_as_of=None, stale=True))
        assert written.stale
        assert not written.HasField("fresh_as_of_time")


class TestCreditReport:
    @pytest.mark.parametrize(("newest", "latest"), [(2, True), (3, False)])
    def test_serves_the_signed_bytes_and_says_whether_they_are_the_latest(self, newest: int, latest: bool) -> None:
        report = ServedReport(
            revision_number=2,
            newest_number=newest,
            subject_code=CHANGZHI,
            signed_report=b"a.b.c",
            content_sha256="c" * 64,
            key_id="kid",
            issued_at=ISSUED_AT,
        )
        written = wire.credit_report(report, answer())
        assert written.signed_report == b"a.b.c"
        assert written.name == f"subjects/{CHANGZHI}/creditReport/revisions/2"
        assert written.latest is latest


class TestReason:
    def test_has_the_names_of_the_contract(self) -> None:
        declared = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name}
        assert {reason.value for reason in Reason} == declared - {"UNSPECIFIED", "INTERNAL"}
