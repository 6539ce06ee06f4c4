"""Decides which figure counts where several providers state the same quantity. A stand-in until figures are reconciled.

A quantity is one measure of one facility. What one provider states of it for one period is summed over its records. The best
data quality counts, a tie goes to the smaller provider code; whatever shares a day with a better figure is passed over and
compared, never added. Nothing here knows where a figure goes.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.collector.domain.coverage import Coverage, lies_within, same_days_overlap
from services.collector.domain.submission import Basis, Submission
from services.common.civil_time import Period

# PCAF scores data from 1 (verified) to 5 (sector average). Which basis earns which score is this bureau's own mapping.
DATA_QUALITY_OF_BASIS = {Basis.VERIFIED: 1, Basis.METERED: 2, Basis.INVOICED: 3, Basis.DECLARED: 4}
DATA_QUALITY_WORST = 5


class Measure(StrEnum):
    """What is measured."""

    ELECTRICITY_USE = "electricity use"
    FUEL_USE = "fuel use"
    OUTPUT = "output"
    SCOPE_1 = "scope 1 as reported"
    SCOPE_2 = "scope 2 as reported"
    INVESTMENT = "investment"


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
    """A figure that does not count because better ones share days with it; `comparable` when they cover exactly its days."""

    figure: ProviderFigure
    instead: tuple[ProviderFigure, ...]
    comparable: bool

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
        period = figure.submission.period
        assert period is not None
        self._gathered[quantity][figure.submission.provider_code, period.start, period.end].append(figure)

    def resolved(self) -> list[Resolution]:
        """Resolve every quantity, in a fixed order."""
        return [_resolve(quantity, _provider_figures(self._gathered[quantity])) for quantity in sorted(self._gathered)]


def _provider_figures(gathered: dict[tuple[str, date, date], list[Figure]]) -> list[ProviderFigure]:
    made = []
    for (provider_code, _, _), figures in gathered.items():
        period = figures[0].submission.period
        assert period is not None
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
    """Choose greedily, best quality first: a figure counts unless it shares a day with one that counts already."""
    ordered = sorted(figures, key=lambda one: (one.data_quality, one.provider_code, one.period.start, one.period.end))
    chosen: list[ProviderFigure] = []
    starts: list[date] = []
    passed: list[ProviderFigure] = []
    for figure in ordered:
        place = bisect_right(starts, figure.period.start)
        shares_before = place > 0 and chosen[place - 1].period.end > figure.period.start
        shares_after = place < len(starts) and starts[place] < figure.period.end
        if shares_before or shares_after:
            passed.append(figure)
        else:
            chosen.insert(place, figure)
            starts.insert(place, figure.period.start)
    return Resolution(quantity=quantity, chosen=tuple(chosen), passed_over=tuple(_passed(figure, chosen, starts) for figure in passed))


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
