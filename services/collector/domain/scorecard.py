"""Decides the scorecard of a provider (信息提供者): how late, how often refused, in disagreement and corrected, by kind and month.

Rates are shares of what was taken in of the kind in the month; of nothing there is no rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median

from services.collector.domain.calendar import Arrived, days_late
from services.collector.domain.terms import Expectation

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
    """One line of the scorecard. `delay_days` is the median from the end of the period to the arrival of the original.

    `late_rate` is the share of originals that came after their day; None of a kind that no calendar expects.
    """

    month: date
    kind: str
    accepted: int
    rejected: int
    delay_days: int | None
    late_rate: Decimal | None
    rejection_rate: Decimal | None
    disagreement_rate: Decimal | None
    correction_rate: Decimal | None
    finding_rate: Decimal | None


def row(counts: Counts, arrived: Sequence[Arrived], expectation: Expectation | None) -> Row:
    """Make the line from what was counted, when the originals came, and when they were due."""
    delays = [(one.received_on - one.period.end).days for one in arrived]
    late = [one for one in arrived if expectation is not None and days_late(expectation, one) > 0]
    return Row(
        month=counts.month,
        kind=counts.kind,
        accepted=counts.accepted,
        rejected=counts.rejected,
        delay_days=int(median(delays)) if delays else None,
        late_rate=_share(len(late), len(arrived)) if expectation is not None else None,
        rejection_rate=_share(counts.rejected, counts.accepted + counts.rejected),
        disagreement_rate=_share(counts.disagreed, counts.accepted),
        correction_rate=_share(counts.corrections, counts.accepted),
        finding_rate=_share(counts.named, counts.accepted),
    )


def _share(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / Decimal(whole)).quantize(_RATE) if whole else None
