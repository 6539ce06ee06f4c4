"""Decides the grade that a score gives, the grade that is held against flicker, and the colour label of the final grade.

One score, two views: the letter and the colour never disagree, because the colour is computed from the final grade alone.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import assert_never


class Grade(Enum):
    """等级, best first."""

    AAA = "AAA"
    AA = "AA"
    A = "A"
    BBB = "BBB"
    BB = "BB"
    B = "B"
    CCC = "CCC"
    CC = "CC"
    C = "C"


class ColourLabel(Enum):
    """贴标: how the province speaks of the grade."""

    DEEP_GREEN = "DEEP_GREEN"
    LIGHT_GREEN = "LIGHT_GREEN"
    YELLOW = "YELLOW"
    RED = "RED"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The published cut-offs: the lowest score of each grade, best grade first, and the margin against flicker, in points."""

    version: str
    floors: tuple[tuple[Grade, Decimal], ...]
    margin: Decimal


# Cut-offs and margin are this bureau's own: those of the Shanxi, Quzhou and Guangzhou labels are not published.
SCALE = Scale(
    version="2026.1",
    floors=(
        (Grade.AAA, Decimal(90)),
        (Grade.AA, Decimal(80)),
        (Grade.A, Decimal(70)),
        (Grade.BBB, Decimal(60)),
        (Grade.BB, Decimal(50)),
        (Grade.B, Decimal(40)),
        (Grade.CCC, Decimal(30)),
        (Grade.CC, Decimal(20)),
        (Grade.C, Decimal(0)),
    ),
    margin=Decimal(1),
)


def grade_of(score: Decimal, *, scale: Scale) -> Grade:
    """Return the grade whose band holds the score; a score on a cut-off has the better grade."""
    return next(grade for grade, floor in scale.floors if score >= floor)


def held_grade(score: Decimal, *, held: Grade | None, scale: Scale) -> Grade:
    """Return the grade to hold: `held` until the score has left its band by the margin, then the grade of the score.

    A first grade, and the first after a time without one, is the grade of the score: there is nothing to hold.
    """
    if held is None:
        return grade_of(score, scale=scale)
    floors = dict(scale.floors)
    better = [floor for _, floor in scale.floors if floor > floors[held]]
    above_floor = score > floors[held] - scale.margin
    below_ceiling = not better or score < min(better) + scale.margin
    return held if above_floor and below_ceiling else grade_of(score, scale=scale)


def colour_of(final: Grade) -> ColourLabel:
    """Return the colour label of a final grade."""
    match final:
        case Grade.AAA | Grade.AA:
            return ColourLabel.DEEP_GREEN
        case Grade.A | Grade.BBB:
            return ColourLabel.LIGHT_GREEN
        case Grade.BB | Grade.B:
            return ColourLabel.YELLOW
        case Grade.CCC | Grade.CC | Grade.C:
            return ColourLabel.RED
        case _:
            assert_never(final)
