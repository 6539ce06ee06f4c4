"""Decides what a finding (核查发现) is: the result of a check, by rule, severity and evidence.

Two sorts leave the rules: a finding about one record by its form, and a finding about an account by plausibility. A message
never holds another provider's values, because every provider concerned may read it.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from uuid import UUID

from services.collector.domain.submission import Submission
from services.common.civil_time import Period
from services.common.identifiers import derived_id


class Severity(Enum):
    """How much a finding matters. The value is the number in the contract."""

    NOTICE = 1
    WARNING = 2
    SEVERE = 3


class FindingState(Enum):
    """Whether a finding about an account still waits for the recorded monthly close."""

    PROVISIONAL = "PROVISIONAL"
    FINAL = "FINAL"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFinding:
    """A form rule that a record breaks."""

    rule_id: str
    severity: Severity
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """What a plausibility rule noticed, before it is tied to its rule and subject."""

    message: str
    evidence: tuple[Submission, ...] = ()
    period: Period | None = None
    facility_id: UUID | None = None
    # Tells apart what one rule says of one facility, period and evidence, e.g. the name of the quantity.
    about: str = ""
    # How far two statements are apart, relative to the one that counts. Never shown but in the steps that the disclosure policy allows.
    difference: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountFinding:
    """A finding about an account."""

    finding_id: UUID
    rule_id: str
    severity: Severity
    message: str
    period: Period | None
    facility_id: UUID | None
    evidence: tuple[Submission, ...]
    state: FindingState = FindingState.PROVISIONAL
    about: str = ""
    difference: Decimal | None = None

    def order(self) -> tuple[date, str, str]:
        """Give the place among the findings of a statement: newest period last, then by rule."""
        return (self.period.end if self.period else date.min, self.rule_id, str(self.finding_id))


def account_finding(suspicion: Suspicion, *, rule_id: str, severity: Severity, subject_id: UUID) -> AccountFinding:
    """Make the finding; its id is derived from what was found, so that the same set of submissions finds the same findings."""
    evidence = tuple(sorted(suspicion.evidence, key=lambda submission: submission.submission_id))
    period = suspicion.period
    finding_id = derived_id(
        "account-finding",
        subject_id=subject_id,
        rule_id=rule_id,
        facility=str(suspicion.facility_id or ""),
        period="" if period is None else f"{period.start}/{period.end}/{period.zone}",
        about=suspicion.about,
        evidence=" ".join(str(submission.submission_id) for submission in evidence),
    )
    return AccountFinding(
        finding_id=finding_id,
        rule_id=rule_id,
        severity=severity,
        message=suspicion.message,
        period=period,
        facility_id=suspicion.facility_id,
        evidence=evidence,
        about=suspicion.about,
        difference=suspicion.difference,
    )
