"""Hides LightGBM: refuses every artefact that is not exactly what was released, and predicts one row at a time.

A truncated text model kills the process that reads it, and tampered leaves or swapped columns load silently. So: hash, then a
canary process that may die, then feature names and golden vectors, and only then the model is used.
"""

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import BinaryIO

import lightgbm
import numpy as np

from services.common.amounts import quantise
from services.common.settings import Profile
from services.scoring import artefact
from services.scoring.artefact import Artefact, ArtefactError
from services.scoring.domain.features import FEATURE_NAMES, FEATURE_SCALE, schema_hash
from services.scoring.domain.score import PROBABILITY_SCALE, Prediction
from services.scoring.evaluation import Floats

Row = Sequence[Decimal | None]

GOLDEN_MARGIN_TOLERANCE = 1e-6
# Two roundings to six digits may land on neighbouring values.
GOLDEN_PROBABILITY_TOLERANCE = Decimal("0.000002")
_CANARY_SECONDS_MAX = 60
_CANARY = "import sys; from services.scoring.model import canary; sys.exit(canary(sys.stdin.buffer))"
_PROBABILITY_MIN = Decimal("0.000001")


class ModelRefusedError(Exception):
    """The artefact may not be used; `reason` is UPPER_SNAKE."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class Model:
    """A released model, checked and ready. Safe to use from several threads."""

    def __init__(self, *, sha256: str, content: Artefact, booster: lightgbm.Booster) -> None:
        self.sha256 = sha256
        self.version = str(content.card["name"])
        self._slope = content.calibration_slope
        self._intercept = content.calibration_intercept
        self._booster = booster

    def predict(self, *, model_row: Row, credited_row: Row) -> Prediction:
        """Predict one subject: its calibrated probability, and the one that counts for the score with its Shapley values."""
        raw_margin = self.raw_margin(model_row)
        shapley = self._booster.predict(_matrix(credited_row), pred_contrib=True, num_threads=1)[0]
        contributions = tuple(quantise(Decimal(repr(float(part))), FEATURE_SCALE) for part in shapley[:-1])
        baseline = self._calibrated(float(shapley[-1]))
        return Prediction(
            probability=self.probability(raw_margin),
            credited=self.probability(float(shapley.sum())),
            baseline=_rounded(baseline),
            baseline_slope=_rounded(self._slope * baseline * (1 - baseline)),
            contributions=contributions,
            raw_margin=raw_margin,
        )

    def raw_margin(self, row: Row) -> float:
        """Return the margin (log-odds before calibration) of one row."""
        return float(self._booster.predict(_matrix(row), raw_score=True, num_threads=1)[0])

    def probability(self, raw_margin: float) -> Decimal:
        """Return the calibrated probability of a margin, scale 6, never 0 or 1."""
        return min(max(_rounded(self._calibrated(raw_margin)), _PROBABILITY_MIN), 1 - _PROBABILITY_MIN)

    def _calibrated(self, raw_margin: float) -> float:
        return 1 / (1 + math.exp(-max(-35.0, min(35.0, self._slope * raw_margin + self._intercept))))


def load(content: bytes, *, sha256: str, profile: Profile) -> Model:
    """Load an artefact that must have this hash.

    Raises:
        ModelRefusedError: another hash, a sandbox model in production, other features, golden vectors missed, or the canary died.
    """
    if artefact.sha256_of(content) != sha256:
        raise ModelRefusedError("SHA256_MISMATCH", "the artefact is not the one that was released")
    parsed = _parsed(content)
    if profile is Profile.PRODUCTION and parsed.card.get("profile") != Profile.PRODUCTION.value:
        raise ModelRefusedError("SANDBOX_MODEL", "the production profile takes no model that was trained for the sandbox")
    _send_canary(content)
    return _open(content, sha256=sha256)


def canary(stream: BinaryIO) -> int:
    """Open the artefact on `stream` as `load` would, in a process of its own; 0 when it holds. Run by `load` only."""
    content = stream.read()
    try:
        _open(content, sha256=artefact.sha256_of(content))
    except ModelRefusedError as refused:
        sys.stdout.write(str(refused))
        return 3
    return 0


def _send_canary(content: bytes) -> None:
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(  # noqa: S603  (our own interpreter and a constant program; the artefact goes in by stdin)
        [sys.executable, "-c", _CANARY], input=content, env=environment, capture_output=True, timeout=_CANARY_SECONDS_MAX, check=False
    )
    if done.returncode == 3:
        reason, _, message = done.stdout.decode("utf-8", "replace").partition(": ")
        raise ModelRefusedError(reason, message)
    if done.returncode != 0:
        raise ModelRefusedError("CANARY_DIED", f"opening it ended a process of its own with {done.returncode}")


def _open(content: bytes, *, sha256: str) -> Model:
    parsed = _parsed(content)
    if parsed.card.get("feature_schema_sha256") != schema_hash():
        raise ModelRefusedError("FEATURE_SCHEMA_MISMATCH", "it was trained on features of another meaning")
    try:
        booster = lightgbm.Booster(model_str=parsed.model_text)
    except lightgbm.basic.LightGBMError as error:
        raise ModelRefusedError("UNREADABLE_MODEL", "LightGBM cannot read it") from error
    if tuple(booster.feature_name()) != FEATURE_NAMES:
        raise ModelRefusedError("FEATURE_NAMES_MISMATCH", "its columns are other ones or stand in another order")
    model = Model(sha256=sha256, content=parsed, booster=booster)
    _check_golden_vectors(model, parsed)
    return model


def _check_golden_vectors(model: Model, parsed: Artefact) -> None:
    if not parsed.golden_vectors:
        raise ModelRefusedError("GOLDEN_VECTORS_MISSING", "it carries nothing to check it against")
    for golden in parsed.golden_vectors:
        row = tuple(None if feature is None else Decimal(feature) for feature in golden.row)
        margin = model.raw_margin(row)
        apart = abs(model.probability(margin) - Decimal(golden.probability))
        if abs(margin - golden.raw_margin) > GOLDEN_MARGIN_TOLERANCE or apart > GOLDEN_PROBABILITY_TOLERANCE:
            raise ModelRefusedError("GOLDEN_VECTORS_MISSED", "it does not predict what it predicted when it was released")


def _parsed(content: bytes) -> Artefact:
    try:
        return artefact.read(content)
    except ArtefactError as error:
        raise ModelRefusedError("UNREADABLE_ARTEFACT", str(error)) from error


def _matrix(row: Row) -> Floats:
    return np.array([[math.nan if feature is None else float(feature) for feature in row]], dtype=np.float64)


def _rounded(value: float) -> Decimal:
    return quantise(Decimal(repr(value)), PROBABILITY_SCALE)
