"""The figures per 12-month window."""

from decimal import Decimal
from itertools import permutations

import pytest

from services.collector.domain.annual import AnnualFigures
from tests.unit.collector.submissions import DECLARED, METERED, Sent, days, entry, findings_of, fuel, month, output, reported, view_of, year


def figures(*sent: Sent) -> list[AnnualFigures]:
    return list(view_of(sent).annual_figures)


def windows(*sent: Sent) -> list[tuple[str, str, int]]:
    return [(str(one.period.start), str(one.period.end), one.months_covered) for one in figures(*sent)]


def monthly(count: int, *, first: int = 1) -> list[Sent]:
    return [("eco-sx", reported("10", "1", period=month(2023, number))) for number in range(first, first + count)]


class TestMonthlyFigures:
    def test_end_with_the_newest_month_and_go_back_by_twelve(self) -> None:
        assert windows(*monthly(30)) == [
            ("2022-07-01", "2023-07-01", 6),
            ("2023-07-01", "2024-07-01", 12),
            ("2024-07-01", "2025-07-01", 12),
        ]

    def test_sum_scopes_apart(self) -> None:
        (one,) = figures(*monthly(12))
        assert (one.scope1_tco2e, one.scope2_tco2e) == (Decimal(120), Decimal(12))

    def test_with_a_gap_keep_to_the_same_day_of_the_year(self) -> None:
        assert windows(*monthly(3), *monthly(12, first=37)) == [("2023-01-01", "2024-01-01", 3), ("2026-01-01", "2027-01-01", 12)]

    def test_of_billing_months_count_by_the_middle_of_the_month(self) -> None:
        sent: list[Sent] = [
            ("a", reported("1", period=days("2023-12-20", "2024-01-20"))),
            ("a", reported("1", period=days("2024-01-20", "2024-02-20"))),
        ]
        assert windows(*sent) == [("2023-02-20", "2024-02-20", 2)]


class TestYearlyFigures:
    def test_are_their_own_window(self) -> None:
        periods = [days(f"{start}-07-01", f"{start + 1}-07-01", zone="Australia/Sydney") for start in (2014, 2015, 2017)]
        fiscal = [("cer-au", reported("5", period=period)) for period in periods]
        assert windows(*fiscal) == [("2014-07-01", "2015-07-01", 12), ("2015-07-01", "2016-07-01", 12), ("2017-07-01", "2018-07-01", 12)]

    def test_before_months_are_not_cut_in_two(self) -> None:
        sent = [("a", reported("120", period=year(2022))), *monthly(6)]
        assert windows(*sent) == [("2022-01-01", "2023-01-01", 12), ("2022-07-01", "2023-07-01", 6)]
        assert [one.scope1_tco2e for one in figures(*sent)] == [Decimal(120), Decimal(60)]

    def test_from_a_leap_day_have_a_window(self) -> None:
        assert len(windows(("a", reported("1", period=days("2024-02-29", "2025-02-28"))))) == 1


def made(count: int, *, first: int = 1, facility: str = "") -> list[Sent]:
    return [("s", output("7", period=month(2023, number), facility_number=facility)) for number in range(first, first + count)]


def burnt(*numbers: int, carrier: str, facility: str = "") -> list[Sent]:
    return [("a", reported("5", carrier=carrier, period=month(2023, number), facility_number=facility)) for number in numbers]


