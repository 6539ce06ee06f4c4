"""Trains, calibrates and tests the model of one outcome, *intensity falls by 2 % or more within the next year*, and writes its artefact.

Walk-forward by year: a model learns on early years, is calibrated on the year after and tested on the year after that; the last
such fold is the release, so that what was tested is what is released. Same panel and seed, same bytes.
"""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from services.common.settings import Profile
from services.scoring import artefact, sweeps
from services.scoring.artefact import Artefact, GoldenVector
from services.scoring.domain.features import FEATURE_NAMES, schema_hash
from services.scoring.domain.parameters import Parameters
from services.scoring.evaluation import Booleans, Floats, NotSeparableError, Quality, logistic_line, quality, sigmoid
from services.scoring.model import Model
from services.scoring.panel import Panel, Sample, samples

SEED = 20260101
ROUNDS = 80
GOLDEN_VECTORS = 12
SEGMENT_SAMPLES_MIN = 20
_YEARS_MIN = 3

# Where the direction is known beforehand, the model must not learn the opposite from noise: more room to fall, and a rise that
# tends to revert, never make a fall less likely. The score reads both with the newest rise taken away (domain/features.py).
MONOTONE_RISING = ("level_vs_reference", "change_newest", "deviation_from_history")

# Small trees and strong shrinkage, because the signal is weak: on real panels a deeper model is no better and less steady.
_PARAMETERS = {
    "objective": "binary",
    "num_leaves": 5,
    "learning_rate": 0.05,
    "min_data_in_leaf": 30,
    "lambda_l2": 5.0,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "monotone_constraints": [int(name in MONOTONE_RISING) for name in FEATURE_NAMES],
    "monotone_constraints_method": "basic",
    "feature_pre_filter": False,
    "verbosity": -1,
}


class TrainingError(Exception):
    """The panel does not carry a model."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One step of the walk: samples up to a year to learn from, one year to calibrate on, the next to test on."""

    learnt: list[Sample]
    calibrated: list[Sample]
    tested: list[Sample]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A booster with its calibration line."""

    booster: lightgbm.Booster
    slope: float
    intercept: float

    def probabilities(self, rows: Sequence[Sample]) -> Floats:
        return sigmoid(self.slope * self.margins(rows) + self.intercept)

    def margins(self, rows: Sequence[Sample]) -> Floats:
        return raw_margins(self.booster, matrix(rows))


def train(panel: Panel, *, parameters: Parameters, seed: int, profile: Profile) -> bytes:
    """Train a model on a panel and return the canonical bytes of its artefact.

    Raises:
        TrainingError: too few years, one class only, a calibration that does not rise, or a broken monotone constraint.
    """
    usable = samples(panel, parameters=parameters)
    folds = walk(usable)
    fits = [fit(fold, seed=seed) for fold in folds]
    release, fold = fits[-1], folds[-1]
    model_text = release.booster.model_to_string()
    golden = _golden_vectors(release, fold.tested)
    checked = Model(
        sha256="",
        content=Artefact(
            model_text=model_text,
            calibration_slope=release.slope,
            calibration_intercept=release.intercept,
            card={"name": "being tested"},
            golden_vectors=golden,
        ),
        booster=lightgbm.Booster(model_str=model_text),
    )
    monotone = sweeps.monotonicity(checked, fold.tested, names=MONOTONE_RISING)
    if monotone.violations:
        raise TrainingError(f"the model falls {monotone.violations} times where it must only rise")
    card = {
        "name": f"intensity-fall-1y/{fold.tested[0].year + 1}-{panel.sha256[:8]}-{seed}",
        "outcome": "intensity of the next 12-month window is at most 98 % of this one's",
        "profile": profile.value,
        "data": _data(panel, usable, fold),
        "feature_schema_sha256": schema_hash(),
        "feature_names": list(FEATURE_NAMES),
        "parameters_version": parameters.version,
        "references_version": parameters.references.version,
        "training": {**{name: _text(value) for name, value in _PARAMETERS.items()}, "rounds": str(ROUNDS), "seed": str(seed)},
        "scripts_sha256": _scripts_hash(),
        "libraries": {"lightgbm": lightgbm.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "test": _quality(_measure(release, fold)),
        # Where nothing is left to reduce, "does not fall" is easily foretold and does not enter the score: the honest figure is without.
        "test_with_headroom": _quality(_measure(release, fold, [sample for sample in fold.tested if sample.features.headroom > 0])),
        "walk": [_quality(_measure(one, step)) | {"tested_year": str(step.tested[0].year)} for one, step in zip(fits, folds, strict=True)],
        "segments": _segments(release, fold),
        "monotonicity_sweep": monotone.as_card(),
        "policy_sweep": sweeps.policy(checked, fold.tested, parameters=parameters).as_card(),
    }
    return artefact.write(
        Artefact(
            model_text=model_text,
            calibration_slope=release.slope,
            calibration_intercept=release.intercept,
            card=card,
            golden_vectors=golden,
        )
    )


def walk(usable: Sequence[Sample]) -> list[Fold]:
    """Cut samples into folds by year, the release last. Outcomes of a test year are never seen before it.

    Raises:
        TrainingError: samples of fewer than three years.
    """
    years = sorted({sample.year for sample in usable})
    if len(years) < _YEARS_MIN:
        raise TrainingError(f"outcomes of {len(years)} years are known; learning, calibrating and testing take {_YEARS_MIN}")
    return [
        Fold(
            learnt=[sample for sample in usable if sample.year < calibrating],
            calibrated=[sample for sample in usable if sample.year == calibrating],
            tested=[sample for sample in usable if sample.year == testing],
        )
        for calibrating, testing in pairwise(years[1:])
    ]


def fit(fold: Fold, *, seed: int) -> Fitted:
    """Fit booster and calibration on the past of one fold.

    Platt's line and not a freer curve (beta, isotonic): one year holds a few hundred outcomes, and two parameters are what they
    carry. On a year of its own, because a booster is over-confident about the years it learnt.

    Raises:
        TrainingError: one class only, or a line that does not rise: such a model orders nothing.
    """
    for name, rows in (("learn", fold.learnt), ("calibrate", fold.calibrated)):
        if len(set(outcomes(rows).tolist())) < 2:
            raise TrainingError(f"the years to {name} on hold outcomes of one kind only")
    dataset = lightgbm.Dataset(
        matrix(fold.learnt), label=outcomes(fold.learnt).astype(np.int8), feature_name=list(FEATURE_NAMES), free_raw_data=True
    )
    booster = lightgbm.train({**_PARAMETERS, "seed": seed}, dataset, num_boost_round=ROUNDS)
    margins = raw_margins(booster, matrix(fold.calibrated))
    known = outcomes(fold.calibrated)
    # Platt (1999): targets a little inside 0 and 1, so that a lucky year does not make the line infinitely steep.
    positives, negatives = int(known.sum()), int((~known).sum())
    targets = np.where(known, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    try:
        slope, intercept = logistic_line(margins, targets)
    except NotSeparableError as error:
        raise TrainingError("the calibration year gives no finite line") from error
    if slope <= 0:
        raise TrainingError("the model ranks the calibration year backwards: it has learnt nothing that lasts")
    return Fitted(booster=booster, slope=slope, intercept=intercept)


def raw_margins(booster: lightgbm.Booster, values: Floats) -> Floats:
    """Return the margins (log-odds before calibration) of a matrix of features."""
    return np.asarray(booster.predict(values, raw_score=True, num_threads=1), dtype=np.float64)


def matrix(rows: Sequence[Sample]) -> Floats:
    """Return the model rows of samples, one line each, missing as NaN."""
    return np.array([[np.nan if part is None else float(part) for part in row.features.model_row] for row in rows], dtype=np.float64)


def outcomes(rows: Sequence[Sample]) -> Booleans:
    """Return which samples' intensity fell."""
    return np.array([row.fell for row in rows], dtype=np.bool_)


