"""Decides what a submission (报送) is: its kinds and their domains, its business key, its content, what became of it.

A `Received` is a submission as it was written, with its defects listed beside it: bad data is a value here. What to make of
the defects is decided by the form rules; what the figures mean for an account is decided in account.py.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from uuid import UUID

from services.common.civil_time import Period
from services.common.identifiers import derived_id


class Domain(StrEnum):
    """The domain in the name of an intake topic."""

    ENERGY = "energy"
    PRODUCTION = "production"
    EMISSIONS = "emissions"
    ENVIRONMENT = "environment"
    TAX = "tax"
    MARKET = "market"
    REGISTRY = "registry"
    TRANSITION = "transition"
    VERIFICATION = "verification"
    FINANCE = "finance"


class Kind(StrEnum):
    """What a submission states. The name is part of the business key."""

    ELECTRICITY_USE = "ELECTRICITY_USE"
    FUEL_USE = "FUEL_USE"
    OUTPUT = "OUTPUT"
    REPORTED_EMISSIONS = "REPORTED_EMISSIONS"
    REGISTRY_ENTRY = "REGISTRY_ENTRY"
    TRANSITION_PLAN = "TRANSITION_PLAN"
    TRANSITION_INVESTMENT = "TRANSITION_INVESTMENT"


DOMAIN_OF_KIND = {
    Kind.ELECTRICITY_USE: Domain.ENERGY,
    Kind.FUEL_USE: Domain.ENERGY,
    Kind.OUTPUT: Domain.PRODUCTION,
    Kind.REPORTED_EMISSIONS: Domain.EMISSIONS,
    Kind.REGISTRY_ENTRY: Domain.REGISTRY,
    Kind.TRANSITION_PLAN: Domain.TRANSITION,
    Kind.TRANSITION_INVESTMENT: Domain.TRANSITION,
}

# These carry dates of their own instead of a period.
KINDS_WITHOUT_PERIOD = frozenset({Kind.REGISTRY_ENTRY, Kind.TRANSITION_PLAN})


class Basis(Enum):
    """How a provider came to know a figure. The value is the number in the contract."""

    METERED = 1
    INVOICED = 2
    DECLARED = 3
    VERIFIED = 4


class Unit(StrEnum):
    """Unit of a quantity, as figures of the account name it."""

    TONNE = "t"
    TEN_THOUSAND_NM3 = "10^4Nm3"
    MWH = "MWh"


class EnterpriseSize(StrEnum):
    """Size class (统计上大中小微型企业划分办法)."""

    LARGE = "LARGE"
    MEDIUM = "MEDIUM"
    SMALL = "SMALL"
    MICRO = "MICRO"


class Outcome(StrEnum):
    """What became of one record. Everything a provider sent has exactly one."""

    ACCEPTED = "ACCEPTED"
    PARKED = "PARKED"
    DUPLICATE = "DUPLICATE"
    REJECTED = "REJECTED"
    QUARANTINED = "QUARANTINED"


@dataclass(frozen=True, kw_only=True, slots=True)
class BusinessKey:
    """What makes two submissions the same one, whatever their bytes.

    A record number stands for one original. The key of a correction holds its subject besides: one that names the wrong subject
    never takes the place of the right one, whichever of them came first.
    """

    provider_code: str
    kind: Kind
    record_number: str
    record_revision: int
    subject_id: UUID

    def submission_id(self) -> UUID:
        """Derive the id: the same business key is the same submission wherever and whenever it arrives."""
        if self.record_revision == 1:
            return original_id(provider_code=self.provider_code, kind=self.kind, record_number=self.record_number)
        return derived_id(
            "submission",
            provider_code=self.provider_code,
            submission_kind=self.kind.value,
            record_number=self.record_number,
            record_revision=self.record_revision,
            subject_id=self.subject_id,
        )

    def ids_before(self) -> list[UUID]:
        """Derive the ids of the revisions that this one follows, from the original on."""
        return [replace(self, record_revision=revision).submission_id() for revision in range(1, self.record_revision)]


def original_id(*, provider_code: str, kind: Kind, record_number: str) -> UUID:
    """Derive the id of the original of a record, about whatever subject it is."""
    return derived_id("submission", provider_code=provider_code, submission_kind=kind.value, record_number=record_number, record_revision=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityUse:
    """Electricity bought from the grid."""

    purchased_mwh: Decimal
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelUse:
    """Fuel burnt. `unit` is None when no quantity was stated."""

    fuel_code: str
    quantity: Decimal
    unit: Unit | None
    ncv_gj_per_unit: Decimal | None
    carbon_content_tc_per_gj: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Product made. `unit` is None when no quantity was stated."""

    product_code: str
    quantity: Decimal
    unit: Unit | None
    process_route: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedEmissions:
    """Emissions as a provider reports them; a scope that it leaves empty is None, which is not zero."""

    scope1_tco2e: Decimal | None
    scope2_tco2e: Decimal | None
    energy_carrier: str
    standard: str
    basis: Basis


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityOwnership:
    """A facility that the subject of an entry owns; `owned_until` is None while it lasts."""

    facility_number: str
    owned_from: date
    owned_until: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryEntry:
    """Entry of the subject in the directory of enterprises (名录库), valid from its effective date."""

    effective_date: date
    name: str
    industry_code: str
    city_code: str
    size: EnterpriseSize | None
    facilities: tuple[FacilityOwnership, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class YearlyTarget:
    """Fall of intensity since the base year that is aimed at."""

    year: int
    intensity_reduction_percent: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """Something to be done by a day; `completed_date` is None while it is open."""

    milestone_number: str
    description: str
    due_date: date
    completed_date: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionPlan:
    """Transition plan of the subject."""

    adopted_date: date
    base_year: int
    yearly_targets: tuple[YearlyTarget, ...]
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionInvestment:
    """Money spent on one reduction technology, and all capital expenditure of the same period."""

    technology_code: str
    amount_yuan: Decimal
    total_capital_expenditure_yuan: Decimal


Content = ElectricityUse | FuelUse | Output | ReportedEmissions | RegistryEntry | TransitionPlan | TransitionInvestment

KIND_OF_CONTENT: dict[type[Content], Kind] = {
    ElectricityUse: Kind.ELECTRICITY_USE,
    FuelUse: Kind.FUEL_USE,
    Output: Kind.OUTPUT,
    ReportedEmissions: Kind.REPORTED_EMISSIONS,
    RegistryEntry: Kind.REGISTRY_ENTRY,
    TransitionPlan: Kind.TRANSITION_PLAN,
    TransitionInvestment: Kind.TRANSITION_INVESTMENT,
}


class Flaw(Enum):
    """Why a field could not be read as what it should be."""

    NOT_AN_AMOUNT = "not an amount"
    NOT_A_DATE = "not a date"
    NOT_AN_INSTANT = "not an instant"
    UNKNOWN_ZONE = "unknown time zone"
    ENDS_BEFORE_START = "does not end after its start"
    UNKNOWN_BASIS = "unknown basis"
    UNKNOWN_SIZE = "unknown size class"


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One field that could not be read. `shown` is the text as it may be shown: short and printable."""

    flaw: Flaw
    field: str
    shown: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A submission as written. Where a field could not be read there is a defect, and the content holds a stand-in for it.

    `amounts` and `texts` list every amount and every free text with its field name, for rules that hold for all of them.
    """

    subject_code: str
    record_number: str
    record_revision: int
    facility_number: str
    period: Period | None
    period_stated: bool
    compiled_at: datetime | None
    kind: Kind | None
    content: Content | None
    amounts: tuple[tuple[str, Decimal], ...]
    texts: tuple[tuple[str, str], ...]
    defects: tuple[Defect, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """An accepted submission: evidence for an account. `sha256` is over the exact bytes."""

    submission_id: UUID
    provider_code: str
    kind: Kind
    record_number: str
    record_revision: int
    facility_number: str
    period: Period | None
    content: Content
    sha256: bytes

    def original_id(self) -> UUID:
        """Derive the id of the original of this record."""
        return original_id(provider_code=self.provider_code, kind=self.kind, record_number=self.record_number)


_SHOWN_CHARACTERS_MAX = 64


def shown(text: str) -> str:
    """Make a text from outside fit to be shown and stored: at most 64 characters, nothing unprintable."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:_SHOWN_CHARACTERS_MAX])
    return printable if len(printable) <= _SHOWN_CHARACTERS_MAX else printable[: _SHOWN_CHARACTERS_MAX - 1] + "…"
