"""Assessments that no account revision asks for: a new model's wave, and what time alone changes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from carbonbureau.scoring.v1 import assessment_pb2

from services.scoring.domain.statement import Milestone
from services.scoring.reassessment import CHUNK, DueRound, WaveCounts, wave
from tests.integration.scoring.conftest import Scoring, use
from tests.unit.scoring.accounts import account_revised
from tests.unit.scoring.subjects import plan

SUBJECTS = [UUID(int=number) for number in range(1, 8)]
DUE_SOON = replace(plan(met=1), milestones=(*plan(met=1).milestones, Milestone(number="next", due=date(2026, 11, 30), completed=None)))


def run_wave(scoring: Scoring, *, rate_per_s: float = 1000) -> WaveCounts:
    return wave(
        database=scoring.database, assessing=scoring.assessing, rate_per_s=rate_per_s, stop=threading.Event(), progress=lambda done: None
    )


class TestWave:
    def test_assesses_every_subject_once_by_the_new_model(self, scoring: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        scoring.take(*(account_revised(subject_id=one) for one in SUBJECTS))
        sha256 = use(scoring, artefacts[1])
        assert run_wave(scoring) == WaveCounts(made=len(SUBJECTS), unchanged=0)
        newest = [row for row in scoring.assessments() if row["assessment_number"] == 2]
        assert len(newest) == len(SUBJECTS)
        assert {row["model_sha256"] for row in newest} == {sha256}
        assert len(scoring.events()) == 2 * len(SUBJECTS)

    def test_leaves_nothing_for_a_second_wave(self, scoring: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        scoring.take(*(account_revised(subject_id=one) for one in SUBJECTS))
        assert run_wave(scoring) == WaveCounts(made=0, unchanged=0)
        use(scoring, artefacts[1])
        run_wave(scoring)
        assert run_wave(scoring) == WaveCounts(made=0, unchanged=0)

    def test_keeps_to_its_rate(self, scoring: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        scoring.take(*(account_revised(subject_id=one) for one in SUBJECTS))
        use(scoring, artefacts[1])
        started = time.monotonic()
        run_wave(scoring, rate_per_s=10)
        assert time.monotonic() - started >= len(SUBJECTS) / 10

    def test_uses_the_account_as_it_was_kept(self, scoring: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        scoring.take(account_revised())
        use(scoring, artefacts[1])
        run_wave(scoring)
        first, second = scoring.assessments()
        assert (first["account_revision"], first["statement_sha256"]) == (second["account_revision"], second["statement_sha256"])
        one, other = (assessment_pb2.AssessmentMade.FromString(row["value"]).account for row in scoring.events())
        assert one == other


class TestDueRound:
    def round(self, scoring: Scoring) -> DueRound:
        return DueRound(database=scoring.database, assessing=scoring.assessing)

    def test_assesses_again_on_the_day_after_a_milestone_was_missed(self, scoring: Scoring) -> None:
        scoring.take(account_revised(with_plan=DUE_SOON))
        scoring.clock.at = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
        self.round(scoring).step()
        assert len(scoring.assessments()) == 1
        scoring.clock.at = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # midnight in Shanghai
        self.round(scoring).step()
        first, second = scoring.assessments()
        assert second["score"] < first["score"]
        assert second["assessed_on"] == date(2026, 12, 1)

    def test_does_each_day_once(self, scoring: Scoring) -> None:
        scoring.take(*(account_revised(subject_id=one, with_plan=DUE_SOON) for one in SUBJECTS))
        scoring.clock.at = datetime(2026, 12, 5, 4, 0, tzinfo=UTC)
        due = self.round(scoring)
        for _ in range(4):
            due.step()
        assert len(scoring.assessments()) == 2 * len(SUBJECTS)

    def test_makes_no_assessment_when_the_outcome_stayed_and_looks_again_on_the_next_day_that_matters(self, scoring: Scoring) -> None:
        scoring.take(account_revised())
        scoring.clock.at = datetime(2027, 1, 1, 4, 0, tzinfo=UTC)  # figures a year old: coverage is still whole
        self.round(scoring).step()
        assert len(scoring.assessments()) == len(scoring.events()) == 1
        (subject,) = scoring.rows("SELECT next_change_on FROM subject")
        assert subject["next_change_on"] == date(2028, 1, 1)

    def test_tells_when_figures_turn_old(self, scoring: Scoring) -> None:
        scoring.take(account_revised())
        scoring.clock.at = datetime(2028, 1, 2, 4, 0, tzinfo=UTC)
        self.round(scoring).step()
        newest = assessment_pb2.Assessment.FromString(scoring.assessments()[-1]["content"])
        assert newest.rated.reason_codes[-1].code == "R901"

    def test_works_through_more_than_one_chunk(self, scoring: Scoring) -> None:
        many = [UUID(int=number) for number in range(1, CHUNK + 4)]
        scoring.take(*(account_revised(subject_id=one, with_plan=DUE_SOON) for one in many))
        scoring.clock.at = datetime(2026, 12, 5, 4, 0, tzinfo=UTC)
        due = self.round(scoring)
        due.step()
        assert len(scoring.assessments()) == len(many) + CHUNK
        due.step()
        assert len(scoring.assessments()) == 2 * len(many)
