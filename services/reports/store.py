"""Questions that the reports service asks its tables, each answered in the caller's transaction. Decides nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from services.common import refused_events
from services.common.database import Transaction
from services.reports.domain.revision import Head, IssuedRevision, State
from services.reports.tables import REPORT_REVISION, SUBJECT


@dataclass(frozen=True, kw_only=True)
class NewRevision:
    """A revision as it is composed: everything but the signature."""

    subject_id: UUID
    number: int
    subject_code: str
    state: State
    assessment_id: UUID
    assessment_number: int
    assessment_made: bytes
    content: bytes
    content_sha256: str
    fingerprint: str
    predecessor_sha256: str | None
    composed_at: datetime
    traceparent: str | None


@dataclass(frozen=True, kw_only=True)
class PreparedRevision:
    """What the signer needs of a prepared revision: its exact bytes, and what the event will tell."""

    subject_id: UUID
    number: int
    subject_code: str
    content: bytes
    content_sha256: str
    composed_at: datetime
    assessment_made: bytes
    traceparent: str | None


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """A revision with everything that can be derived again from its bytes, and the event that it was composed from."""

    subject_id: UUID
    number: int
    subject_code: str
    state: State
    assessment_id: UUID
    assessment_made: bytes
    content: bytes
    content_sha256: str
    fingerprint: str
    predecessor_sha256: str | None
    composed_at: datetime
    signed_report: bytes | None
    key_id: str | None
    issued_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StoredChain:
    """What the subject's row says of its chain."""

    newest_number: int
    newest_content_sha256: str | None
    newest_fingerprint: str | None
    issued_number: int


def heads_for_update(transaction: Transaction, subject_ids: Iterable[UUID]) -> dict[UUID, Head | None]:
    """Lock the chains of these subjects, in the order of their ids, and return the newest revision of each, None for a new chain."""
    ordered = sorted(set(subject_ids))
    if not ordered:
        return {}
    known = select(SUBJECT).where(SUBJECT.c.subject_id.in_(ordered)).order_by(SUBJECT.c.subject_id).with_for_update()
    rows = {row.subject_id: row for row in transaction.execute(known)}
    if len(rows) < len(ordered):
        missing = [{"subject_id": one, "newest_number": 0, "issued_number": 0} for one in ordered if one not in rows]
        transaction.execute(insert(SUBJECT).on_conflict_do_nothing(), missing)
        rows = {row.subject_id: row for row in transaction.execute(known)}
    return {
        subject_id: Head(
            number=row.newest_number,
            content_sha256=row.newest_content_sha256,
            fingerprint=row.newest_fingerprint,
            state=State.ISSUED if row.issued_number == row.newest_number else State.PREPARED,
        )
        if row.newest_number
        else None
        for subject_id, row in rows.items()
    }


def add_revisions(transaction: Transaction, revisions: Sequence[NewRevision]) -> None:
    """Store new revisions and make each the newest of its chain, which the caller holds locked."""
    if not revisions:
        return
    transaction.execute(
        insert(REPORT_REVISION),
        [
            {
                "subject_id": one.subject_id,
                "revision_number": one.number,
                "subject_code": one.subject_code,
                "state": one.state.value,
                "assessment_id": one.assessment_id,
                "assessment_number": one.assessment_number,
                "assessment_made": one.assessment_made,
                "content": one.content,
                "content_sha256": one.content_sha256,
                "fingerprint": one.fingerprint,
                "predecessor_sha256": one.predecessor_sha256,
                "composed_at": one.composed_at,
                "traceparent": one.traceparent,
            }
            for one in revisions
        ],
    )
    transaction.execute(
        _MOVE_NEWEST,
        [
            {"of": one.subject_id, "number": one.number, "content_sha256": one.content_sha256, "fingerprint": one.fingerprint}
            for one in revisions
        ],
    )


def prepared_revisions(transaction: Transaction, subject_ids: Iterable[UUID]) -> dict[UUID, PreparedRevision]:
    """Return the revision of each subject that may be signed now; a subject without one is left out."""
    ordered = sorted(set(subject_ids))
    if not ordered:
        return {}
    columns = REPORT_REVISION.c
    rows = transaction.execute(
        select(
            columns.subject_id,
            columns.revision_number,
            columns.subject_code,
            columns.content,
            columns.content_sha256,
            columns.composed_at,
            columns.assessment_made,
            columns.traceparent,
        ).where(columns.subject_id.in_(ordered), columns.state == State.PREPARED.value)
    )
    return {
        row.subject_id: PreparedRevision(
            subject_id=row.subject_id,
            number=row.revision_number,
            subject_code=row.subject_code,
            content=row.content,
            content_sha256=row.content_sha256,
            composed_at=row.composed_at,
            assessment_made=row.assessment_made,
            traceparent=row.traceparent,
        )
        for row in rows
    }


