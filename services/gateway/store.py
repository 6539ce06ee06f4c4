"""Questions that the gateway asks its tables, each answered in the caller's transaction. Decides nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from services.common import refused_events
from services.common.database import Transaction
from services.gateway.domain.caller import Caller
from services.gateway.domain.inquiry import Decision, Method, Reason, RecordedInquiry
from services.gateway.domain.listing import ListedRevision
from services.gateway.tables import CREDIT_GRADE, INQUIRY, INQUIRY_OUTCOME, PORTAL_INQUIRY, REPORT_REVISION

_GRADE, _REVISION = CREDIT_GRADE.c, REPORT_REVISION.c
_MOVED = ("subject_code", "revision_number", "content_sha256", "issued_at", "assessment")


@dataclass(frozen=True, kw_only=True)
class IssuedRevision:
    """A revision as reports told it."""

    subject_id: UUID
    number: int
    subject_code: str
    signed_report: bytes
    content_sha256: str
    key_id: str
    issued_at: datetime
    assessment: bytes
    # The contract's number of the grade; None: not rated.
    final_grade: int | None


@dataclass(frozen=True, kw_only=True)
class ServedGrade:
    """The newest assessment of a subject and the revision that states it."""

    revision_number: int
    content_sha256: str
    issued_at: datetime
    assessment: bytes


@dataclass(frozen=True, kw_only=True)
class ServedReport:
    """One revision with its signed bytes, and the number of the newest."""

    revision_number: int
    newest_number: int
    subject_code: str
    signed_report: bytes
    content_sha256: str
    key_id: str
    issued_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewInquiry:
    """An inquiry to be recorded. Texts that came from outside are bounded and clean by now."""

    inquiry_id: UUID
    received_at: datetime
    subscriber_code: str | None
    identities: tuple[str, ...]
    certificate_sha256: str | None
    peer: str
    method: Method
    name: str
    subject_code: str | None
    revision_number: int | None
    purpose: str | None
    request_id: str
    request_sha256: str
    case_reference: str
    decision: Decision
    reason: Reason | None
    claims_request_id: bool


@dataclass(frozen=True, kw_only=True)
class PortalInquiry:
    """A call on the portal to be recorded, with what is about to be told: SERVED or the reason of refusal."""

    inquiry_id: UUID
    received_at: datetime
    caller: Caller
    peer: str
    method: str
    parent: str
    subject_code: str | None
    outcome: str
    revision_numbers: tuple[int, ...]


# -- the copy of what was issued ------------------------------------------------------------------------------------------------


def add_revisions(transaction: Transaction, revisions: Sequence[IssuedRevision]) -> None:
    """Keep revisions, each once: one that is there stays as it is."""
    ordered = sorted(revisions, key=lambda one: (one.subject_id, one.number))
    if ordered:
        transaction.execute(
            insert(REPORT_REVISION).on_conflict_do_nothing(),
            [
                {
                    "subject_id": one.subject_id,
                    "revision_number": one.number,
                    "subject_code": one.subject_code,
                    "signed_report": one.signed_report,
                    "content_sha256": one.content_sha256,
                    "key_id": one.key_id,
                    "issued_at": one.issued_at,
                    "final_grade": one.final_grade,
                }
                for one in ordered
            ],
        )


def content_of(transaction: Transaction, places: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    """Return the content hash of those of these revisions that are kept."""
    wanted = sorted(set(places))
    if not wanted:
        return {}
    rows = transaction.execute(
        select(_REVISION.subject_id, _REVISION.revision_number, _REVISION.content_sha256).where(
            tuple_(_REVISION.subject_id, _REVISION.revision_number).in_(wanted)
        )
    )
    return {(row.subject_id, row.revision_number): row.content_sha256 for row in rows}


def move_grades(transaction: Transaction, revisions: Iterable[IssuedRevision]) -> None:
    """Make each revision, at most one of a subject, the one its grade is answered from; a higher one that is there stays."""
    ordered = sorted(revisions, key=lambda one: one.subject_id)
    if not ordered:
        return
    upsert = insert(CREDIT_GRADE)
    moved = {name: upsert.excluded[name] for name in _MOVED}
    transaction.execute(
        upsert.on_conflict_do_update(
            index_elements=[_GRADE.subject_id], set_=moved, where=_GRADE.revision_number < upsert.excluded.revision_number
        ),
        [
            {
                "subject_id": one.subject_id,
                "subject_code": one.subject_code,
                "revision_number": one.number,
                "content_sha256": one.content_sha256,
                "issued_at": one.issued_at,
                "assessment": one.assessment,
            }
            for one in ordered
        ],
    )


# -- answers ------------------------------------------------------------------------------------------------------------------


def served_grade(transaction: Transaction, *, subject_code: str) -> ServedGrade | None:
    """Return the grade of the subject that last bore this code."""
    row = transaction.execute(
        select(_GRADE.revision_number, _GRADE.content_sha256, _GRADE.issued_at, _GRADE.assessment).where(
            _GRADE.subject_id == _bearer(subject_code)
        )
    ).one_or_none()
    return None if row is None else ServedGrade(**row._mapping)


def served_report(transaction: Transaction, *, subject_code: str, revision_number: int | None) -> ServedReport | None:
    """Return the newest revision of the subject that last bore this code, or the one with this number."""
    newest = select(func.max(_REVISION.revision_number)).where(_REVISION.subject_id == _bearer(subject_code)).scalar_subquery()
    row = transaction.execute(
        select(
            _REVISION.revision_number,
            newest.label("newest_number"),
            _REVISION.subject_code,
            _REVISION.signed_report,
            _REVISION.content_sha256,
            _REVISION.key_id,
            _REVISION.issued_at,
        ).where(
            _REVISION.subject_id == _bearer(subject_code),
            _REVISION.revision_number == (newest if revision_number is None else revision_number),
        )
    ).one_or_none()
    return None if row is None else ServedReport(**row._mapping)


def revisions_below(transaction: Transaction, *, subject_code: str, below: int | None, limit: int) -> list[ListedRevision]:
    """Return the newest revisions of the subject that last bore this code, those below a number or of all."""
    wanted = select(
        _REVISION.revision_number, _REVISION.content_sha256, _REVISION.key_id, _REVISION.issued_at, _REVISION.final_grade
    ).where(_REVISION.subject_id == _bearer(subject_code))
    if below is not None:
        wanted = wanted.where(_REVISION.revision_number < below)
    rows = transaction.execute(wanted.order_by(_REVISION.revision_number.desc()).limit(limit))
    return [ListedRevision(**row._mapping) for row in rows]


def is_known(transaction: Transaction, *, subject_code: str) -> bool:
    """Tell whether any revision was issued under this code."""
    return transaction.execute(select(_REVISION.subject_id).where(_REVISION.subject_code == subject_code).limit(1)).first() is not None


def _bearer(subject_code: str) -> Any:
    """Codes change hands; the subject of the newest revision under a code is its bearer."""
    return (
        select(_REVISION.subject_id)
        .where(_REVISION.subject_code == subject_code)
        .order_by(_REVISION.issued_at.desc())
        .limit(1)
        .scalar_subquery()
    )


# -- the record of inquiries ------------------------------------------------------------------------------------------------------


def add_inquiry(transaction: Transaction, inquiry: NewInquiry) -> bool:
    """Record an inquiry; return False when its request_id is claimed already, and nothing was recorded.

    Waits for a transaction that is just claiming the same request_id.
    """
    row = {
        **{name: getattr(inquiry, name) for name in _AS_THEY_ARE},
        "identities": list(inquiry.identities),
        "method": inquiry.method.value,
        "decision": inquiry.decision.value,
        "reason": inquiry.reason.value if inquiry.reason else None,
    }
    # RETURNING, because SQLAlchemy keeps no row count of an INSERT.
    added = transaction.execute(insert(INQUIRY).on_conflict_do_nothing().returning(INQUIRY.c.inquiry_id), row)
    return added.first() is not None


_AS_THEY_ARE = (
    "inquiry_id",
    "received_at",
    "subscriber_code",
    "certificate_sha256",
    "peer",
    "name",
    "subject_code",
    "revision_number",
    "purpose",
    "request_id",
    "request_sha256",
    "case_reference",
    "claims_request_id",
)


def inquiry_by_request(transaction: Transaction, *, subscriber_code: str, method: Method, request_id: str) -> RecordedInquiry:
    """Return the inquiry that claimed this request_id."""
    columns = INQUIRY.c
    row = transaction.execute(
        select(columns.inquiry_id, columns.request_sha256, columns.decision, columns.reason, columns.received_at).where(
            columns.subscriber_code == subscriber_code,
            columns.method == method.value,
            columns.request_id == request_id,
            columns.claims_request_id,
        )
    ).one()
    return RecordedInquiry(
        inquiry_id=row.inquiry_id,
        request_sha256=row.request_sha256,
        decision=Decision(row.decision),
        reason=Reason(row.reason) if row.reason else None,
        received_at=row.received_at,
    )


def add_outcome(
    transaction: Transaction,
    *,
    inquiry_id: UUID,
    at: datetime,
    outcome: str,
    reason: Reason | None = None,
    revision_number: int | None = None,
    content_sha256: str | None = None,
) -> None:
    """Record what is about to be answered under an inquiry."""
    transaction.execute(
        insert(INQUIRY_OUTCOME),
        {
            "inquiry_id": inquiry_id,
            "recorded_at": at,
            "outcome": outcome,
            "reason": reason.value if reason else None,
            "revision_number": revision_number,
            "content_sha256": content_sha256,
        },
    )


def add_portal_inquiry(transaction: Transaction, inquiry: PortalInquiry) -> None:
    """Record a call on the portal together with what is about to be told."""
    caller = inquiry.caller
    transaction.execute(
        insert(PORTAL_INQUIRY),
        {
            "inquiry_id": inquiry.inquiry_id,
            "received_at": inquiry.received_at,
            "caller": caller.name,
            "role": caller.role.value,
            "caller_subject_code": caller.subject_code,
            "token_id": caller.token_id,
            "peer": inquiry.peer,
            "method": inquiry.method,
            "parent": inquiry.parent,
            "subject_code": inquiry.subject_code,
            "outcome": inquiry.outcome,
            "revision_numbers": list(inquiry.revision_numbers),
        },
    )


def safe_watermark(transaction: Transaction) -> datetime:
    """Give the instant before which no transaction that is still open, nor any later one, can record an inquiry.

    An inquiry's instant is taken from the database inside its transaction, so it is never before the start of it. Ask this in a
    transaction before the one that reads: what has committed in between is then visible to the read.
    """
    watermark: datetime = transaction.execute(_WATERMARK).scalar_one()
    return watermark.astimezone(UTC)


_WATERMARK = text("""
    SELECT least(min(xact_start), clock_timestamp()) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND xact_start IS NOT NULL
