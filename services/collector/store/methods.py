"""What is known of method releases: their files, who released them and why, and which subjects are accounted by which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects import postgresql

from services.collector.tables import METHOD_RELEASE, METHOD_RUN, SUBJECT
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of the method files."""

    release_number: int
    content_sha256: bytes
    operator: str
    reason: str
    released_at: datetime


_RELEASE = (
    METHOD_RELEASE.c.release_number,
    METHOD_RELEASE.c.content_sha256,
    METHOD_RELEASE.c.operator,
    METHOD_RELEASE.c.reason,
    METHOD_RELEASE.c.released_at,
)


def releases(transaction: Transaction) -> list[Release]:
    """Read every release, oldest first."""
    rows = transaction.execute(select(*_RELEASE).order_by(METHOD_RELEASE.c.release_number))
    return [Release(**row._mapping) for row in rows]


def newest_release(transaction: Transaction) -> int | None:
    """Read the number of the newest release; None before the first."""
    newest: int | None = transaction.execute(select(func.max(METHOD_RELEASE.c.release_number))).scalar_one()
    return newest


def files_of(transaction: Transaction, release_number: int) -> tuple[bytes, dict[str, str]] | None:
    """Read the hash and the files of a release, by name."""
    row = transaction.execute(
        select(METHOD_RELEASE.c.content_sha256, METHOD_RELEASE.c.files).where(METHOD_RELEASE.c.release_number == release_number)
    ).one_or_none()
    return None if row is None else (row.content_sha256, dict(row.files))


def append_release(transaction: Transaction, release: Release, files: Mapping[str, str]) -> bool:
    """Append a release; False where its number or its content is there already."""
    values = {**vars(release), "files": dict(files)}
    statement = postgresql.insert(METHOD_RELEASE).on_conflict_do_nothing().returning(METHOD_RELEASE.c.release_number)
    return transaction.execute(statement, values).one_or_none() is not None


def append_run(
    transaction: Transaction, *, run_id: UUID, release_number: int, selection: str, operator: str, reason: str, at: datetime
) -> None:
    """Append that a recomputation was asked for."""
    row = {"run_id": run_id, "release_number": release_number, "selection": selection, "operator": operator, "reason": reason}
    transaction.execute(insert(METHOD_RUN), {**row, "started_at": at})


def subjects_on_others(transaction: Transaction, release_number: int) -> list[UUID]:
    """Read the subjects whose account is drawn up by another release, in a fixed order."""
    query = (
        select(SUBJECT.c.subject_id)
        .where(SUBJECT.c.account_revision > 0, SUBJECT.c.method_release != release_number)
        .order_by(SUBJECT.c.subject_id)
    )
    return list(transaction.execute(query).scalars())


def subjects_by_release(transaction: Transaction) -> dict[int, int]:
    """Count the accounts by the release that they are drawn up by."""
    of_release = select(SUBJECT.c.method_release, func.count().label("accounts"))
    rows = transaction.execute(of_release.where(SUBJECT.c.account_revision > 0).group_by(SUBJECT.c.method_release))
    return {row.method_release: row.accounts for row in rows}


def move_subjects(transaction: Transaction, subject_ids: Sequence[UUID], release_number: int) -> list[UUID]:
    """Have subjects accounted by another release from the next rebuild on; returns those that were not already."""
    rows = transaction.execute(_MOVE, {"subject_ids": sorted(subject_ids), "release_number": release_number})
    return sorted(rows.scalars())


# Locked in the order of their ids, so that two runs do not wait for each other.
_MOVE = text("""
    UPDATE subject SET method_release = :release_number
    WHERE subject_id IN (
        SELECT subject_id FROM subject
        WHERE subject_id = ANY(CAST(:subject_ids AS uuid[])) AND account_revision > 0 AND method_release <> :release_number
        ORDER BY subject_id FOR NO KEY UPDATE
    )
    RETURNING subject_id
""")
