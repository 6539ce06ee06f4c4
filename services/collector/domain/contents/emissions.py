"""Domain emissions: what was measured or reported of emissions themselves.

Field by field as in the contract, proto/carbonbureau/intake/v1/emissions.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.collector.domain.basis import Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedEmissions:
    """Emissions of the period as the provider reports them; the account takes them over by the method "emissions as reported"."""

    scope1_tco2e: Decimal | None
    scope2_tco2e: Decimal | None
    energy_carrier: str
    standard: str
    basis: Basis


class MonitorStatus(StrEnum):
    """State of a stack monitor in one hour."""

    VALID = "VALID"
    CALIBRATING = "CALIBRATING"
    FAULTY = "FAULTY"
    STOPPED = "STOPPED"


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitoredHour:
    """One hour of a stack monitor."""

    date: date
    hour: int
    co2_t: Decimal
    flue_gas_ten_thousand_nm3: Decimal | None
    state: MonitorStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class StackMonitorSummary:
    """Summary of a continuous emission monitor (CEMS) for one day or for the hours of one."""

    stack_number: str
    co2_t: Decimal
    valid_hours: int
    operating_hours: int
    hours: tuple[MonitoredHour, ...]
    basis: Basis


class ValueChainCategory(StrEnum):
    """Categories of scope 3 (GHG Protocol Corporate Value Chain Standard) that the account knows."""

    PURCHASED_GOODS = "PURCHASED_GOODS"
    FUEL_AND_ENERGY = "FUEL_AND_ENERGY"
    UPSTREAM_TRANSPORT = "UPSTREAM_TRANSPORT"


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueChainEmissions:
    """Emissions of one category of the value chain."""

    category: ValueChainCategory
    tco2e: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionsInventory:
    """Annual greenhouse gas inventory as the enterprise declares it."""

    standard: str
    scope1_tco2e: Decimal
    scope2_location_tco2e: Decimal | None
    scope2_market_tco2e: Decimal | None
    biomass_tco2: Decimal | None
    value_chain: tuple[ValueChainEmissions, ...]
    compiled_by_code: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class EtsVerifiedEmissions:
    """Emissions of one year as verified for the emissions trading scheme."""

    ets_year: int
    verified_tco2: Decimal
    output_supplied_mwh: Decimal | None
    heat_supplied_gj: Decimal | None
    verifier_code: str
    verification_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MineMethane:
    """Methane of a coal mine within the period, as pure CH4."""

    ventilated_ten_thousand_nm3: Decimal
    drained_ten_thousand_nm3: Decimal
    utilised_ten_thousand_nm3: Decimal | None
    flared_ten_thousand_nm3: Decimal | None
    basis: Basis
