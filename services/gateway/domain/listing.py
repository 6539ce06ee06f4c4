"""Decides which page of a subject's revisions a call asks for, and whether its caller may see it.

A page is named by the revision number that it lies below, so that revisions issued meanwhile neither repeat nor hide one. A page token
belongs to its caller and its list (AIP-158); it opens nothing by itself, each page is judged anew.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.gateway.domain.caller import Caller
from services.gateway.domain.inquiry import Reason
from services.gateway.domain.subject_code import is_subject_code

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 100

_PARENT = re.compile(r"subjects/([^/]+)\Z")
_TOKEN = re.compile(rb"([1-9][0-9]{0,17})\.([0-9a-f]{16})\Z")
_TOKEN_CHARACTERS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class ListCall:
    """A call for a list as it came, unchecked."""

    parent: str
    page_size: int
    page_token: str


@dataclass(frozen=True, kw_only=True)
class ListedRevision:
    """One revision without its content. `final_grade` is the contract's number of the grade, None when it is not rated."""

    revision_number: int
    content_sha256: str
    key_id: str
    issued_at: datetime
    final_grade: int | None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A page of a subject's revisions, newest first, and what every answer says beside its data."""

    subject_code: str
    revisions: Sequence[ListedRevision]
    next_page_token: str
    inquiry_id: UUID
    fresh_as_of: datetime | None
    stale: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of the list of a subject's revisions: the newest `size` below a number, or of all."""

    subject_code: str
    size: int
    below: int | None


@dataclass(frozen=True, kw_only=True)
class ListVerdict:
    """What was decided. `page` is None when the call is refused; `subject_code` is known once the parent was understood."""

    subject_code: str | None
    page: Page | None
    reason: Reason | None
    field: str | None = None


def judge_listing(*, caller: Caller, call: ListCall) -> ListVerdict:
    """Judge a call: the form of its parent, the right to see it, then the page."""
    found = _PARENT.match(call.parent)
    subject_code = found.group(1) if found else ""
    if not is_subject_code(subject_code):
        return ListVerdict(subject_code=None, page=None, reason=Reason.NAME_MALFORMED, field="parent")
    if not caller.may_see(subject_code):
        return ListVerdict(subject_code=subject_code, page=None, reason=Reason.SUBJECT_NOT_PERMITTED)
    if call.page_size < 0:
        return ListVerdict(subject_code=subject_code, page=None, reason=Reason.PAGE_MALFORMED, field="page_size")
    below = _below(call.page_token, caller=caller, subject_code=subject_code) if call.page_token else None
    if call.page_token and below is None:
        return ListVerdict(subject_code=subject_code, page=None, reason=Reason.PAGE_MALFORMED, field="page_token")
    size = min(call.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    return ListVerdict(subject_code=subject_code, page=Page(subject_code=subject_code, size=size, below=below), reason=None)


def page_token(*, caller: Caller, subject_code: str, below: int) -> str:
    """Return the token of the page below a revision number, for this caller and this list."""
    plain = f"{below}.{_digest(caller, subject_code, below)}"
    return base64.urlsafe_b64encode(plain.encode("ascii")).decode("ascii")


def _below(token: str, *, caller: Caller, subject_code: str) -> int | None:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        return None
    try:
        found = _TOKEN.match(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    if found is None:
        return None
    below = int(found.group(1))
    return below if found.group(2).decode("ascii") == _digest(caller, subject_code, below) else None


def _digest(caller: Caller, subject_code: str, below: int) -> str:
    parts = (caller.role.value, caller.name, subject_code, str(below))
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()[:16]
