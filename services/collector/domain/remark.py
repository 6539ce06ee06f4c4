"""What the drawing up of an account has to say beside its figures: what was left out and why, and what was compared.

Remarks are facts for the rules, which decide whether they are findings and how much they matter.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from services.collector.domain.method import FactorGap
from services.collector.domain.quantity import ProviderFigure, Quantity
from services.collector.domain.submission import Submission
from services.common.civil_time import Period


class Unposted(Enum):
    """Why a figure does not stand on the account."""

    FACILITY_OF_ANOTHER = "the facility is registered to another subject"
    FACILITY_PASSED_ON = "the facility went over to another subject, on whose account it counts"
    REPORTED_BY_BOTH_OWNERS = "the same provider states it under the code of the new owner"
    FACILITY_CONTESTED = "the facility is registered to two subjects with equal right"
    TOTAL_BESIDE_FACILITIES = "a figure without facility number beside figures of single facilities"
    TOTAL_BESIDE_PARTS = "a total beside its parts"
    FACTOR_GAP = "no factor"
    METHODS_AMBIGUOUS = "two methods hold for the same industry and days"
    ACTIVITY_COVERS = "the activity method covers exactly its days"
    REPORTED_STANDS = "a reported figure stands for days of it"
    BEYOND_LIMIT = "larger than any account can hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """Figures that were left out, and why. `detail` is for readers and shows no other provider's value."""

    reason: Unposted
    evidence: tuple[Submission, ...]
    period: Period
    quantity: Quantity
    detail: str = ""
    gap: FactorGap | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A reported figure beside what the activity method computes for exactly the same days."""

    reported: ProviderFigure
    quantity: Quantity
    computed_tco2e: Decimal


def remark_on(figure: ProviderFigure, quantity: Quantity, reason: Unposted, *, detail: str = "", gap: FactorGap | None = None) -> Remark:
    """Make a remark on everything that one provider states of a quantity for a period."""
    return Remark(reason=reason, evidence=figure.evidence(), period=figure.period, quantity=quantity, detail=detail, gap=gap)
