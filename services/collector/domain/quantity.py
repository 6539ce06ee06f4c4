"""Decides which figure counts where several providers state the same quantity. A stand-in until figures are reconciled.

A quantity is one measure of one facility. What one provider states of it for one period is summed over its records. Of figures
for the same days the best data quality counts, a tie goes to the smaller provider code. A finer figure takes the place of a
coarser one only together with others that are no worse and cover exactly its days; else the coarser one counts, so that one month
never stands for a year. What is passed over is compared, never added. Nothing here knows where a figure goes.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from services.collector.domain.basis import Basis
from services.collector.domain.coverage import Coverage, lies_within, same_days_overlap
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

# PCAF scores data from 1 (verified) to 5 (sector average). Which basis earns which score is this bureau's own mapping.
DATA_QUALITY_OF_BASIS = {Basis.VERIFIED: 1, Basis.METERED: 2, Basis.INVOICED: 3, Basis.DECLARED: 4}
DATA_QUALITY_WORST = 5
# No subject has a quantity of 10^12 in any of the units; what is larger is a wrong unit or a program gone wrong.
AMOUNT_MAX = Decimal(10) ** 12


class Measure(StrEnum):
    """What is measured."""

    ELECTRICITY_USE = "electricity use"
    FUEL_USE = "fuel use"
    OUTPUT = "output"
    SCOPE_1 = "scope 1 as reported"
    SCOPE_2 = "scope 2 as reported"
    INVESTMENT = "investment"
    TAX_RETURN = "tax return"
    OTHER = "a fact"


class Quantity(NamedTuple):
    """One measure of one facility: of one fuel, product or technology (`code`), in one unit."""

    facility_id: UUID
    measure: Measure
    code: str
    unit: str

    def apart_from_facility(self) -> tuple[Measure, str, str]:
        """Give what is measured, at whichever facility."""
        return (self.measure, self.code, self.unit)

    def name(self) -> str:
        """Name it for a reader."""
        return f"{self.measure} of {self.code}" if self.code else str(self.measure)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One submission's figure. `part` splits a quantity where the provider does: an energy carrier or a process route."""

    submission: Submission
    part: str
    amount: Decimal
    data_quality: int

    def period(self) -> Period:
        """Give the period of the figure, which every submission with figures has."""
        assert self.submission.period is not None
        return self.submission.period


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderFigure:
    """What one provider states of one quantity for one period, all its records together. The worst quality among them counts."""

    provider_code: str
    period: Period
    figures: tuple[Figure, ...]
    amount: Decimal
    data_quality: int

    def evidence(self) -> tuple[Submission, ...]:
        return tuple(figure.submission for figure in self.figures)


