"""Decides the figures per 12-month window, the form in which scoring and reports see an account.

Windows are cut backwards from the end of the newest month that is whole (`settled.py`); what came after it has a window of its own,
up to the newest day. Where figures come by the month windows follow each other without gap; where a figure covers a year that such
a window would cut in two, the window is that year itself.

Missing data must not look like a reduction: a month counts as covered only when every series of emissions that should cover it
does (`series.py`), and intensity is given only where all months are covered on both sides.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple
from uuid import UUID

from services.collector.domain.coverage import Coverage
from services.collector.domain.lines import OutputLine
from services.collector.domain.months import middles_before, months_before
from services.collector.domain.posting import AMOUNT_SCALE, Posting, Treatment
from services.collector.domain.series import AllSeries, days_by_series
from services.collector.domain.settled import settled_end
from services.common.amounts import INTEGER_DIGITS_MAX, quantise
from services.common.civil_time import Period

INTENSITY_SCALE = 6
OUTPUT_SCALE = 6
WINDOW_MONTHS = 12
WINDOWS_MAX = 40
# One digit short of what an amount can hold, so that no rounding passes it; thousands of times what the world emits or makes.
TOTAL_MAX = Decimal(10) ** (INTEGER_DIGITS_MAX - 1)
# The product by which an industry is compared; other industries by the product stated for most months.
MAIN_PRODUCT_OF_INDUSTRY = {"441": "electricity", "311": "pig_iron", "312": "crude_steel", "252": "coke"}
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
    # Beside the total, None where there are no such lines; market-based scope 2 only where it covers all that scope 2 covers.
    scope2_market_based_tco2e: Decimal | None
    biomass_tco2: Decimal | None
    scope3_tco2e: Decimal | None

    def is_year(self) -> bool:
        """Tell whether the window is whole; one of months that are still coming in is not."""
        return self.period.start == months_before(self.period.end, WINDOW_MONTHS)


class Years(NamedTuple):
    """The figures of the windows, newest last, and the windows of which a total or the intensity is too large to be given."""

    figures: list[AnnualFigures]
    beyond_limit: list[Period]


def annual_figures(
    *, postings: Sequence[Posting], outputs: Sequence[OutputLine], industry_code: str, incomplete: Sequence[Period] = ()
) -> Years:
    """Compute the windows. One without any figure, or with a total beyond the limit, is left out; at most the newest 40 are given.

    `incomplete` are periods of which something is known that does not stand among the postings.
    """
    years = Years([], [])
    every, postings = postings, [posting for posting in postings if posting.in_total()]
    periods = [posting.period for posting in postings] + [line.period for line in outputs]
    if not periods:
        return years
    all_series = AllSeries(postings=postings, outputs=outputs)
    holes = Coverage(incomplete)
    windows = _windows(periods, settled=settled_end(postings=postings, outputs=outputs, all_series=all_series, holes=holes))
    for window in windows:
        inside = [posting for posting in postings if _within(posting.period, window)]
        made = [line for line in outputs if _within(line.period, window)]
        if inside or made:
            days = days_by_series(inside)
            covered = [middle for middle in _middles(window) if not holes.has_day(middle) and all_series.cover(middle, inside=days)]
            beside = [posting for posting in every if not posting.in_total() and _within(posting.period, window)]
            _add(years, window, [*inside, *beside], made, industry_code, covered)
    return Years(years.figures[::-1], years.beyond_limit[::-1])


def _windows(periods: Iterable[Period], *, settled: date) -> list[Period]:
    """Cut windows from the newest end backwards until every period lies in one; the day `settled` lies within none of them."""
    left = sorted({(period.end, period.start): period for period in periods}.values(), key=lambda period: (period.end, period.start))
    windows: list[Period] = []
    end = left[-1].end
    while len(windows) < WINDOWS_MAX:
        start = months_before(end, WINDOW_MONTHS)
        window = Period(start=settled if start < settled < end else start, end=end, zone=left[-1].zone)
        windows.append(window)
        left = [period for period in left if not _within(period, window) and period.end != end]
        if not left:
            break
        # What crosses the border decides where the next window ends: a yearly figure gets the window that is its year.
        end = left[-1].end if left[-1].end > window.start else _aligned_end(left[-1].end, window.start)
    return windows


def _aligned_end(newest: date, end: date) -> date:
    """Skip windows in which there is nothing, keeping to the same day of the year."""
    while months_before(end, WINDOW_MONTHS) >= newest:
        end = months_before(end, WINDOW_MONTHS)
    return end


def _add(
    years: Years,
    window: Period,
    postings: Sequence[Posting],
    outputs: Sequence[OutputLine],
    industry_code: str,
    covered: Sequence[date],
) -> None:
    """Add the figures of a window, or its name where they are too large."""
    beside = {treatment: [posting for posting in postings if posting.treatment is treatment] for treatment in Treatment}
    postings = beside.pop(Treatment.IN_TOTAL)
    scope1 = sum((posting.amount_tco2e for posting in postings if posting.scope == 1), Decimal(0))
    scope2 = sum((posting.amount_tco2e for posting in postings if posting.scope == 2), Decimal(0))
    product = main_product(outputs, industry_code)
    of_product = [line for line in outputs if (line.product_code, line.unit) == product]
    amount = sum((line.amount for line in of_product), Decimal(0)) if of_product else None
    if max(abs(scope1), abs(scope2), amount or Decimal(0)) > TOTAL_MAX:
        years.beyond_limit.append(window)
        return
    producing = Coverage(line.period for line in of_product)
    # Like by like: what was emitted in some months is not divided by what was made in others.
    both_whole = len(covered) == WINDOW_MONTHS and all(producing.has_day(middle) for middle in covered)
    # More taken off than counted, as where a works sells more power than it buys: no intensity follows from that.
    intensity = _EXACT.divide(scope1 + scope2, amount) if both_whole and amount and scope1 + scope2 >= 0 else None
    if intensity is not None and intensity > TOTAL_MAX:
        # So little output that the quotient is no amount any more.
        years.beyond_limit.append(window)
        intensity = None
    years.figures.append(
        AnnualFigures(
            period=window,
            scope1_tco2e=quantise(scope1, AMOUNT_SCALE),
            scope2_tco2e=quantise(scope2, AMOUNT_SCALE),
            product_code=product[0],
            output_unit=product[1],
            output_amount=quantise(amount, OUTPUT_SCALE) if amount is not None else None,
            intensity_tco2e_per_unit=quantise(intensity, INTENSITY_SCALE) if intensity is not None else None,
            months_covered=len(covered),
            data_quality=max((*(posting.data_quality for posting in postings), *(line.data_quality for line in of_product))),
            process_route=_main_route(of_product),
            output_complete=bool(of_product) and all(producing.has_day(middle) for middle in covered),
            scope2_market_based_tco2e=_total(beside[Treatment.MARKET_BASED]) if _market_is_whole(postings, beside) else None,
            biomass_tco2=_total(beside[Treatment.BIOMASS]),
            scope3_tco2e=_total(beside[Treatment.VALUE_CHAIN]),
        )
    )


def _total(postings: Sequence[Posting]) -> Decimal | None:
    """Sum lines beside the total; None where there are none, which is not zero, or more than an amount can hold."""
    total = sum((posting.amount_tco2e for posting in postings), Decimal(0))
    return quantise(total, AMOUNT_SCALE) if postings and abs(total) <= TOTAL_MAX else None


def _market_is_whole(postings: Sequence[Posting], beside: Mapping[Treatment, Sequence[Posting]]) -> bool:
    """Tell whether the market-based view has all days of scope 2 at every facility: a part of it would look like a reduction."""
    days: dict[UUID, list[Period]] = defaultdict(list)
    for posting in beside[Treatment.MARKET_BASED]:
        days[posting.facility_id].append(posting.period)
    coverage = {facility_id: Coverage(periods) for facility_id, periods in days.items()}
    purchased = [posting for posting in postings if posting.scope == 2]
    return all(posting.facility_id in coverage and coverage[posting.facility_id].covers(posting.period) for posting in purchased)


def main_product(outputs: Iterable[OutputLine], industry_code: str) -> tuple[str, str]:
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
    return [middle for middle in middles_before(window.end, WINDOW_MONTHS) if window.start <= middle]


def _within(period: Period, window: Period) -> bool:
    return window.start <= period.start and period.end <= window.end
