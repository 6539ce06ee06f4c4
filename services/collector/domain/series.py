"""Decides which days the emissions of an account should cover: those of every series that goes on.

A series is one energy carrier of one scope at one facility; a run of it is a stretch of days that its figures cover without a gap.
Where a run stops while its plant goes on making things, data is missing: without this rule a lost invoice would look like a
reduction. A run is missed for as long as it lasted: twenty months of electricity say that the next are lost, one month of a
diesel set says nothing. Not missed is what another carrier took over from (coal gives way to gas), and what belongs to a plant
that makes nothing any more. A figure without carrier stands for all carriers; whoever has ended a series says so by figures of 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

from services.collector.domain.coverage import Coverage
from services.collector.domain.lines import OutputLine
from services.common.civil_time import Period

Place = tuple[UUID, int]
Series = tuple[UUID, int, str]
Run = tuple[date, date]

# One carrier follows another when this many days at most lie between the end of the one and the beginning of the other.
SWITCH_DAYS_MAX = 31
# A shorter run, of less than three months, is an occasion and never missed.
RUN_DAYS_MIN = 85
# Until so many days after its end a run is waited for, whether or not its plant has told of anything made: all may come late.
WAIT_DAYS = 92


class Emitted(Protocol):
    """What of a figure of emissions says to which series it belongs, and its days."""

    @property
    def facility_id(self) -> UUID: ...

    @property
    def period(self) -> Period: ...

    @property
    def scope(self) -> int: ...

    @property
    def energy_carrier(self) -> str: ...


def days_by_series(postings: Sequence[Emitted]) -> dict[Series, Coverage]:
    """Return the days that each series covers with these postings."""
    periods: dict[Series, list[Period]] = defaultdict(list)
    for posting in postings:
        periods[posting.facility_id, posting.scope, posting.energy_carrier].append(posting.period)
    return {series: Coverage(found) for series, found in periods.items()}


class AllSeries:
    """Every series of an account, and when its facilities made something."""

    def __init__(self, *, postings: Sequence[Emitted], outputs: Sequence[OutputLine]) -> None:
        self._days = days_by_series(postings)
        self._at_place: dict[Place, list[Series]] = defaultdict(list)
        for series in self._days:
            self._at_place[series[:2]].append(series)
        making: dict[UUID, list[Period]] = defaultdict(list)
        for line in outputs:
            if line.amount > 0:
                making[line.facility_id].append(line.period)
        self._making = {facility_id: Coverage(periods) for facility_id, periods in making.items()}
        self._making_anywhere = Coverage(period for periods in making.values() for period in periods)

    def cover(self, day: date, *, inside: Mapping[Series, Coverage]) -> bool:
        """Tell whether the figures of a window cover this day for every series that should have it, and for at least one.

        A series that begins within the window is missed before its beginning too: its window is not like the ones before.
        """
        return self._is_whole(day, inside, begin=inside.keys(), wait=False)

    def have_come(self, day: date) -> bool:
        """Tell whether all figures of this day have come: at least one has, and none is missed or still waited for."""
        return self._is_whole(day, self._days, begin=frozenset(), wait=True)

    def ceased(self, day: date) -> Iterator[tuple[Series, date]]:
        """Return every series that had run and has no figures of this day or later, while its plant goes on; and since when."""
        found = {series for series, days in self._days.items() if days.has_day(day)}
        for series in sorted(self._days.keys() - found, key=str):
            run = self._days[series].run_before(day)
            if run is None or self._days[series].run_after(day) is not None or _stands_for(series, found):
                continue
            if _missed_for(run) and self._goes_on_making(series, day) and not self._followed(series, run):
                yield series, run[1]

    def _is_whole(self, day: date, inside: Mapping[Series, Coverage], *, begin: Set[Series], wait: bool) -> bool:
        found = {series for series, days in inside.items() if days.has_day(day)}
        missing = (series for series in self._days.keys() - found if not _stands_for(series, found))
        return bool(found) and not any(self._is_missed(series, day, begins=series in begin, wait=wait) for series in missing)

    def _is_missed(self, series: Series, day: date, *, begins: bool, wait: bool) -> bool:
        days = self._days[series]
        if days.has_day(day):
            # It has the day, but not where it was looked for: across the border of a window.
            return True
        before, after = days.run_before(day), days.run_after(day)
        after_it = before is not None and day < before[1] + _missed_for(before) and not self._followed(series, before)
        ahead = after is not None and day >= after[0] - _missed_for(after) and not self._preceded(series, after)
        if before is not None and after is not None:
            return after_it or ahead
        if after_it and before is not None and wait and day < before[1] + timedelta(days=WAIT_DAYS):
            return True
        return (after_it or (begins and ahead)) and self._goes_on_making(series, day)

    def _goes_on_making(self, series: Series, day: date) -> bool:
        return self._making.get(series[0], self._making_anywhere).has_day(day)

    def _followed(self, series: Series, run: Run) -> bool:
        return any(self._days[other].begins_near(run[1], SWITCH_DAYS_MAX) for other in self._at_place[series[:2]] if other != series)

    def _preceded(self, series: Series, run: Run) -> bool:
        return any(self._days[other].ends_near(run[0], SWITCH_DAYS_MAX) for other in self._at_place[series[:2]] if other != series)


def _missed_for(run: Run) -> timedelta:
    lasted = run[1] - run[0]
    return lasted if lasted.days >= RUN_DAYS_MIN else timedelta(0)


def _stands_for(series: Series, found: Set[Series]) -> bool:
    """Tell whether another figure stands for this one: a total for all carriers of its place, and its parts for the total."""
    if series[2] == "":
        return any(other[:2] == series[:2] for other in found)
    return (*series[:2], "") in found
