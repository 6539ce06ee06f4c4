"""Domain finance: green and transition loans and what became of their money.

Field by field as in the contract, proto/carbonbureau/intake/v1/finance.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class LoanKind(StrEnum):
    """Kind of a loan."""

    GREEN = "GREEN"
    TRANSITION = "TRANSITION"
    SUSTAINABILITY_LINKED = "SUSTAINABILITY_LINKED"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoanDrawing:
    """Green or transition loan drawn by the subject."""

    loan_number: str
    loan_kind: LoanKind
    drawn_date: date
    amount_yuan: Decimal
    annual_rate_percent: Decimal | None
    measure_number: str
    maturity_date: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UseOfProceeds:
    """What the money of a loan was used for within the period."""

    loan_number: str
    technology_code: str
    amount_yuan: Decimal
    purpose: str
