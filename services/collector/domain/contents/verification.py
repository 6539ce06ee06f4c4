"""Domain verification: what third parties and associations say of data and subjects, and answers to re-checks.

Field by field as in the contract, proto/carbonbureau/intake/v1/verification.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class VerificationOpinion(StrEnum):
    """What a verifier concluded."""

    UNQUALIFIED = "UNQUALIFIED"
    QUALIFIED = "QUALIFIED"
    ADVERSE = "ADVERSE"
    DISCLAIMED = "DISCLAIMED"


class AssuranceLevel(StrEnum):
    """Level of assurance (ISO 14064-3)."""

    LIMITED = "LIMITED"
    REASONABLE = "REASONABLE"


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifierStatement:
    """Statement of a third-party verifier on the emissions of the period."""

    statement_number: str
    verifier_code: str
    compiler_code: str
    opinion: VerificationOpinion
    assurance_level: AssuranceLevel
    scope1_tco2e: Decimal | None
    scope2_tco2e: Decimal | None
    standard: str
    issued_date: date
    exceptions: str


class SectorStanding(StrEnum):
    """Standing of the subject in its sector, as its association sees it."""

    LEADING = "LEADING"
    ABOVE_AVERAGE = "ABOVE_AVERAGE"
    AVERAGE = "AVERAGE"
    BELOW_AVERAGE = "BELOW_AVERAGE"
    LAGGING = "LAGGING"


@dataclass(frozen=True, kw_only=True, slots=True)
class SectorOpinion:
    """Opinion of an industry association in the joint rating (联合评级)."""

    association_code: str
    standing: SectorStanding
    reasoning: str
    issued_date: date


class RecheckOutcome(StrEnum):
    """How a provider answers when asked to re-check a record."""

    CONFIRMED = "CONFIRMED"
    CORRECTED = "CORRECTED"
    CANNOT_CONFIRM = "CANNOT_CONFIRM"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecheckAnswer:
    """Answer to a re-check."""

    finding_id: str
    record_kind: str
    record_number: str
    outcome: RecheckOutcome
    reason: str
