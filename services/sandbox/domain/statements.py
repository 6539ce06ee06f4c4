"""What a provider states, as plain values, and what the sandbox expects to become of it. wire.py turns them into bytes.

A submission may be wrong on purpose: the province plants falsifications and records that a form check must refuse.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from services.common.civil_time import Period


class Kind(Enum):
    """Kinds of submission, by the names that business keys and findings use; the value of `domain` is part of the topic."""

    ELECTRICITY_USE = "ELECTRICITY_USE"
    FUEL_USE = "FUEL_USE"
    OUTPUT = "OUTPUT"
    REPORTED_EMISSIONS = "REPORTED_EMISSIONS"
    REGISTRY_ENTRY = "REGISTRY_ENTRY"
    TRANSITION_PLAN = "TRANSITION_PLAN"
    TRANSITION_INVESTMENT = "TRANSITION_INVESTMENT"

    @property
    def domain(self) -> str:
        """The domain of the kind's topics."""
        match self:
            case Kind.ELECTRICITY_USE | Kind.FUEL_USE:
                return "energy"
            case Kind.OUTPUT:
                return "production"
            case Kind.REPORTED_EMISSIONS:
                return "emissions"
            case Kind.REGISTRY_ENTRY:
                return "registry"
            case Kind.TRANSITION_PLAN | Kind.TRANSITION_INVESTMENT:
                return "transition"


class Basis(Enum):
    """How the provider knows a figure."""

    METERED = "METERED"
    INVOICED = "INVOICED"
    DECLARED = "DECLARED"
    VERIFIED = "VERIFIED"


@dataclass(frozen=True, kw_only=True)
class ElectricityUse:
    purchased_mwh: Decimal
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class FuelUse:
    fuel_code: str
    mass_t: Decimal
    ncv_gj_per_t: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class Output:
    """Exactly one of the two quantities is set."""

    product_code: str
    mass_t: Decimal | None
    electricity_mwh: Decimal | None
    process_route: str
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class ReportedEmissions:
    scope1_tco2e: Decimal
    scope2_tco2e: Decimal
    energy_carrier: str
    standard: str
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class FacilityOwnership:
    facility_number: str
    owned_from: date
    owned_until: date | None


@dataclass(frozen=True, kw_only=True)
class RegistryEntry:
    effective: date
    name: str
    industry_code: str
    city_code: str
    size: str
    facilities: tuple[FacilityOwnership, ...]


@dataclass(frozen=True, kw_only=True)
class PlanMilestone:
    number: str
    description: str
    due: date
    completed: date | None


@dataclass(frozen=True, kw_only=True)
class TransitionPlan:
    adopted: date
    base_year: int
    targets: tuple[tuple[int, Decimal], ...]
    milestones: tuple[PlanMilestone, ...]


@dataclass(frozen=True, kw_only=True)
class TransitionInvestment:
    technology_code: str
    amount_yuan: Decimal
    total_capital_expenditure_yuan: Decimal


Content = ElectricityUse | FuelUse | Output | ReportedEmissions | RegistryEntry | TransitionPlan | TransitionInvestment

_KINDS: dict[type, Kind] = {
    ElectricityUse: Kind.ELECTRICITY_USE,
    FuelUse: Kind.FUEL_USE,
    Output: Kind.OUTPUT,
    ReportedEmissions: Kind.REPORTED_EMISSIONS,
    RegistryEntry: Kind.REGISTRY_ENTRY,
    TransitionPlan: Kind.TRANSITION_PLAN,
    TransitionInvestment: Kind.TRANSITION_INVESTMENT,
}


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One statement of one provider about one subject. No period: the content carries its own date."""

    subject_code: str
    record_number: str
    record_revision: int
    facility_number: str
    period: Period | None
    compiled_time: datetime
    content: Content

    @property
    def kind(self) -> Kind:
        return _KINDS[type(self.content)]


@dataclass(frozen=True)
class Unreadable:
    """Bytes that are no submission."""

    value: bytes


class Expected(Enum):
    """What shall become of one record sent."""

    ACCEPTED = "accepted"
    # Held until the revision before it arrives, then effective.
    PARKED_THEN_EFFECTIVE = "parked_then_effective"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, kw_only=True)
class PlannedSubmission:
    """One record to be sent. `send_order` is its place among all; `key` is the record key as sent, right or wrong.

    `note` says what was done to the record on purpose, empty for an ordinary one; `falsification` names the planted
    falsification it belongs to.
    """

    send_order: int
    topic: str
    provider_code: str
    key: str
    message: Submission | Unreadable
    expected: Expected
    note: str = ""
    falsification: str = ""


def topic_of(*, provider_code: str, kind: Kind) -> str:
    """Name the topic on which this provider publishes this kind."""
    return f"intake.{kind.domain}.v1.{provider_code}"
