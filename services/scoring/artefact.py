"""Hides the form of a model artefact: one canonical JSON document of text model, calibration, card and golden vectors, named by its hash.

RFC 8785 with every number as text, so that the same training gives the same bytes and one SHA-256 covers all of it. The time of
training is not in it, because it would make every training a new artefact; it stands in the row beside it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

FORMAT = "carbonbureau-scoring-model/1"
BYTES_MAX = 16 * 1024 * 1024


class ArtefactError(ValueError):
    """The bytes are not an artefact of this format."""


@dataclass(frozen=True, kw_only=True)
class GoldenVector:
    """A row of features (text or None where missing) and what the model said of it when it was released."""

    row: tuple[str | None, ...]
    raw_margin: float
    probability: str


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """The content of an artefact. Calibration is Platt's: P = 1 ÷ (1 + exp(−(slope · margin + intercept)))."""

    model_text: str
    calibration_slope: float
    calibration_intercept: float
    card: Mapping[str, Any]
    golden_vectors: tuple[GoldenVector, ...]


def sha256_of(content: bytes) -> str:
    """Return the name of an artefact."""
    return hashlib.sha256(content).hexdigest()


def write(artefact: Artefact) -> bytes:
    """Write the canonical bytes."""
    return rfc8785.dumps(
        {
            "format": FORMAT,
            "calibration": {
                "method": "platt",
                "slope": repr(artefact.calibration_slope),
                "intercept": repr(artefact.calibration_intercept),
            },
            "card": dict(artefact.card),
            "golden_vectors": [
                {"row": list(golden.row), "raw_margin": repr(golden.raw_margin), "probability": golden.probability}
                for golden in artefact.golden_vectors
            ],
            "model_text": artefact.model_text,
        }
    )


def read(content: bytes) -> Artefact:
    """Read an artefact; proves nothing about its model.

    Raises:
        ArtefactError: not an artefact, or of another format.
    """
    if len(content) > BYTES_MAX:
        raise ArtefactError(f"more than {BYTES_MAX} bytes")
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise ArtefactError(f"format {document['format']!r} is not {FORMAT!r}")
        return Artefact(
            model_text=document["model_text"],
            calibration_slope=float(document["calibration"]["slope"]),
            calibration_intercept=float(document["calibration"]["intercept"]),
            card=document["card"],
            golden_vectors=tuple(
                GoldenVector(row=tuple(golden["row"]), raw_margin=float(golden["raw_margin"]), probability=golden["probability"])
                for golden in document["golden_vectors"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"not a model artefact: {type(error).__name__}") from error
