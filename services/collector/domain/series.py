"""Decides which days the emissions of a window should cover: those of every series that goes on.

A series is one energy carrier of one scope at one facility. Where a plant goes on making things and one of its series is missing,
data is missing: without this rule a lost invoice would look like a reduction. A series that another one takes over from (coal
gives way to gas) has ended, one of a facility that makes nothing any more too. A figure without carrier stands for all carriers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.collector.domain.coverage import Coverage
from services.collector.domain.lines import OutputLine
from services.collector.domain.posting import Posting
from services.common.civil_time import Period

Place = tuple[UUID, int]
Series = tuple[UUID, int, str]

# One fuel follows another when this many days at most lie between the end of the one and the beginning of the other.
SWITCH_DAYS_MAX = 31


class AllSeries:
    """Every series of an account, with its first and last day, and when its facilities made something."""

    def __init__(self, *, postings: Sequence[Posting], outputs: Sequence[OutputLine]) -> None:
        self.first: dict[Series, date] = {}
        self.last: dict[Series, date] = {}
        self._at_place: dict[Place, set[Series]] = defaultdict(set)
        periods: dict[Series, list[Period]] = defaultdict(list)
        for posting in postings:
            series = _series(posting)
            self._at_place[series[:2]].add(series)
            periods[series].append(posting.period)
            self.first[series] = min(posting.period.start, self.first.get(series, date.max))
            self.last[series] = max(posting.period.end, self.last.get(series, date.min))
        self._days = {series: Coverage(found) for series, found in periods.items()}
        making: dict[UUID, list[Period]] = defaultdict(list)
        for line in outputs:
            if line.amount > 0:
                making[line.facility_id].append(line.period)
        self._making = {facility_id: Coverage(periods) for facility_id, periods in making.items()}
        self._making_anywhere = Coverage(period for periods in making.values() for period in periods)

    def in_window(self, inside: Sequence[Posting], *, earlier: Iterable[Posting], later: Iterable[Posting]) -> "Expected":
        """Say what is expected of one window, given its postings and those of the windows beside it."""
        here, before, after = ({_series(posting) for posting in postings} for postings in (inside, earlier, later))
        periods: dict[Series, list[Period]] = defaultdict(list)
        for posting in inside:
            periods[_series(posting)].append(posting.period)
        start = min((posting.period.start for posting in inside), default=date.max)
        absent = {
            series
            for series in (before | after) - here
            # What only begins later was not there yet; what another carrier took over from is not missing.
            if self.first[series] < start and not _replaced(series, here, before if series in before else after)
        }
        return Expected(account=self, covered={series: Coverage(found) for series, found in periods.items()}, absent=frozenset(absent))

    def goes_on(self, series: Series, day: date) -> bool:
        """Tell whether a series should have this day, which it does not cover."""
        if self.first[series] <= day < self.last[series]:
            return True
        if not self._making.get(series[0], self._making_anywhere).has_day(day):
            return False
        if day >= self.last[series]:
            return not self._has_successor(series)
        others = self._at_place[series[:2]] - {series}
        return not any(abs((self.first[series] - self.last[other]).days) <= SWITCH_DAYS_MAX for other in others)

    def are_whole_on(self, day: date, *, before: Sequence[date]) -> bool:
        """Tell whether every series that goes on, or that covered one of the days `before`, covers this day, and at least one."""
        found = {series for series, days in self._days.items() if days.has_day(day)}
        for series in self._days.keys() - found:
            recent = any(self._days[series].has_day(earlier) for earlier in before) and not self._has_successor(series)
            expected = self.first[series] <= day and (recent or self.goes_on(series, day))
            if expected and not _stands_for(series, found):
                return False
        return bool(found)

    def _has_successor(self, series: Series) -> bool:
        others = self._at_place[series[:2]] - {series}
        return any(abs((self.first[other] - self.last[series]).days) <= SWITCH_DAYS_MAX for other in others)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The series that one window has, with their days, and those that it should have and has not."""

    account: AllSeries
    covered: Mapping[Series, Coverage]
    absent: frozenset[Series]

    def cover(self, day: date) -> bool:
        """Tell whether every series that should cover this day does, and at least one."""
        found = {series for series, coverage in self.covered.items() if coverage.has_day(day)}
        missing = (self.covered.keys() | self.absent) - found
        return bool(found) and not any(self.account.goes_on(series, day) and not _stands_for(series, found) for series in missing)


def _stands_for(series: Series, found: Set[Series]) -> bool:
    """Tell whether another figure stands for this one: a total for all carriers of its place, and its parts for the total."""
    if series[2] == "":
        return any(other[:2] == series[:2] for other in found)
    return (*series[:2], "") in found


def _replaced(series: Series, here: set[Series], beside: set[Series]) -> bool:
    """Tell whether the window has a carrier of the same place that the window beside it had not."""
    return any(other[:2] == series[:2] for other in here - beside)


def _series(posting: Posting) -> Series:
    return (posting.facility_id, posting.scope, posting.energy_carrier)
