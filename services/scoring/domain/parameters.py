"""The published design parameters of the score, as values: stage weights, sub-weights, index scales, industry references.

They are read from versioned data files outside the domain and checked here: a table that does not add up cannot be made.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import pairwise

from services.common.amounts import quantise

ONE = Decimal(1)
FULL_MARKS = Decimal(100)
VALUE_SCALE = 2


class ParameterError(ValueError):
    """The table contradicts itself or a promise that the bureau has published."""


class Dimension(Enum):
    """Dimensions of the score. Compliance is the sixth of the design; no provider reports for it yet, so it has no weight."""

    CURRENT_PERFORMANCE = "CURRENT_PERFORMANCE"
    REDUCTION_MOMENTUM = "REDUCTION_MOMENTUM"
    ABSOLUTE_EMISSIONS = "ABSOLUTE_EMISSIONS"
    FORWARD_LOOKING = "FORWARD_LOOKING"
    COMPLIANCE = "COMPLIANCE"
    LEADERSHIP = "LEADERSHIP"


# Compliance needs environmental credit, penalties and operating condition, which come with their intake kinds.
SCORED_DIMENSIONS = tuple(dimension for dimension in Dimension if dimension is not Dimension.COMPLIANCE)


class TransitionStage(Enum):
    """转型阶段: names a region of the maturity scale."""

    EARLY = "EARLY"
    MIDDLE = "MIDDLE"
    MATURE = "MATURE"


# 前瞻性指标: the one weight that the pilot published. Everything else in the tables is this bureau's own.
EARLY_FORWARD_LOOKING_WEIGHT = Decimal("0.40")


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A scale from figures to values: straight lines between published points, flat outside them."""

    points: tuple[tuple[Decimal, Decimal], ...]

    def __post_init__(self) -> None:
        figures = [figure for figure, _ in self.points]
        if len(figures) < 2 or figures != sorted(set(figures)):
            raise ParameterError("a ramp needs two or more points with rising figures")
        values = [value for _, value in self.points]
        if values not in (sorted(values), sorted(values, reverse=True)):
            raise ParameterError("a ramp only rises or only falls")

    def value(self, figure: Decimal) -> Decimal:
        """Return the value of a figure, not rounded."""
        if figure <= self.points[0][0]:
            return self.points[0][1]
        for (left, low), (right, high) in pairwise(self.points):
            if figure <= right:
                return low + (high - low) * (figure - left) / (right - left)
        return self.points[-1][1]

    def slope(self, figure: Decimal) -> Decimal:
        """Return by how much the value changes per unit of the figure, to its right; 0 outside the points."""
        for (left, low), (right, high) in pairwise(self.points):
            if left <= figure < right:
                return (high - low) / (right - left)
        return Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Index:
    """One index of a dimension: its code, its share of the dimension and the ramp from its figure to 0 … 100."""

    code: str
    dimension: Dimension
    weight: Decimal
    unit: str
    ramp: Ramp


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One piece of evidence of maturity: the figure it reads, its share, and the ramp from the figure to 0 … 1."""

    figure: str
    weight: Decimal
    ramp: Ramp


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: where on the maturity scale its table holds exactly, up to where the scale has its name, and the table."""

    stage: TransitionStage
    flat_from: Decimal
    flat_to: Decimal
    named_to: Decimal
    weights: tuple[tuple[Dimension, Decimal], ...]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Intensity that an industry is compared with. `process_route` is None for the whole industry.

    `industry_prefix` is the beginning of GB/T 4754-2017 classes; `intensity` is in tCO2e per `output_unit`.
    """

    industry_prefix: str
    process_route: str | None
    output_unit: str
    intensity: Decimal
    source: str
    confidence: str


@dataclass(frozen=True, kw_only=True)
class References:
    """The reference table of one version."""

    version: str
    entries: tuple[Reference, ...]

    def __post_init__(self) -> None:
        keys = [(entry.industry_prefix, entry.process_route, entry.output_unit) for entry in self.entries]
        # Two references for one peer group, one silently taken, is how such systems go wrong: ambiguity is an error.
        if len(keys) != len(set(keys)):
            raise ParameterError("two references for one industry, process route and unit")
        if any(entry.intensity <= 0 for entry in self.entries):
            raise ParameterError("a reference intensity is above 0")

    def of_industry(self, industry_code: str, *, output_unit: str) -> Reference | None:
        """Return the reference of the whole industry, whatever the process route."""
        return self._longest(industry_code, None, output_unit)

    def of_route(self, industry_code: str, *, process_route: str, output_unit: str) -> Reference | None:
        """Return the reference of the process route, or of the whole industry where the route has none."""
        return self._longest(industry_code, process_route, output_unit) or self._longest(industry_code, None, output_unit)

    def _longest(self, industry_code: str, process_route: str | None, output_unit: str) -> Reference | None:
        found = [
            entry
            for entry in self.entries
            if industry_code.startswith(entry.industry_prefix) and entry.process_route == process_route and entry.output_unit == output_unit
        ]
        return max(found, key=lambda entry: len(entry.industry_prefix), default=None)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Everything published that a score depends on besides the model and the scale; one version names all of it."""

    version: str
    stages: tuple[Stage, ...]
    indices: tuple[Index, ...]
    maturity: tuple[Evidence, ...]
    headroom: Ramp
    staleness: Ramp
    references: References

    def __post_init__(self) -> None:
        _check_stages(self.stages)
        for dimension in SCORED_DIMENSIONS:
            if sum(index.weight for index in self.indices if index.dimension is dimension) != ONE:
                raise ParameterError(f"the sub-weights of {dimension.value} do not add up to 1")
        if len({index.code for index in self.indices}) != len(self.indices):
            raise ParameterError("two indices with one code")
        if sum(evidence.weight for evidence in self.maturity) != ONE:
            raise ParameterError("the weights of the evidence of maturity do not add up to 1")

    def indices_of(self, dimension: Dimension) -> tuple[Index, ...]:
        """Return the indices that a dimension is composed of."""
        return tuple(index for index in self.indices if index.dimension is dimension)


