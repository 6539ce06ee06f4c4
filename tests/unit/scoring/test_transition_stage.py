"""Maturity, stages and stage weights: the published promises hold exactly, and nothing jumps."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.parameters import SCORED_DIMENSIONS, Dimension, ParameterError, TransitionStage
from services.scoring.domain.transition_stage import maturity_of, stage_of, weights_at
from tests.unit.scoring.subjects import PARAMETERS, investment, observed, plan, statement, window

maturities = st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-4))


class TestWeights:
    @given(maturities)
    def test_sum_to_exactly_one_everywhere(self, maturity: Decimal) -> None:
        weights = weights_at(maturity, parameters=PARAMETERS)
        assert sum(weights.values()) == 1
        assert set(weights) == set(SCORED_DIMENSIONS)
        assert all(weight >= 0 for weight in weights.values())

    @given(st.integers(0, 2500).map(lambda n: Decimal(n).scaleb(-4)))
    def test_forward_looking_is_exactly_forty_percent_in_the_early_flat_region(self, maturity: Decimal) -> None:
        assert weights_at(maturity, parameters=PARAMETERS)[Dimension.FORWARD_LOOKING] == Decimal("0.40")

    @given(st.integers(4500, 5500).map(lambda n: Decimal(n).scaleb(-4)))
    def test_current_performance_and_momentum_balance_in_the_middle(self, maturity: Decimal) -> None:
        weights = weights_at(maturity, parameters=PARAMETERS)
        assert weights[Dimension.CURRENT_PERFORMANCE] == weights[Dimension.REDUCTION_MOMENTUM]

    @given(st.integers(7500, 10_000).map(lambda n: Decimal(n).scaleb(-4)))
    def test_leadership_dominates_when_mature(self, maturity: Decimal) -> None:
        weights = weights_at(maturity, parameters=PARAMETERS)
        assert max(weights, key=lambda dimension: weights[dimension]) is Dimension.LEADERSHIP

    @given(st.integers(0, 9_999))
    def test_move_by_less_than_two_thousandths_per_ten_thousandth_of_maturity(self, step: int) -> None:
        before = weights_at(Decimal(step).scaleb(-4), parameters=PARAMETERS)
        after = weights_at(Decimal(step + 1).scaleb(-4), parameters=PARAMETERS)
        assert all(abs(after[dimension] - before[dimension]) < Decimal("0.0002") for dimension in SCORED_DIMENSIONS)

    def test_refuses_a_table_that_breaks_the_forty_percent(self) -> None:
        early, *others = PARAMETERS.stages
        weights = dict(early.weights)
        weights[Dimension.FORWARD_LOOKING] -= Decimal("0.01")
        weights[Dimension.LEADERSHIP] += Decimal("0.01")
        with pytest.raises(ParameterError, match="40 %"):
            replace(PARAMETERS, stages=(replace(early, weights=tuple(weights.items())), *others))

    def test_refuses_weights_that_do_not_add_up(self) -> None:
        early, *others = PARAMETERS.stages
        weights = {**dict(early.weights), Dimension.LEADERSHIP: Decimal("0.06")}
        with pytest.raises(ParameterError, match="add up"):
            replace(PARAMETERS, stages=(replace(early, weights=tuple(weights.items())), *others))


class TestStage:
    @given(maturities)
    def test_names_a_region_that_contains_the_stages_own_flat_region(self, maturity: Decimal) -> None:
        stage = stage_of(maturity, parameters=PARAMETERS)
        for one in PARAMETERS.stages:
            if one.flat_from <= maturity <= one.flat_to:
                assert stage is one.stage

    def test_rises_with_maturity(self) -> None:
        stages = [stage_of(Decimal(n).scaleb(-4), parameters=PARAMETERS) for n in range(0, 10_001, 50)]
        order = list(TransitionStage)
        assert all(order.index(a) <= order.index(b) for a, b in pairwise(stages))
        assert set(stages) == set(TransitionStage)


class TestMaturity:
    def test_is_early_for_a_coal_plant_without_plan(self) -> None:
        assert maturity_of(observed(statement()), parameters=PARAMETERS) < Decimal("0.25")

    def test_is_mature_for_a_wind_farm(self) -> None:
        windows = [window(year, intensity="0.004", route="wind") for year in (2023, 2024, 2025)]
        assert maturity_of(observed(statement(windows, industry="4415")), parameters=PARAMETERS) >= Decimal("0.75")

    def test_rises_with_plan_and_investment_records(self) -> None:
        bare = maturity_of(observed(statement()), parameters=PARAMETERS)
        shown = statement(with_plan=plan(), investments=[investment(2024), investment(2025)])
        assert maturity_of(observed(shown), parameters=PARAMETERS) > bare

    @given(st.integers(300, 1500), st.integers(300, 1500))
    def test_never_falls_when_intensity_falls(self, one: int, other: int) -> None:
        low, high = sorted((one, other))

        def maturity(thousandths: int) -> Decimal:
            windows = [window(2024, intensity="0.9"), window(2025, intensity=Decimal(thousandths).scaleb(-3))]
            return maturity_of(observed(statement(windows)), parameters=PARAMETERS)

        assert maturity(low) >= maturity(high)
