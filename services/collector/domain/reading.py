"""Decides how dates and periods are read from their written form. What cannot be read becomes a defect; nothing is rejected here."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from services.collector.domain.submission import Defect, Flaw, shown
from services.common.civil_time import Period, PeriodError

# date.fromisoformat also takes 20240101 and 2024-W01-1; the contract names one form only.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_DATE_CHARACTERS = 10
_ZONE_CHARACTERS_MAX = 64
_STAND_IN_DATE = date(1, 1, 1)


class Reading:
    """Reads fields of one submission and remembers what it could not read, after what was found before."""

    def __init__(self, found: Iterable[Defect] = ()) -> None:
        self.defects: list[Defect] = list(found)
        self.codes: list[tuple[str, str]] = []

    def flaw(self, flaw: Flaw, field: str, text: str) -> None:
        """Remember that a field could not be read."""
        self.defects.append(Defect(flaw=flaw, field=field, shown=shown(text)))

    def code(self, field: str, text: str) -> str:
        """Take the code of another enterprise as it is and list it for the rule about check characters."""
        if text:
            self.codes.append((field, text))
        return text

    def day(self, field: str, text: str) -> date:
        """Read a calendar date that must be there."""
        value = _day(text)
        if value is None:
            self.flaw(Flaw.NOT_A_DATE, field, text)
            return _STAND_IN_DATE
        return value

    def optional_day(self, field: str, text: str) -> date | None:
        """Read a calendar date that may be left empty."""
        return self.day(field, text) if text else None

    def period(self, start: str, end: str, zone: str) -> Period | None:
        """Read a period, or None with the defects that say why not."""
        # Over-long texts are no dates and no zone; they must not get into the memory of periods either.
        writable = len(start) <= _DATE_CHARACTERS and len(end) <= _DATE_CHARACTERS and len(zone) <= _ZONE_CHARACTERS_MAX
        if writable and (value := _period(start, end, zone)) is not None:
            return value
        first, last = _day(start), _day(end)
        if first is None:
            self.flaw(Flaw.NOT_A_DATE, "period.start_date", start)
        if last is None:
            self.flaw(Flaw.NOT_A_DATE, "period.end_date", end)
        if first is not None and last is not None and first >= last:
            self.flaw(Flaw.ENDS_BEFORE_START, "period", f"{start} .. {end}")
        if len(zone) > _ZONE_CHARACTERS_MAX or _period("2000-01-01", "2001-01-01", zone) is None:
            self.flaw(Flaw.UNKNOWN_ZONE, "period.time_zone", zone)
        return None


# Providers state the same few hundred periods again and again; a period is a value, so remembering it changes nothing.
@lru_cache(maxsize=8192)
def _period(start: str, end: str, zone: str) -> Period | None:
    first, last = _day(start), _day(end)
    if first is None or last is None or not zone:
        return None
    try:
        return Period(start=first, end=last, zone=zone)
    except PeriodError:
        return None


def _day(text: str) -> date | None:
    if _DATE.match(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
