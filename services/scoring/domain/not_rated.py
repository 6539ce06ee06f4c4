"""Decides whether the data carries a grade: which windows can be compared, or the reasons why none can be given.

An explicit *not rated* takes the place of a guess. Old data is no reason here: it lowers the coverage and shows as a reason
code, because the last known figures of a facility that ceased to report are still what a bank asks about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from services.scoring.domain.features import normalised_route
from services.scoring.domain.parameters import Reference, References
from services.scoring.domain.statement import MONTHS_PER_YEAR, AnnualFigures, Statement, months_between

WINDOWS_MIN = 2


class NotRatedCode(Enum):
    """Why there is no grade."""

    NOT_IN_DIRECTORY = "NOT_IN_DIRECTORY"
    TOO_FEW_PERIODS = "TOO_FEW_PERIODS"
    NO_OUTPUT = "NO_OUTPUT"
    OUTPUT_INCOMPLETE = "OUTPUT_INCOMPLETE"
    PRODUCT_CHANGED = "PRODUCT_CHANGED"
    NO_INDUSTRY_REFERENCE = "NO_INDUSTRY_REFERENCE"


_TEXTS = {
    NotRatedCode.NOT_IN_DIRECTORY: (
        "该企业尚未列入名录库,行业类别未知,无法选择对比基准。",
        "The enterprise is not in the directory of enterprises: its industry is unknown, so there is nothing to compare it with.",
    ),
    NotRatedCode.TOO_FEW_PERIODS: (
        "十二个月均有完整排放数据的期间不足两个。",
        "There are fewer than two 12-month periods with complete emissions on the account for all twelve months.",
    ),
    NotRatedCode.NO_OUTPUT: (
        "有产量数据的期间不足两个,无法计算排放强度。",
        "There are fewer than two periods with output on the account, so emissions intensity cannot be computed.",
    ),
    NotRatedCode.OUTPUT_INCOMPLETE: (
        "产量数据不完整:有排放数据的月份缺少相应产量。",
        "Output is incomplete: months with emissions on the account have no output.",
    ),
    NotRatedCode.PRODUCT_CHANGED: (
        "主要产品已变更,同一产品的可比期间不足两个。",
        "The main product changed: there are fewer than two comparable periods of the same product.",
    ),
    NotRatedCode.NO_INDUSTRY_REFERENCE: (
        "该行业和产品尚无公布的强度基准值。",
        "No reference intensity is published yet for this industry and product.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class NotRatedReason:
    """One reason, with its text in both languages."""

    code: NotRatedCode

    @property
    def text_zh(self) -> str:
        return _TEXTS[self.code][0]

    @property
    def text_en(self) -> str:
        return _TEXTS[self.code][1]


@dataclass(frozen=True, kw_only=True)
class NotRated:
    """A result without a grade; at least one reason."""

    reasons: tuple[NotRatedReason, ...]


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """What a grade can be made from: two or more windows of one product, oldest first, and what they are compared with."""

    windows: tuple[AnnualFigures, ...]
    route: Reference
    industry: Reference


def comparable(statement: Statement, *, references: References) -> Comparable | NotRated:
    """Select what can be compared, or say why nothing can."""
    codes = []
    if statement.industry_code is None:
        codes.append(NotRatedCode.NOT_IN_DIRECTORY)
    windows = comparable_windows(statement.annual_figures)
    if isinstance(windows, NotRatedCode):
        codes.append(windows)
    elif statement.industry_code is not None:
        found = referenced(windows, industry_code=statement.industry_code, references=references)
        if found is not None:
            return found
        codes.append(NotRatedCode.NO_INDUSTRY_REFERENCE)
    return NotRated(reasons=tuple(NotRatedReason(code=code) for code in codes))


def comparable_windows(figures: Sequence[AnnualFigures]) -> tuple[AnnualFigures, ...] | NotRatedCode:
    """Return the usable windows of the newest product, oldest first and without overlap, or why there are fewer than two."""
    covered = [window for window in figures if _is_whole(window)]
    if len(covered) < WINDOWS_MIN:
        return NotRatedCode.TOO_FEW_PERIODS
    made = [window for window in covered if window.output_amount > 0]
    if len(made) < WINDOWS_MIN:
        return NotRatedCode.NO_OUTPUT
    complete = [window for window in made if window.output_complete]
    if len(complete) < WINDOWS_MIN:
        return NotRatedCode.OUTPUT_INCOMPLETE
    newest = max(complete, key=lambda window: window.end)
    chosen = [newest]
    for window in sorted(complete, key=lambda window: window.end, reverse=True):
        same_product = (window.product_code, window.output_unit) == (newest.product_code, newest.output_unit)
        if same_product and window.end <= chosen[-1].start:
            chosen.append(window)
    if len(chosen) < WINDOWS_MIN:
        return NotRatedCode.PRODUCT_CHANGED
    return tuple(reversed(chosen))


def referenced(windows: tuple[AnnualFigures, ...], *, industry_code: str, references: References) -> Comparable | None:
    """Return the windows with the references of the newest one, or None where the industry has none."""
    newest = windows[-1]
    industry = references.of_industry(industry_code, output_unit=newest.output_unit)
    route = references.of_route(industry_code, process_route=normalised_route(newest.process_route), output_unit=newest.output_unit)
    if industry is None or route is None:
        return None
    return Comparable(windows=windows, route=route, industry=industry)


def _is_whole(window: AnnualFigures) -> bool:
    """Tell whether the window holds the emissions of all its months, as it holds their output.

    One month less is refused and not brought to twelve: divided by the output of the whole window, a gap of data would look like
    a reduction, and nobody knows what the missing month was like. Emissions below nothing come from a correction that is still on
    its way; such a window does not count yet.
    """
    whole_year = months_between(window.start, window.end) == MONTHS_PER_YEAR
    return whole_year and window.months_covered == MONTHS_PER_YEAR and min(window.scope1_tco2e, window.scope2_tco2e) >= 0
