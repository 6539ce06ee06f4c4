"""Decides the figures per 12-month window, the form in which scoring and reports see an account.

Windows are cut from the newest day backwards. Where figures come by the month they follow each other without gap; where a
figure covers a year that such a window would cut in two, the window is that year itself.

Missing data must not look like a reduction: a month counts as covered only when every series of emissions that should cover it
does (`series.py`), and intensity is given only where all months are covered on both sides.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

from services.collector.domain.coverage import Coverage
from services.collector.domain.lines import OutputLine
from services.collector.domain.posting import AMOUNT_SCALE, Posting
from services.collector.domain.series import AllSeries
from services.common.amounts import INTEGER_DIGITS_MAX, quantise
from services.common.civil_time import Period

INTENSITY_SCALE = 6
OUTPUT_SCALE = 6
WINDOW_MONTHS = 12
WINDOWS_MAX = 40
# The product by which an industry is compared; other industries by the product stated for most months.
MAIN_PRODUCT_OF_INDUSTRY = {"441": "electricity", "311": "pig_iron", "312": "crude_steel", "252": "coke"}
_MIDDLE_OF_MONTH = 15
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnualFigures:
    """Figures of one window. `output_amount` and what follows from it are None where no product was stated."""

    period: Period
    scope1_tco2e: Decimal
    scope2_tco2e: Decimal
    product_code: str
    output_unit: str
    output_amount: Decimal | None
    intensity_tco2e_per_unit: Decimal | None
    months_covered: int
    data_quality: int
    process_route: str
    output_complete: bool


def annual_figures(
    *, postings: Sequence[Posting], outputs: Sequence[OutputLine], industry_code: str, incomplete: Sequence[Period] = ()
) -> list[AnnualFigures]:
    """Compute the windows, newest last. A window without any figure is left out; at most the newest 40 are given.

    `incomplete` are periods of which something is known that does not stand among the postings.
    """
    figures: list[AnnualFigures] = []
    periods = [posting.period for posting in postings] + [line.period for line in outputs]
    windows = _windows(periods)
    emitted = [[posting for posting in postings if _within(posting.period, window)] for window in windows]
    all_series = AllSeries(postings=postings, outputs=outputs)
    holes = Coverage(incomplete)
    for place, window in enumerate(windows):
        inside = emitted[place]
        made = [line for line in outputs if _within(line.period, window)]
        if inside or made:
            # Windows go backwards here: the one after a window comes before it.
            later = emitted[place - 1] if place > 0 else ()
            earlier = emitted[place + 1] if place + 1 < len(windows) else ()
            expected = all_series.in_window(inside, earlier=earlier, later=later)
            covered = [middle for middle in _middles(window) if not holes.has_day(middle) and expected.cover(middle)]
            figures.append(_figures(window, inside, made, industry_code, covered))
    return figures[::-1]


def _windows(periods: Iterable[Period]) -> list[Period]:
    """Cut windows from the newest end backwards until every period, none of them longer than a window, lies in one."""
    left = sorted({(period.end, period.start): period for period in periods}.values(), key=lambda period: (period.end, period.start))
    windows: list[Period] = []
    end = left[-1].end if left else date.min
    while left and len(windows) < WINDOWS_MAX:
        window = Period(start=_months_before(end, WINDOW_MONTHS), end=end, zone=left[-1].zone)
        windows.append(window)
        left = [period for period in left if not _within(period, window) and period.end != end]
        if not left:
            break
        # What crosses the border decides where the next window ends: a yearly figure gets the window that is its year.
        end = left[-1].end if left[-1].end > window.start else _aligned_end(left[-1].end, window.start)
    return windows


def _aligned_end(newest: date, end: date) -> date:
    """Skip windows in which there is nothing, keeping to the same day of the year."""
    while _months_before(end, WINDOW_MONTHS) >= newest:
        end = _months_before(end, WINDOW_MONTHS)
    return end


def _figures(
    window: Period, postings: Sequence[Posting], outputs: Sequence[OutputLine], industry_code: str, covered: Sequence[date]
) -> AnnualFigures:
    scope1 = sum((posting.amount_tco2e for posting in postings if posting.scope == 1), Decimal(0))
    scope2 = sum((posting.amount_tco2e for posting in postings if posting.scope == 2), Decimal(0))
    product = _main_product(outputs, industry_code)
    of_product = [line for line in outputs if (line.product_code, line.unit) == product]
    amount = sum((line.amount for line in of_product), Decimal(0)) if of_product else None
    producing = Coverage(line.period for line in of_product)
    # Like by like: what was emitted in some months is not divided by what was made in others.
    middles = _middles(window)
    both_whole = len(covered) == len(middles) and all(producing.has_day(middle) for middle in middles)
    return AnnualFigures(
        period=window,
        scope1_tco2e=quantise(scope1, AMOUNT_SCALE),
        scope2_tco2e=quantise(scope2, AMOUNT_SCALE),
        product_code=product[0],
        output_unit=product[1],
        output_amount=quantise(amount, OUTPUT_SCALE) if amount is not None else None,
        intensity_tco2e_per_unit=_intensity(scope1 + scope2, amount) if both_whole else None,
        months_covered=len(covered),
        data_quality=max((*(posting.data_quality for posting in postings), *(line.data_quality for line in of_product))),
        process_route=_main_route(of_product),
        output_complete=bool(of_product) and all(producing.has_day(middle) for middle in covered),
    )


def _intensity(emissions: Decimal, output: Decimal | None) -> Decimal | None:
    """Divide; None where there was no output, or so little that the quotient is no amount any more."""
    if output is None or output == 0:
        return None
    quotient = _EXACT.divide(emissions, output)
    return None if quotient.adjusted() >= INTEGER_DIGITS_MAX - 1 else quantise(quotient, INTENSITY_SCALE)


def _main_product(outputs: Iterable[OutputLine], industry_code: str) -> tuple[str, str]:
    """Choose the industry's product if there is any of it, else the one of most periods; a tie by name."""
    lines: dict[tuple[str, str], int] = defaultdict(int)
    for line in outputs:
        lines[line.product_code, line.unit] += 1
    if not lines:
        return ("", "")
    expected = MAIN_PRODUCT_OF_INDUSTRY.get(industry_code[:3])
    return min(lines, key=lambda product: (product[0] != expected, -lines[product], product))


def _main_route(outputs: Iterable[OutputLine]) -> str:
    """Choose the route of most of the output; a tie by name."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in outputs:
        amounts[line.process_route] += line.amount
    return min(amounts, key=lambda route: (-amounts[route], route)) if amounts else ""


def _middles(window: Period) -> list[date]:
    """Give the 15th of every month of a window: a month counts as covered when its middle is, whatever the billing day."""
    start = window.start
    months = [_months_after(start.replace(day=1), number) for number in range(WINDOW_MONTHS + 1)]
    middles = [month.replace(day=_MIDDLE_OF_MONTH) for month in months]
    return [middle for middle in middles if window.start <= middle < window.end]


def _within(period: Period, window: Period) -> bool:
    return window.start <= period.start and period.end <= window.end


def _months_before(day: date, months: int) -> date:
    first = _months_after(day.replace(day=1), -months)
    return first.replace(day=min(day.day, _days_in_month(first)))


def _months_after(first_of_month: date, months: int) -> date:
    number = first_of_month.year * 12 + first_of_month.month - 1 + months
    return first_of_month.replace(year=max(1, number // 12), month=number % 12 + 1)


def _days_in_month(first: date) -> int:
    return (_months_after(first, 1) - first).days