""")


def portal_inquiries_after(transaction: Transaction, *, after: tuple[datetime, UUID], before: datetime, limit: int) -> list[dict[str, Any]]:
    """Return recorded calls on the portal in the order of time, for the supervisor's export."""
    columns = PORTAL_INQUIRY.c
    rows = transaction.execute(
        select(PORTAL_INQUIRY)
        .where(tuple_(columns.received_at, columns.inquiry_id) > tuple_(*after), columns.received_at < before)
        .order_by(columns.received_at, columns.inquiry_id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def commit_without_waiting(transaction: Transaction) -> None:
    """Let this transaction's commit return before it is on disk.

    For outcomes only: the inquiry itself is durable by then, and one without an outcome counts as answered.
    """
    transaction.execute(text("SET LOCAL synchronous_commit = off"))


def inquiries_after(transaction: Transaction, *, after: tuple[datetime, UUID], before: datetime, limit: int) -> list[dict[str, Any]]:
    """Return recorded inquiries in the order of time, each with its outcomes, for the supervisor's export."""
    columns = INQUIRY.c
    rows = [
        dict(row._mapping)
        for row in transaction.execute(
            select(INQUIRY)
            .where(tuple_(columns.received_at, columns.inquiry_id) > tuple_(*after), columns.received_at < before)
            .order_by(columns.received_at, columns.inquiry_id)
            .limit(limit)
        )
    ]
    outcomes: dict[UUID, list[dict[str, Any]]] = {row["inquiry_id"]: [] for row in rows}
    if rows:
        found = transaction.execute(
            select(INQUIRY_OUTCOME).where(INQUIRY_OUTCOME.c.inquiry_id.in_(list(outcomes))).order_by(INQUIRY_OUTCOME.c.outcome_id)
        )
        for one in found:
            outcomes[one.inquiry_id].append(
                {
                    "recorded_at": one.recorded_at,
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "revision_number": one.revision_number,
                    "content_sha256": one.content_sha256,
                }
            )
    return [{**row, "outcomes": outcomes[row["inquiry_id"]]} for row in rows]


def counts(transaction: Transaction) -> dict[str, int]:
    """Count what is in the tables, for `summary`."""
    tables = {
        "subjects": CREDIT_GRADE,
        "revisions": REPORT_REVISION,
        "inquiry_outcomes": INQUIRY_OUTCOME,
        "portal_inquiries": PORTAL_INQUIRY,
    }
    found = {name: transaction.execute(select(func.count()).select_from(table)).scalar_one() for name, table in tables.items()}
    by_decision = select(INQUIRY.c.decision, func.count().label("inquiries")).group_by(INQUIRY.c.decision)
    decisions = {row.decision: row.inquiries for row in transaction.execute(by_decision)}
    found["refused_events"] = refused_events.count(transaction)
    return {**found, **{f"inquiries_{one.value.lower()}": decisions.get(one.value, 0) for one in Decision}}
