"""Decides how mature a subject's transition is and which weights follow from it.

Maturity is one continuous number. Each stage has a flat region in which its published table holds exactly; between two of them
the weights run in straight lines. A stage is the name of a region and nothing jumps at its border.
"""

from decimal import Decimal
from itertools import pairwise

from services.scoring.domain.features import Features
from services.scoring.domain.parameters import ONE, Dimension, Parameters, TransitionStage, rounded

MATURITY_SCALE = 4
WEIGHT_SCALE = 6

# Evidence of effort stays what it is; evidence of emissions counts in full where nothing is left to reduce.
_EFFORT_FIGURES = frozenset({"investment_share", "milestones_met", "target_attainment"})


def maturity_of(observed: Features, *, parameters: Parameters) -> Decimal:
    """Return the maturity, 0 to 1: intensity against the industry, cumulative reduction, investment and plan records.

    Evidence that does not exist counts nothing: maturity is shown, not assumed.
    """
    total = Decimal(0)
    for evidence in parameters.maturity:
        figure = observed.figures[evidence.figure]
        value = Decimal(0) if figure is None else evidence.ramp.value(figure)
        if evidence.figure not in _EFFORT_FIGURES:
            value = observed.headroom * value + (ONE - observed.headroom)
        total += evidence.weight * value
    return rounded(total, MATURITY_SCALE)


def stage_of(maturity: Decimal, *, parameters: Parameters) -> TransitionStage:
    """Return the stage whose region the maturity lies in; a border belongs to the stage above it."""
    return next((stage.stage for stage in parameters.stages if maturity < stage.named_to), parameters.stages[-1].stage)


def weights_at(maturity: Decimal, *, parameters: Parameters) -> dict[Dimension, Decimal]:
    """Return the weight of each scored dimension at this maturity. They sum to exactly 1."""
    stages = parameters.stages
    for stage, following in pairwise(stages):
        if maturity <= stage.flat_to:
            return _exact(dict(stage.weights))
        if maturity < following.flat_from:
            part = (maturity - stage.flat_to) / (following.flat_from - stage.flat_to)
            after = dict(following.weights)
            return _exact({dimension: weight + (after[dimension] - weight) * part for dimension, weight in stage.weights})
    return _exact(dict(stages[-1].weights))


def _exact(weights: dict[Dimension, Decimal]) -> dict[Dimension, Decimal]:
    """Round the weights to their scale; what rounding leaves over goes to the largest, so that the sum is 1 and not nearly 1."""
    exact = {dimension: rounded(weight, WEIGHT_SCALE) for dimension, weight in weights.items()}
    largest = max(exact, key=lambda dimension: exact[dimension])
    exact[largest] += ONE - sum(exact.values())
    return exact
