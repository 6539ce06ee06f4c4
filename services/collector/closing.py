"""Closes a month: records it, and has every account stated again. Killed anywhere, it is run again and ends the same.

Findings of periods up to the month become final in the next revision of each account (domain/closing.py); an account that says the
same all the same gets none. The wave goes through the work queue behind everything live.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from services.collector import peer_snapshots
from services.collector.consumer import DIRTY_SUBJECTS
from services.collector.domain.closing import month_after
from services.collector.store import closing as store
from services.collector.store.closing import MonthClose
from services.common import work_queue
from services.common.database import Database
from services.common.errors import ErrorKind, Refused
from services.common.work_queue import Mark

# Behind corrections and live records, before history that is being loaded.
PRIORITY_WAVE = 30
_PAGE = 500
_STATUTORY_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """What a close did. `again` tells that the month had been recorded before: by a run that was cut short, or by one that ended."""

    close: MonthClose
    again: bool
    accounts_marked: int


def close_month(database: Database, *, month: date, operator: str, page: int = _PAGE) -> Closed:
    """Close the month that begins on a day.

    Raises:
        Refused: `MONTH_NOT_OVER`; `LATER_MONTH_CLOSED` when a later month is closed already.
    """
    # 1. Record the close. (crash before the commit: nothing has happened; after: run again, the record stands and the wave follows)
    with database.transaction("closing.record") as transaction:
        store.lock_closes(transaction)
        now = transaction.now()
        if month_after(month) > now.astimezone(_STATUTORY_ZONE).date():
            raise Refused(ErrorKind.FAILED_PRECONDITION, "MONTH_NOT_OVER", "the month is not over yet", {"month": f"{month:%Y-%m}"})
        last = store.last_closed_month(transaction)
        if last is not None and last > month:
            metadata = {"month": f"{month:%Y-%m}", "last_closed": f"{last:%Y-%m}"}
            raise Refused(ErrorKind.FAILED_PRECONDITION, "LATER_MONTH_CLOSED", f"{last:%Y-%m} is closed, and this month with it", metadata)
        held = store.month_close(transaction, month)
        close = held or MonthClose(month=month, operator=operator, closed_at=now)
        if held is None:
            store.append_month_close(transaction, close)
    # 2. Make the snapshots of peers as the accounts stand now. (crash: run again; what has not changed makes no edition)
    peer_snapshots.close_peers(database, month=month)
    # 3. Mark every account, page by page. (crash: run again; marks of one account are one piece of work, and an account that says the
    #    same seals nothing)
    return Closed(close=close, again=held is not None, accounts_marked=mark_every_account(database, page=page))


def mark_every_account(database: Database, *, page: int = _PAGE) -> int:
    """Have every account stated again, behind what is live, and return how many."""
    marked, after = 0, UUID(int=0)
    while True:
        with database.transaction("closing.mark") as transaction:
            subject_ids = store.accounts_after(transaction, after, page)
            marks = [Mark(key=str(subject_id), priority=PRIORITY_WAVE) for subject_id in subject_ids]
            work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=marks)
        marked += len(subject_ids)
        if len(subject_ids) < page:
            return marked
        after = subject_ids[-1]
