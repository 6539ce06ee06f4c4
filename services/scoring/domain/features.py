"""Decides what is observed of a subject: figures with units for the explicit indices, and one row of model features.

The same function makes the rows that a model is trained on and the row it is served. All arithmetic is decimal and the results
are rounded to fixed scales, so that the same statement gives the same features on every machine.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.scoring.domain.parameters import Parameters, Reference, rounded
from services.scoring.domain.statement import MONTHS_PER_YEAR, AnnualFigures, Investment, Plan, months_between

FIGURE_SCALE = 4
FEATURE_SCALE = 6

# Columns of the model, in this order; a model trained on other names or another order is refused.
FEATURE_NAMES = (
    "level_vs_reference",  # ln(intensity ÷ reference of the process route)
    "change_newest",  # yearly change of ln(intensity) into the newest window
    "change_before",  # the same into the window before; missing with two windows
    "deviation_from_history",  # ln(intensity) − mean of the earlier ln(intensity)
    "distance_to_best",  # ln(intensity) − lowest ln(intensity) on record
    "volatility",  # root mean square of the yearly changes of ln(intensity)
    "output_change",  # yearly change of ln(output) into the newest window
    "output_deviation",  # ln(output) − mean of the earlier ln(output)
    "output_size",  # ln(output), in the unit of the product
    "scope2_share",  # scope 2 ÷ (scope 1 + scope 2) of the newest window; missing when nothing was emitted
    "windows_known",  # number of comparable windows
)
# A change of meaning is a change of this number, and with it of the schema hash: old models are then refused.
FEATURES_VERSION = 1

# Below these, a ratio says nothing (a wind farm that went from 3 to 6 kg has not doubled anything): logarithms stop there.
INTENSITY_FLOOR_TCO2E_PER_UNIT = Decimal("0.001")
EMISSIONS_FLOOR_TCO2E = Decimal(1)
# Figures are shown clipped: a facility that made one unit in a year must not break a column.
FIGURE_MAX = Decimal(1_000_000)

# How far back the trend and the investments look, from the end of the newest window; investments not from today, so that a subject
# does not sink while the bureau waits for figures.
TREND_MONTHS = 36
INVESTMENT_MONTHS = 36
LATE_MILESTONE_CREDIT = Decimal("0.5")

_HUNDRED = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class Features:
    """What is observed. A figure is None where there is no evidence; a feature is None where it is missing.

    `contradicted` names the figures for which something is on record that cannot be true: no evidence either, for another reason.
    `headroom` is 1 while there is everything to reduce and 0 once nothing is left. `credited_row` is `model_row` read with the
    newest intensity no higher than before (see `features`).
    """

    figures: Mapping[str, Decimal | None]
    contradicted: frozenset[str]
    headroom: Decimal
    stale_years: int
    model_row: tuple[Decimal | None, ...]
    credited_row: tuple[Decimal | None, ...]


def schema_hash() -> str:
    """Return the SHA-256 that names the meaning and order of the feature columns."""
    return hashlib.sha256("\n".join((str(FEATURES_VERSION), *FEATURE_NAMES)).encode("ascii")).hexdigest()


def normalised_route(process_route: str) -> str:
    """Write a process route as reference tables do: `Gas/Diesel` and `gas-diesel` are `gas_diesel`."""
    return re.sub(r"[^a-z0-9]+", "_", process_route.lower()).strip("_")


def features(
    *,
    windows: Sequence[AnnualFigures],
    plan: Plan | None,
    investments: Sequence[Investment],
    route: Reference,
    industry: Reference,
    parameters: Parameters,
    assessed_on: date,
) -> Features:
    """Observe a subject from its comparable windows (at least two, oldest first), its plan and its investments.

    The model knows that facilities which just rose tend to fall again. That is true, and it must not pay: for the score the
    newest intensity is read as at most the lower of the one before and the mean before it, which gives `credited_row`.
    """
    newest = windows[-1]
    intensities = [_intensity(window) for window in windows]
    floored = [max(intensity, INTENSITY_FLOOR_TCO2E_PER_UNIT) for intensity in intensities]
    logs = [intensity.ln() for intensity in floored]
    credited = [*logs[:-1], min(logs[-1], logs[-2], _mean(logs[:-1]))]
    ratio_to_route = intensities[-1] / route.intensity
    ratio_to_industry = intensities[-1] / industry.intensity
    recent = [window for window in windows if months_between(window.start, newest.start) <= TREND_MONTHS - MONTHS_PER_YEAR]
    spent = [line for line in investments if months_between(line.end, newest.end) < INVESTMENT_MONTHS and line.start <= assessed_on]
    contradicted = frozenset({"investment_share"} if _contradict(spent) else ())
    figures = {
        "intensity_to_reference": ratio_to_route,
        "sustained_intensity_to_reference": _intensity_of_all(recent) / route.intensity,
        "annual_reduction": -_yearly_change_percent(windows, logs),
        "cumulative_reduction": _reduction_percent(floored[0], floored[-1]),
        "emissions_trend": _yearly_change_percent(windows, [_log_emissions(window) for window in windows]),
        "newest_emissions_change": _yearly_change_percent(windows[-2:], [_log_emissions(window) for window in windows[-2:]]),
        "investment_share": None if "investment_share" in contradicted else _investment_share(spent),
        "milestones_met": _milestones_met(plan, assessed_on=assessed_on),
        "target_attainment": _target_attainment(plan, windows=windows, intensities=floored, assessed_on=assessed_on),
        "lead_within_route": ratio_to_route,
        "lead_within_industry": ratio_to_industry,
    }
    return Features(
        figures={code: None if figure is None else _shown(figure) for code, figure in figures.items()},
        contradicted=contradicted,
        headroom=rounded(parameters.headroom.value(ratio_to_industry), FIGURE_SCALE),
        stale_years=max(0, months_between(newest.end, assessed_on) // MONTHS_PER_YEAR),
        model_row=_model_row(windows, logs, route),
        credited_row=_model_row(windows, credited, route),
    )


def _model_row(windows: Sequence[AnnualFigures], logs: Sequence[Decimal], route: Reference) -> tuple[Decimal | None, ...]:
    """Compute the features in the order of FEATURE_NAMES; `logs` are the logarithms of the windows' intensities."""
    newest = windows[-1]
    changes = _yearly_changes(windows, logs)
    outputs = [window.output_amount.ln() for window in windows]
    emitted = newest.total_tco2e
    row = {
        "level_vs_reference": logs[-1] - route.intensity.ln(),
        "change_newest": changes[-1],
        "change_before": changes[-2] if len(changes) > 1 else None,
        "deviation_from_history": logs[-1] - _mean(logs[:-1]),
        "distance_to_best": logs[-1] - min(logs),
        "volatility": _mean([change * change for change in changes]).sqrt(),
        "output_change": _yearly_changes(windows[-2:], outputs[-2:])[-1],
        "output_deviation": outputs[-1] - _mean(outputs[:-1]),
        "output_size": outputs[-1],
        "scope2_share": newest.scope2_tco2e / emitted if emitted > 0 else None,
        "windows_known": Decimal(len(windows)),
    }
    assert tuple(row) == FEATURE_NAMES
    return tuple(None if feature is None else rounded(feature, FEATURE_SCALE) for feature in row.values())


