"""Decides the score: indices from figures, dimensions from indices, the total from dimensions by the weights of the stage.

Every level is rounded to its published scale before the next one uses it, so that anyone can add up a report by hand. The model
gives one index among others; what it contributes is capped by that index's published weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.scoring.domain.features import FEATURE_NAMES, Features
from services.scoring.domain.parameters import FULL_MARKS, ONE, SCORED_DIMENSIONS, Dimension, Index, Parameters, rounded, rounded_value
from services.scoring.domain.transition_stage import maturity_of, weights_at

COVERAGE_SCALE = 2
SUB_WEIGHT_SCALE = 4
PROBABILITY_SCALE = 6
MODEL_INDEX = "reduction_probability"
# Below this distance from its baseline the model's secant is noise; the tangent at the baseline takes its place.
_SECANT_MARGIN_MIN = Decimal("0.05")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model says of one subject: probabilities with scale 6, margins in the model's own unit (log-odds before calibration).

    `credited` is the probability that counts for the score, from the credited row; `baseline` the probability at the model's mean
    margin, and `baseline_slope` how fast the probability moves with the margin there. `contributions` are the Shapley values of
    the credited row in margin, one for each of FEATURE_NAMES; their sum leads from the baseline to the credited margin.
    """

    probability: Decimal
    credited: Decimal
    baseline: Decimal
    baseline_slope: Decimal
    contributions: tuple[Decimal, ...]
    raw_margin: float


@dataclass(frozen=True, kw_only=True)
class IndexValue:
    """One index: its value 0 … 100 (scale 2), its sub-weight, and the figure behind it; None where there is no evidence."""

    index: Index
    value: Decimal
    figure: Decimal | None


@dataclass(frozen=True, kw_only=True)
class DimensionScore:
    """One dimension: 0 … 100 (scale 2), its weight in the total (scale 6), the share of it that rests on present data (scale 2)."""

    dimension: Dimension
    score: Decimal
    weight: Decimal
    coverage: Decimal
    indices: tuple[IndexValue, ...]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The total (scale 2) with everything it is made of."""

    total: Decimal
    maturity: Decimal
    dimensions: tuple[DimensionScore, ...]


def score_of(observed: Features, *, prediction: Prediction, parameters: Parameters) -> Score:
    """Compute the score of a subject from what was observed and what the model says."""
    maturity = maturity_of(observed, parameters=parameters)
    return score_at(maturity, dimension_indices(observed, prediction=prediction, parameters=parameters), observed, parameters=parameters)


def dimension_indices(observed: Features, *, prediction: Prediction, parameters: Parameters) -> Mapping[Dimension, tuple[IndexValue, ...]]:
    """Return the value of every index, by dimension."""
    figures = {**observed.figures, MODEL_INDEX: prediction.credited}
    return {
        dimension: tuple(_index_value(index, figures[index.code], headroom=observed.headroom) for index in parameters.indices_of(dimension))
        for dimension in SCORED_DIMENSIONS
    }


def score_at(
    maturity: Decimal, indices: Mapping[Dimension, tuple[IndexValue, ...]], observed: Features, *, parameters: Parameters
) -> Score:
    """Weigh index values as they count at one maturity."""
    counted = parameters.staleness.value(Decimal(observed.stale_years))
    weights = weights_at(maturity, parameters=parameters)
    dimensions = tuple(
        DimensionScore(
            dimension=dimension,
            score=rounded_value(sum((one.index.weight * one.value for one in indices[dimension]), Decimal(0))),
            weight=weights[dimension],
            coverage=rounded(counted * _share_with_evidence(indices[dimension]), COVERAGE_SCALE),
            indices=indices[dimension],
        )
        for dimension in SCORED_DIMENSIONS
    )
    total = rounded_value(sum((one.weight * one.score for one in dimensions), Decimal(0)))
    return Score(total=total, maturity=maturity, dimensions=dimensions)


def model_contributions(prediction: Prediction, *, index: Index, headroom: Decimal) -> tuple[Decimal, Mapping[str, Decimal]]:
    """Split the value of the model's index, as it counts, into its value at the baseline and one part for each feature.

    The parts are Shapley values of the margin (Lundberg and Lee, 2017), carried through calibration and ramp along the secant from
    the baseline to the subject, so that baseline and parts add up to the value; along the tangent, and then only nearly so, where
    the subject stands on the baseline.
    """
    at_baseline = index.ramp.value(prediction.baseline)
    moved = index.ramp.value(prediction.credited) - at_baseline
    margin = sum(prediction.contributions, Decimal(0))
    tangent = prediction.baseline_slope * index.ramp.slope(prediction.baseline)
    per_margin = moved / margin if abs(margin) >= _SECANT_MARGIN_MIN else tangent
    parts = {name: headroom * contribution * per_margin for name, contribution in zip(FEATURE_NAMES, prediction.contributions, strict=True)}
    return headroom * at_baseline + (ONE - headroom) * FULL_MARKS, parts


def _share_with_evidence(indices: Sequence[IndexValue]) -> Decimal:
    return sum((one.index.weight for one in indices if one.figure is not None), Decimal(0))


def _index_value(index: Index, figure: Decimal | None, *, headroom: Decimal) -> IndexValue:
    value = Decimal(0) if figure is None else index.ramp.value(figure)
    if index.dimension is not Dimension.FORWARD_LOOKING:
        # Where nothing is left to reduce, a small figure that wobbles says nothing: full marks for being there.
        value = headroom * value + (ONE - headroom) * FULL_MARKS
    return IndexValue(index=index, value=rounded_value(value), figure=figure)
