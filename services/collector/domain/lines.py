"""The lines of an account beside its postings: what was made, and what was invested."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.collector.domain.submission import Submission
from services.common.civil_time import Period


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputLine:
    """Product made, by facility, period and route."""

    facility_id: UUID
    period: Period
    product_code: str
    unit: str
    amount: Decimal
    process_route: str
    data_quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InvestmentLine:
    """Investment in one technology in one period."""

    period: Period
    technology_code: str
    amount_yuan: Decimal
    total_capital_expenditure_yuan: Decimal
    recognised: bool
    evidence: tuple[Submission, ...]