def _intensity(window: AnnualFigures) -> Decimal:
    return window.total_tco2e / window.output_amount


def _intensity_of_all(windows: Sequence[AnnualFigures]) -> Decimal:
    return sum((window.total_tco2e for window in windows), Decimal(0)) / sum((window.output_amount for window in windows), Decimal(0))


def _log_emissions(window: AnnualFigures) -> Decimal:
    return max(window.total_tco2e, EMISSIONS_FLOOR_TCO2E).ln()


def _yearly_changes(windows: Sequence[AnnualFigures], logs: Sequence[Decimal]) -> list[Decimal]:
    """Return the change per year between neighbours; a missing year in between spreads the change over two."""
    return [
        (logs[later] - logs[later - 1]) * MONTHS_PER_YEAR / months_between(windows[later - 1].start, windows[later].start)
        for later in range(1, len(windows))
    ]


def _yearly_change_percent(windows: Sequence[AnnualFigures], logs: Sequence[Decimal]) -> Decimal:
    """Return the mean change per year in percent, over the windows of the last three years or the last two windows."""
    newest = windows[-1]
    starts = [months_between(window.start, newest.start) for window in windows]
    first = min(next(position for position, months in enumerate(starts) if months <= TREND_MONTHS), len(windows) - 2)
    yearly = (logs[-1] - logs[first]) * MONTHS_PER_YEAR / starts[first]
    return (yearly.exp() - 1) * _HUNDRED


