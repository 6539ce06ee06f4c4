"""Domain production: what a facility made, could make, and made it of.

Field by field as in the contract, proto/carbonbureau/intake/v1/production.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.collector.domain.basis import Basis, Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Product made within the period."""

    product_code: str
    quantity: Decimal
    unit: Unit
    process_route: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """Production capacity in force during the period."""

    product_code: str
    process_route: str
    quantity: Decimal
    unit: Unit
    approval_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingHours:
    """Hours that a unit ran within the period."""

    unit_number: str
    hours: Decimal
    load_rate_percent: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class MaterialUse:
    """Raw or auxiliary material used within the period, other than fuel: limestone, scrap, anodes, waste that was treated."""

    material_code: str
    mass_t: Decimal
    carbon_content_percent: Decimal | None
    process_route: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchasedGoods:
    """Goods and services bought within the period (GHG Protocol scope 3, category 1)."""

    goods_code: str
    quantity: Decimal
    unit: Unit
    supplier_subject_code: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class FreightTransport:
    """Transport of goods bought within the period (GHG Protocol scope 3, category 4)."""

    mode_code: str
    transport_tkm: Decimal
    basis: Basis
