"""Decides how months are counted: whole ones back from any day, each known by its 15th, whatever the billing day."""

from datetime import date

_MIDDLE = 15


def months_before(day: date, months: int) -> date:
    """Return the same day so many months earlier, or the last day of that month where it has fewer days."""
    first = _shifted(day.replace(day=1), -months)
    return first.replace(day=min(day.day, (_shifted(first, 1) - first).days))


def middles_before(end: date, months: int) -> list[date]:
    """Return the newest so many 15ths before `end`, newest first: a month counts as covered when its middle is."""
    first = end.replace(day=1) if end.day > _MIDDLE else _shifted(end.replace(day=1), -1)
    return [_shifted(first, -number).replace(day=_MIDDLE) for number in range(months)]


def _shifted(first_of_month: date, months: int) -> date:
    number = first_of_month.year * 12 + first_of_month.month - 1 + months
    return first_of_month.replace(year=max(1, number // 12), month=number % 12 + 1)
