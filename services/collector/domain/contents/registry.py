"""Domain registry: who the subject is, what it owns, and what became of it.

Field by field as in the contract, proto/carbonbureau/intake/v1/registry.proto, which says what each means and in which unit.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class EnterpriseSize(StrEnum):
    """Size class of an enterprise (统计上大中小微型企业划分办法)."""

    LARGE = "LARGE"
    MEDIUM = "MEDIUM"
    SMALL = "SMALL"
    MICRO = "MICRO"


class EnterpriseState(StrEnum):
    """State of an enterprise in the register."""

    OPERATING = "OPERATING"
    SUSPENDED = "SUSPENDED"
    DEREGISTERED = "DEREGISTERED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityOwnership:
    """A facility owned by the subject of a registry entry."""

    facility_number: str
    owned_from_date: date
    owned_until_date: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryEntry:
    """Entry of the subject in the directory of enterprises (名录库)."""

    effective_date: date
    name: str
    industry_code: str
    city_code: str
    size: EnterpriseSize | None
    facilities: tuple[FacilityOwnership, ...]
    state: EnterpriseState
    group_parent_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeChange:
    """Change of the code: the subject of this record had another one before."""

    effective_date: date
    former_code: str


class StructuralChangeKind(StrEnum):
    """What happened to the enterprise."""

    MERGED_INTO = "MERGED_INTO"
    SPLIT_INTO = "SPLIT_INTO"
    DEREGISTERED = "DEREGISTERED"


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilitySuccession:
    """A facility that goes over with a structural change."""

    facility_number: str
    successor_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StructuralChange:
    """Merger, split or end of the subject."""

    effective_date: date
    change: StructuralChangeKind
    successor_code: str
    facilities: tuple[FacilitySuccession, ...]


class CourtListKind(StrEnum):
    """A public list of courts or insolvency administrators."""

    DISHONEST_DEBTOR = "DISHONEST_DEBTOR"
    RESTRICTED_CONSUMPTION = "RESTRICTED_CONSUMPTION"
    INSOLVENCY = "INSOLVENCY"
    REORGANISATION = "REORGANISATION"
    SERIOUS_ILLEGALITY = "SERIOUS_ILLEGALITY"


@dataclass(frozen=True, kw_only=True, slots=True)
class CourtListing:
    """Listing of the subject by a court or authority."""

    list: CourtListKind
    case_number: str
    listed_date: date
    removed_date: date | None
