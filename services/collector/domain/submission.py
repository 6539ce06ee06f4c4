"""Decides what a submission (报送) is: its business key, what is written in it, what became of it.

A `Received` is a submission as it was written, with its defects listed beside it: bad data is a value here. What to make of
the defects is decided by the form rules; what the figures mean for an account is decided in account.py.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

from services.collector.domain.kinds import Content, Kind
from services.common.civil_time import Period
from services.common.identifiers import derived_id


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


class Flaw(Enum):
    """What is wrong with a field: which of the contract's constraints it breaks, or why it could not be read."""

    MISSING = "is missing"
    NO_CONTENT = "no content of a known kind is set"
    NO_QUANTITY = "no quantity is set"
    NOT_A_CODE = "is not 18 characters of the alphabet of GB 32100-2015 with digits for the region"
    NOT_A_NUMBER = "has more than 64 characters, blanks at an end, or characters that cannot be printed"
    NOT_A_TEXT = "is too long or has characters that cannot be printed"
    NOT_AN_AMOUNT = "is not a decimal string of at most 15 digits before and 9 after the point"
    NEGATIVE = "is negative"
    TOO_LARGE = "is above 10^12"
    OUT_OF_RANGE = "is out of range"
    LIST_TOO_LONG = "has too many items"
    UNKNOWN_ENUMERATION = "is no value of the contract"
    UNKNOWN_KIND = "is no kind of record"
    NOT_A_DATE = "is not a calendar date like 2024-01-31"
    NOT_AN_INSTANT = "is not a time between the years 1 and 9999"
    UNKNOWN_ZONE = "is no IANA time zone"
    ENDS_BEFORE_START = "does not end after its start"


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One field that breaks the contract or could not be read. `shown` is its text as it may be shown: short and printable."""

    flaw: Flaw
    field: str
    shown: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A submission as written, with its defects beside it. `content` is None where there is any: nothing is read into a stand-in.

    `kind` is that of the record also for its withdrawal. `codes` are the unified social credit codes of others that the content names.
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
    codes: tuple[tuple[str, str], ...]
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
