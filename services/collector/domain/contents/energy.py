"""Domain energy: fuels, electricity and heat of one facility in one period.

Field by field as in the contract, proto/carbonbureau/intake/v1/energy.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.collector.domain.basis import Basis, Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityUse:
    """Electricity bought from the grid within the period."""

    purchased_mwh: Decimal
    basis: Basis


class FuelPurpose(StrEnum):
    """What a fuel was used for. Methods count carbon that is burnt and carbon that goes into a product differently."""

    COMBUSTION = "COMBUSTION"
    FEEDSTOCK = "FEEDSTOCK"
    REDUCTANT = "REDUCTANT"


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelUse:
    """Fuel used within the period."""

    fuel_code: str
    quantity: Decimal
    unit: Unit
    ncv_gj_per_unit: Decimal | None
    carbon_content_tc_per_gj: Decimal | None
    basis: Basis
    purpose: FuelPurpose


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelPurchase:
    """Fuel bought and received within the period."""

    fuel_code: str
    quantity: Decimal
    unit: Unit
    amount_yuan: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelStock:
    """Stock-take of a fuel: what lay there when the period began and when it ended."""

    fuel_code: str
    opening_t: Decimal
    closing_t: Decimal
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricitySale:
    """Electricity delivered to the grid or to others within the period."""

    sold_mwh: Decimal
    basis: Basis


class GenerationSource(StrEnum):
    """What electricity was generated from."""

    FOSSIL = "FOSSIL"
    WASTE_HEAT = "WASTE_HEAT"
    SOLAR = "SOLAR"
    WIND = "WIND"
    HYDRO = "HYDRO"
    BIOMASS = "BIOMASS"
    STORAGE = "STORAGE"


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityGeneration:
    """Electricity that the facility generated itself within the period."""

    source: GenerationSource
    generated_mwh: Decimal
    own_use_mwh: Decimal | None
    capacity_mw: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class GreenPowerCertificate:
    """Green electricity certificates (绿证) cancelled for consumption of the period."""

    certificate_mwh: Decimal
    first_certificate_number: str
    last_certificate_number: str
    generation_year_month: str
    bundled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatUse:
    """Heat (steam, hot water) bought within the period."""

    purchased_gj: Decimal
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatSale:
    """Heat delivered to others within the period."""

    sold_gj: Decimal
    basis: Basis
