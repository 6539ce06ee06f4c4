"""Decides what may be told of the intensities of peers without letting anybody work out a competitor's.

A group (industry class, product, unit) is told only with at least 5 peers, and only where its emissions pass the p-percent rule: the
second largest must not be able to estimate the largest to within 10 % by taking its own off the total (Hundepool et al., Handbook on
Statistical Disclosure Control, ESSnet 2010, 4.2; p = 10 is ours). What is told are quartiles, each the mean of the three values nearest to
it and rounded to two digits: no value of a single peer, and nothing that changes visibly when one joins or leaves. Means, sums and
exact counts are not told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.common.identifiers import derived_id

PEERS_MIN = 5
P_PERCENT = Decimal(10)
_INDUSTRY_DIGITS = 3
_TOLD = Context(prec=2, rounding=ROUND_HALF_EVEN)
_NEIGHBOURS = 3
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)


class Group(NamedTuple):
    """Who is compared with whom: the three-digit class of GB/T 4754, the product and its unit."""

    industry_class: str
    product_code: str
    unit: str


def group_of(*, industry_code: str, product_code: str, unit: str) -> Group:
    return Group(industry_class_of(industry_code), product_code, unit)


def industry_class_of(industry_code: str) -> str:
    """Give the class of GB/T 4754 in which an industry is compared."""
    return industry_code[:_INDUSTRY_DIGITS]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """What one subject brings to its group: its intensity, and the emissions behind it, of the revision of its account."""

    subject_id: UUID
    account_revision: int
    intensity_tco2e_per_unit: Decimal
    emissions_tco2e: Decimal


class Withheld(StrEnum):
    """Why nothing is told of a group; empty where it is."""

    NO = ""
    TOO_FEW = "TOO_FEW_PEERS"
    DOMINATED = "DOMINATED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quartiles:
    """What is told of a group, t CO2e per unit of output."""

    p25: Decimal
    p50: Decimal
    p75: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerSnapshot:
    """A group as of the close of a month. A later correction makes another edition; this one never changes."""

    snapshot_id: UUID
    month: date
    edition: int
    group: Group
    peers: int
    withheld: Withheld
    quartiles: Quartiles | None

    def count_band(self) -> str:
        """Tell how many peers there are, roughly: an exact number would show who joined."""
        return "5-9" if self.peers < 10 else "10-19" if self.peers < 20 else "20+"


def snapshot(*, month: date, edition: int, group: Group, peers: Sequence[Peer]) -> PeerSnapshot:
    """Make the snapshot of a group; its id follows from all that it was made of."""
    withheld = _withheld(peers)
    members = sorted((str(peer.subject_id), peer.account_revision) for peer in peers)
    return PeerSnapshot(
        snapshot_id=derived_id(
            "peer-snapshot",
            month=month,
            edition=edition,
            industry_class=group.industry_class,
            product_code=group.product_code,
            unit=group.unit,
            members=" ".join(f"{subject_id}/{revision}" for subject_id, revision in members),
        ),
        month=month,
        edition=edition,
        group=group,
        peers=len(peers),
        withheld=withheld,
        quartiles=_quartiles([peer.intensity_tco2e_per_unit for peer in peers]) if withheld is Withheld.NO else None,
    )


def _withheld(peers: Sequence[Peer]) -> Withheld:
    if len(peers) < PEERS_MIN:
        return Withheld.TOO_FEW
    largest, _, *others = sorted((peer.emissions_tco2e for peer in peers), reverse=True)
    return Withheld.DOMINATED if sum(others, Decimal(0)) * 100 < P_PERCENT * largest else Withheld.NO


def _quartiles(values: Sequence[Decimal]) -> Quartiles:
    ordered = sorted(values)
    return Quartiles(p25=_near(ordered, 1), p50=_near(ordered, 2), p75=_near(ordered, 3))


def _near(ordered: Sequence[Decimal], quarter: int) -> Decimal:
    """Average the value at the nearest rank of a quartile and its two neighbours, and round to two digits."""
    middle = -(-len(ordered) * quarter // 4) - 1
    first = min(max(middle - 1, 0), len(ordered) - _NEIGHBOURS)
    mean = _EXACT.divide(sum(ordered[first : first + _NEIGHBOURS], Decimal(0)), Decimal(_NEIGHBOURS))
    return _TOLD.plus(mean)


def band(intensity: Decimal, quartiles: Quartiles) -> str:
    """Name where an intensity lies among its peers, Q1 the lowest quarter."""
    if intensity <= quartiles.p25:
        return "Q1"
    if intensity <= quartiles.p50:
        return "Q2"
    return "Q3" if intensity <= quartiles.p75 else "Q4"
