"""Decides an assessment (评价): the outcome for one statement, pinned to everything it was made from, and when time alone may change it."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from services.common.identifiers import derived_id
from services.scoring.domain.features import Features
from services.scoring.domain.grade import ColourLabel, Grade, Scale, colour_of, grade_of, held_grade
from services.scoring.domain.not_rated import NotRated
from services.scoring.domain.parameters import Parameters, TransitionStage
from services.scoring.domain.reason_code import ReasonCode, reason_codes
from services.scoring.domain.score import DimensionScore, Prediction, score_of
from services.scoring.domain.statement import AnnualFigures, Plan, Statement
from services.scoring.domain.transition_stage import stage_of


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A graded result. The three grades are published where they differ; the colour label is a function of the final one."""

    score: Decimal
    model_grade: Grade
    held_grade: Grade
    final_grade: Grade
    transition_stage: TransitionStage
    maturity: Decimal
    dimensions: tuple[DimensionScore, ...]
    reduction_probability: Decimal
    model_raw_margin: float
    reason_codes: tuple[ReasonCode, ...]

    @property
    def colour_label(self) -> ColourLabel:
        return colour_of(self.final_grade)


Outcome = Rated | NotRated


@dataclass(frozen=True, kw_only=True)
class Pins:
    """Everything an assessment was made from; its id is derived from them."""

    subject_id: UUID
    account_revision: int
    statement_sha256: str
    model_sha256: str
    model_version: str
    weights_version: str
    scale_version: str
    previous_assessment_id: UUID | None
    assessed_on: date

    @property
    def assessment_id(self) -> UUID:
        """The id of the assessment: the same pins make the same id, whenever and wherever it is made again."""
        return derived_id(
            "assessment",
            subject_id=self.subject_id,
            account_revision=self.account_revision,
            model_sha256=self.model_sha256,
            weights_version=self.weights_version,
            scale_version=self.scale_version,
            previous_assessment_id=str(self.previous_assessment_id or ""),
            assessed_on=self.assessed_on,
        )


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """One scoring run. `number` counts the assessments of the subject."""

    number: int
    pins: Pins
    outcome: Outcome

    @property
    def assessment_id(self) -> UUID:
        return self.pins.assessment_id


def rate(observed: Features, *, prediction: Prediction, parameters: Parameters, scale: Scale, held: Grade | None) -> Rated:
    """Grade a subject; `held` is the grade held so far, None when there is none."""
    score = score_of(observed, prediction=prediction, parameters=parameters)
    holding = held_grade(score.total, held=held, scale=scale)
    return Rated(
        score=score.total,
        model_grade=grade_of(score.total, scale=scale),
        held_grade=holding,
        # Joint rating (联合评级) by verifiers and associations is not there yet: the held grade is the final one.
        final_grade=holding,
        transition_stage=stage_of(score.maturity, parameters=parameters),
        maturity=score.maturity,
        dimensions=score.dimensions,
        reduction_probability=prediction.probability,
        model_raw_margin=prediction.raw_margin,
        reason_codes=reason_codes(observed, prediction=prediction, score=score),
    )


def next_change_on(statement: Statement, *, newest: AnnualFigures | None, assessed_on: date) -> date | None:
    """Return the first day after `assessed_on` on which time alone may change the outcome, or None if it never does.

    Time moves what depends on the date: milestones that come due, a plan that comes into force, full years of staleness.
    `newest` is the newest window the outcome rests on; None when the subject is not rated, which time alone does not cure.
    """
    if newest is None:
        return None
    days = [_anniversary(newest.end, years=years) for years in range(1, assessed_on.year - newest.end.year + 2)]
    if statement.plan is not None:
        days += _days_of(statement.plan)
    return min((day for day in days if day > assessed_on), default=None)


def _days_of(plan: Plan) -> list[date]:
    completed = [milestone.completed for milestone in plan.milestones if milestone.completed is not None]
    # A milestone is in time on the day it is due and overdue on the next; the last day of the calendar ("no end") has no next.
    overdue = [milestone.due + timedelta(days=1) for milestone in plan.milestones if milestone.due < date.max]
    return [plan.adopted, *completed, *overdue]


def _anniversary(day: date, *, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        # 29 February: months_between counts the full year from 1 March on.
        return date(day.year + years, 3, 1)
