"""Makes submissions about allowances, certified reductions and obligations for the collector's tests."""

from __future__ import annotations

from typing import Any

from carbonbureau.intake.v1 import emissions_pb2, market_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from tests.unit.collector.submissions import code_of, message


def moved(
    movement: str,
    quantity: str,
    *,
    on: str = "2024-03-01",
    ets_year: int = 2023,
    number: str | None = None,
    pledge: str = "",
    lender: int | None = None,
    **fields: Any,
) -> intake.Submission:
    """Make an allowance transaction; its registry number is that of the record where none is given."""
    made = message(**fields)
    made.allowance_transaction.CopyFrom(
        market_pb2.AllowanceTransaction(
            movement=market_pb2.AllowanceMovement.Value(f"ALLOWANCE_MOVEMENT_{movement}"),
            executed_date=on,
            ets_year=ets_year,
            quantity_t=quantity,
            transaction_number=number or made.record_number,
            pledge_number=pledge,
            counterparty_code=code_of(lender) if lender is not None else "",
        )
    )
    return made


def holding(
    held: str,
    *,
    on: str = "2024-06-30",
    ets_year: int = 2023,
    pledged: str = "",
    frozen: str = "",
    borrowed: str = "",
    overdrawn: str = "",
    **fields: Any,
) -> intake.Submission:
    stated = market_pb2.AllowanceHolding(
        as_of_date=on, ets_year=ets_year, held_t=held, pledged_t=pledged, frozen_t=frozen, borrowed_t=borrowed, overdrawn_t=overdrawn
    )
    return message(allowance_holding=stated, **fields)


def ccer(
    movement: str, quantity: str, *, on: str = "2024-05-01", ets_year: int = 2023, number: str | None = None, **fields: Any
) -> intake.Submission:
    made = message(**fields)
    made.ccer_transaction.CopyFrom(
        market_pb2.CcerTransaction(
            movement=market_pb2.CreditMovement.Value(f"CREDIT_MOVEMENT_{movement}"),
            executed_date=on,
            quantity_t=quantity,
            project_number="CCER-1",
            ets_year=ets_year,
            transaction_number=number or made.record_number,
        )
    )
    return made


def verified(tonnes: str, *, ets_year: int = 2023, **fields: Any) -> intake.Submission:
    emissions = emissions_pb2.EtsVerifiedEmissions(
        ets_year=ets_year, verified_tco2=tonnes, verifier_code=code_of(88), verification_number=f"V-{ets_year}"
    )
    return message(ets_verified_emissions=emissions, **fields)
