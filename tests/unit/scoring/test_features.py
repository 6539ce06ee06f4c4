"""What is observed: figures with units, features without faults, whatever the account holds."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain.features import FEATURE_NAMES, schema_hash
from services.scoring.domain.not_rated import NotRated, comparable
from services.scoring.domain.statement import AnnualFigures, Investment, Milestone, Plan, Target
from tests.unit.scoring.subjects import PARAMETERS, TODAY, investment, observed, plan, statement, window

amounts = st.one_of(
    st.just(Decimal(0)),
    st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-3)),
    st.sampled_from([Decimal("0.000000001"), Decimal("999999999999999.999999999")]),
)
figures = st.builds(
    lambda year, scope1, scope2, output, months, route: replace(
        window(year, months=months, route=route), scope1_tco2e=scope1, scope2_tco2e=scope2, output_amount=output
    ),
    st.integers(2010, 2025),
    amounts,
    amounts,
    amounts,
    st.sampled_from([11, 12, 12, 12]),
    st.sampled_from(["coal", "gas", "wind", "hydro", "no such route"]),
)


def figure(code: str, windows: list[AnnualFigures], **knobs: object) -> Decimal | None:
    return observed(statement(windows, **knobs)).figures[code]  # type: ignore[arg-type]


class TestFeatures:
    @given(st.lists(figures, max_size=8))
    @settings(max_examples=300)
    def test_never_fault_whatever_the_amounts(self, windows: list[AnnualFigures]) -> None:
        of = statement(windows, with_plan=plan(), investments=[investment(2024)])
        if isinstance(comparable(of, references=PARAMETERS.references), NotRated):
            return
        seen = observed(of)
        assert len(seen.model_row) == len(seen.credited_row) == len(FEATURE_NAMES)
        assert 0 <= seen.headroom <= 1
        assert all(value is None or value.is_finite() for value in (*seen.figures.values(), *seen.model_row, *seen.credited_row))

    def test_are_the_same_for_the_same_statement(self) -> None:
        assert observed(statement()) == observed(statement())

    def test_name_a_schema(self) -> None:
        assert schema_hash() == "416d38c43e25679cd4acf01c6178a5566552f6abd224e28cd9f5501376fe51fd"

    def test_miss_the_change_before_with_two_windows_only(self) -> None:
        row = dict(zip(FEATURE_NAMES, observed(statement([window(2024), window(2025)])).model_row, strict=True))
        assert row["change_before"] is None
        assert row["windows_known"] == 2

    def test_spread_a_change_over_a_missing_year(self) -> None:
        gap = observed(statement([window(2023, intensity="1.0"), window(2025, intensity="0.81")]))
        row = dict(zip(FEATURE_NAMES, gap.model_row, strict=True))
        assert row["change_newest"] == Decimal("-0.105361")  # ln(0.9)
        assert gap.figures["annual_reduction"] == Decimal("10.0000")


class TestCreditedRow:
    def test_earns_nothing_for_a_rise(self) -> None:
        risen = observed(statement([window(2023), window(2024), window(2025, intensity="0.95")]))
        steady = observed(statement([window(2023), window(2024), window(2025)]))
        column = FEATURE_NAMES.index("change_newest")
        assert risen.model_row[column] == Decimal("0.111226")
        assert risen.credited_row[column] == 0
        assert [risen.credited_row[n] for n in (0, 1, 2, 3, 4, 5)] == [steady.model_row[n] for n in (0, 1, 2, 3, 4, 5)]

    def test_is_the_model_row_after_a_fall(self) -> None:
        fallen = observed(statement([window(2023), window(2024), window(2025, intensity="0.80")]))
        assert fallen.credited_row == fallen.model_row


class TestExplicitFigures:
    def test_compare_with_the_reference_of_the_route(self) -> None:
        windows = [window(2024, intensity="0.8177"), window(2025, intensity="0.8177")]
        assert figure("intensity_to_reference", windows) == Decimal("1.0000")
        assert figure("lead_within_industry", windows) == Decimal("1.5143")

    def test_measure_reduction_in_percent(self) -> None:
        windows = [window(2023, intensity="1.00"), window(2024, intensity="0.95"), window(2025, intensity="0.9025")]
        assert figure("annual_reduction", windows) == Decimal("5.0000")
        assert figure("cumulative_reduction", windows) == Decimal("9.7500")

    def test_measure_emissions_not_intensity_for_the_total(self) -> None:
        windows = [window(2024, output="100000"), window(2025, output="110000")]
        assert figure("emissions_trend", windows) == Decimal("10.0000")
        assert figure("annual_reduction", windows) == 0


class TestInvestmentShare:
    def test_counts_the_total_of_a_period_once(self) -> None:
        lines = [investment(2025, share="0.1"), investment(2025, share="0.2")]
        assert observed(statement(investments=lines)).figures["investment_share"] == Decimal("0.3000")

    def test_counts_recognised_technologies_only(self) -> None:
        lines = [investment(2025, share="0.1"), investment(2025, share="0.2", recognised=False)]
        assert observed(statement(investments=lines)).figures["investment_share"] == Decimal("0.1000")

    def test_looks_back_three_years_from_the_newest_window(self) -> None:
        lines = [investment(2022, share="1"), investment(2023, share="0.3"), investment(2025, share="0.1")]
        assert observed(statement(investments=lines)).figures["investment_share"] == Decimal("0.2000")

    def test_is_unknown_without_records(self) -> None:
        seen = observed(statement())
        assert seen.figures["investment_share"] is None
        assert seen.contradicted == frozenset()

    @pytest.mark.parametrize(
        "impossible",
        [
            [investment(2025, share="1.01")],
            [investment(2025, share="0.6"), investment(2025, share="0.6")],
            # What is not recognised was spent as well.
            [investment(2025, share="0.3"), investment(2025, share="0.8", recognised=False)],
            # Nothing was spent at all, and yet something was invested.
            [replace(investment(2025), total_capital_expenditure_yuan=Decimal(0))],
        ],
    )
    def test_is_no_evidence_when_more_was_invested_than_spent_in_any_period(self, impossible: list[Investment]) -> None:
        for lines in (impossible, [investment(2024, share="0.1"), *impossible], [investment(2024, total="999999999"), *impossible]):
            seen = observed(statement(investments=lines))
            assert seen.figures["investment_share"] is None
            assert seen.contradicted == {"investment_share"}

    def test_counts_all_expenditure_when_all_of_it_was_invested(self) -> None:
        seen = observed(statement(investments=[investment(2025, share="1")]))
        assert (seen.figures["investment_share"], seen.contradicted) == (Decimal("1.0000"), frozenset())

    def test_bears_a_contradiction_that_is_too_old_to_count(self) -> None:
        lines = [investment(2022, share="2"), investment(2025, share="0.1")]
        assert observed(statement(investments=lines)).figures["investment_share"] == Decimal("0.1000")


class TestMilestones:
    @pytest.mark.parametrize(
        ("met", "late", "overdue", "share"), [(2, 0, 0, "1.0000"), (1, 1, 0, "0.7500"), (1, 0, 1, "0.5000"), (0, 0, 2, "0.0000")]
    )
    def test_count_full_half_or_nothing(self, met: int, late: int, overdue: int, share: str) -> None:
        of = statement(with_plan=plan(met=met, late=late, overdue=overdue))
        assert observed(of).figures["milestones_met"] == Decimal(share)

    def test_show_nothing_before_the_first_is_due(self) -> None:
        assert observed(statement(with_plan=plan(met=0, future=3))).figures["milestones_met"] is None

    def test_are_in_time_on_the_day_and_overdue_on_the_next(self) -> None:
        milestone = Milestone(number="1", due=TODAY, completed=None)
        of = statement(with_plan=replace(plan(met=1), milestones=(*plan(met=1).milestones, milestone)))
        assert observed(of).figures["milestones_met"] == Decimal(1)
        assert observed(of, on=date(2026, 11, 22)).figures["milestones_met"] == Decimal("0.5")


class TestTargetAttainment:
    def test_is_one_when_the_plan_is_met(self) -> None:
        windows = [window(2022, intensity="1.00"), window(2025, intensity="0.94")]
        assert figure("target_attainment", windows, with_plan=plan(target_percent="6")) == Decimal("1.0000")

    def test_asks_only_for_what_was_promised_since_the_earliest_window(self) -> None:
        # 6 % by 2025 on a straight line from 2022 is 2 % by 2023: from 2023 on, 1 − 0.94 ÷ 0.98 is asked.
        windows = [window(2023, intensity="0.98"), window(2025, intensity="0.94")]
        assert figure("target_attainment", windows, with_plan=plan(target_percent="6")) == Decimal("1.0000")

    def test_is_negative_when_intensity_rose(self) -> None:
        windows = [window(2022, intensity="1.00"), window(2025, intensity="1.06")]
        assert figure("target_attainment", windows, with_plan=plan(target_percent="6")) == Decimal("-1.0000")

    @pytest.mark.parametrize("yearly", [{}, {2022: 3}, {2030: 100}, {2021: 5, 2025: 0}, {2025: -4}])
    def test_bears_odd_plans(self, yearly: dict[int, int]) -> None:
        targets = tuple(Target(year=year, intensity_reduction_percent=Decimal(percent)) for year, percent in yearly.items())
        odd = Plan(adopted=date(2023, 1, 1), base_year=2022, targets=targets, milestones=())
        observed(statement([window(2022), window(2025)], with_plan=odd))

    def test_is_unknown_before_the_plan_is_adopted(self) -> None:
        later = replace(plan(), adopted=date(2027, 1, 1))
        assert observed(statement(with_plan=later)).figures["target_attainment"] is None


class TestStaleness:
    @pytest.mark.parametrize(("year", "stale"), [(2025, 0), (2024, 1), (2023, 2), (2020, 5)])
    def test_counts_full_years_since_the_newest_window(self, year: int, stale: int) -> None:
        assert observed(statement([window(year - 1), window(year)])).stale_years == stale
