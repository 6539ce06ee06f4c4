"""Which data carries a grade, and the reasons when it does not."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.scoring.domain.not_rated import Comparable, NotRated, NotRatedCode, comparable
from services.scoring.domain.statement import AnnualFigures, Statement
from tests.unit.scoring.subjects import PARAMETERS, statement, window


def codes(of: Statement) -> list[NotRatedCode]:
    result = comparable(of, references=PARAMETERS.references)
    assert isinstance(result, NotRated)
    return [reason.code for reason in result.reasons]


def windows_of(of: Statement) -> list[int]:
    result = comparable(of, references=PARAMETERS.references)
    assert isinstance(result, Comparable)
    return [one.year for one in result.windows]


class TestNotRated:
    @pytest.mark.parametrize(
        ("windows", "code"),
        [
            ([], NotRatedCode.TOO_FEW_PERIODS),
            ([window(2025)], NotRatedCode.TOO_FEW_PERIODS),
            ([window(2024, months=11), window(2025)], NotRatedCode.TOO_FEW_PERIODS),
            ([window(2024), window(2025, output="0", intensity="0")], NotRatedCode.NO_OUTPUT),
            ([window(2024), window(2025, complete=False)], NotRatedCode.OUTPUT_INCOMPLETE),
            ([window(2024, product="heat"), window(2025)], NotRatedCode.PRODUCT_CHANGED),
            ([window(2024, unit="t"), window(2025, unit="t")], NotRatedCode.NO_INDUSTRY_REFERENCE),
        ],
    )
    def test_gives_the_reason(self, windows: list[AnnualFigures], code: NotRatedCode) -> None:
        assert codes(statement(windows)) == [code]

    def test_gives_every_reason(self) -> None:
        assert codes(statement([window(2025)], industry=None)) == [NotRatedCode.NOT_IN_DIRECTORY, NotRatedCode.TOO_FEW_PERIODS]

    def test_needs_the_directory_even_with_good_figures(self) -> None:
        assert codes(statement(industry=None)) == [NotRatedCode.NOT_IN_DIRECTORY]

    def test_has_a_text_in_both_languages_for_every_reason(self) -> None:
        for code in NotRatedCode:
            result = NotRated(reasons=())
            reason = type(comparable(statement([]), references=PARAMETERS.references).reasons[0])(code=code)  # type: ignore[union-attr]
            assert result.reasons == ()
            assert reason.text_zh
            assert reason.text_en.endswith(".")


class TestComparable:
    @pytest.mark.parametrize("months", range(12))
    def test_leaves_out_a_window_with_a_gap_so_that_missing_data_is_no_reduction(self, months: int) -> None:
        gap = window(2025, intensity=Decimal("0.85") * months / 12, months=months)
        assert windows_of(statement([window(2023), window(2024), gap])) == [2023, 2024]

    def test_leaves_out_a_year_without_output_and_rates_on_the_others(self) -> None:
        windows = [window(2022), window(2023, output="0", intensity="0"), window(2024), window(2025, output="0", intensity="0")]
        assert windows_of(statement(windows)) == [2022, 2024]

    def test_takes_a_year_without_emissions(self) -> None:
        windows = [window(year, intensity="0", route="hydro") for year in (2024, 2025)]
        assert windows_of(statement(windows, industry="4413")) == [2024, 2025]

    def test_leaves_out_a_window_that_overlaps_a_newer_one(self) -> None:
        rolling = replace(window(2024), start=date(2024, 7, 1), end=date(2025, 7, 1))
        assert windows_of(statement([window(2023), rolling, window(2025)])) == [2023, 2025]

    def test_leaves_out_negative_emissions_and_windows_that_are_no_year(self) -> None:
        negative = replace(window(2024), scope1_tco2e=Decimal(-1))
        short = replace(window(2024), start=date(2024, 6, 1))
        assert windows_of(statement([window(2022), window(2023), negative, short])) == [2022, 2023]

    def test_rates_old_figures(self) -> None:
        assert windows_of(statement([window(2015), window(2016)])) == [2015, 2016]

    def test_compares_an_unknown_route_with_its_industry(self) -> None:
        result = comparable(statement([window(2024, route="tidal"), window(2025, route="tidal")]), references=PARAMETERS.references)
        assert isinstance(result, Comparable)
        assert result.route == result.industry

    @pytest.mark.parametrize("route", ["Gas/Diesel", "gas-diesel", "gas_diesel"])
    def test_finds_a_route_however_it_is_written(self, route: str) -> None:
        windows = [window(2024, route=route), window(2025, route=route)]
        result = comparable(statement(windows), references=PARAMETERS.references)
        assert isinstance(result, Comparable)
        assert result.route.process_route == "gas_diesel"