def issue(transaction: Transaction, revision: IssuedRevision) -> bool:
    """Make a prepared revision ISSUED, for ever, and the one that waits behind it PREPARED; return whether there is such a one.

    The caller holds the chain locked. Raises an integrity error of the database when the predecessor is not issued.
    """
    columns = REPORT_REVISION.c
    issued = transaction.execute(
        update(REPORT_REVISION)
        .where(
            columns.subject_id == revision.subject_id,
            columns.revision_number == revision.number,
            columns.state == State.PREPARED.value,
            columns.content_sha256 == revision.content_sha256,
        )
        .values(state=State.ISSUED.value, signed_report=revision.signed_report, key_id=revision.key_id, issued_at=revision.issued_at)
    )
    assert issued.rowcount == 1, f"revision {revision.number} of {revision.subject_id} was not the prepared one"
    transaction.execute(update(SUBJECT).where(SUBJECT.c.subject_id == revision.subject_id).values(issued_number=revision.number))
    promoted = transaction.execute(
        update(REPORT_REVISION)
        .where(
            columns.subject_id == revision.subject_id,
            columns.revision_number == revision.number + 1,
            columns.state == State.WAITING.value,
        )
        .values(state=State.PREPARED.value)
    )
    return promoted.rowcount == 1


def revisions_after(
    transaction: Transaction,
    *,
    subject_id: UUID | None,
    number: int,
    limit: int,
    only_code: str | None = None,
    only_number: int | None = None,
) -> list[StoredRevision]:
    """Return the next revisions in the order of subject and number, so that all can be walked in short transactions.

    With `only_code` or `only_number` those of this subject code or revision number alone.
    """
    columns = REPORT_REVISION.c
    question = select(REPORT_REVISION).order_by(columns.subject_id, columns.revision_number).limit(limit)
    if subject_id is not None:
        question = question.where(tuple_(columns.subject_id, columns.revision_number) > tuple_(subject_id, number))
    if only_code is not None:
        question = question.where(columns.subject_code == only_code)
    if only_number is not None:
        question = question.where(columns.revision_number == only_number)
    return [
        StoredRevision(
            subject_id=row.subject_id,
            number=row.revision_number,
            subject_code=row.subject_code,
            state=State(row.state),
            assessment_id=row.assessment_id,
            assessment_made=row.assessment_made,
            content=row.content,
            content_sha256=row.content_sha256,
            fingerprint=row.fingerprint,
            predecessor_sha256=row.predecessor_sha256,
            composed_at=row.composed_at,
            signed_report=row.signed_report,
            key_id=row.key_id,
            issued_at=row.issued_at,
        )
        for row in transaction.execute(question)
    ]


def chains(transaction: Transaction, subject_ids: Iterable[UUID]) -> dict[UUID, StoredChain]:
    """Return what the subjects' rows say of their chains."""
    rows = transaction.execute(select(SUBJECT).where(SUBJECT.c.subject_id.in_(sorted(set(subject_ids)))))
    return {
        row.subject_id: StoredChain(
            newest_number=row.newest_number,
            newest_content_sha256=row.newest_content_sha256,
            newest_fingerprint=row.newest_fingerprint,
            issued_number=row.issued_number,
        )
        for row in rows
    }


def chain_count(transaction: Transaction) -> int:
    """Count the subjects that have at least one revision according to their rows."""
    count: int = transaction.execute(select(func.count()).select_from(SUBJECT).where(SUBJECT.c.newest_number > 0)).scalar_one()
    return count


def counts(transaction: Transaction) -> dict[str, int]:
    """Count what is in the tables, for `summary`."""
    by_state = {
        row.state: row.revisions
        for row in transaction.execute(select(REPORT_REVISION.c.state, func.count().label("revisions")).group_by(REPORT_REVISION.c.state))
    }
    return {
        "subjects": chain_count(transaction),
        **{f"revisions_{state.value.lower()}": by_state.get(state.value, 0) for state in State},
        "refused_events": refused_events.count(transaction),
    }


_MOVE_NEWEST = (
    update(SUBJECT)
    .where(SUBJECT.c.subject_id == bindparam("of"))
    .values(
        newest_number=bindparam("number"), newest_content_sha256=bindparam("content_sha256"), newest_fingerprint=bindparam("fingerprint")
    )
)
