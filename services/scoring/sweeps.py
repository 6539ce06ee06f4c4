"""Asks a trained model what-if questions that its card must answer: is it monotone where it was promised, and can polluting pay?

The policy sweep raises the newest emissions of real panel subjects and scores them again: the score must not rise with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from services.scoring.domain.features import FEATURE_NAMES
from services.scoring.domain.parameters import Parameters
from services.scoring.domain.score import score_of
from services.scoring.model import Model
from services.scoring.panel import Sample, observe

SUBJECTS_MAX = 120
STEPS = 15
RAISED_PERCENT = (Decimal(1), Decimal(3), Decimal(10))
# Trees move in steps: a rise of the score by less than this for more emissions is a step, not an incentive.
TOLERATED_POINTS = Decimal("0.50")


@dataclass(frozen=True, kw_only=True)
class MonotonicitySweep:
    """How often the margin fell while one promised feature rose."""

    features: tuple[str, ...]
    comparisons: int
    violations: int

    def as_card(self) -> dict[str, object]:
        return {"features": list(self.features), "comparisons": str(self.comparisons), "violations": str(self.violations)}


@dataclass(frozen=True, kw_only=True)
class PolicySweep:
    """What happened to the score when the newest emissions were raised."""

    comparisons: int
    rises: int
    largest_rise_points: Decimal

    def as_card(self) -> dict[str, object]:
        return {
            "raised_percent": [str(percent) for percent in RAISED_PERCENT],
            "tolerated_points": str(TOLERATED_POINTS),
            "comparisons": str(self.comparisons),
            "rises_beyond_tolerance": str(self.rises),
            "largest_rise_points": str(self.largest_rise_points),
        }


def monotonicity(model: Model, tested: Sequence[Sample], *, names: Sequence[str]) -> MonotonicitySweep:
    """Raise each promised feature of some subjects from its lowest to its highest tested value, step by step."""
    comparisons = violations = 0
    for name in names:
        column = FEATURE_NAMES.index(name)
        values = sorted(value for sample in tested if (value := sample.features.model_row[column]) is not None)
        grid = [values[step * (len(values) - 1) // (STEPS - 1)] for step in range(STEPS)]
        for sample in _spread(tested, SUBJECTS_MAX // 4):
            row = sample.features.model_row
            margins = [model.raw_margin((*row[:column], value, *row[column + 1 :])) for value in grid]
            comparisons += len(margins) - 1
            violations += sum(after < before - 1e-12 for before, after in pairwise(margins))
    return MonotonicitySweep(features=tuple(names), comparisons=comparisons, violations=violations)


def policy(model: Model, tested: Sequence[Sample], *, parameters: Parameters) -> PolicySweep:
    """Raise the newest emissions of some subjects and compare their scores with what they were."""
    comparisons = rises = 0
    largest = Decimal(0)
    for sample in _spread(tested, SUBJECTS_MAX):
        before = _total(model, sample, Decimal(0), parameters)
        for percent in RAISED_PERCENT:
            rise = _total(model, sample, percent, parameters) - before
            comparisons += 1
            rises += rise > TOLERATED_POINTS
            largest = max(largest, rise)
    return PolicySweep(comparisons=comparisons, rises=rises, largest_rise_points=largest)


def _total(model: Model, sample: Sample, raised_percent: Decimal, parameters: Parameters) -> Decimal:
    factor = 1 + raised_percent / 100
    newest = sample.comparable.windows[-1]
    raised = replace(newest, scope1_tco2e=newest.scope1_tco2e * factor, scope2_tco2e=newest.scope2_tco2e * factor)
    observed = observe(replace(sample.comparable, windows=(*sample.comparable.windows[:-1], raised)), parameters=parameters)
    prediction = model.predict(model_row=observed.model_row, credited_row=observed.credited_row)
    return score_of(observed, prediction=prediction, parameters=parameters).total


def _spread(tested: Sequence[Sample], count: int) -> list[Sample]:
    step = max(1, len(tested) // count)
    return list(tested[::step][:count])