class TestMonthsCovered:
    def covered(self, *sent: Sent) -> list[int]:
        return [one.months_covered for one in figures(*sent)]

    def test_do_not_count_where_one_series_has_a_gap(self) -> None:
        coal = burnt(*range(1, 5), *range(7, 13), carrier="coal")
        assert self.covered(*burnt(*range(1, 13), carrier="diesel"), *coal) == [10]

    def test_do_not_count_where_a_series_stops_and_output_goes_on(self) -> None:
        sent = [*burnt(*range(1, 13), carrier="diesel"), *burnt(*range(1, 10), carrier="coal")]
        assert self.covered(*sent, *made(12)) == [9, 0]
        assert self.covered(*sent, *made(9)) == [9, 3]

    def test_do_not_count_where_a_series_is_missing_for_a_whole_window(self) -> None:
        sent = [*burnt(*range(1, 25), carrier="diesel"), *burnt(*range(1, 13), carrier="coal"), *made(24)]
        assert self.covered(*sent) == [12, 0]

    def test_count_where_one_fuel_follows_another(self) -> None:
        assert self.covered(*burnt(*range(1, 7), carrier="coal"), *burnt(*range(7, 13), carrier="gas"), *made(12)) == [12]
        yearly = [
            ("a", reported("5", carrier=carrier, period=year(number)))
            for number, carrier in ((2021, "coal"), (2022, "gas"), (2023, "coal"))
        ]
        assert self.covered(*yearly, *(("s", output("7", period=year(number))) for number in (2021, 2022, 2023))) == [12, 12, 12]

    def test_count_where_a_facility_makes_nothing_any_more(self) -> None:
        sent = [*burnt(*range(1, 13), carrier="coal", facility="F1"), *burnt(*range(1, 7), carrier="coal", facility="F2")]
        assert self.covered(*sent, *made(12, facility="F1"), *made(6, facility="F2")) == [12]

    def test_count_where_a_total_stands_for_all_carriers(self) -> None:
        assert self.covered(*burnt(*range(1, 7), carrier="coal"), *burnt(*range(7, 13), carrier=""), *made(12)) == [12]

    def test_do_not_count_where_a_fuel_has_no_factor(self) -> None:
        coal = [("a", fuel("5", period=month(2024, number))) for number in range(1, 13)]
        peat: list[Sent] = [("a", fuel("5", fuel_code="peat", period=month(2024, 3)))]
        assert self.covered(("n", entry()), *coal, *peat) == [11]


class TestOutput:
    def test_gives_no_intensity_while_months_are_missing_on_either_side(self) -> None:
        assert [one.intensity_tco2e_per_unit for one in figures(*monthly(12), *made(12))] == [Decimal("1.571429")]
        assert [one.intensity_tco2e_per_unit for one in figures(*monthly(11), *made(12))] == [None, None]
        assert [one.intensity_tco2e_per_unit for one in figures(*monthly(12), *made(11))] == [None, None]

    def test_gives_the_intensity_at_six_decimals(self) -> None:
        (one,) = figures(("a", reported("2", "1", period=year(2024))), ("a", output("7", period=year(2024))))
        assert one.intensity_tco2e_per_unit == Decimal("0.428571")

    def test_of_zero_gives_none(self) -> None:
        (one,) = figures(("a", reported("2", period=year(2024))), ("a", output("0", period=year(2024))))
        assert (one.output_amount, one.intensity_tco2e_per_unit) == (Decimal(0), None)

    def test_that_is_next_to_nothing_gives_none(self) -> None:
        (one,) = figures(("a", reported("9999999999", period=year(2024))), ("a", output("0.000000001", period=year(2024))))
        assert one.intensity_tco2e_per_unit is None

    def test_is_complete_when_every_month_with_emissions_has_it(self) -> None:
        made: list[Sent] = [("a", output("7", period=month(2023, number))) for number in range(1, 13)]
        assert [one.output_complete for one in figures(*monthly(12), *made)] == [True]
        assert [one.output_complete for one in figures(*monthly(12), *made[1:])] == [False]

    def test_is_that_of_the_industrys_product(self) -> None:
        sent: list[Sent] = [
            ("n", entry(industry="2521")),
            *monthly(12),
            ("a", output("9", product="coke", route="", period=year(2023))),
            *(("a", output("1", period=month(2023, number))) for number in range(1, 13)),
        ]
        (one,) = figures(*sent)
        assert (one.product_code, one.output_unit, one.output_amount) == ("coke", "t", Decimal(9))

    def test_names_the_route_of_most_of_it(self) -> None:
        sent: list[Sent] = [("a", output("4", route="wind", period=year(2024))), ("a", output("6", route="diesel", period=year(2024)))]
        assert figures(*sent)[0].process_route == "diesel"

    def test_alone_makes_a_window_without_emissions(self) -> None:
        (one,) = figures(("a", output("4", period=year(2024))))
        assert (one.months_covered, one.intensity_tco2e_per_unit, one.output_complete) == (0, None, True)


