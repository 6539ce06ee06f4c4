"""Reads the published parameter files into the domain's tables. The files are data of a version and are never edited after publication."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.common.amounts import parse_amount
from services.scoring.domain.parameters import (
    Dimension,
    Evidence,
    Index,
    Parameters,
    Ramp,
    Reference,
    References,
    Stage,
    TransitionStage,
)

CURRENT_VERSION = "2026.1"
_DOMAIN = Path(__file__).with_name("domain")


def load_parameters(version: str = CURRENT_VERSION) -> Parameters:
    """Load one published version: stage weights, sub-weights, scales, and the reference table it names.

    Raises:
        ParameterError: the tables contradict themselves.
        FileNotFoundError: there is no such version.
    """
    table = _read("weights", version)
    return Parameters(
        version=version,
        stages=tuple(_stage(one) for one in table["stages"]),
        indices=tuple(_index(one) for one in table["indices"]),
        maturity=tuple(
            Evidence(figure=one["figure"], weight=parse_amount(one["weight"]), ramp=_ramp(one["points"])) for one in table["maturity"]
        ),
        headroom=_ramp(table["headroom"]["points"]),
        staleness=_ramp(table["staleness"]["points"]),
        references=load_references(table["references"]),
    )


def load_references(version: str) -> References:
    """Load one published table of reference intensities."""
    return References(
        version=version,
        entries=tuple(
            Reference(
                industry_prefix=one["industry_prefix"],
                process_route=one.get("process_route"),
                output_unit=one["output_unit"],
                intensity=parse_amount(one["intensity_tco2e_per_unit"]),
                source=one["source"],
                confidence=one["confidence"],
            )
            for one in _read("references", version)["references"]
        ),
    )


def _read(folder: str, version: str) -> Mapping[str, Any]:
    table = tomllib.loads((_DOMAIN / folder / f"{version}.toml").read_text(encoding="utf-8"))
    if table["version"] != version:
        raise ValueError(f"{folder}/{version}.toml says that it is version {table['version']}")
    return table


def _stage(one: Mapping[str, Any]) -> Stage:
    return Stage(
        stage=TransitionStage(one["stage"]),
        flat_from=parse_amount(one["flat_from"]),
        flat_to=parse_amount(one["flat_to"]),
        named_to=parse_amount(one["named_to"]),
        weights=tuple((Dimension(name), parse_amount(weight)) for name, weight in one["weights"].items()),
    )


def _index(one: Mapping[str, Any]) -> Index:
    return Index(
        code=one["code"],
        dimension=Dimension(one["dimension"]),
        weight=parse_amount(one["weight"]),
        unit=one["unit"],
        ramp=_ramp(one["points"]),
    )


def _ramp(points: list[list[str]]) -> Ramp:
    return Ramp(points=tuple((parse_amount(figure), parse_amount(value)) for figure, value in points))
