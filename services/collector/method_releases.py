"""Keeps accounts to the methods they were drawn up by: releases of the method files, and runs that move accounts to another one.

A release holds the files themselves. An account stays with its release until a recorded run moves it, whatever files a later
program brings, so no posting changes because a pack or factor was added. A subject's first account takes the newest release.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from services.collector import method_files
from services.collector.consumer import DIRTY_SUBJECTS
from services.collector.domain.emissions import Book
from services.collector.store import methods as store
from services.collector.store import records
from services.collector.store.methods import Release
from services.common import work_queue
from services.common.database import Database, Transaction
from services.common.errors import ErrorKind, Refused
from services.common.identifiers import Ids
from services.common.work_queue import Mark

_log = logging.getLogger(__name__)

# After live work, before history: DECISIONS, publishing and work queues.
PRIORITY_WAVE = 30
FIRST_OPERATOR = "collector"
FIRST_REASON = "first release of this database"
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Run:
    """A recomputation that was asked for: how many accounts it moved and marked."""

    run_id: UUID
    release_number: int
    subjects: int


class ReleasedMethods:
    """Gives the book of each release; what was read once is kept. `shipped` are the files that came with this program."""

    def __init__(self, shipped: Mapping[str, str]) -> None:
        self._shipped = shipped
        self._books: dict[int, Book] = {}

    def check(self) -> None:
        """Look at the shipped files, so that a faulty one stops the start and not the first account.

        Raises:
            PackRefusedError: with file, line and reason.
        """
        method_files.book(self._shipped)

    def of(self, transaction: Transaction, release_number: int | None) -> tuple[int, Book]:
        """Give the release that an account is drawn up by, the newest for None, and its book. The first account makes the first release.

        Raises:
            PackRefusedError: its files cannot be used by this program.
        """
        number = release_number if release_number is not None else self._newest(transaction)
        if (book := self._books.get(number)) is None:
            book = self._books[number] = book_of(transaction, number)
            _log.info("method release read", extra={"release": number, "is_shipped": self._is_shipped(transaction, number)})
        return number, book

    def _is_shipped(self, transaction: Transaction, number: int) -> bool:
        shipped = method_files.content_sha256(self._shipped)
        return any(one.content_sha256 == shipped for one in store.releases(transaction) if one.release_number == number)

    def _newest(self, transaction: Transaction) -> int:
        newest = store.newest_release(transaction)
        if newest is None:
            # Two processes may come here at once; one row stays.
            store.append_release(transaction, _release(transaction, 1, self._shipped, FIRST_OPERATOR, FIRST_REASON), self._shipped)
            newest = store.newest_release(transaction)
        assert newest is not None
        return newest


def book_of(transaction: Transaction, release_number: int) -> Book:
    """Read the book of a release.

    Raises:
        Refused: `RELEASE_NOT_FOUND`.
        PackRefusedError: its files cannot be used by this program.
    """
    found = store.files_of(transaction, release_number)
    if found is None:
        raise Refused(ErrorKind.NOT_FOUND, "RELEASE_NOT_FOUND", f"there is no method release {release_number}")
    content_sha256, files = found
    # Pair assertion: what is accounted by is what was released.
    assert method_files.content_sha256(files) == content_sha256
    return method_files.book(files)


def release(database: Database, files: Mapping[str, str], *, operator: str, reason: str) -> Release:
    """Record the method files as a new release. No account changes by it, only those first drawn up from now on use it.

    Raises:
        PackRefusedError: a file cannot be used.
        Refused: `ALREADY_RELEASED` when a release has exactly these files.
    """
    method_files.book(files)
    with database.transaction("methods.release") as transaction:
        before = store.releases(transaction)
        same = next((one for one in before if one.content_sha256 == method_files.content_sha256(files)), None)
        if same is not None:
            raise Refused(ErrorKind.FAILED_PRECONDITION, "ALREADY_RELEASED", f"release {same.release_number} has exactly these files")
        made = _release(transaction, before[-1].release_number + 1 if before else 1, files, operator, reason)
        if not store.append_release(transaction, made, files):
            raise Refused(ErrorKind.ABORTED, "RELEASED_MEANWHILE", "another release was recorded at this moment; look at it and try again")
    return made


def recompute(
    database: Database,
    ids: Ids,
    *,
    release_number: int,
    code: str | None,
    operator: str,
    reason: str,
    subjects_per_second: int,
) -> Run:
    """Move accounts, of one subject or of all, to a release and mark them to be drawn up anew, so many a second.

    What differs is corrected by reversals and postings when each is rebuilt. Asked again it moves what the first run left, should
    that have died in the middle.

    Raises:
        Refused: `RELEASE_NOT_FOUND`, `SUBJECT_NOT_FOUND`.
        PackRefusedError: the files of the release cannot be used by this program.
    """
    run_id = ids.new()
    # 1. Record who asks for what and why. (crash: the run is on record and moved nothing)
    with database.transaction("methods.run") as transaction:
        book_of(transaction, release_number)
        subject_ids = store.subjects_on_others(transaction, release_number) if code is None else [_subject_id(transaction, code)]
        store.append_run(
            transaction,
            run_id=run_id,
            release_number=release_number,
            selection="ALL" if code is None else code,
            operator=operator,
            reason=reason,
            at=transaction.now(),
        )
    # 2. Move and mark batch by batch. (crash: whole batches are moved and marked; the same command goes on)
    moved = 0
    for start in range(0, len(subject_ids), _BATCH):
        batch = subject_ids[start : start + _BATCH]
        moved += database.retrying(partial(_move, database, batch, release_number, moved, subjects_per_second))
    return Run(run_id=run_id, release_number=release_number, subjects=moved)


def _move(database: Database, batch: Sequence[UUID], release_number: int, start: int, subjects_per_second: int) -> int:
    with database.transaction("methods.move") as transaction:
        moved = store.move_subjects(transaction, batch, release_number)
        marks = [
            Mark(key=str(subject_id), priority=PRIORITY_WAVE, delay_ms=(start + place) * 1000 // subjects_per_second)
            for place, subject_id in enumerate(moved)
        ]
        work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=marks)
    return len(moved)


def _subject_id(transaction: Transaction, code: str) -> UUID:
    subject_id = records.subject_ids(transaction, [code]).get(code)
    if subject_id is None:
        raise Refused(ErrorKind.NOT_FOUND, "SUBJECT_NOT_FOUND", "no subject has this code")
    return subject_id


def _release(transaction: Transaction, number: int, files: Mapping[str, str], operator: str, reason: str) -> Release:
    return Release(
        release_number=number,
        content_sha256=method_files.content_sha256(files),
        operator=operator,
        reason=reason,
        released_at=transaction.now(),
    )