HELD_FOR_THREE_YEARS = [
    *burnt(*range(1, 37), carrier="coal", facility="F1"),
    *burnt(*range(1, 37), carrier="gas", facility="F1"),
    *made(36, facility="F1"),
    *burnt(*range(1, 37), carrier="coal", facility="F2"),
    *made(36, facility="F2"),
]
NEW_MONTH = [
    *burnt(37, carrier="coal", facility="F1"),
    *burnt(37, carrier="gas", facility="F1"),
    *made(1, first=37, facility="F1"),
    *burnt(37, carrier="coal", facility="F2"),
    *made(1, first=37, facility="F2"),
]


class TestANewMonth:
    def compared(self, *sent: Sent) -> list[tuple[str, Decimal | None]]:
        """Return the end and the intensity of every window that can be compared."""
        return [(str(one.period.end), one.intensity_tco2e_per_unit) for one in figures(*sent) if one.intensity_tco2e_per_unit is not None]

    def test_moves_the_windows_only_when_all_of_it_has_come_in_whatever_order(self) -> None:
        before = self.compared(*HELD_FOR_THREE_YEARS)
        assert [end for end, _ in before] == ["2024-01-01", "2025-01-01", "2026-01-01"]
        for order in permutations(NEW_MONTH):
            for come in range(1, len(order)):
                assert self.compared(*HELD_FOR_THREE_YEARS, *order[:come]) == before
        assert [end for end, _ in self.compared(*HELD_FOR_THREE_YEARS, *NEW_MONTH)] == ["2024-02-01", "2025-02-01", "2026-02-01"]

    def test_shows_in_a_window_of_its_own_meanwhile(self) -> None:
        assert windows(*HELD_FOR_THREE_YEARS, *NEW_MONTH[:4])[-2:] == [("2025-01-01", "2026-01-01", 12), ("2026-01-01", "2026-02-01", 1)]

    def test_is_waited_for_as_long_as_the_facility_goes_on(self) -> None:
        later = [*burnt(*range(38, 44), carrier="coal", facility="F1"), *made(6, first=38, facility="F1")]
        without_gas = [*NEW_MONTH[::2], *later, *made(6, first=38, facility="F2"), *burnt(*range(38, 44), carrier="coal", facility="F2")]
        assert self.compared(*HELD_FOR_THREE_YEARS, *without_gas)[-1][0] == "2026-01-01"

    def test_of_a_facility_that_has_closed_is_waited_for_three_months(self) -> None:
        def of_f1(count: int) -> list[Sent]:
            numbers = range(37, 37 + count)
            coal = burnt(*numbers, carrier="coal", facility="F1")
            return [*coal, *burnt(*numbers, carrier="gas", facility="F1"), *made(count, first=37, facility="F1")]

        assert [self.compared(*HELD_FOR_THREE_YEARS, *of_f1(count))[-1][0] for count in (1, 3, 4)] == [
            "2026-01-01",
            "2026-01-01",
            "2026-05-01",
        ]

    def test_of_a_quarter_or_a_year_told_as_one_is_not_cut_in_two(self) -> None:
        coal, coal_of_december = burnt(*range(1, 36), carrier="coal"), burnt(36, carrier="coal")
        quarters = [
            days(f"{2023 + n // 4}-{3 * (n % 4) + 1:02}-01", f"{2023 + (n + 1) // 4}-{3 * ((n + 1) % 4) + 1:02}-01") for n in range(12)
        ]
        bought: list[Sent] = [("g", reported("0", "9", carrier="grid", period=quarter)) for quarter in quarters]
        before = self.compared(*coal, *made(35), *bought[:-1])
        assert before[-1][0] == "2025-10-01"
        assert self.compared(*coal, *made(35), *bought) == before
        assert self.compared(*coal, *coal_of_december, *made(36), *bought)[-1][0] == "2026-01-01"

    def test_in_which_another_fuel_takes_over_is_whole(self) -> None:
        one_fuel = [*burnt(*range(1, 13), carrier="coal"), *made(13)]
        assert self.compared(*one_fuel)[-1][0] == "2024-01-01"
        assert self.compared(*one_fuel, *burnt(13, carrier="gas"))[-1][0] == "2024-02-01"


