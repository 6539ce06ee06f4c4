"""Domain tax: what invoices and returns say.

Field by field as in the contract, proto/carbonbureau/intake/v1/tax.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.collector.domain.basis import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoicedEnergy:
    """Fuel, electricity or heat invoiced to the subject within the period."""

    energy_code: str
    quantity: Decimal
    unit: Unit
    amount_yuan: Decimal
    invoice_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TaxReturn:
    """Figures of a tax return of the period."""

    revenue_yuan: Decimal
    value_added_yuan: Decimal | None
    tax_paid_yuan: Decimal
    employees: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FinancialRatios:
    """Operating condition (经营状况) at the end of the period."""

    debt_ratio_percent: Decimal
    current_ratio_percent: Decimal
    return_on_assets_percent: Decimal
    operating_margin_percent: Decimal | None
    interest_cover_percent: Decimal | None
