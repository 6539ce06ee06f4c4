"""Names the months of the simulated province. Civil months in Asia/Shanghai, half-open."""

from datetime import date

from services.common.civil_time import Period

ZONE = "Asia/Shanghai"
FIRST_YEAR = 2023
YEARS = 3
MONTHS = 12 * YEARS


def month_starting(first_day: date) -> Period:
    """Give the month that begins on `first_day`."""
    return Period(start=first_day, end=_next_month(first_day), zone=ZONE)


def all_months() -> tuple[Period, ...]:
    """List the months of the province's history, oldest first."""
    return tuple(month_starting(date(FIRST_YEAR + index // 12, index % 12 + 1, 1)) for index in range(MONTHS))


def year(number: int) -> Period:
    """Give the calendar year `number`."""
    return Period(start=date(number, 1, 1), end=date(number + 1, 1, 1), zone=ZONE)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
