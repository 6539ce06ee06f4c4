"""Decides what is missing or late of what a provider is expected to send (terms.py). Pure: the day on which it is asked is handed in.

Days are civil days of the bureau's working place; what is received on the due day is in time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from services.collector.domain.coverage import Coverage
from services.collector.domain.terms import Expectation
from services.common.civil_time import Period


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A period of which a provider's first record arrived, and the civil day on which it did."""

    period: Period
    received_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A period of which some days are owed and not there."""

    period: Period
    due_on: date


def missing(expectation: Expectation, arrived: Iterable[Arrived], *, since: date, by: date, zone: str) -> list[Missing]:
    """List what is owed of the days from `since` on and was not there when it fell due, before the day `by`.

    Finer records stand for a coarser period once they cover all of it. What was owed before a provider began is for the caller to
    leave out, by `since`: a history that is loaded at once was never owed month by month.
    """
    covered = Coverage(one.period for one in arrived)
    return [
        Missing(period=period, due_on=expectation.due_on(period))
        for period in expectation.periods(since=since, by=by, zone=zone)
        if not covered.covers(period)
    ]


def days_late(expectation: Expectation, arrived: Arrived) -> int:
    """Count the days by which a record came after its day; 0 when it was in time."""
    return max(0, (arrived.received_on - expectation.due_on(arrived.period)).days)
