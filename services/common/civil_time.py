"""Decides how a stretch of calendar days is meant: half-open civil dates in a named zone.

`start` belongs to the period, `end` does not, so neighbouring periods meet without gap or overlap. Turning a period into
instants needs the zone; comparing periods of different zones is refused rather than guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class PeriodError(ValueError):
    """The dates or the zone do not make a period."""


@dataclass(frozen=True, kw_only=True, order=True)
class Period:
    """The civil days from `start` up to, but without, `end`, in `zone` (an IANA name such as Asia/Shanghai)."""

    start: date
    end: date
    zone: str

    def __post_init__(self) -> None:
        # A datetime is a date to isinstance, but would compare and print as something else.
        if type(self.start) is not date or type(self.end) is not date:
            raise PeriodError("start and end are civil dates")
        if self.start >= self.end:
            raise PeriodError(f"a period ends after it starts, not {self.start} .. {self.end}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PeriodError(f"unknown time zone {self.zone!r}") from error

    def days(self) -> int:
        """Return the number of civil days."""
        return (self.end - self.start).days

    def months(self) -> int | None:
        """Return the number of whole calendar months, or None when the period does not begin and end on a month's first day."""
        if self.start.day != 1 or self.end.day != 1:
            return None
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month

    def each_month(self) -> Iterator["Period"]:
        """Cut the period at the first day of every month; the pieces cover it exactly, in order."""
        start = self.start
        while start < self.end:
            next_first = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
            end = min(next_first, self.end)
            yield Period(start=start, end=end, zone=self.zone)
            start = end

    def contains(self, other: "Period") -> bool:
        """Tell whether every day of `other` is a day of this period."""
        self._same_zone(other)
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: "Period") -> bool:
        """Tell whether any day belongs to both."""
        self._same_zone(other)
        return self.start < other.end and other.start < self.end

    def starts_at(self) -> datetime:
        """Return the instant, in UTC, at which the first day begins."""
        return _midnight(self.start, self.zone)

    def ends_at(self) -> datetime:
        """Return the instant, in UTC, at which the last day has ended."""
        return _midnight(self.end, self.zone)

    def _same_zone(self, other: "Period") -> None:
        if self.zone != other.zone:
            raise PeriodError(f"periods of {self.zone} and {other.zone} cannot be compared by their dates")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
