"""Decides how the written form of each field is read: amounts, dates, periods, enumerations.

A field that cannot be read becomes a defect and a stand-in value, so that one pass finds everything that is wrong with a
submission. Nothing is rejected here.
"""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from services.collector.domain.submission import Basis, Defect, EnterpriseSize, Flaw, shown
from services.common.amounts import AmountError, parse_amount
from services.common.civil_time import Period, PeriodError

# date.fromisoformat also takes 20240101 and 2024-W01-1; the contract names one form only.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_DATE_CHARACTERS = 10
_ZONE_CHARACTERS_MAX = 64
_STAND_IN_DATE = date(1, 1, 1)
_STAND_IN_AMOUNT = Decimal(0)


class Reading:
    """Reads the fields of one submission and remembers what it could not read."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self.amounts: list[tuple[str, Decimal]] = []
        self.texts: list[tuple[str, str]] = []

    def flaw(self, flaw: Flaw, field: str, text: str) -> None:
        """Remember that a field could not be read."""
        self.defects.append(Defect(flaw=flaw, field=field, shown=shown(text)))

    def amount(self, field: str, text: str) -> Decimal:
        """Read an amount that must be there."""
        try:
            value = parse_amount(text)
        except AmountError:
            self.flaw(Flaw.NOT_AN_AMOUNT, field, text)
            return _STAND_IN_AMOUNT
        self.amounts.append((field, value))
        return value

    def optional_amount(self, field: str, text: str) -> Decimal | None:
        """Read an amount that may be left empty."""
        return self.amount(field, text) if text else None

    def text(self, field: str, text: str) -> str:
        """Take a text as it is and list it for the rules about texts."""
        self.texts.append((field, text))
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

    def basis(self, number: int) -> Basis:
        """Read the basis of a figure; not set counts as declared, as the contract says."""
        if number == 0:
            return Basis.DECLARED
        try:
            return Basis(number)
        except ValueError:
            self.flaw(Flaw.UNKNOWN_BASIS, "basis", str(number))
            return Basis.DECLARED

    def size(self, number: int) -> EnterpriseSize | None:
        """Read a size class; not set is not known."""
        sizes = (None, EnterpriseSize.LARGE, EnterpriseSize.MEDIUM, EnterpriseSize.SMALL, EnterpriseSize.MICRO)
        if 0 <= number < len(sizes):
            return sizes[number]
        self.flaw(Flaw.UNKNOWN_SIZE, "size", str(number))
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
