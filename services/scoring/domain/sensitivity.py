"""Decides how much a score depends on one published weight: the weight is moved, the others give way in proportion."""

from collections.abc import Mapping
from decimal import Decimal

from services.scoring.domain.parameters import ONE, Dimension, rounded_value


def moved(weights: Mapping[Dimension, Decimal], *, dimension: Dimension, by: Decimal) -> dict[Dimension, Decimal]:
    """Return the weights with one of them moved by `by` (within 0 and 1) and the others scaled so that all still sum to 1."""
    target = min(max(weights[dimension] + by, Decimal(0)), ONE)
    others = ONE - weights[dimension]
    if others == 0:
        return dict(weights)
    return {one: target if one is dimension else weight * (ONE - target) / others for one, weight in weights.items()}


def total(scores: Mapping[Dimension, Decimal], weights: Mapping[Dimension, Decimal]) -> Decimal:
    """Return the total score that dimension scores have under some weights."""
    return rounded_value(sum((scores[dimension] * weight for dimension, weight in weights.items()), Decimal(0)))
