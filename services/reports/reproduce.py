"""Composes stored revisions again from what they are pinned to, and says which do not come out byte for byte as they are stored.

The pins are the exact event that a revision was composed from and its place in the chain, which stand beside the content, and its
composed time. Who issued it under which profile stands nowhere but in the content: these two claims are taken from it as they are.
Reads only, page by page, each in a short transaction, so it may run beside the service.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.common.database import Database
from services.reports import store, wire
from services.reports.domain.report import SCHEMA_ID, Issuer, JsonObject, KeyProfile, compose
from services.reports.domain.revision import Place, Predecessor
from services.reports.store import StoredRevision

_PAGE = 100
# How much is shown of a difference: enough before it to see which claim it is in.
_SHOWN_BEFORE, _SHOWN_AFTER = 48, 24


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """One revision composed again: `difference` says how it came out other than it is stored, None when it is the same."""

    subject_id: UUID
    number: int
    difference: str | None


def reproduce(database: Database, *, subject_code: str | None = None, number: int | None = None) -> Iterator[Reproduction]:
    """Compose every stored revision again, or those of one subject or number alone, in the order of subject and number."""
    subject_id: UUID | None = None
    last = 0
    while True:
        with database.transaction("reproduce.page") as transaction:
            page = store.revisions_after(
                transaction, subject_id=subject_id, number=last, limit=_PAGE, only_code=subject_code, only_number=number
            )
        for revision in page:
            yield Reproduction(subject_id=revision.subject_id, number=revision.number, difference=difference_of(revision))
        if len(page) < _PAGE:
            return
        subject_id, last = page[-1].subject_id, page[-1].number


def difference_of(revision: StoredRevision) -> str | None:
    """Say how the revision, composed again, differs from what is stored of it; None when it does not differ in a byte."""
    try:
        report = composed_again(revision)
        again = wire.canonical(report)
    except (ValueError, KeyError, TypeError) as error:
        return f"cannot be composed again: {type(error).__name__}: {error}"
    if again != revision.content:
        return _first_difference(again, revision.content)
    # What was taken from the content cannot differ from it; the hash that the successor names can.
    derived = {
        "SHA-256": (wire.content_sha256(again), revision.content_sha256),
        "fingerprint": (wire.fingerprint(report), revision.fingerprint),
    }
    return next((f"has {what} {found}, the column says {stored}" for what, (found, stored) in derived.items() if found != stored), None)


def composed_again(revision: StoredRevision) -> JsonObject:
    """Compose a revision from its pins, as it was composed for the first time.

    Raises:
        ValueError: the event or the claims of the content cannot be read, or no composer of their schema is here.
        KeyError, TypeError: the content is no report.
    """
    claims: dict[str, Any] = json.loads(revision.content)
    if claims["schema"] != SCHEMA_ID:
        raise ValueError(f"schema {claims['schema']!r} has no composer here")
    before = revision.predecessor_sha256
    return compose(
        assessed=wire.assessed_subject(revision.assessment_made),
        place=Place(
            number=revision.number,
            predecessor=None if before is None else Predecessor(number=revision.number - 1, content_sha256=before),
        ),
        issuer=Issuer(name=claims["issuer"]["name"], province=claims["issuer"]["province"]),
        key_profile=KeyProfile(claims["profile"]),
        composed_at=revision.composed_at,
    )


def _first_difference(again: bytes, stored: bytes) -> str:
    pairs = zip(again, stored, strict=False)
    at = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(again), len(stored)))

    def shown(content: bytes) -> str:
        return content[max(0, at - _SHOWN_BEFORE) : at + _SHOWN_AFTER].decode("utf-8", "replace")

    return f"differs from byte {at}: composed {shown(again)!r}, stored {shown(stored)!r}"
