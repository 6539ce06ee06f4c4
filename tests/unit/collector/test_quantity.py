"""Which figure counts where several providers state the same quantity."""

from decimal import Decimal

from carbonbureau.common.v1 import period_pb2

from services.collector.domain.account import AccountView
from services.collector.domain.quantity import Measure, Resolution
from tests.unit.collector.submissions import DECLARED, INVOICED, METERED, VERIFIED, days, electricity, month, view_of, year


def electricity_of(view: AccountView) -> Resolution:
    (resolution,) = (one for one in view.resolutions if one.quantity.measure is Measure.ELECTRICITY_USE)
    return resolution


def chosen(*sent: tuple[str, str, period_pb2.Period, int]) -> list[tuple[str, str]]:
    view = view_of((provider, electricity(mwh, period=period, basis=basis)) for provider, mwh, period, basis in sent)
    return [(figure.provider_code, str(figure.amount)) for figure in electricity_of(view).chosen]


JANUARY = month(2024, 1)


class TestSameQuantityAndPeriod:
    def test_the_best_data_quality_counts(self) -> None:
        assert chosen(("a", "1", JANUARY, DECLARED), ("b", "2", JANUARY, INVOICED), ("c", "3", JANUARY, METERED)) == [("c", "3")]
        assert chosen(("c", "3", JANUARY, METERED), ("d", "4", JANUARY, VERIFIED)) == [("d", "4")]

    def test_a_tie_goes_to_the_smaller_provider_code(self) -> None:
        assert chosen(("b", "2", JANUARY, METERED), ("a", "1", JANUARY, METERED)) == [("a", "1")]

    def test_the_records_of_one_provider_add_up_at_their_worst_quality(self) -> None:
        view = view_of([("tax", electricity("10", basis=INVOICED)), ("tax", electricity("5", basis=DECLARED))])
        (figure,) = electricity_of(view).chosen
        assert (figure.amount, figure.data_quality, len(figure.figures)) == (Decimal(15), 4, 2)

    def test_what_was_passed_over_is_compared(self) -> None:
        view = view_of([("a", electricity("100", basis=METERED)), ("b", electricity("125", basis=DECLARED))])
        (passed,) = electricity_of(view).passed_over
        assert (passed.comparable, passed.difference()) == (True, Decimal("0.25"))


class TestPeriodsThatShareDays:
    def test_one_better_month_does_not_displace_a_longer_figure(self) -> None:
        quarter = days("2024-01-01", "2024-04-01")
        assert chosen(("a", "9", quarter, DECLARED), ("b", "3", month(2024, 2), METERED)) == [("a", "9")]

    def test_finer_figures_that_are_no_worse_and_cover_it_exactly_take_its_place(self) -> None:
        quarter = days("2024-01-01", "2024-04-01")
        months = [("b", str(number), month(2024, number), METERED) for number in (1, 2, 3)]
        assert chosen(("a", "9", quarter, INVOICED), *months) == [("b", "1"), ("b", "2"), ("b", "3")]
        assert chosen(("a", "9", quarter, VERIFIED), *months) == [("a", "9")]
        assert chosen(("a", "9", quarter, INVOICED), *months[:2], ("b", "3", month(2024, 3), DECLARED)) == [("a", "9")]

    def test_finer_figures_that_share_days_are_decided_among_themselves_first(self) -> None:
        first_half, second_half = days("2024-01-01", "2024-07-01"), days("2024-07-01", "2025-01-01")
        halves = [("b", "6", first_half, INVOICED), ("b", "7", second_half, INVOICED)]
        months = [("c", str(number), month(2024, number), METERED) for number in (1, 2, 3, 4, 5, 6)]
        assert chosen(("a", "13", year(2024), DECLARED), *halves, *months) == [*((c, a) for c, a, _, _ in months), ("b", "7")]
        assert chosen(("a", "13", year(2024), DECLARED), *halves, *months[1:]) == [("b", "6"), ("b", "7")]

    def test_of_two_that_overlap_the_longer_one_counts(self) -> None:
        long = days("2024-01-10", "2024-03-10")
        assert chosen(("a", "9", long, DECLARED), ("b", "3", JANUARY, METERED)) == [("a", "9")]

    def test_a_year_is_comparable_with_its_twelve_months(self) -> None:
        months = [("b", electricity("1", period=month(2024, number), basis=METERED)) for number in range(1, 13)]
        view = view_of([*months, ("a", electricity("15", period=year(2024), basis=DECLARED))])
        (passed,) = electricity_of(view).passed_over
        assert (passed.comparable, passed.difference()) == (True, Decimal("0.25"))

    def test_a_year_is_not_comparable_with_eleven_of_its_months(self) -> None:
        months = [("b", electricity("1", period=month(2024, number), basis=METERED)) for number in range(1, 12)]
        view = view_of([*months, ("a", electricity("15", period=year(2024), basis=DECLARED))])
        passed = electricity_of(view).passed_over
        assert [one.figure.provider_code for one in passed] == ["b"] * 11
        assert not any(one.comparable or one.loses_days() for one in passed)

    def test_neighbouring_periods_both_count(self) -> None:
        assert chosen(("a", "1", JANUARY, METERED), ("a", "2", month(2024, 2), METERED)) == [("a", "1"), ("a", "2")]

    def test_zones_that_are_hours_apart_do_not_make_two_months_of_one(self) -> None:
        assert chosen(("a", "1", JANUARY, METERED), ("b", "2", month(2024, 1, zone="Asia/Tokyo"), DECLARED)) == [("a", "1")]


class TestDifference:
    def test_of_something_against_nothing_is_whole(self) -> None:
        view = view_of([("a", electricity("0", basis=METERED)), ("b", electricity("5", basis=DECLARED))])
        assert electricity_of(view).passed_over[0].difference() == 1

    def test_of_nothing_against_nothing_is_none(self) -> None:
        view = view_of([("a", electricity("0", basis=METERED)), ("b", electricity("0", basis=DECLARED))])
        assert electricity_of(view).passed_over[0].difference() == 0
