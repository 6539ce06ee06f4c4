"""Decides what is an inquiry (查询): the form of a call, what makes two calls the same one, and what a repetition gets.

A well-formed call claims its request_id for ever; a malformed one does not, so that it can be mended and sent again.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from services.gateway.domain.subject_code import is_subject_code
from services.gateway.domain.subscriber import PermittedPurpose

CASE_REFERENCE_CHARACTERS_MAX = 64
# Texts from outside are kept as evidence, not as storage: cut at what any honest call needs.
TEXT_CHARACTERS_MAX = 200

_GRADE_NAME = re.compile(r"subjects/([^/]+)/creditGrade\Z")
_REPORT_NAME = re.compile(r"subjects/([^/]+)/creditReport(?:/revisions/([1-9][0-9]{0,17}))?\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")


class Method(Enum):
    """What can be asked."""

    GET_CREDIT_GRADE = "GetCreditGrade"
    GET_CREDIT_REPORT = "GetCreditReport"


class Reason(Enum):
    """Why a call is refused; the names are those of ErrorReason in the contract."""

    SUBSCRIBER_UNKNOWN = "SUBSCRIBER_UNKNOWN"
    IDENTITY_AMBIGUOUS = "IDENTITY_AMBIGUOUS"
    PURPOSE_MISSING = "PURPOSE_MISSING"
    PURPOSE_NOT_PERMITTED = "PURPOSE_NOT_PERMITTED"
    REGION_NOT_PERMITTED = "REGION_NOT_PERMITTED"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    NAME_MALFORMED = "NAME_MALFORMED"
    REQUEST_ID_MALFORMED = "REQUEST_ID_MALFORMED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    INQUIRY_NOT_RECORDED = "INQUIRY_NOT_RECORDED"
    REVISION_UNKNOWN = "REVISION_UNKNOWN"
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    REVOCATION_UNKNOWN = "REVOCATION_UNKNOWN"
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105  (a reason, no password)
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105  (a reason, no password)
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105  (a reason, no password)
    SUBJECT_NOT_PERMITTED = "SUBJECT_NOT_PERMITTED"
    PAGE_MALFORMED = "PAGE_MALFORMED"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as it came, unchecked. `purpose` is None when none was named that the contract knows."""

    method: Method
    name: str
    purpose: PermittedPurpose | None
    request_id: str
    case_reference: str

    @property
    def sha256(self) -> str:
        """Return what tells this call from another under the same request_id: each part with its length, so none can pass for two."""
        parts = (self.method.value, self.name, self.purpose.value if self.purpose else "", self.case_reference)
        return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Question:
    """A well-formed call: about whom, for what, and which revision if one was named."""

    subject_code: str
    revision_number: int | None
    purpose: PermittedPurpose
    request_id: UUID


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """The call cannot be understood; `field` is the one to mend."""

    reason: Reason
    field: str


class Decision(Enum):
    """Whether an inquiry may be answered."""

    PERMITTED = "PERMITTED"
    DENIED = "DENIED"


@dataclass(frozen=True, kw_only=True)
class RecordedInquiry:
    """An inquiry as it was recorded when its request_id was first used."""

    inquiry_id: UUID
    request_sha256: str
    decision: Decision
    reason: Reason | None
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What every answer says beside its data: the inquiry it was served under, and up to when it is complete, if that is known."""

    inquiry_id: UUID
    subject_code: str
    fresh_as_of: datetime | None
    stale: bool


def question_of(call: Call) -> Question | Malformed:
    """Understand a call, or name its first field that cannot be: the name, then the purpose, then the request_id."""
    place = _place_of(call)
    if place is None:
        return Malformed(reason=Reason.NAME_MALFORMED, field="name")
    if call.purpose is None:
        return Malformed(reason=Reason.PURPOSE_MISSING, field="purpose")
    if _UUID.match(call.request_id) is None:
        return Malformed(reason=Reason.REQUEST_ID_MALFORMED, field="request_id")
    if len(call.case_reference) > CASE_REFERENCE_CHARACTERS_MAX or not call.case_reference.isprintable():
        # The contract has no reason of its own for it; the field tells.
        return Malformed(reason=Reason.NAME_MALFORMED, field="case_reference")
    subject_code, revision_number = place
    return Question(subject_code=subject_code, revision_number=revision_number, purpose=call.purpose, request_id=UUID(call.request_id))


def reason_for_repetition(first: RecordedInquiry, *, request_sha256: str, now_denied: Reason | None) -> Reason | None:
    """Return why a repeated request_id is refused, or None when it is the same inquiry and may be answered again.

    A denial is repeated as it was told, whatever the contract says by now: the record of the inquiry says DENIED, and data that
    left under it would contradict it. A permission given once is no right for later.
    """
    if first.request_sha256 != request_sha256:
        return Reason.REQUEST_ID_REUSED
    if first.decision is Decision.DENIED:
        assert first.reason is not None, "a denial has a reason"
        return first.reason
    return now_denied


def is_stale(fresh_as_of: datetime | None, *, now: datetime, stale_after: timedelta) -> bool:
    """Tell whether an answer may lack what was issued longer ago than the bureau promises; of unknown freshness it may."""
    return fresh_as_of is None or now - fresh_as_of > stale_after


def clean(text: str) -> str:
    """Cut a text from outside and take out what a log or a database must not hold (NUL, control characters)."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:TEXT_CHARACTERS_MAX])


def _place_of(call: Call) -> tuple[str, int | None] | None:
    match call.method:
        case Method.GET_CREDIT_GRADE:
            found = _GRADE_NAME.match(call.name)
            number = None
        case Method.GET_CREDIT_REPORT:
            found = _REPORT_NAME.match(call.name)
            number = int(found.group(2)) if found and found.group(2) else None
    if found is None or not is_subject_code(found.group(1)):
        return None
    return found.group(1), number
