"""Bytes in, bytes out: nothing half read, the statement's exact bytes hashed, amounts written as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import grade_pb2
from carbonbureau.scoring.v1 import assessment_pb2

from services.scoring import wire
from services.scoring.domain.assessment import Assessment, Pins, rate
from services.scoring.domain.grade import SCALE
from services.scoring.domain.not_rated import NotRated, NotRatedCode, NotRatedReason
from tests.unit.scoring.accounts import account_revised
from tests.unit.scoring.subjects import PARAMETERS, SUBJECT_CODE, SUBJECT_ID, TODAY, observed, prediction

EVENT_ID = UUID(int=77)


def pins(account: wire.Account) -> Pins:
    return Pins(
        subject_id=SUBJECT_ID,
        account_revision=account.statement.account_revision,
        statement_sha256=account.statement_sha256,
        model_sha256="bb" * 32,
        model_version="model",
        weights_version="2026.1",
        scale_version="2026.1",
        previous_assessment_id=None,
        assessed_on=TODAY,
    )


class TestAccountRevised:
    def test_reads_what_scoring_needs(self) -> None:
        account = wire.account_revised(account_revised(revision=3).SerializeToString())
        statement = account.statement
        assert (statement.subject_code, statement.account_revision, statement.industry_code) == (SUBJECT_CODE, 3, "4411")
        assert [one.year for one in statement.annual_figures] == [2023, 2024, 2025]
        assert statement.plan is not None
        assert len(statement.investments) == 1

    def test_hashes_the_exact_bytes_of_the_statement(self) -> None:
        event = account_revised()
        # The envelope behind the statement, as another writer may order it, and a field of a later schema version.
        statement = event.statement.SerializeToString()
        later_field = bytes([(15 << 3) | 2, 3]) + b"new"
        other_order = account_pb2.AccountRevised(statement=event.statement).SerializeToString() + later_field
        other_order += account_pb2.AccountRevised(envelope=event.envelope).SerializeToString()
        for value in (event.SerializeToString(), other_order):
            assert wire.account_revised(value).statement_sha256 == hashlib.sha256(statement).hexdigest()

    def test_keeps_the_statement_without_lines_and_outputs(self) -> None:
        event = account_revised()
        event.statement.lines.add(amount_tco2e="1.000000")
        account = wire.account_revised(event.SerializeToString())
        kept = account_pb2.AccountStatement.FromString(account.condensed)
        assert not kept.lines
        assert (
            wire.stored_account(condensed=account.condensed, statement_sha256=account.statement_sha256, event_id=account.event_id)
            == account
        )

    @pytest.mark.parametrize("value", [None, b"", b"\xff\xff\xff", b"not protobuf at all", b"\x0a\x05ab"])
    def test_refuses_bytes_that_are_no_event(self, value: bytes | None) -> None:
        with pytest.raises(wire.UnreadableEventError):
            wire.account_revised(value)

    def test_refuses_a_truncated_event_at_any_place(self) -> None:
        whole = account_revised().SerializeToString()
        for length in range(0, len(whole), 7):
            with pytest.raises(wire.UnreadableEventError):
                wire.account_revised(whole[:length])

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda event: event.ClearField("statement"),
            lambda event: setattr(event.envelope, "subject_id", str(UUID(int=5))),
            lambda event: setattr(event.envelope, "subject_revision", 9),
            lambda event: setattr(event.envelope, "event_id", "x"),
            lambda event: setattr(event.statement, "subject_id", "no uuid"),
            lambda event: setattr(event.statement, "subject_code", "a\x00b"),
            lambda event: setattr(event.statement.annual_figures[0], "scope1_tco2e", "1e308"),
            lambda event: setattr(event.statement.annual_figures[0], "output_amount", "NaN"),
            lambda event: setattr(event.statement.annual_figures[0].period, "start_date", "2023-13-01"),
            lambda event: setattr(event.statement.plan.milestones[0], "due_date", "9999-12-32"),
            lambda event: setattr(event.statement.plan, "adopted_date", ""),
            lambda event: setattr(event.statement.investments[0], "amount_yuan", "many"),
        ],
    )
    def test_refuses_an_event_with_a_part_that_cannot_be_used(self, spoil: Callable[[account_pb2.AccountRevised], None]) -> None:
        event = account_revised()
        spoil(event)
        with pytest.raises(wire.UnreadableEventError):
            wire.account_revised(event.SerializeToString())

    def test_refuses_two_statements_in_one_event(self) -> None:
        whole = account_revised().SerializeToString()
        second = account_pb2.AccountRevised(statement=account_revised().statement).SerializeToString()
        with pytest.raises(wire.UnreadableEventError, match="exactly one"):
            wire.account_revised(whole + second)

    def test_reads_a_subject_that_is_not_in_the_directory(self) -> None:
        event = account_revised()
        event.statement.ClearField("profile")
        assert wire.account_revised(event.SerializeToString()).statement.industry_code is None


class TestAssessmentMade:
    def made(self, outcome: object) -> tuple[assessment_pb2.AssessmentMade, assessment_pb2.Assessment]:
        account = wire.account_revised(account_revised().SerializeToString())
        assessment = Assessment(number=2, pins=pins(account), outcome=outcome)  # type: ignore[arg-type]
        message = wire.assessment_message(assessment)
        at = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
        event = wire.assessment_made(assessment, message=message, account=account, known_at=at, province="shanxi")
        assert event.key == str(SUBJECT_ID).encode()
        again = wire.assessment_made(assessment, message=message, account=account, known_at=at, province="shanxi")
        assert (event.event_id, event.value) == (again.event_id, again.value)
        return assessment_pb2.AssessmentMade.FromString(event.value), message

    def test_carries_the_assessment_and_what_a_report_shows_of_the_account(self) -> None:
        account = wire.account_revised(account_revised().SerializeToString())
        outcome = rate(observed(account.statement), prediction=prediction(), parameters=PARAMETERS, scale=SCALE, held=None)
        event, message = self.made(outcome)
        assert event.envelope.subject_revision == 2
        assert event.envelope.causation_ids == [str(EVENT_ID)]
        assert event.assessment == message
        assert event.account.subject_code == SUBJECT_CODE
        assert event.account.profile.industry_code == "4411"
        assert len(event.account.annual_figures) == 3
        assert event.account.evidence_count == 108
        rated = event.assessment.rated
        assert sum(float(one.weight) for one in rated.dimensions) == pytest.approx(1)
        assert rated.final_grade == grade_pb2.Grade.Value(f"GRADE_{outcome.final_grade.value}")
        assert 1 <= len(rated.reason_codes) <= 4
        assert all(len(index.figure) <= 64 for one in rated.dimensions for index in one.indices)

    def test_carries_the_reasons_of_a_subject_that_is_not_rated(self) -> None:
        event, _ = self.made(NotRated(reasons=(NotRatedReason(code=NotRatedCode.NO_OUTPUT),)))
        assert [one.code for one in event.assessment.not_rated.reasons] == ["NO_OUTPUT"]
        assert event.assessment.not_rated.reasons[0].text_zh