@dataclass(frozen=True, kw_only=True, slots=True)
class PassedOver:
    """A figure that does not count because others share days with it; `comparable` when they cover exactly its days."""

    figure: ProviderFigure
    instead: tuple[ProviderFigure, ...]
    comparable: bool

    def loses_days(self) -> bool:
        """Tell whether it states something of days of which nothing counts now."""
        return not self.comparable and not Coverage(one.period for one in self.instead).covers(self.figure.period)

    def difference(self) -> Decimal:
        """Give the difference relative to what counts; 1 when something is stated against nothing."""
        return relative_difference(self.figure.amount, sum((one.amount for one in self.instead), Decimal(0)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """What counts of one quantity, in the order of the periods, and what was passed over."""

    quantity: Quantity
    chosen: tuple[ProviderFigure, ...]
    passed_over: tuple[PassedOver, ...]

    def all_figures(self) -> list[ProviderFigure]:
        """List every provider's figures, chosen or not, by provider and period."""
        figures = [*self.chosen, *(passed.figure for passed in self.passed_over)]
        return sorted(figures, key=lambda figure: (figure.provider_code, figure.period.start, figure.period.end))


def relative_difference(one: Decimal, reference: Decimal) -> Decimal:
    """Compute |one − reference| ÷ reference; of a reference of 0 it is 0 for another 0 and 1 for anything else."""
    if reference == 0:
        return Decimal(0) if one == 0 else Decimal(1)
    return abs(one - reference) / reference


class Quantities:
    """Gathers the figures of a subject by quantity, provider and period. Give them in record order."""

    def __init__(self) -> None:
        self._gathered: dict[Quantity, dict[tuple[str, date, date], list[Figure]]] = defaultdict(lambda: defaultdict(list))

    def add(self, quantity: Quantity, figure: Figure) -> None:
        period = figure.period()
        self._gathered[quantity][figure.submission.provider_code, period.start, period.end].append(figure)

    def resolved(self) -> list[Resolution]:
        """Resolve every quantity, in a fixed order."""
        return [_resolve(quantity, _provider_figures(self._gathered[quantity])) for quantity in sorted(self._gathered)]


def _provider_figures(gathered: dict[tuple[str, date, date], list[Figure]]) -> list[ProviderFigure]:
    made = []
    for (provider_code, _, _), figures in gathered.items():
        period = figures[0].period()
        single = len(figures) == 1
        made.append(
            ProviderFigure(
                provider_code=provider_code,
                period=period,
                figures=tuple(figures),
                amount=figures[0].amount if single else sum((figure.amount for figure in figures), Decimal(0)),
                data_quality=figures[0].data_quality if single else max(figure.data_quality for figure in figures),
            )
        )
    return made


def _resolve(quantity: Quantity, figures: Iterable[ProviderFigure]) -> Resolution:
    """Choose what counts, first among figures of the same days, then among those that share only some."""
    ordered = sorted(figures, key=lambda one: (one.data_quality, one.provider_code, one.period.start, one.period.end))
    best: dict[tuple[date, date], ProviderFigure] = {}
    for figure in ordered:
        best.setdefault((figure.period.start, figure.period.end), figure)
    chosen = sorted(_standing(list(best.values())), key=lambda one: one.period.start)
    starts = [one.period.start for one in chosen]
    counted = {id(one) for one in chosen}
    passed = [figure for figure in ordered if id(figure) not in counted]
    return Resolution(quantity=quantity, chosen=tuple(chosen), passed_over=tuple(_passed(figure, chosen, starts) for figure in passed))


def _standing(figures: list[ProviderFigure]) -> list[ProviderFigure]:
    """Select figures of different periods that share no day: the longest first, or those that take its place.

    Longest first, because what is left out then loses the fewest days. The order is total, so the order of arrival does not matter.
    Recursion ends: every level has shorter periods than the one before, and none is longer than a year.
    """
    in_time = sorted(figures, key=lambda one: (one.period.start, one.period.end))
    if all(one.period.end <= after.period.start for one, after in pairwise(in_time)):
        return in_time
    chosen: list[ProviderFigure] = []
    for figure in sorted(in_time, key=lambda one: (-one.period.days(), one.data_quality, one.provider_code, one.period.start)):
        if any(same_days_overlap(one.period, figure.period) for one in chosen):
            continue
        finer = _standing([one for one in in_time if one is not figure and _may_replace(one, figure)])
        chosen += finer if finer and cover_exactly([one.period for one in finer], figure.period) else [figure]
    return chosen


def _may_replace(part: ProviderFigure, whole: ProviderFigure) -> bool:
    no_worse = (part.data_quality, part.provider_code) <= (whole.data_quality, whole.provider_code)
    return no_worse and lies_within(part.period, whole.period)


def _passed(figure: ProviderFigure, chosen: Sequence[ProviderFigure], starts: Sequence[date]) -> PassedOver:
    instead = []
    place = max(0, bisect_right(starts, figure.period.start) - 1)
    while place < len(chosen) and starts[place] < figure.period.end:
        if same_days_overlap(chosen[place].period, figure.period):
            instead.append(chosen[place])
        place += 1
    return PassedOver(figure=figure, instead=tuple(instead), comparable=cover_exactly([one.period for one in instead], figure.period))


def cover_exactly(parts: Sequence[Period], whole: Period) -> bool:
    """Tell whether periods lie within another and cover every day of it."""
    if len(parts) == 1:
        return parts[0].start == whole.start and parts[0].end == whole.end
    return all(lies_within(part, whole) for part in parts) and Coverage(parts).covers(whole)
