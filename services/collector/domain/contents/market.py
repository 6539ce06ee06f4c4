"""Domain market: allowances, credits and sinks of the subject.

Field by field as in the contract, proto/carbonbureau/intake/v1/market.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class AllowanceMovement(StrEnum):
    """What happened to allowances."""

    GRANTED = "GRANTED"
    BOUGHT = "BOUGHT"
    SOLD = "SOLD"
    BORROWED = "BORROWED"
    BORROWING_RETURNED = "BORROWING_RETURNED"
    PLEDGED = "PLEDGED"
    RELEASED = "RELEASED"
    FROZEN = "FROZEN"
    UNFROZEN = "UNFROZEN"
    SURRENDERED = "SURRENDERED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowanceTransaction:
    """One movement on the subject's account in the allowance registry."""

    movement: AllowanceMovement
    executed_date: date
    ets_year: int
    quantity_t: Decimal
    amount_yuan: Decimal | None
    transaction_number: str
    pledge_number: str
    counterparty_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowanceHolding:
    """Allowances held on a day, as the registry states them."""

    as_of_date: date
    ets_year: int
    held_t: Decimal
    pledged_t: Decimal | None
    frozen_t: Decimal | None
    borrowed_t: Decimal | None
    overdrawn_t: Decimal | None


class CreditMovement(StrEnum):
    """What happened to credits."""

    ISSUED = "ISSUED"
    BOUGHT = "BOUGHT"
    SOLD = "SOLD"
    RETIRED = "RETIRED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, kw_only=True, slots=True)
class CcerTransaction:
    """Movement of Chinese certified emission reductions."""

    movement: CreditMovement
    executed_date: date
    quantity_t: Decimal
    project_number: str
    ets_year: int
    amount_yuan: Decimal | None
    transaction_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkTrade:
    """Trade of carbon sinks outside the national scheme."""

    movement: CreditMovement
    executed_date: date
    quantity_t: Decimal
    amount_yuan: Decimal
    project_number: str
    financed_yuan: Decimal | None
