"""Adds up an account by month, quarter, year or ETS year, by scope and carrier. Pure: the same lines give the same totals.

A figure is never cut. One that crosses a border stands in the coarser period that holds it; the finer ones that it touches say that
they are incomplete. Data quality is that of the worst figure. Intensity is given only where nothing is missing on either side.

Uncertainty (GUM, JCGM 100:2008, 5.1.2): the lines of a total are taken as independent, so their standard uncertainties add in
quadrature. Lines by one factor are not: for them the arithmetic sum is the upper bound (5.2.2, note 1), which stands beside.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from uuid import UUID

from services.collector.domain.annual import TOTAL_MAX, main_product
from services.collector.domain.coverage import Coverage
from services.collector.domain.fiscal import FiscalLine
from services.collector.domain.lines import OutputLine
from services.collector.domain.series import AllSeries, days_by_series
from services.common.amounts import quantise
from services.common.civil_time import Period

INTENSITY_SCALE = 6
PERCENT_SCALE = 2
# Intensity by money is told per ten thousand yuan (万元), as Chinese statistics do.
YUAN_PER_UNIT = Decimal(10_000)
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)
_MIDDLE = 15
_ZERO = Decimal(0)
# What counts in the total of an account; other treatments stand beside it.
IN_TOTAL = "IN_TOTAL"


class Granularity(StrEnum):
    """How long a period is. The year of the national emissions trading scheme is the calendar year; its obligation stands beside it."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    ETS_YEAR = "ets-year"

    def months(self) -> int:
        return {Granularity.MONTH: 1, Granularity.QUARTER: 3}.get(self, 12)

    def holding(self, period: Period) -> Period | None:
        """Give the period of this granularity that holds every day of another, or None where it crosses a border."""
        found = self.around(period.start, period.zone)
        return found if period.end <= found.end else None

    def around(self, day: date, zone: str) -> Period:
        """Give the period of this granularity in which a day lies."""
        first = (day.month - 1) // self.months() * self.months()
        end = first + self.months()
        return Period(start=date(day.year, first + 1, 1), end=date(day.year + end // 12, end % 12 + 1, 1), zone=zone)

    def label(self, period: Period) -> str:
        """Name a period of this granularity."""
        match self:
            case Granularity.MONTH:
                return f"{period.start:%Y-%m}"
            case Granularity.QUARTER:
                return f"{period.start.year}-Q{(period.start.month + 2) // 3}"
            case _:
                return str(period.start.year)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionLine:
    """Net emissions of one facility, period, scope and carrier."""

    facility_id: UUID
    period: Period
    scope: int
    energy_carrier: str
    amount_tco2e: Decimal
    data_quality: int
    standard_uncertainty_percent: Decimal
    treatment: str = IN_TOTAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A sum of lines. `carrier` is None for all carriers, `scope` for all that count in the total of the account."""

    scope: int | None
    carrier: str | None
    treatment: str
    amount_tco2e: Decimal
    data_quality: int
    standard_uncertainty_percent: Decimal
    uncertainty_bound_percent: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Intensity:
    """Emissions of the total over something that was made, earned or paid. The worst data quality of both sides counts."""

    per: str
    unit: str
    denominator: Decimal
    tco2e_per_unit: Decimal
    data_quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodTotals:
    """What an account says of one period. `missing` says why it is incomplete; empty is complete."""

    period: Period
    name: str
    totals: Sequence[Total]
    intensities: Sequence[Intensity]
    missing: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """A line that crosses a border of the granularity, and the name of the coarser period that holds it; empty where none does."""

    line: EmissionLine
    stands_in: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ByPeriod:
    """The totals of an account, oldest first, and the lines that stand in no period of the granularity."""

    granularity: Granularity
    periods: Sequence[PeriodTotals]
    elsewhere: Sequence[Elsewhere]


def by_period(
    *,
    granularity: Granularity,
    lines: Sequence[EmissionLine],
    outputs: Sequence[OutputLine],
    fiscal: Sequence[FiscalLine],
    incomplete: Iterable[Period],
    industry_code: str,
) -> ByPeriod:
    """Add up the lines of an account. `incomplete` are days of which something is known that does not stand among them."""
    lines = sorted(lines, key=lambda one: (one.period.start, one.period.end, one.scope, one.energy_carrier, str(one.facility_id)))
    counted = [line for line in lines if line.treatment == IN_TOTAL]
    known = _Known(
        lines=counted,
        outputs=outputs,
        fiscal=fiscal,
        holes=Coverage(incomplete),
        all_series=AllSeries(postings=counted, outputs=outputs),
        product=main_product(outputs, industry_code),
    )
    inside: dict[tuple[date, date], list[EmissionLine]] = defaultdict(list)
    periods: dict[tuple[date, date], Period] = {}
    elsewhere = []
    for line in lines:
        for touched in _touched(granularity, line.period):
            periods.setdefault((touched.start, touched.end), touched)
        holding = granularity.holding(line.period)
        if holding is None:
            elsewhere.append(Elsewhere(line=line, stands_in=_coarser(granularity, line.period)))
        else:
            inside[holding.start, holding.end].append(line)
    for period in (*(line.period for line in outputs), *(line.period for line in fiscal)):
        for touched in _touched(granularity, period):
            periods.setdefault((touched.start, touched.end), touched)
    totals = [_period_totals(granularity, periods[key], inside[key], known) for key in sorted(periods)]
    return ByPeriod(granularity=granularity, periods=totals, elsewhere=elsewhere)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Everything of the account that a period may be laid against."""

    lines: Sequence[EmissionLine]
    outputs: Sequence[OutputLine]
    fiscal: Sequence[FiscalLine]
    holes: Coverage
    all_series: AllSeries
    product: tuple[str, str]


def _touched(granularity: Granularity, period: Period) -> Iterator[Period]:
    day = period.start
    while day < period.end:
        touched = granularity.around(day, period.zone)
        yield touched
        day = touched.end


def _coarser(granularity: Granularity, period: Period) -> str:
    for coarser in (Granularity.QUARTER, Granularity.YEAR):
        if coarser.months() > granularity.months() and (holding := coarser.holding(period)) is not None:
            return f"{coarser.value} {coarser.label(holding)}"
    return ""


def _period_totals(granularity: Granularity, period: Period, lines: Sequence[EmissionLine], known: _Known) -> PeriodTotals:
    counted = [line for line in lines if line.treatment == IN_TOTAL]
    missing = list(_missing(period, counted, known))
    total = _total(counted, scope=None, carrier=None, treatment=IN_TOTAL) if counted else None
    return PeriodTotals(
        period=period,
        name=granularity.label(period),
        totals=[*_totals(lines), *([total] if total is not None else [])],
        intensities=list(_intensities(period, total, known)) if total is not None and not missing else [],
        missing=missing,
    )


# ---- Completeness ----


def _missing(period: Period, counted: Sequence[EmissionLine], known: _Known) -> Iterator[str]:
    """Say what keeps a period from being complete."""
    crossing = {(line.period.start, line.period.end) for line in known.lines if _crosses(line.period, period)}
    for start, end in sorted(crossing):
        yield f"a figure of {start} to {end} is not divided"
    if known.holes.overlaps(period):
        yield "something is known of its days that does not stand on the account"
    days = days_by_series(counted)
    months = [middle for middle in _middles(period) if not known.all_series.cover(middle, inside=days)]
    if months:
        yield f"emissions of {', '.join(f'{month:%Y-%m}' for month in months)} are not all there"


def _crosses(figure: Period, period: Period) -> bool:
    touches = figure.start < period.end and period.start < figure.end
    return touches and not (period.start <= figure.start and figure.end <= period.end)


def _middles(period: Period) -> Iterator[date]:
    day = period.start
    while day < period.end:
        yield day.replace(day=_MIDDLE)
        day = (day.replace(day=28) + timedelta(days=4)).replace(day=1)


# ---- Totals ----


def _totals(lines: Sequence[EmissionLine]) -> Iterator[Total]:
    """Add up by treatment, scope and carrier, each scope after its carriers."""
    by_scope: dict[tuple[str, int], dict[str, list[EmissionLine]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        by_scope[line.treatment, line.scope][line.energy_carrier].append(line)
    for treatment, scope in sorted(by_scope, key=lambda key: (key[0] != IN_TOTAL, key)):
        carriers = by_scope[treatment, scope]
        for carrier in sorted(carriers):
            yield _total(carriers[carrier], scope=scope, carrier=carrier, treatment=treatment)
        every = [line for of_carrier in carriers.values() for line in of_carrier]
        yield _total(every, scope=scope, carrier=None, treatment=treatment)


def _total(lines: Sequence[EmissionLine], *, scope: int | None, carrier: str | None, treatment: str) -> Total:
    amount = sum((line.amount_tco2e for line in lines), _ZERO)
    shares = [abs(line.amount_tco2e) * line.standard_uncertainty_percent for line in lines]
    quadrature = _EXACT.sqrt(sum((_EXACT.multiply(share, share) for share in shares), _ZERO))
    return Total(
        scope=scope,
        carrier=carrier,
        treatment=treatment,
        amount_tco2e=amount,
        data_quality=max(line.data_quality for line in lines),
        standard_uncertainty_percent=_percent(quadrature, amount),
        uncertainty_bound_percent=_percent(sum(shares, _ZERO), amount),
    )


def _percent(weighted: Decimal, amount: Decimal) -> Decimal:
    """Relate an uncertainty to its amount; of an amount of 0 it is 0, because nothing is known to be uncertain by a share."""
    return quantise(min(_EXACT.divide(weighted, abs(amount)), TOTAL_MAX), PERCENT_SCALE) if amount else quantise(_ZERO, PERCENT_SCALE)


# ---- Intensity ----


def _intensities(period: Period, total: Total, known: _Known) -> Iterator[Intensity]:
    product, unit = known.product
    made = [(line.period, line.amount, line.data_quality) for line in known.outputs if (line.product_code, line.unit) == known.product]
    yield from _intensity(period, total, f"output of {product}", unit, made, Decimal(1), whole_days=False)
    added = [(line.period, line.value_added_yuan, line.data_quality) for line in known.fiscal]
    yield from _intensity(period, total, "value added", "10^4 yuan", added, YUAN_PER_UNIT, whole_days=True)
    paid = [(line.period, line.tax_paid_yuan, line.data_quality) for line in known.fiscal]
    yield from _intensity(period, total, "tax paid", "10^4 yuan", paid, YUAN_PER_UNIT, whole_days=True)


def _intensity(
    period: Period,
    total: Total,
    per: str,
    unit: str,
    stated: Iterable[tuple[Period, Decimal | None, int]],
    divisor: Decimal,
    *,
    whole_days: bool,
) -> Iterator[Intensity]:
    """Divide, where the denominator is told for the whole period: by day, or by month where billing days need not be first days."""
    touching = [one for one in stated if one[0].start < period.end and period.start < one[0].end]
    if not touching or any(_crosses(figure, period) or amount is None for figure, amount, _ in touching):
        return
    covered = Coverage(figure for figure, _, _ in touching)
    if not (covered.covers(period) if whole_days else all(covered.has_day(middle) for middle in _middles(period))):
        return
    denominator = _EXACT.divide(sum((amount for _, amount, _ in touching if amount is not None), _ZERO), divisor)
    if denominator <= 0 or (quotient := _EXACT.divide(total.amount_tco2e, denominator)) > TOTAL_MAX:
        return
    yield Intensity(
        per=per,
        unit=unit,
        denominator=denominator,
        tco2e_per_unit=quantise(quotient, INTENSITY_SCALE),
        data_quality=max(total.data_quality, *(quality for _, _, quality in touching)),
    )
