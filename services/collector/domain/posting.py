"""Decides what a posting (分录) is, and which postings turn an account from what it says into what it should say.

Postings are immutable. A change reverses the one that no longer holds, by name, and posts anew: correct by adding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from services.common.civil_time import Period
from services.common.identifiers import derived_id

# Emissions on an account have 6 decimals of a tonne (1 g), rounded once, half to even, when they are posted.
AMOUNT_SCALE = 6


class Treatment(StrEnum):
    """Where a line counts (GB/T 32150; GHG Protocol Scope 2 Guidance and Corporate Value Chain Standard)."""

    IN_TOTAL = "IN_TOTAL"  # scope 1, and scope 2 location-based
    BIOMASS = "BIOMASS"  # CO2 of biomass, outside the total
    MARKET_BASED = "MARKET_BASED"  # scope 2 seen by contracts, beside the location-based view
    VALUE_CHAIN = "VALUE_CHAIN"  # scope 3, by category


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """Emissions of one facility, period, scope and energy carrier, with everything the figure was pinned to."""

    facility_id: UUID
    period: Period
    scope: int
    treatment: Treatment
    # Category of scope 3, else 0.
    category: int
    gas: str
    energy_carrier: str
    amount_tco2e: Decimal
    method_code: str
    factor_codes: tuple[str, ...]
    evidence: tuple[UUID, ...]
    data_quality: int
    standard_uncertainty_percent: Decimal

    def digest(self) -> bytes:
        """Hash the whole content: two postings that say the same have the same digest. Texts carry their length."""
        texts = (
            f"{self.facility_id}|{self.period.start}|{self.period.end}|{self.scope}|{self.amount_tco2e}|{self.data_quality}|"
            f"{self.standard_uncertainty_percent}|{self.treatment}|{self.category}",
            self.gas,
            self.period.zone,
            self.energy_carrier,
            self.method_code,
            " ".join(self.factor_codes),
            " ".join([str(submission_id) for submission_id in self.evidence]),
        )
        return sha256("".join([f"{len(text)}:{text}" for text in texts]).encode()).digest()

    def in_total(self) -> bool:
        """Tell whether it counts in the totals of scope 1 and 2."""
        return self.treatment is Treatment.IN_TOTAL

    def order(self) -> tuple[object, ...]:
        """Give the place among the lines of a statement: by period, then scope, treatment, carrier and facility."""
        place = (self.period.start, self.period.end, self.scope, self.treatment.value, self.category, self.energy_carrier)
        return (*place, str(self.facility_id), self.method_code, self.gas, self.factor_codes, self.amount_tco2e)


class NewPosting(NamedTuple):
    """A posting to be appended."""

    posting_id: UUID
    digest: bytes
    posting: Posting


class NewReversal(NamedTuple):
    """A reversal to be appended: takes back the posting that it names."""

    posting_id: UUID
    reverses: UUID


class Changes(NamedTuple):
    """What to append to an account, reversals first."""

    reversals: list[NewReversal]
    postings: list[NewPosting]


def changes(*, subject_id: UUID, account_revision: int, net: Mapping[bytes, UUID], target: Iterable[Posting]) -> Changes:
    """Find what turns the net postings of an account (by digest) into `target`.

    The ids are derived from the subject, the revision and what is said, so that the same rebuild makes the same postings.
    """
    wanted = {posting.digest(): posting for posting in target}
    reversals = [
        NewReversal(derived_id("reversal", subject_id=subject_id, account_revision=account_revision, reverses=posting_id), posting_id)
        for digest, posting_id in net.items()
        if digest not in wanted
    ]
    postings = [
        NewPosting(derived_id("posting", subject_id=subject_id, account_revision=account_revision, content=digest.hex()), digest, posting)
        for digest, posting in wanted.items()
        if digest not in net
    ]
    return Changes(sorted(reversals, key=lambda reversal: reversal.reverses), sorted(postings, key=lambda new: new.posting.order()))
