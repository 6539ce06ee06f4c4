"""Domain transition: plans, money and evidence of a subject's transition.

Field by field as in the contract, proto/carbonbureau/intake/v1/transition.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class YearlyTarget:
    """Target of a transition plan for one year."""

    year: int
    intensity_reduction_percent: Decimal
    emissions_tco2e: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """Milestone of a transition plan."""

    milestone_number: str
    description: str
    due_date: date
    completed_date: date | None
    measure_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedMeasure:
    """Measure of a transition plan."""

    measure_number: str
    technology_code: str
    planned_investment_yuan: Decimal
    expected_reduction_tco2e_per_year: Decimal
    start_year: int
    end_year: int
    financing: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionPlan:
    """Transition plan of the subject."""

    adopted_date: date
    base_year: int
    yearly_targets: tuple[YearlyTarget, ...]
    milestones: tuple[Milestone, ...]
    measures: tuple[PlannedMeasure, ...]
    base_year_emissions_tco2e: Decimal | None
    base_year_intensity_tco2e_per_unit: Decimal | None
    approved_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionInvestment:
    """Investment in one reduction technology within the period."""

    technology_code: str
    amount_yuan: Decimal
    total_capital_expenditure_yuan: Decimal
    measure_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MilestoneEvidence:
    """Evidence that a milestone was reached."""

    milestone_number: str
    completed_date: date
    description: str
    document_sha256: str
    achieved_reduction_tco2e_per_year: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GreenTechnologySupply:
    """Green technology supplied to others within the period (绿色技术输出)."""

    technology_code: str
    revenue_yuan: Decimal
    recipients: int
    avoided_tco2e_per_year: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResearchAndDevelopment:
    """Research and development for reduction technology within the period."""

    expenditure_yuan: Decimal
    patents_granted: int
    first_patent_number: str
    technology_code: str
