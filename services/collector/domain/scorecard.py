"""Decides the scorecard of a provider (信息提供者): how late, how often refused, in disagreement and corrected, by kind and month.

Rates are shares of what was taken in of the kind in the month; of nothing there is no rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median

_RATE = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What was counted of one kind in one month of arrival. `named` and `disagreed` count records, not findings."""

    month: date
    kind: str
    accepted: int
    corrections: int
    rejected: int
    named: int
    disagreed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the scorecard. `late_days` is the median from the end of the period to the arrival of the original."""

    month: date
    kind: str
    accepted: int
    rejected: int
    late_days: int | None
    rejection_rate: Decimal | None
    disagreement_rate: Decimal | None
    correction_rate: Decimal | None
    finding_rate: Decimal | None


def row(counts: Counts, delays_days: Sequence[int]) -> Row:
    """Make the line from what was counted and the delays of the originals."""
    return Row(
        month=counts.month,
        kind=counts.kind,
        accepted=counts.accepted,
        rejected=counts.rejected,
        late_days=int(median(delays_days)) if delays_days else None,
        rejection_rate=_share(counts.rejected, counts.accepted + counts.rejected),
        disagreement_rate=_share(counts.disagreed, counts.accepted),
        correction_rate=_share(counts.corrections, counts.accepted),
        finding_rate=_share(counts.named, counts.accepted),
    )


def _share(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / Decimal(whole)).quantize(_RATE) if whole else None
