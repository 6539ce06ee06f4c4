"""Writes the record of inquiries as JSON lines for the supervisor: who looked at whom, when, for what, and what was told.

Reads in pages, each a short transaction, so that an export of years holds nothing up.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from services.common.database import Database
from services.gateway import store

_PAGE = 500


def complete_until(database: Database, wanted: datetime | None = None) -> datetime:
    """Return the instant before which no inquiry can come to light any more, or `wanted` if that is earlier.

    What an export up to it holds is all there will ever be, so the next one goes on from it without a gap.
    """
    with database.transaction("inquiries.read") as transaction:
        watermark = store.safe_watermark(transaction)
    return watermark if wanted is None else min(wanted, watermark)


def lines(database: Database, *, since: datetime, until: datetime, portal: bool = False) -> Iterator[str]:
    """Return one JSON object for each inquiry received from `since` up to, but without, `until`, in the order of time.

    Those of banks, or with `portal` those of enterprises, reviewers and the supervisor. `until` is not after `complete_until`, or an
    inquiry may be missed that is just being recorded.
    """
    read = store.portal_inquiries_after if portal else store.inquiries_after
    # Just before `since`, so that an inquiry of exactly that instant is in.
    after = (since - timedelta(microseconds=1), UUID(int=2**128 - 1))
    while True:
        with database.transaction("inquiries.read") as transaction:
            page = read(transaction, after=after, before=until, limit=_PAGE)
        for inquiry in page:
            yield json.dumps(inquiry, ensure_ascii=False, default=_text)
        if len(page) < _PAGE:
            return
        after = (page[-1]["received_at"], page[-1]["inquiry_id"])


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in the export")
