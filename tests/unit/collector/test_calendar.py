"""What is missing or late, at the days on which calendars go wrong: leap days, year ends, the due day itself."""

from datetime import date, timedelta

import pytest

from services.collector.domain.calendar import Arrived, days_late, missing
from services.collector.domain.terms import Every, Expectation
from services.common.civil_time import Period

ZONE = "Asia/Shanghai"
MONTHLY = Expectation(every=Every.MONTH, due_days=20)


def period(start: str, end: str) -> Period:
    return Period(start=date.fromisoformat(start), end=date.fromisoformat(end), zone=ZONE)


FEBRUARY = period("2024-02-01", "2024-03-01")
# 20 days after 29 February.
DUE = date(2024, 3, 20)


class TestMissing:
    def test_is_what_was_not_there_after_its_day(self) -> None:
        (one,) = missing(MONTHLY, [], since=date(2024, 2, 1), by=DUE + timedelta(days=1), zone=ZONE)
        assert (one.period, one.due_on) == (FEBRUARY, DUE)

    def test_is_not_what_falls_due_today(self) -> None:
        assert missing(MONTHLY, [], since=date(2024, 2, 1), by=DUE, zone=ZONE) == []

    def test_is_not_what_was_owed_before_the_provider_began(self) -> None:
        (one,) = missing(MONTHLY, [], since=date(2024, 1, 2), by=DUE + timedelta(days=1), zone=ZONE)
        assert one.period == FEBRUARY

    def test_is_not_what_finer_records_cover(self) -> None:
        halves = [period("2024-02-01", "2024-02-15"), period("2024-02-15", "2024-03-01")]
        arrived = [Arrived(period=one, received_on=DUE) for one in halves]
        assert missing(MONTHLY, arrived, since=date(2024, 2, 1), by=date(2024, 3, 31), zone=ZONE) == []
        (one,) = missing(MONTHLY, arrived[:1], since=date(2024, 2, 1), by=date(2024, 3, 31), zone=ZONE)
        assert one.period == FEBRUARY


class TestDaysLate:
    @pytest.mark.parametrize(("received_on", "days"), [(DUE - timedelta(days=9), 0), (DUE, 0), (DUE + timedelta(days=1), 1)])
    def test_count_from_the_day_after_the_due_day(self, received_on: date, days: int) -> None:
        assert days_late(MONTHLY, Arrived(period=FEBRUARY, received_on=received_on)) == days
