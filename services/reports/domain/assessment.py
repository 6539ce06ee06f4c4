"""The values a report is made from: an assessment and the part of the account that it shows. Decides nothing.

Amounts are Decimal with the scale that the stage before gave them, so that writing them again gives the same digits.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

from services.common.civil_time import Period


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
    """贴标: a function of the final grade only."""

    DEEP_GREEN = "DEEP_GREEN"
    LIGHT_GREEN = "LIGHT_GREEN"
    YELLOW = "YELLOW"
    RED = "RED"


class TransitionStage(Enum):
    """转型阶段."""

    EARLY = "EARLY"
    MIDDLE = "MIDDLE"
    MATURE = "MATURE"


class Dimension(Enum):
    """The six dimensions of the score; an assessment lists those it used."""

    CURRENT_PERFORMANCE = "CURRENT_PERFORMANCE"
    REDUCTION_MOMENTUM = "REDUCTION_MOMENTUM"
    ABSOLUTE_EMISSIONS = "ABSOLUTE_EMISSIONS"
    FORWARD_LOOKING = "FORWARD_LOOKING"
    COMPLIANCE = "COMPLIANCE"
    LEADERSHIP = "LEADERSHIP"


class Severity(Enum):
    """How much a finding weighs, lightest first."""

    NOTICE = "NOTICE"
    WARNING = "WARNING"
    SEVERE = "SEVERE"


class FindingState(Enum):
    """Whether a finding still waits for the recorded monthly close."""

    PROVISIONAL = "PROVISIONAL"
    FINAL = "FINAL"


@dataclass(frozen=True, kw_only=True)
class IndexValue:
    """One index of a dimension. `figure` is in the unit of the index and stays text: only scoring knows its form."""

    index_code: str
    value: Decimal
    weight: Decimal
    figure: str | None


@dataclass(frozen=True, kw_only=True)
class DimensionScore:
    """Score, weight and coverage of one dimension: an aggregate hides no gap."""

    dimension: Dimension
    score: Decimal
    weight: Decimal
    coverage: Decimal
    indices: tuple[IndexValue, ...]


@dataclass(frozen=True, kw_only=True)
class ReasonCode:
    """原因代码: what lowers or carries the score, with its points."""

    code: str
    points: Decimal
    text_zh: str
    text_en: str


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A graded result; the three grades are published even where they agree."""

    score: Decimal
    model_grade: Grade
    held_grade: Grade
    final_grade: Grade
    colour_label: ColourLabel
    transition_stage: TransitionStage
    maturity: Decimal
    dimensions: tuple[DimensionScore, ...]
    reduction_probability: Decimal
    reason_codes: tuple[ReasonCode, ...]


@dataclass(frozen=True, kw_only=True)
class NotRatedReason:
    """Why the data carries no grade."""

    code: str
    text_zh: str
    text_en: str


@dataclass(frozen=True, kw_only=True)
class NotRated:
    """A result without a grade, which is an answer and not an absence."""

    reasons: tuple[NotRatedReason, ...]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """评价: one scoring run with everything it was pinned to."""

    assessment_id: UUID
    previous_assessment_id: UUID | None
    account_revision: int
    statement_sha256: str
    model_sha256: str
    model_version: str
    weights_version: str
    scale_version: str
    assessed_on: date
    outcome: Rated | NotRated


@dataclass(frozen=True, kw_only=True)
class SubjectProfile:
    """What the directory of enterprises says; a part it does not know is None."""

    name: str | None
    industry_code: str | None
    city_code: str | None
    size: str | None


@dataclass(frozen=True, kw_only=True)
class AnnualFigures:
    """Figures of one 12-month window. `data_quality` is the worst of its inputs, PCAF 1 to 5."""

    period: Period
    scope1_tco2e: Decimal | None
    scope2_tco2e: Decimal | None
    product_code: str | None
    process_route: str | None
    output_unit: str | None
    output_amount: Decimal | None
    intensity_tco2e_per_unit: Decimal | None
    months_covered: int
    output_complete: bool
    data_quality: int | None


@dataclass(frozen=True, kw_only=True)
class AccountFinding:
    """核查发现 that is open and touches the account."""

    finding_id: UUID
    rule_id: str
    severity: Severity
    state: FindingState
    period: Period | None
    message: str


@dataclass(frozen=True, kw_only=True)
class AccountExtract:
    """The part of the account statement that a report shows."""

    subject_code: str
    profile: SubjectProfile | None
    annual_figures: tuple[AnnualFigures, ...]
    findings: tuple[AccountFinding, ...]
    known_at: datetime
    evidence_root: str
    evidence_count: int


@dataclass(frozen=True, kw_only=True)
class AssessedSubject:
    """The state that one AssessmentMade carries. `number` counts the assessments of the subject."""

    subject_id: UUID
    number: int
    event_id: UUID
    assessment: Assessment
    account: AccountExtract
