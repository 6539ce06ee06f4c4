"""Measures how good probabilities are, with no library between the formula and its source. Floats live only inside these functions."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_NEWTON_STEPS_MAX = 100
_NEWTON_TOLERANCE = 1e-10
_MARGIN_MAX = 35.0


class NotSeparableError(Exception):
    """The outcomes carry no finite logistic fit: one class is missing, or the scores separate them perfectly."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good probabilities are on one set of outcomes. `auc` and the calibration line are None when one class is missing."""

    samples: int
    base_rate: float
    auc: float | None
    auc_standard_error: float | None
    brier: float
    brier_constant: float
    calibration_slope: float | None
    calibration_intercept: float | None


def quality(probabilities: Floats, outcomes: Booleans, *, constant: float) -> Quality:
    """Measure probabilities; `constant` is the base rate known beforehand, the forecast that a model has to beat."""
    ranked = auc(probabilities, outcomes)
    try:
        line = logistic_line(np.log(probabilities / (1 - probabilities)), outcomes.astype(np.float64))
    except NotSeparableError:
        line = None
    return Quality(
        samples=len(outcomes),
        base_rate=float(outcomes.mean()),
        auc=ranked,
        auc_standard_error=None if ranked is None else _auc_standard_error(ranked, outcomes),
        brier=float(((probabilities - outcomes) ** 2).mean()),
        brier_constant=float(((constant - outcomes) ** 2).mean()),
        calibration_slope=None if line is None else line[0],
        calibration_intercept=None if line is None else line[1],
    )


def auc(scores: Floats, outcomes: Booleans) -> float | None:
    """Return the area under the ROC curve: the chance that a positive ranks above a negative, ties counting half (Mann, Whitney, 1947)."""
    positives, negatives = int(outcomes.sum()), int((~outcomes).sum())
    if not positives or not negatives:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[places]
    return float((ranks[outcomes].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def logistic_line(margins: Floats, targets: Floats) -> tuple[float, float]:
    """Fit P = 1 ÷ (1 + exp(−(slope · margin + intercept))) by maximum likelihood (Newton); return slope and intercept.

    Raises:
        NotSeparableError: no finite fit was found.
    """
    parameters = np.zeros(2)
    columns = np.stack([margins, np.ones_like(margins)], axis=1)
    for _ in range(_NEWTON_STEPS_MAX):
        fitted = sigmoid(columns @ parameters)
        curvature = columns.T @ (columns * (fitted * (1 - fitted))[:, None])
        if not np.isfinite(curvature).all() or np.linalg.cond(curvature) > 1e12:
            raise NotSeparableError
        step = np.linalg.solve(curvature, columns.T @ (targets - fitted))
        parameters = parameters + step
        if float(np.abs(step).max()) < _NEWTON_TOLERANCE:
            return float(parameters[0]), float(parameters[1])
    raise NotSeparableError


def sigmoid(margins: Floats) -> Floats:
    """Return 1 ÷ (1 + exp(−margin)), never exactly 0 or 1."""
    result: Floats = 1 / (1 + np.exp(-np.clip(margins, -_MARGIN_MAX, _MARGIN_MAX)))
    return result


def _auc_standard_error(value: float, outcomes: Booleans) -> float:
    """Return the standard error of an AUC (Hanley and McNeil, 1982, Radiology 143: 29–36)."""
    positives, negatives = int(outcomes.sum()), int((~outcomes).sum())
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return math.sqrt(variance / (positives * negatives))
