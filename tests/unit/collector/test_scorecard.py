"""Rates of a provider are shares of what came, and of nothing there is none."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

from services.collector import scorecard
from services.collector.domain.calendar import Arrived
from services.collector.domain.scorecard import Counts, row
from services.collector.domain.terms import Every, Expectation
from services.common.civil_time import Period

MARCH = date(2024, 3, 1)
MONTHLY = Expectation(every=Every.MONTH, due_days=20)


def counts(*, accepted: int = 0, corrections: int = 0, rejected: int = 0, named: int = 0, disagreed: int = 0) -> Counts:
    return Counts(
        month=MARCH, kind="FUEL_USE", accepted=accepted, corrections=corrections, rejected=rejected, named=named, disagreed=disagreed
    )


def arrived(days: int) -> Arrived:
    period = Period(start=date(2024, 2, 1), end=MARCH, zone="Asia/Shanghai")
    return Arrived(period=period, received_on=MARCH + timedelta(days=days))


class TestRow:
    def test_takes_each_rate_of_its_own_whole(self) -> None:
        made = row(counts(accepted=8, corrections=2, rejected=2, named=3, disagreed=1), [arrived(40), arrived(5), arrived(12)], MONTHLY)
        assert made.rejection_rate == Decimal("0.2")
        assert made.correction_rate == Decimal("0.25")
        assert made.disagreement_rate == Decimal("0.125")
        assert made.finding_rate == Decimal("0.375")
        assert made.delay_days == 12
        assert made.late_rate == Decimal("0.3333")

    def test_gives_no_rate_of_nothing(self) -> None:
        made = row(counts(), [], MONTHLY)
        assert (made.rejection_rate, made.disagreement_rate, made.delay_days, made.late_rate) == (None, None, None, None)


class TestExport:
    def test_writes_a_line_for_each_kind_and_month_with_empty_cells_for_what_is_not_known(self) -> None:
        file = StringIO()
        scorecard.write_csv([row(counts(rejected=1), [], None)], file)
        head, line = file.getvalue().splitlines()
        assert head.startswith("month,kind,accepted,rejected,delay_days,late_rate,rejection_rate")
        assert line == "2024-03,FUEL_USE,0,1,,,1.0000,,,"
