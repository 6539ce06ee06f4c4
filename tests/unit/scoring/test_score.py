"""The score: bounded, built by hand-checkable sums, monotone in what a subject can do, and without jumps."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain.assessment import rate
from services.scoring.domain.features import Features
from services.scoring.domain.grade import SCALE
from services.scoring.domain.parameters import Dimension
from services.scoring.domain.score import dimension_indices, score_at, score_of
from services.scoring.domain.statement import AnnualFigures
from tests.unit.scoring.subjects import PARAMETERS, investment, observed, plan, prediction, statement, window

intensities = st.integers(1, 2500).map(lambda n: Decimal(n).scaleb(-3))
probabilities = st.integers(1, 999_999).map(lambda n: Decimal(n).scaleb(-6))


def score(of: Features, credited: Decimal | str = "0.30") -> Decimal:
    return score_of(of, prediction=prediction(credited), parameters=PARAMETERS).total


def coal(*levels: Decimal | str, met: int = 1, overdue: int = 0, share: str = "0.1") -> Features:
    windows = [window(2026 - len(levels) + position, intensity=level) for position, level in enumerate(levels)]
    return observed(statement(windows, with_plan=plan(met=met, overdue=overdue), investments=[investment(2025, share=share)]))


class TestScore:
    @given(st.lists(intensities, min_size=2, max_size=5), probabilities)
    def test_stays_between_0_and_100_at_every_level(self, levels: list[Decimal], credited: Decimal) -> None:
        result = score_of(coal(*levels), prediction=prediction(credited), parameters=PARAMETERS)
        assert 0 <= result.total <= 100
        for dimension in result.dimensions:
            assert 0 <= dimension.score <= 100
            assert 0 <= dimension.coverage <= 1
            assert all(0 <= one.value <= 100 for one in dimension.indices)

    @given(st.lists(intensities, min_size=2, max_size=5))
    def test_can_be_added_up_by_hand_from_what_is_shown(self, levels: list[Decimal]) -> None:
        result = score_of(coal(*levels), prediction=prediction(), parameters=PARAMETERS)
        for dimension in result.dimensions:
            by_hand = sum(one.value * one.index.weight for one in dimension.indices)
            assert abs(by_hand - dimension.score) <= Decimal("0.005")
        assert abs(sum(one.score * one.weight for one in result.dimensions) - result.total) <= Decimal("0.005")

    @given(intensities, intensities, intensities, probabilities)
    def test_never_falls_when_the_newest_intensity_falls(self, before: Decimal, one: Decimal, other: Decimal, credited: Decimal) -> None:
        low, high = sorted((one, other))
        # Weights are those of one maturity: what maturity does to a score is asked below.
        indices = {
            level: dimension_indices(coal(before, level), prediction=prediction(credited), parameters=PARAMETERS) for level in (low, high)
        }
        for maturity in (Decimal(0), Decimal("0.5"), Decimal(1)):
            totals = [score_at(maturity, indices[level], coal(before, level), parameters=PARAMETERS).total for level in (low, high)]
            assert totals[0] >= totals[1]

    @given(st.integers(0, 40), st.integers(0, 40))
    def test_never_falls_when_more_is_invested(self, one: int, other: int) -> None:
        low, high = sorted((one, other))
        assert score(coal("0.9", "0.88", share=f"0.{high:02d}")) >= score(coal("0.9", "0.88", share=f"0.{low:02d}"))

    @given(st.integers(1, 4), st.integers(0, 4))
    def test_never_falls_when_an_overdue_milestone_is_met(self, met: int, overdue: int) -> None:
        assert score(coal("0.9", "0.88", met=met + 1, overdue=overdue)) >= score(coal("0.9", "0.88", met=met, overdue=overdue + 1))

    @given(probabilities, probabilities)
    def test_never_falls_when_the_probability_of_a_fall_rises(self, one: Decimal, other: Decimal) -> None:
        low, high = sorted((one, other))
        assert score(coal("0.9", "0.88"), high) >= score(coal("0.9", "0.88"), low)

    @given(st.lists(intensities, min_size=2, max_size=4), st.integers(0, 9_999))
    @settings(max_examples=200)
    def test_does_not_jump_when_a_stage_border_is_crossed(self, levels: list[Decimal], step: int) -> None:
        seen = coal(*levels)
        indices = dimension_indices(seen, prediction=prediction(), parameters=PARAMETERS)
        before, after = (score_at(Decimal(n).scaleb(-4), indices, seen, parameters=PARAMETERS).total for n in (step, step + 1))
        assert abs(after - before) <= Decimal("0.04")

    def test_moves_with_the_probability_by_no_more_than_its_published_weight(self) -> None:
        moved = score(coal("0.9", "0.88"), "0.999999") - score(coal("0.9", "0.88"), "0.000001")
        assert moved <= 100 * Decimal("0.30") * Decimal("0.30") + Decimal("0.02")


class TestNothingLeftToReduce:
    def wind(self, *levels: str, scope2: str = "400") -> list[AnnualFigures]:
        return [
            window(2026 - len(levels) + position, intensity=level, route="wind", scope2=scope2) for position, level in enumerate(levels)
        ]

    def test_a_wind_farm_is_deep_green_without_any_plan(self) -> None:
        seen = observed(statement(self.wind("0.004", "0.004", "0.005"), industry="4415"))
        rated = rate(seen, prediction=prediction("0.000001"), parameters=PARAMETERS, scale=SCALE, held=None)
        assert rated.score >= 90
        assert rated.colour_label.value == "DEEP_GREEN"

    def test_a_wobble_near_nothing_changes_nothing(self) -> None:
        steady = observed(statement(self.wind("0.004", "0.004"), industry="4415"))
        doubled = observed(statement(self.wind("0.004", "0.008"), industry="4415"))
        assert score(steady) == score(doubled)

    def test_zero_emissions_are_rated_without_a_fault(self) -> None:
        seen = observed(statement([window(year, intensity="0", route="hydro") for year in (2024, 2025)], industry="4413"))
        assert seen.headroom == 0
        assert score(seen) >= 90


class TestCoverage:
    def test_shows_absence(self) -> None:
        bare = score_of(observed(statement()), prediction=prediction(), parameters=PARAMETERS)
        forward = next(one for one in bare.dimensions if one.dimension is Dimension.FORWARD_LOOKING)
        assert forward.coverage == 0
        assert forward.score == 0

    def test_falls_with_staleness_and_the_score_does_not(self) -> None:
        fresh = observed(statement())
        old = replace(fresh, stale_years=5)
        results = [score_of(seen, prediction=prediction(), parameters=PARAMETERS) for seen in (fresh, old)]
        assert results[0].total == results[1].total
        assert [one.coverage for one in results[1].dimensions if one.dimension is Dimension.LEADERSHIP] == [Decimal("0.25")]