def rounded_value(value: Decimal) -> Decimal:
    """Round a value of the 0 … 100 scale as it is stored and shown."""
    return rounded(value, VALUE_SCALE)


def rounded(value: Decimal, scale: int) -> Decimal:
    """Round to `scale` digits; a zero is a zero, whatever exponent a division has left it with (0 ÷ 0.333… is 0E+28)."""
    return quantise(value if value else Decimal(0), scale)


def _check_stages(stages: tuple[Stage, ...]) -> None:
    if [stage.stage for stage in stages] != list(TransitionStage):
        raise ParameterError("the stages are early, middle and mature, in this order")
    bounds = [bound for stage in stages for bound in (stage.flat_from, stage.flat_to)]
    if bounds[0] != 0 or bounds[-1] != ONE or bounds != sorted(set(bounds)):
        raise ParameterError("the flat regions follow each other from 0 to 1, each with a width and a ramp between two")
    for stage, following in pairwise(stages):
        if not stage.flat_to <= stage.named_to <= following.flat_from:
            raise ParameterError("a stage's name ends within the ramp behind its flat region")
    if stages[-1].named_to != ONE:
        raise ParameterError("the last stage's name reaches to 1")
    for stage in stages:
        weights = dict(stage.weights)
        if sum(weights.values()) != ONE or any(weight < 0 for weight in weights.values()):
            raise ParameterError(f"the weights of {stage.stage.value} do not add up to 1")
        if set(weights) != set(SCORED_DIMENSIONS):
            raise ParameterError(f"the weights of {stage.stage.value} are not those of the five scored dimensions")
    early, _, mature = (dict(stage.weights) for stage in stages)
    if early[Dimension.FORWARD_LOOKING] != EARLY_FORWARD_LOOKING_WEIGHT:
        raise ParameterError("forward-looking indicators weigh exactly 40 % of the early stage")
    if max(mature, key=lambda dimension: mature[dimension]) is not Dimension.LEADERSHIP:
        raise ParameterError("leadership dominates the mature stage")