def _reduction_percent(earlier: Decimal, later: Decimal) -> Decimal:
    return (1 - later / earlier) * _HUNDRED


def _investment_share(investments: Sequence[Investment]) -> Decimal | None:
    """Recognised investment ÷ all capital expenditure of the same periods; None where there was none."""
    total = sum(_capital_expenditure(investments).values(), Decimal(0))
    if total <= 0:
        return None
    return sum((line.amount_yuan for line in investments if line.recognised), Decimal(0)) / total


def _contradict(investments: Sequence[Investment]) -> bool:
    """Tell whether more was invested in some period than was spent in it at all: one of the two is wrong, and no one knows which.

    One such period and the share of all of them says nothing: left out alone, it would take a poor period with it.
    """
    invested: dict[tuple[date, date], Decimal] = defaultdict(Decimal)
    for line in investments:
        invested[line.start, line.end] += line.amount_yuan
    return any(invested[period] > total for period, total in _capital_expenditure(investments).items())


def _capital_expenditure(investments: Sequence[Investment]) -> Mapping[tuple[date, date], Decimal]:
    """Every line of a period repeats its total, which counts once; where lines disagree the larger counts."""
    totals: dict[tuple[date, date], Decimal] = {}
    for line in investments:
        period = (line.start, line.end)
        totals[period] = max(totals.get(period, Decimal(0)), line.total_capital_expenditure_yuan)
    return totals


def _milestones_met(plan: Plan | None, *, assessed_on: date) -> Decimal | None:
    """Milestones completed ÷ milestones due or completed; completed late counts half, overdue counts nothing.

    None while no milestone has come due: a plan that was only adopted has shown nothing yet.
    """
    if plan is None or plan.adopted > assessed_on:
        return None
    credits = []
    for milestone in plan.milestones:
        completed = milestone.completed is not None and milestone.completed <= assessed_on
        if completed:
            in_time = milestone.completed is not None and milestone.completed <= milestone.due
            credits.append(Decimal(1) if in_time else LATE_MILESTONE_CREDIT)
        elif milestone.due < assessed_on:
            credits.append(Decimal(0))
    return sum(credits, Decimal(0)) / len(credits) if credits else None


def _target_attainment(
    plan: Plan | None, *, windows: Sequence[AnnualFigures], intensities: Sequence[Decimal], assessed_on: date
) -> Decimal | None:
    """Fall of intensity reached ÷ fall that the plan asks for, from its base year to the newest window.

    Targets between two named years lie on a straight line. Where the base year is not on the account, the earliest window on it
    takes its place, and the plan is asked only for what it promised from then on.
    """
    if plan is None or plan.adopted > assessed_on or not plan.targets:
        return None
    newest = windows[-1]
    base = next((position for position, window in enumerate(windows) if window.year >= plan.base_year), None)
    if base is None or base == len(windows) - 1:
        return None
    planned_at_base = 1 - _planned_percent(plan, windows[base].year) / _HUNDRED
    planned_now = 1 - _planned_percent(plan, newest.year) / _HUNDRED
    if planned_at_base <= 0:
        return None
    asked = 1 - planned_now / planned_at_base
    reached = 1 - intensities[-1] / intensities[base]
    if asked <= 0:
        return Decimal(1) if reached >= asked else Decimal(0)
    return reached / asked


def _planned_percent(plan: Plan, year: int) -> Decimal:
    if year <= plan.base_year:
        return Decimal(0)
    before_year, before = plan.base_year, Decimal(0)
    for target in sorted(plan.targets, key=lambda target: target.year):
        if target.year <= plan.base_year:
            continue
        if year <= target.year:
            part = Decimal(year - before_year) / (target.year - before_year)
            return before + (target.intensity_reduction_percent - before) * part
        before_year, before = target.year, target.intensity_reduction_percent
    return before


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)


def _shown(figure: Decimal) -> Decimal:
    return rounded(min(max(figure, -FIGURE_MAX), FIGURE_MAX), FIGURE_SCALE)
