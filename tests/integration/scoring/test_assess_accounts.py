"""What account revisions make of a subject, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from carbonbureau.scoring.v1 import assessment_pb2
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from deploy.local.postgres import PostgresServer
from services.scoring.consumer import AccountConsumer
from services.scoring.domain.features import FEATURE_NAMES
from services.scoring.releases import NoModelError
from tests.integration.scoring.conftest import Scoring, assemble, record, use
from tests.unit.scoring.accounts import account_revised
from tests.unit.scoring.subjects import SUBJECT_ID, window

OTHER_ID = UUID("00000000-0000-4000-8000-000000000002")


class TestTake:
    def test_makes_one_assessment_and_one_event(self, scoring: Scoring) -> None:
        scoring.take(account_revised())
        (assessment,), (event,) = scoring.assessments(), scoring.events()
        told = assessment_pb2.AssessmentMade.FromString(event["value"])
        assert told.assessment.SerializeToString(deterministic=True) == assessment["content"]
        assert told.assessment.assessment_id == str(assessment["assessment_id"])
        assert told.envelope.subject_revision == assessment["assessment_number"] == 1
        assert event["key"] == str(SUBJECT_ID).encode()
        assert assessment["assessed_on"].isoformat() == "2026-11-21"

    def test_keeps_everything_the_score_was_made_from(self, scoring: Scoring) -> None:
        scoring.take(account_revised())
        (assessment,) = scoring.assessments()
        features = assessment["features"]
        assert {f"model.{name}" for name in FEATURE_NAMES} | {f"credited.{name}" for name in FEATURE_NAMES} <= set(features)
        assert features["figure.investment_share"] == "0.2000"
        assert all(value is None or isinstance(value, str) for value in features.values())

    def test_pins_the_day_in_shanghai(self, scoring: Scoring) -> None:
        scoring.clock.at = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
        scoring.take(account_revised())
        assert scoring.assessments()[0]["assessed_on"].isoformat() == "2027-01-01"

    def test_makes_nothing_new_of_a_replayed_batch(self, scoring: Scoring) -> None:
        batch = [account_revised(), account_revised(subject_id=OTHER_ID)]
        for _ in range(3):
            scoring.take(*batch)
        assert len(scoring.assessments()) == len(scoring.events()) == 2

    def test_makes_the_same_ids_and_bytes_again_in_an_empty_database(
        self, scoring: Scoring, postgres_server: PostgresServer, database_url: Callable[[str], str], artefacts: tuple[bytes, bytes]
    ) -> None:
        again = assemble(database_url("scoring"), postgres_server.password_file("scoring"))
        use(again, artefacts[0])
        for one in (scoring, again):
            for revision, level in ((1, "0.85"), (2, "0.70"), (3, "0.95")):
                one.take(account_revised(revision=revision, windows=[window(2024), window(2025, intensity=level)]))
        try:
            for column in ("assessment_id", "content", "features"):
                assert [row[column] for row in scoring.assessments()] == [row[column] for row in again.assessments()]
            assert [row["event_id"] for row in scoring.events()] == [row["event_id"] for row in again.events()]
        finally:
            again.database.dispose()

    def test_refuses_a_revision_that_a_later_one_has_overtaken(self, scoring: Scoring) -> None:
        scoring.take(account_revised(revision=5))
        scoring.take(account_revised(revision=4))
        assert [row["account_revision"] for row in scoring.assessments()] == [5]

    def test_assesses_only_the_newest_of_a_subject_in_a_batch(self, scoring: Scoring) -> None:
        scoring.take(*(account_revised(revision=revision) for revision in (2, 3, 1)))
        assert [row["account_revision"] for row in scoring.assessments()] == [3]

    def test_chains_each_assessment_to_the_one_before(self, scoring: Scoring) -> None:
        for revision in (1, 2, 3):
            scoring.take(account_revised(revision=revision))
        first, second, third = scoring.assessments()
        assert [first["previous_assessment_id"], second["previous_assessment_id"], third["previous_assessment_id"]] == [
            None,
            first["assessment_id"],
            second["assessment_id"],
        ]
        assert [row["assessment_number"] for row in (first, second, third)] == [1, 2, 3]

    def test_keeps_what_it_cannot_read_and_goes_on(self, scoring: Scoring) -> None:
        truncated = account_revised().SerializeToString()[:-9]
        scoring.take(b"\xff\xff", truncated, b"", account_revised(subject_id=OTHER_ID))
        refused = scoring.rows('SELECT * FROM refused_event ORDER BY "offset"')
        assert [row["offset"] for row in refused] == [0, 1, 2]
        assert refused[1]["value"] == truncated
        assert all(row["reason"] for row in refused)
        assert [row["subject_id"] for row in scoring.assessments()] == [OTHER_ID]

    def test_says_not_rated_when_the_data_is_too_thin_and_rates_when_it_is_there(self, scoring: Scoring) -> None:
        scoring.take(account_revised(windows=[window(2025)], industry=None))
        scoring.take(account_revised(revision=2))
        first, second = scoring.assessments()
        assert first["not_rated_codes"] == "NOT_IN_DIRECTORY,TOO_FEW_PERIODS"
        assert (first["score"], first["features"]) == (None, None)
        assert second["score"] > 0

    def test_waits_for_a_model(self, scoring_without_model: Scoring) -> None:
        with pytest.raises(NoModelError):
            scoring_without_model.take(account_revised())
        assert scoring_without_model.assessments() == []


class TestHeldGrade:
    def test_holds_across_revisions_while_the_score_stays_near_its_band(self, scoring: Scoring) -> None:
        levels = [Decimal(thousandths).scaleb(-3) for thousandths in range(900, 780, -2)]
        for revision, level in enumerate(levels, start=1):
            scoring.take(account_revised(revision=revision, windows=[window(2023), window(2024), window(2025, intensity=level)]))
        rated = [assessment_pb2.Assessment.FromString(row["content"]).rated for row in scoring.assessments()]
        assert len({one.model_grade for one in rated}) > 1
        assert any(one.held_grade != one.model_grade for one in rated)
        assert all(one.final_grade == one.held_grade for one in rated)


class TestAppendOnly:
    @pytest.mark.parametrize("table", ["assessment", "model_release", "model_pointer"])
    def test_refuses_every_change(self, scoring: Scoring, table: str) -> None:
        scoring.take(account_revised())
        column = {"assessment": "score", "model_release": "profile", "model_pointer": "model_sha256"}[table]
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(IntegrityError, match="never changed"), scoring.database.transaction("test.change") as transaction:
                transaction.execute(text(statement))


class TestTwoProcesses:
    def test_number_the_assessments_of_shared_subjects_without_gap_or_deadlock(self, scoring: Scoring) -> None:
        subject_ids = [UUID(int=number) for number in range(1, 21)]
        errors: list[BaseException] = []

        def batch(revision: int, *, backwards: bool) -> None:
            order = list(reversed(subject_ids)) if backwards else subject_ids
            records = [record(account_revised(subject_id=one, revision=revision), offset=n) for n, one in enumerate(order)]

            def unit() -> None:
                with scoring.database.transaction("test.batch") as transaction:
                    AccountConsumer(assessing=scoring.assessing).handle(transaction, records)

            try:
                scoring.database.retrying(unit)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=batch, args=(n,), kwargs={"backwards": n % 2 == 0}) for n in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        numbers: dict[UUID, list[int]] = {}
        for row in scoring.assessments():
            numbers.setdefault(row["subject_id"], []).append(row["assessment_number"])
        assert set(numbers) == set(subject_ids)
        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
        assert len(scoring.events()) == len(scoring.assessments())
