"""Decides which submissions are expected when, and what is missing or late. Pure: the day on which it is asked is handed in.

An expectation is what a provider owes of one kind: a record for each whole month, quarter or year, so many days after its end. Days
are civil days where the statutory clocks run; a submission received on the due day is in time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from services.collector.domain.coverage import Coverage
from services.collector.domain.kinds import Kind
from services.common.civil_time import Period


class Granularity(Enum):
    """For which stretches of time a provider reports; the value is the number of months."""

    MONTH = 1
    QUARTER = 3
    YEAR = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What a provider owes of a kind: one record for each stretch, at most so many days after its end."""

    provider_code: str
    kind: Kind
    granularity: Granularity
    due_days: int

    def due_on(self, period: Period) -> date:
        """Give the last day on which a record of this period is in time; the end of a period is the first day after it."""
        return period.end + timedelta(days=self.due_days)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A period of which a provider's first record arrived, and the civil day on which it did."""

    period: Period
    received_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A stretch of which some days are owed and not there."""

    expectation: Expectation
    period: Period
    due_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Late:
    """A record that came after its day, by so many days."""

    expectation: Expectation
    period: Period
    days: int


def stretches(granularity: Granularity, *, since: date, until: date, zone: str) -> Iterator[Period]:
    """Cut time into the calendar's months, quarters or years; those that lie whole between the two days, in order."""
    months = granularity.value
    number = (since.year * 12 + since.month - 1) // months * months
    while True:
        start, end = _first_of(number), _first_of(number + months)
        if end > until:
            return
        if start >= since:
            yield Period(start=start, end=end, zone=zone)
        number += months


def missing(expectation: Expectation, arrived: Iterable[Arrived], *, since: date, today: date, zone: str) -> list[Missing]:
    """List what is owed since a day and was not there when it fell due; what falls due today is not missing yet.

    Finer records stand for a coarser stretch once they cover all of it.
    """
    covered = Coverage(one.period for one in arrived)
    owed = stretches(expectation.granularity, since=since, until=today, zone=zone)
    return [
        Missing(expectation=expectation, period=period, due_on=expectation.due_on(period))
        for period in owed
        if expectation.due_on(period) < today and not covered.covers(period)
    ]


def late(expectation: Expectation, arrived: Iterable[Arrived]) -> list[Late]:
    """List what came after its day, in the order of the periods."""
    found = [
        Late(expectation=expectation, period=one.period, days=(one.received_on - expectation.due_on(one.period)).days)
        for one in arrived
        if one.received_on > expectation.due_on(one.period)
    ]
    return sorted(found, key=lambda one: (one.period.start, one.period.end))


def _first_of(month_number: int) -> date:
    return date(month_number // 12, month_number % 12 + 1, 1)
