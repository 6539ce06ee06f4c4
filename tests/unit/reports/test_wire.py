"""Reading AssessmentMade and writing ReportRevised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from carbonbureau.common.v1 import grade_pb2
from carbonbureau.reports.v1 import report_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.reports import wire
from services.reports.domain.assessment import Grade, NotRated, Rated
from services.reports.domain.revision import IssuedRevision
from tests.unit.reports.examples import SUBJECT_CODE, SUBJECT_ID, assessment_made

Message = assessment_pb2.AssessmentMade


def _no_outcome(message: Message) -> None:
    message.assessment.ClearField("rated")


def _other_subject(message: Message) -> None:
    message.assessment.subject_id = "00000000-0000-4000-8000-000000000000"


def _exponent(message: Message) -> None:
    message.assessment.rated.score = "6.3e1"


def _unset_grade(message: Message) -> None:
    message.assessment.rated.final_grade = grade_pb2.GRADE_UNSPECIFIED


def _unknown_grade(message: Message) -> None:
    message.assessment.rated.final_grade = 99  # type: ignore[assignment]


def _no_known_time(message: Message) -> None:
    message.account.ClearField("known_time")


def _short_root(message: Message) -> None:
    message.account.evidence_root = b"short"


def _upper_case_id(message: Message) -> None:
    message.envelope.event_id = message.envelope.event_id.upper()


def _zero_number(message: Message) -> None:
    message.envelope.subject_revision = 0


def _bad_code(message: Message) -> None:
    message.account.subject_code = "9114040\x000000000000"


def _bad_zone(message: Message) -> None:
    message.account.annual_figures[0].period.time_zone = "Asia/Nowhere"


def _bad_date(message: Message) -> None:
    message.assessment.assessed_on_date = "20260228"


def _bad_severity(message: Message) -> None:
    message.account.findings[0].severity = "FATAL"


def _bad_state(message: Message) -> None:
    message.account.findings[0].state = ""


def _thirteen_months(message: Message) -> None:
    message.account.annual_figures[0].months_covered = 13


def _quality_six(message: Message) -> None:
    message.account.annual_figures[0].data_quality = 6


def _negative_evidence(message: Message) -> None:
    message.account.evidence_count = -1


def _beyond_json(message: Message) -> None:
    message.assessment.account_revision = 2**53


def _bad_hash(message: Message) -> None:
    message.assessment.model_sha256 = "A" * 64


def _long_name(message: Message) -> None:
    message.account.profile.name = "电" * 1001


def _line_break(message: Message) -> None:
    message.account.findings[0].message = "one\ntwo"


def _long_code(message: Message) -> None:
    message.account.annual_figures[0].product_code = "x" * 65


def _rule_in_chinese(message: Message) -> None:
    message.account.findings[0].rule_id = "规则"


def _seven_dimensions(message: Message) -> None:
    message.assessment.rated.dimensions.extend(7 * [message.assessment.rated.dimensions[0]])


def _nine_indices(message: Message) -> None:
    message.assessment.rated.dimensions[0].indices.extend(9 * [message.assessment.rated.dimensions[0].indices[0]])


def _five_reasons(message: Message) -> None:
    message.assessment.rated.reason_codes.extend(4 * [message.assessment.rated.reason_codes[0]])


def _reason_without_end(message: Message) -> None:
    message.assessment.rated.reason_codes[0].text_en = "x" * 301


class TestAssessedSubject:
    def test_reads_a_rated_subject(self) -> None:
        assessed = wire.assessed_subject(assessment_made().SerializeToString())
        assert assessed.subject_id == SUBJECT_ID
        assert isinstance(assessed.assessment.outcome, Rated)
        assert assessed.assessment.outcome.final_grade is Grade.BBB

    def test_reads_a_subject_without_a_grade(self) -> None:
        assessed = wire.assessed_subject(assessment_made(rated=False).SerializeToString())
        assert isinstance(assessed.assessment.outcome, NotRated)

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (_no_outcome, "neither rated nor not rated"),
            (_other_subject, "different subjects"),
            (_exponent, "score"),
            (_unset_grade, "UNSPECIFIED"),
            (_unknown_grade, "99"),
            (_no_known_time, "known_time"),
            (_short_root, "evidence_root"),
            (_upper_case_id, "event_id"),
            (_zero_number, "subject_revision"),
            (_bad_code, "subject_code"),
            (_bad_zone, "time zone"),
            (_bad_date, "assessed_on_date"),
            (_bad_severity, "FATAL"),
            (_bad_state, "FindingState"),
            (_bad_hash, "model_sha256"),
            (_thirteen_months, "months_covered"),
            (_quality_six, "data_quality"),
            (_negative_evidence, "evidence_count"),
            (_beyond_json, "account_revision"),
            (_long_name, "profile.name is longer than 1000"),
            (_line_break, "finding.message .* cannot be printed"),
            (_long_code, "product_code is longer than 64"),
            (_rule_in_chinese, "rule_id is not ASCII"),
            (_seven_dimensions, "more than 6 dimensions"),
            (_nine_indices, "more than 8 indices"),
            (_five_reasons, "more than 4 reason_codes"),
            (_reason_without_end, "text_en is longer than 300"),
        ],
    )
    def test_refuses_half_an_assessment_and_says_why(self, spoil: Callable[[Message], None], reason: str) -> None:
        message = assessment_made()
        spoil(message)
        with pytest.raises(wire.UnreadableEventError, match=reason):
            wire.assessed_subject(message.SerializeToString())

    @pytest.mark.parametrize("value", [None, b"", b"\xff\xff\xff", b"{}"])
    def test_refuses_bytes_that_are_no_event(self, value: bytes | None) -> None:
        with pytest.raises(wire.UnreadableEventError):
            wire.assessed_subject(value)

    @given(st.binary(max_size=200))
    def test_never_raises_anything_else_whatever_arrives(self, value: bytes) -> None:
        with contextlib.suppress(wire.UnreadableEventError):
            wire.assessed_subject(value)

    @given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
    def test_never_raises_anything_else_when_a_byte_is_altered(self, position: int, byte: int) -> None:
        value = bytearray(assessment_made().SerializeToString())
        value[position % len(value)] = byte
        with contextlib.suppress(wire.UnreadableEventError):
            wire.assessed_subject(bytes(value))


class TestReportRevised:
    def revision(self, *, number: int = 4) -> IssuedRevision:
        return IssuedRevision(
            subject_id=SUBJECT_ID,
            subject_code=SUBJECT_CODE,
            number=number,
            content_sha256="c" * 64,
            signed_report=b"a.b.c",
            key_id="kid",
            issued_at=datetime(2026, 12, 31, 16, 0, 0, 1, tzinfo=UTC),
        )

    def test_carries_the_signed_bytes_and_the_assessment_with_the_revision_as_its_number(self) -> None:
        made = assessment_made()
        event = wire.report_revised(self.revision(), assessment_made=made.SerializeToString(), province="shanxi")
        message = report_pb2.ReportRevised.FromString(event.value)
        assert event.topic == "bureau.report-revised.v1"
        assert event.key == str(SUBJECT_ID).encode()
        assert message.envelope.subject_revision == message.revision_number == 4
        assert message.signed_report == b"a.b.c"
        assert message.assessment == made.assessment
        assert message.envelope.causation_ids == [made.envelope.event_id]
        assert message.inclusion_state == report_pb2.INCLUSION_STATE_PENDING

    def test_has_the_same_id_when_it_is_made_again(self) -> None:
        one = wire.report_revised(self.revision(), assessment_made=b"", province="shanxi")
        again = wire.report_revised(self.revision(), assessment_made=b"", province="shanxi")
        other = wire.report_revised(self.revision(number=5), assessment_made=b"", province="shanxi")
        assert one.event_id == again.event_id != other.event_id