def _measure(fitted: Fitted, fold: Fold, rows: Sequence[Sample] | None = None) -> Quality:
    tested = fold.tested if rows is None else rows
    known_before = float(outcomes([*fold.learnt, *fold.calibrated]).mean())
    return quality(fitted.probabilities(tested), outcomes(tested), constant=known_before)


def _segments(fitted: Fitted, fold: Fold) -> dict[str, Any]:
    names = sorted({sample.segment for sample in fold.tested})
    rows = {name: [sample for sample in fold.tested if sample.segment == name] for name in names}
    return {name: _quality(_measure(fitted, fold, rows[name])) for name in names if len(rows[name]) >= SEGMENT_SAMPLES_MIN}


def _data(panel: Panel, usable: Sequence[Sample], fold: Fold) -> dict[str, Any]:
    def years(rows: Sequence[Sample]) -> list[str]:
        return [str(year) for year in sorted({row.year for row in rows})]

    return {
        "panel_sha256": panel.sha256,
        "rows": str(panel.rows),
        "subjects": str(len(panel.subjects)),
        "samples": str(len(usable)),
        "base_rate": _number(float(outcomes(usable).mean())),
        "learnt_years": years(fold.learnt),
        "calibrated_years": years(fold.calibrated),
        "tested_years": years(fold.tested),
    }


def _golden_vectors(fitted: Fitted, tested: Sequence[Sample]) -> tuple[GoldenVector, ...]:
    """Choose rows across the whole range of margins, and one with nothing known."""
    margins = fitted.margins(tested)
    order = sorted(range(len(tested)), key=lambda position: (float(margins[position]), tested[position].subject_key))
    chosen = [order[step * (len(order) - 1) // (GOLDEN_VECTORS - 1)] for step in range(GOLDEN_VECTORS)]
    rows = [tested[position].features.model_row for position in chosen] + [tuple(None for _ in FEATURE_NAMES)]
    values = np.array([[np.nan if part is None else float(part) for part in row] for row in rows], dtype=np.float64)
    raw = raw_margins(fitted.booster, values)
    probabilities = sigmoid(fitted.slope * raw + fitted.intercept)
    return tuple(
        GoldenVector(
            row=tuple(None if part is None else str(part) for part in row),
            raw_margin=float(margin),
            probability=_number(float(probability)),
        )
        for row, margin, probability in zip(rows, raw, probabilities, strict=True)
    )


def _scripts_hash() -> str:
    """Hash what turns a panel into a model (JR/T 0221-2021 asks for the scripts behind a model)."""
    here = Path(__file__).parent
    files = ("domain/features.py", "domain/not_rated.py", "domain/statement.py", "panel.py", "training.py", "evaluation.py")
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in files)).hexdigest()


def _quality(measured: Quality) -> dict[str, str | None]:
    return {
        "samples": str(measured.samples),
        "base_rate": _number(measured.base_rate),
        "auc": _number(measured.auc),
        "auc_standard_error": _number(measured.auc_standard_error),
        "brier": _number(measured.brier),
        "brier_constant": _number(measured.brier_constant),
        "calibration_slope": _number(measured.calibration_slope),
        "calibration_intercept": _number(measured.calibration_intercept),
    }


def _number(value: float | None) -> Any:
    return None if value is None else f"{value:.6f}"


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
