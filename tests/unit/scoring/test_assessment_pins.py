"""The id of an assessment is derived from its pins; outcomes hold their promises; time has its days."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from services.scoring.domain.assessment import Pins, next_change_on, rate
from services.scoring.domain.grade import SCALE, Grade, colour_of
from services.scoring.domain.statement import Milestone
from tests.unit.scoring.subjects import PARAMETERS, SUBJECT_ID, TODAY, observed, plan, prediction, statement, window

PINS = Pins(
    subject_id=SUBJECT_ID,
    account_revision=4,
    statement_sha256="aa" * 32,
    model_sha256="bb" * 32,
    model_version="intensity-fall-1y/2022-0011-1",
    weights_version="2026.1",
    scale_version="2026.1",
    previous_assessment_id=UUID(int=9),
    assessed_on=TODAY,
)


class TestAssessmentId:
    def test_is_the_same_for_the_same_pins(self) -> None:
        assert PINS.assessment_id == replace(PINS).assessment_id == UUID("1ebb502c-685d-5790-8906-0a4f8b7db089")

    @pytest.mark.parametrize(
        "change",
        [
            {"subject_id": UUID(int=2)},
            {"account_revision": 5},
            {"model_sha256": "cc" * 32},
            {"weights_version": "2026.2"},
            {"scale_version": "2026.2"},
            {"previous_assessment_id": None},
            {"previous_assessment_id": UUID(int=10)},
            {"assessed_on": date(2026, 11, 22)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_changes_with_each_pin(self, change: dict[str, object]) -> None:
        assert replace(PINS, **change).assessment_id != PINS.assessment_id  # type: ignore[arg-type]


class TestRate:
    def test_shows_the_three_grades_and_the_colour_of_the_final_one(self) -> None:
        seen = observed(statement())
        free = rate(seen, prediction=prediction(), parameters=PARAMETERS, scale=SCALE, held=None)
        assert free.model_grade is free.held_grade is free.final_grade
        floors = dict(SCALE.floors)
        better = min((grade for grade in Grade if floors[grade] > floors[free.model_grade]), key=lambda grade: floors[grade])
        held = rate(seen, prediction=prediction(), parameters=PARAMETERS, scale=SCALE, held=better)
        close = floors[better] - free.score < SCALE.margin
        assert (held.held_grade is better) == close
        assert held.final_grade is held.held_grade
        assert held.colour_label is colour_of(held.final_grade)

    def test_keeps_every_number_at_its_scale(self) -> None:
        rated = rate(observed(statement()), prediction=prediction(), parameters=PARAMETERS, scale=SCALE, held=None)

        def scale(value: Decimal) -> int:
            return -int(value.as_tuple().exponent)

        assert scale(rated.score) == 2
        assert scale(rated.maturity) == 4
        for dimension in rated.dimensions:
            assert (scale(dimension.score), scale(dimension.weight), scale(dimension.coverage)) == (2, 6, 2)


class TestNextChangeOn:
    def test_is_the_day_after_the_next_open_milestone_is_due(self) -> None:
        milestones = (
            Milestone(number="1", due=date(2026, 11, 30), completed=None),
            Milestone(number="2", due=date(2027, 3, 1), completed=None),
        )
        of = statement(with_plan=replace(plan(), milestones=milestones))
        assert next_change_on(of, newest=of.annual_figures[-1], assessed_on=TODAY) == date(2026, 12, 1)

    def test_is_the_day_the_figures_turn_a_year_older(self) -> None:
        of = statement()
        assert next_change_on(of, newest=of.annual_figures[-1], assessed_on=TODAY) == date(2027, 1, 1)

    def test_is_the_day_a_plan_comes_into_force(self) -> None:
        of = statement(with_plan=replace(plan(met=0), adopted=date(2026, 12, 24)))
        assert next_change_on(of, newest=of.annual_figures[-1], assessed_on=TODAY) == date(2026, 12, 24)

    def test_bears_a_milestone_without_end_and_figures_from_long_ago(self) -> None:
        endless = Milestone(number="1", due=date.max, completed=None)
        of = statement([window(1), window(1900)], with_plan=replace(plan(), milestones=(endless,)))
        assert next_change_on(of, newest=of.annual_figures[-1], assessed_on=TODAY) == date(2027, 1, 1)
        assert observed(of).stale_years == 125

    def test_is_never_for_a_subject_that_is_not_rated(self) -> None:
        assert next_change_on(statement([window(2025)]), newest=None, assessed_on=TODAY) is None

    def test_bears_a_window_that_ends_on_a_leap_day(self) -> None:
        newest = replace(window(2023), start=date(2023, 2, 28), end=date(2024, 2, 29))
        assert next_change_on(statement(), newest=newest, assessed_on=date(2024, 12, 31)) == date(2025, 3, 1)

    def test_changes_the_outcome_on_that_day_and_not_before(self) -> None:
        of = statement(
            with_plan=replace(
                plan(met=1), milestones=(*plan(met=1).milestones, Milestone(number="x", due=date(2026, 12, 4), completed=None))
            )
        )
        day = next_change_on(of, newest=of.annual_figures[-1], assessed_on=TODAY)
        assert day == date(2026, 12, 5)
        assert observed(of, on=date(2026, 12, 4)) == observed(of, on=TODAY)
        assert observed(of, on=day) != observed(of, on=TODAY)
