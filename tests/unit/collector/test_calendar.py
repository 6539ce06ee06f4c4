"""What is expected when, at the days on which calendars go wrong: leap days, year ends, the due day itself."""

from datetime import date, timedelta

import pytest

from services.collector.domain.calendar import Arrived, Expectation, Granularity, late, missing, stretches
from services.collector.domain.kinds import Kind
from services.common.civil_time import Period

ZONE = "Asia/Shanghai"


def expected(granularity: Granularity = Granularity.MONTH, due_days: int = 20) -> Expectation:
    return Expectation(provider_code="grid-sx", kind=Kind.ELECTRICITY_USE, granularity=granularity, due_days=due_days)


def period(start: str, end: str) -> Period:
    return Period(start=date.fromisoformat(start), end=date.fromisoformat(end), zone=ZONE)


FEBRUARY = period("2024-02-01", "2024-03-01")
DUE = date(2024, 3, 21)


class TestStretches:
    @pytest.mark.parametrize(
        ("granularity", "first", "number"),
        [(Granularity.MONTH, "2023-12-01", 15), (Granularity.QUARTER, "2024-01-01", 4), (Granularity.YEAR, "2024-01-01", 1)],
    )
    def test_lie_whole_between_the_two_days(self, granularity: Granularity, first: str, number: int) -> None:
        found = list(stretches(granularity, since=date(2023, 12, 1), until=date(2025, 3, 15), zone=ZONE))
        assert found[0].start.isoformat() == first
        assert len(found) == number

    def test_begin_with_the_first_whole_one(self) -> None:
        (only,) = stretches(Granularity.MONTH, since=date(2024, 1, 2), until=date(2024, 3, 1), zone=ZONE)
        assert only == FEBRUARY


class TestMissing:
    def test_is_what_was_not_there_after_its_day(self) -> None:
        (one,) = missing(expected(), [], since=date(2024, 2, 1), today=DUE + timedelta(days=1), zone=ZONE)
        assert (one.period, one.due_on) == (FEBRUARY, DUE)

    def test_is_not_what_falls_due_today(self) -> None:
        assert missing(expected(), [], since=date(2024, 2, 1), today=DUE, zone=ZONE) == []

    def test_is_not_what_finer_records_cover(self) -> None:
        halves = [period("2024-02-01", "2024-02-15"), period("2024-02-15", "2024-03-01")]
        arrived = [Arrived(period=one, received_on=DUE) for one in halves]
        assert missing(expected(), arrived, since=date(2024, 2, 1), today=date(2024, 3, 31), zone=ZONE) == []
        (one,) = missing(expected(), arrived[:1], since=date(2024, 2, 1), today=date(2024, 3, 31), zone=ZONE)
        assert one.period == FEBRUARY


class TestLate:
    def test_counts_the_days_after_the_due_day(self) -> None:
        arrived = [Arrived(period=FEBRUARY, received_on=DUE + timedelta(days=3))]
        assert [one.days for one in late(expected(), arrived)] == [3]

    def test_is_not_what_came_on_the_due_day(self) -> None:
        assert late(expected(), [Arrived(period=FEBRUARY, received_on=DUE)]) == []
