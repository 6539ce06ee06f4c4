"""Lays the windows of an account against its own past and its industry. Figures and positions only: what they are worth is scoring's.

Like by like: emissions are compared where all months of both windows are covered, intensity where both are given for one product. A
benchmark counts for a window only where it holds for all of its days; what it was pinned to stands beside each position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

from services.collector.domain.account import AccountView
from services.collector.domain.annual import TOTAL_MAX, WINDOW_MONTHS, AnnualFigures
from services.collector.domain.benchmark import NO_BENCHMARKS, Benchmark, Benchmarks
from services.collector.domain.peers import Group, PeerSnapshot, band, group_of
from services.common.amounts import quantise
from services.common.civil_time import Period

# The newest windows that are compared.
COMPARED_MAX = 5
PERCENT_SCALE = 2
RATIO_SCALE = 4
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)
_HALF_YEAR_DAYS = 183


@dataclass(frozen=True, kw_only=True, slots=True)
class Yardsticks:
    """What accounts are laid against: the edition of benchmarks, and the newest snapshot of each group of peers."""

    benchmarks: Benchmarks = NO_BENCHMARKS
    peers: Mapping[Group, PeerSnapshot] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnChange:
    """Change against an earlier window of the same account, percent; None where the two are not alike."""

    against: Period
    emissions_percent: Decimal | None
    intensity_percent: Decimal | None
    data_quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkPosition:
    """Intensity as a multiple of a benchmark: 1 is equal, above 1 is worse."""

    benchmark: Benchmark
    edition: str
    ratio: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerPosition:
    """The quarter of its peers in which an intensity lies."""

    snapshot: PeerSnapshot
    band: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowComparison:
    """How one window compares."""

    window: Period
    previous: OwnChange | None
    base_year: OwnChange | None
    benchmarks: Sequence[BenchmarkPosition]
    peers: PeerPosition | None


def comparisons(view: AccountView, yardsticks: Yardsticks) -> list[WindowComparison]:
    """Compare the newest whole windows of an account, oldest first; one of which nothing can be said is left out."""
    whole = [figures for figures in view.annual_figures if figures.is_year()]
    industry = view.profile.industry_code if view.profile is not None else ""
    base = _of_year(whole, view.plan.base_year) if view.plan is not None else None
    found = []
    for figures in whole[-COMPARED_MAX:]:
        before = next((one for one in whole if one.period.end == figures.period.start), None)
        compared = WindowComparison(
            window=figures.period,
            previous=_change(figures, before),
            base_year=_change(figures, base) if base is not None and base.period.end <= figures.period.start else None,
            benchmarks=_positions(figures, industry, yardsticks.benchmarks),
            peers=_among_peers(figures, industry, yardsticks.peers) if figures is whole[-1] else None,
        )
        if compared.previous or compared.base_year or compared.benchmarks or compared.peers:
            found.append(compared)
    return found


# ---- Own past ----


def _of_year(windows: Sequence[AnnualFigures], year: int) -> AnnualFigures | None:
    """Find the window that holds more than half of a calendar year."""
    first, after = date(year, 1, 1), date(year + 1, 1, 1)
    for figures in windows:
        if (min(figures.period.end, after) - max(figures.period.start, first)).days >= _HALF_YEAR_DAYS:
            return figures
    return None


def _change(now: AnnualFigures, then: AnnualFigures | None) -> OwnChange | None:
    if then is None:
        return None
    both_whole = now.months_covered == then.months_covered == WINDOW_MONTHS
    emissions = _percent(now.scope1_tco2e + now.scope2_tco2e, then.scope1_tco2e + then.scope2_tco2e) if both_whole else None
    alike = (now.product_code, now.output_unit) == (then.product_code, then.output_unit)
    intensities = now.intensity_tco2e_per_unit, then.intensity_tco2e_per_unit
    intensity = _percent(intensities[0], intensities[1]) if alike and intensities[0] is not None and intensities[1] is not None else None
    if emissions is None and intensity is None:
        return None
    return OwnChange(
        against=then.period,
        emissions_percent=emissions,
        intensity_percent=intensity,
        data_quality=max(now.data_quality, then.data_quality),
    )


def _percent(now: Decimal, then: Decimal) -> Decimal | None:
    """Give the change in percent; none from nothing, and none that no amount can hold."""
    if then <= 0:
        return None
    change = _EXACT.divide((now - then) * 100, then)
    return quantise(change, PERCENT_SCALE) if abs(change) <= TOTAL_MAX else None


# ---- Industry ----


def _positions(figures: AnnualFigures, industry: str, benchmarks: Benchmarks) -> list[BenchmarkPosition]:
    intensity = figures.intensity_tco2e_per_unit
    if intensity is None:
        return []
    return [
        BenchmarkPosition(benchmark=one, edition=benchmarks.edition, ratio=quantise(ratio, RATIO_SCALE))
        for one in benchmarks.entries
        if one.holds_for(
            industry_code=industry,
            product_code=figures.product_code,
            unit=figures.output_unit,
            process_route=figures.process_route,
            window=figures.period,
        )
        and (ratio := _EXACT.divide(intensity, one.value_tco2_per_unit)) <= TOTAL_MAX
    ]


def _among_peers(figures: AnnualFigures, industry: str, peers: Mapping[Group, PeerSnapshot]) -> PeerPosition | None:
    intensity = figures.intensity_tco2e_per_unit
    snapshot = peers.get(group_of(industry_code=industry, product_code=figures.product_code, unit=figures.output_unit))
    if intensity is None or snapshot is None or snapshot.quartiles is None:
        return None
    return PeerPosition(snapshot=snapshot, band=band(intensity, snapshot.quartiles))
