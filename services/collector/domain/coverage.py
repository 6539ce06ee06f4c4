"""Decides which civil days a set of periods covers. Dates only: zones that are hours apart do not make two months of one."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta

from services.common.civil_time import Period


class Coverage:
    """The days covered by periods, as merged half-open intervals."""

    def __init__(self, periods: Iterable[Period]) -> None:
        self._starts: list[date] = []
        self._ends: list[date] = []
        for start, end in sorted({(period.start, period.end) for period in periods}):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def stretches(self) -> list[tuple[date, date]]:
        """List the stretches of covered days, each with the day after its end."""
        return list(zip(self._starts, self._ends, strict=True))

    def overlaps(self, period: Period) -> bool:
        """Tell whether any day of `period` is covered."""
        place = bisect_right(self._starts, period.end - timedelta(days=1)) - 1
        return place >= 0 and self._ends[place] > period.start

    def covers(self, period: Period) -> bool:
        """Tell whether every day of `period` is covered."""
        place = bisect_right(self._starts, period.start) - 1
        return place >= 0 and self._ends[place] >= period.end

    def run_before(self, day: date) -> tuple[date, date] | None:
        """Return the last stretch of covered days that begins on or before this day, with the day after its end."""
        place = bisect_right(self._starts, day) - 1
        return (self._starts[place], self._ends[place]) if place >= 0 else None

    def run_after(self, day: date) -> tuple[date, date] | None:
        """Return the first stretch of covered days that begins after this day, with the day after its end."""
        place = bisect_right(self._starts, day)
        return (self._starts[place], self._ends[place]) if place < len(self._starts) else None

    def begins_near(self, day: date, days: int) -> bool:
        """Tell whether a stretch of covered days begins at most so many days from this day."""
        return any(abs((start - day).days) <= days for start in self._starts)

    def ends_near(self, day: date, days: int) -> bool:
        """Tell whether a stretch of covered days ends at most so many days from this day."""
        return any(abs((end - day).days) <= days for end in self._ends)

    def has_day(self, day: date) -> bool:
        """Tell whether this day is covered."""
        place = bisect_right(self._starts, day) - 1
        return place >= 0 and self._ends[place] > day


def same_days_overlap(one: Period, other: Period) -> bool:
    """Tell whether two periods share a civil day, whatever their zones."""
    return one.start < other.end and other.start < one.end


def lies_within(inner: Period, outer: Period) -> bool:
    """Tell whether every civil day of `inner` is one of `outer`, whatever their zones."""
    return outer.start <= inner.start and inner.end <= outer.end
