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
    def test_only_the_better_one_counts(self) -> None:
        quarter = days("2024-01-01", "2024-04-01")
        assert chosen(("a", "9", quarter, DECLARED), ("b", "3", month(2024, 2), METERED)) == [("b", "3")]

    def test_a_year_is_comparable_with_its_twelve_months(self) -> None:
        months = [("b", electricity("1", period=month(2024, number), basis=METERED)) for number in range(1, 13)]
        view = view_of([*months, ("a", electricity("15", period=year(2024), basis=DECLARED))])
        (passed,) = electricity_of(view).passed_over
        assert (passed.comparable, passed.difference()) == (True, Decimal("0.25"))

    def test_a_year_is_not_comparable_with_eleven_of_its_months(self) -> None:
        months = [("b", electricity("1", period=month(2024, number), basis=METERED)) for number in range(1, 12)]
        view = view_of([*months, ("a", electricity("15", period=year(2024), basis=DECLARED))])
        (passed,) = electricity_of(view).passed_over
        assert not passed.comparable

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