class TestAFeedThatIsLost:
    """Coal and output go on; what the grid company sent has stopped. Missing data must not look like a reduction."""

    def grid(self, *numbers: int) -> list[Sent]:
        return [("g", reported("0", "100", carrier="grid", period=month(2023, number))) for number in numbers]

    def compared(self, *sent: Sent) -> list[str]:
        return [str(one.period.end) for one in figures(*sent) if one.intensity_tco2e_per_unit is not None]

    @pytest.mark.parametrize("newest", [25, 26, 36, 37, 47, 48])
    def test_is_missed_for_as_long_as_it_had_run(self, newest: int) -> None:
        going_on = [*burnt(*range(1, newest + 1), carrier="coal"), *made(newest)]
        assert self.compared(*going_on, *self.grid(*range(1, 25))) == ["2024-01-01", "2025-01-01"]

    def test_leaves_a_finding_that_says_since_when(self) -> None:
        going_on = [*burnt(*range(1, 31), carrier="coal"), *made(30)]
        told = [one.message for one in findings_of(view_of([*going_on, *self.grid(*range(1, 25))])) if one.rule_id == "SERIES_CEASED"]
        assert told == ["scope 2 of grid has no figures from 2025-01-01 on, while the facility goes on"]
        assert not [one for one in findings_of(view_of([*going_on, *self.grid(*range(1, 31))])) if one.rule_id == "SERIES_CEASED"]

    def test_of_a_statement_by_the_year_is_waited_for(self) -> None:
        yearly: list[Sent] = [("g", reported("0", "1200", carrier="grid", period=year(number))) for number in (2023, 2024)]
        for newest in (25, 36, 37, 38):
            assert self.compared(*burnt(*range(1, newest + 1), carrier="coal"), *made(newest), *yearly) == ["2024-01-01", "2025-01-01"]

    def test_that_was_one_occasion_is_not_missed(self) -> None:
        going_on = [*burnt(*range(1, 37), carrier="coal"), *made(36)]
        years = ["2024-01-01", "2025-01-01", "2026-01-01"]
        assert self.compared(*going_on, *burnt(26, carrier="diesel")) == years
        assert self.compared(*going_on, *burnt(36, carrier="diesel")) == years

    def test_is_ended_by_figures_of_0(self) -> None:
        going_on = [*burnt(*range(1, 49), carrier="coal"), *made(48), *self.grid(*range(1, 25))]
        ended: list[Sent] = [("g", reported("0", "0", carrier="grid", period=year(number))) for number in (2025, 2026)]
        assert self.compared(*going_on, *ended)[-1] == "2027-01-01"


def test_the_worst_data_quality_is_shown() -> None:
    sent: list[Sent] = [*(("a", reported("1", period=month(2024, number), basis=METERED)) for number in range(1, 12))]
    sent.append(("b", reported("1", period=month(2024, 12), basis=DECLARED)))
    assert [one.data_quality for one in figures(*sent)] == [4]


def test_nothing_has_no_windows() -> None:
    assert figures() == []
