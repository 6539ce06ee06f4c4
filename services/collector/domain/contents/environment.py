"""Domain environment: permits, penalties, notices and classes of the environmental authorities.

Field by field as in the contract, proto/carbonbureau/intake/v1/environment.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class PermitState(StrEnum):
    """State of a permit."""

    GRANTED = "GRANTED"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """Pollutant discharge or another environmental permit."""

    permit_number: str
    permit_kind: str
    valid_from_date: date
    valid_until_date: date | None
    state: PermitState


class PenaltyGround(StrEnum):
    """What a penalty was imposed for."""

    POLLUTION = "POLLUTION"
    FALSIFIED_CARBON_DATA = "FALSIFIED_CARBON_DATA"
    OBLIGATION_NOT_MET = "OBLIGATION_NOT_MET"
    ENERGY_OVER_CONSUMPTION = "ENERGY_OVER_CONSUMPTION"
    NO_PERMIT = "NO_PERMIT"
    OTHER = "OTHER"


@dataclass(frozen=True, kw_only=True, slots=True)
class Penalty:
    """Administrative penalty."""

    decision_number: str
    decided_date: date
    ground: PenaltyGround
    legal_basis: str
    fine_yuan: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PenaltyRepair:
    """Credit repair (信用修复) of a penalty."""

    decision_number: str
    repaired_date: date


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyOverConsumptionNotice:
    """Notice of energy use above quota (能耗超标) in the period."""

    notice_number: str
    quota_tce: Decimal
    consumed_tce: Decimal


class EnvironmentalCredit(StrEnum):
    """Environmental credit class (环保信用评价), best to worst."""

    GREEN = "GREEN"
    BLUE = "BLUE"
    YELLOW = "YELLOW"
    RED = "RED"
    BLACK = "BLACK"


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentalCreditClass:
    """Environmental credit class of the subject for the period."""

    credit_class: EnvironmentalCredit
    decided_date: date


class UltraLowEmissionState(StrEnum):
    """How far a facility is with ultra-low emission."""

    NOT_BEGUN = "NOT_BEGUN"
    UNDER_WAY = "UNDER_WAY"
    PARTLY_PUBLISHED = "PARTLY_PUBLISHED"
    PUBLISHED = "PUBLISHED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class UltraLowEmissionStatus:
    """Ultra-low emission status of a facility: an air-pollutant measure, no carbon measure."""

    state: UltraLowEmissionState
    published_date: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityControlPlan:
    """Data quality control plan (数据质量控制方案) on file (碳排放权交易管理暂行条例 Art. 11)."""

    plan_edition: str
    filed_date: date
    measures_ncv: bool
    measures_carbon_content: bool
