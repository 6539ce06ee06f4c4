"""What the accounts worker reads and appends: the evidence of a subject, postings, findings, sealed revisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.dialects import postgresql

from services.collector.domain.finding import AccountFinding
from services.collector.domain.kinds import Kind
from services.collector.domain.place import Place
from services.collector.domain.posting import NewPosting, NewReversal
from services.collector.store.appending import append
from services.collector.tables import ACCOUNT_FINDING, ACCOUNT_FINDING_CLOSED, ACCOUNT_REVISION, POSTING, SUBJECT, SUBMISSION
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSubmission:
    """A submission as it is read for an account; `value` is decoded by whoever needs it."""

    submission_id: UUID
    subject_id: UUID
    subject_code: str
    provider_code: str
    kind: Kind
    record_number: str
    record_revision: int
    value: bytes
    value_sha256: bytes
    is_json: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedSubject:
    """A subject whose row this transaction has locked; revision 0 is none yet."""

    subject_id: UUID
    code: str
    account_revision: int
    content_sha256: bytes | None
    known_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedRevision:
    """A sealed revision of an account with the exact bytes of its statement."""

    account_revision: int
    known_at: datetime
    statement: bytes
    statement_sha256: bytes


def subject_for_update(transaction: Transaction, subject_id: UUID) -> LockedSubject | None:
    """Lock a subject until the commit; revisions are numbered and sealed under this lock."""
    row = transaction.execute(_LOCK_SUBJECT, {"subject_id": subject_id}).one_or_none()
    if row is None:
        return None
    return LockedSubject(
        subject_id=row.subject_id,
        code=row.code,
        account_revision=row.account_revision,
        content_sha256=row.content_sha256,
        known_at=row.known_at,
    )


_LOCK_SUBJECT = text("""
    SELECT subject_id, account_revision, content_sha256, known_at,
        (SELECT code FROM subject_code WHERE subject_code.subject_id = subject.subject_id AND valid_until IS NULL
         ORDER BY valid_from DESC, code LIMIT 1) AS code
    FROM subject WHERE subject_id = :subject_id
    FOR NO KEY UPDATE
""")


def submissions_of(transaction: Transaction, subject_id: UUID) -> list[StoredSubmission]:
    """Read every accepted submission about a subject, in no order."""
    return _stored(transaction.execute(_SUBMISSIONS_OF, {"subject_id": subject_id}))


def register_of_others(transaction: Transaction, subject_id: UUID, facility_numbers: Collection[str]) -> list[StoredSubmission]:
    """Read what the register says of every other subject that ever claimed one of these facilities, or was merged with or split from it."""
    parameters = {"subject_id": subject_id, "facility_numbers": sorted(facility_numbers)}
    return _stored(transaction.execute(_REGISTER_OF_OTHERS, parameters))


_STORED = (
    "SELECT submission_id, subject_id, subject_code, provider_code, kind, record_number, record_revision, value, value_sha256, is_json"
)
_SUBMISSIONS_OF = text(f"{_STORED} FROM submission WHERE subject_id = :subject_id")
# Kin share a structural change, or have a common one who does.
_REGISTER_OF_OTHERS = text(f"""
    WITH RECURSIVE kin (subject_id) AS (
        SELECT CAST(:subject_id AS uuid)
        UNION
        SELECT other.subject_id FROM kin
        JOIN facility_claim AS one ON one.subject_id = kin.subject_id
        JOIN facility_claim AS other ON other.submission_id = one.submission_id
    ), named (facility_number) AS (
        SELECT unnest(CAST(:facility_numbers AS text[]))
        UNION
        SELECT facility_number FROM facility_claim WHERE subject_id IN (SELECT subject_id FROM kin) AND facility_number <> ''
    )
    {_STORED} FROM submission
    WHERE kind IN ('REGISTRY_ENTRY', 'STRUCTURAL_CHANGE') AND subject_id <> :subject_id AND subject_id IN (
        SELECT subject_id FROM facility_claim WHERE facility_number IN (SELECT facility_number FROM named)
        UNION
        SELECT subject_id FROM kin
    )
""")  # noqa: S608  (no value is put into the text)


def _stored(rows: Iterable[Any]) -> list[StoredSubmission]:
    return [
        StoredSubmission(
            submission_id=row[0],
            subject_id=row[1],
            subject_code=row[2],
            provider_code=row[3],
            kind=Kind[row[4]],
            record_number=row[5],
            record_revision=row[6],
            value=row[7],
            value_sha256=row[8],
            is_json=row[9],
        )
        for row in rows
    ]


def net_postings(transaction: Transaction, subject_id: UUID) -> dict[bytes, UUID]:
    """Read the postings that no other one takes back: id by hash of the content."""
    return {row.content_sha256: row.posting_id for row in transaction.execute(_NET_POSTINGS, {"subject_id": subject_id})}


_NET_POSTINGS = text("""
    SELECT content_sha256, posting_id FROM posting
    WHERE subject_id = :subject_id AND reverses IS NULL
        AND NOT EXISTS (
            SELECT FROM posting AS reversal WHERE reversal.reverses = posting.posting_id AND reversal.subject_id = :subject_id
        )
""")


def open_findings(transaction: Transaction, subject_id: UUID) -> dict[UUID, int]:
    """Read the findings about an account that are not closed: the revision that opened each."""
    return {row.finding_id: row.opened_revision for row in transaction.execute(_OPEN_FINDINGS, {"subject_id": subject_id})}


_OPEN_FINDINGS = text("""
    SELECT finding_id, opened_revision FROM account_finding
    WHERE subject_id = :subject_id AND NOT EXISTS (
        SELECT FROM account_finding_closed AS closed
        WHERE closed.finding_id = account_finding.finding_id AND closed.opened_revision = account_finding.opened_revision
    )
""")


def append_postings(
    transaction: Transaction, postings: Iterable[NewPosting], *, subject_id: UUID, account_revision: int, at: datetime
) -> None:
    """Append postings to an account."""
    append(
        transaction,
        POSTING,
        [
            (
                new.posting_id,
                subject_id,
                account_revision,
                None,
                new.digest,
                new.posting.facility_id,
                new.posting.period.start,
                new.posting.period.end,
                new.posting.period.zone,
                new.posting.scope,
                new.posting.energy_carrier,
                new.posting.amount_tco2e,
                new.posting.method_code,
                list(new.posting.factor_codes),
                list(new.posting.evidence),
                new.posting.data_quality,
                new.posting.standard_uncertainty_percent,
                at,
            )
            for new in postings
        ],
    )


def append_reversals(transaction: Transaction, reversals: Sequence[NewReversal], *, account_revision: int, at: datetime) -> None:
    """Append the reversals of postings, each a copy with the opposite amount."""
    if not reversals:
        return
    parameters = {
        "posting_ids": [reversal.posting_id for reversal in reversals],
        "reversed_ids": [reversal.reverses for reversal in reversals],
        "account_revision": account_revision,
        "at": at,
    }
    appended = transaction.execute(_REVERSE, parameters).rowcount
    assert appended == len(reversals), "every reversed posting exists"


_COPIED = (
    "content_sha256, facility_id, period_start, period_end, period_zone, scope, energy_carrier, "
    "method_code, factor_codes, evidence, data_quality, standard_uncertainty_percent"
)
_REVERSE = text(f"""
    INSERT INTO posting (posting_id, subject_id, account_revision, reverses, amount_tco2e, recorded_at, {_COPIED})
    SELECT taken_back.posting_id, posting.subject_id, :account_revision, posting.posting_id, -posting.amount_tco2e, :at, {_COPIED}
    FROM unnest(CAST(:posting_ids AS uuid[]), CAST(:reversed_ids AS uuid[])) AS taken_back (posting_id, reversed_id)
    JOIN posting ON posting.posting_id = taken_back.reversed_id
""")  # noqa: S608  (no value is put into the text)


def append_findings(
    transaction: Transaction, findings: Iterable[AccountFinding], *, subject_id: UUID, account_revision: int, at: datetime
) -> None:
    """Open findings about an account."""
    append(
        transaction,
        ACCOUNT_FINDING,
        [
            (
                finding.finding_id,
                account_revision,
                subject_id,
                finding.rule_id,
                finding.severity.name,
                finding.state.value,
                finding.facility_id,
                finding.period.start if finding.period else None,
                finding.period.end if finding.period else None,
                finding.period.zone if finding.period else None,
                finding.message,
                [submission.submission_id for submission in finding.evidence],
                at,
            )
            for finding in findings
        ],
    )


def close_findings(transaction: Transaction, opened: Mapping[UUID, int], *, account_revision: int, at: datetime) -> None:
    """Record that findings no longer hold, by a new row for each."""
    append(
        transaction,
        ACCOUNT_FINDING_CLOSED,
        [(finding_id, opened_revision, account_revision, at) for finding_id, opened_revision in sorted(opened.items())],
    )


def seal(
    transaction: Transaction,
    *,
    subject_id: UUID,
    revision: SealedRevision,
    content_sha256: bytes,
    evidence_root: bytes,
    evidence_count: int,
) -> None:
    """Append a sealed revision and move the subject's head to it. The subject is locked by this transaction."""
    transaction.execute(
        insert(ACCOUNT_REVISION),
        {
            "subject_id": subject_id,
            "account_revision": revision.account_revision,
            "known_at": revision.known_at,
            "statement": revision.statement,
            "statement_sha256": revision.statement_sha256,
            "content_sha256": content_sha256,
            "evidence_root": evidence_root,
            "evidence_count": evidence_count,
        },
    )
    moved = transaction.execute(
        _MOVE_HEAD,
        {
            "head_of": subject_id,
            "account_revision": revision.account_revision,
            "content_sha256": content_sha256,
            "known_at": revision.known_at,
        },
    ).rowcount
    assert moved == 1, "revisions of a subject rise by one"


_MOVE_HEAD = (
    update(SUBJECT)
    .where(SUBJECT.c.subject_id == bindparam("head_of"), SUBJECT.c.account_revision == bindparam("account_revision") - 1)
    .values(account_revision=bindparam("account_revision"), content_sha256=bindparam("content_sha256"), known_at=bindparam("known_at"))
)


def places(transaction: Transaction, submission_ids: Collection[UUID]) -> dict[UUID, Place]:
    """Find where in the log these submissions stand."""
    if not submission_ids:
        return {}
    return {
        row.submission_id: Place(topic=row.topic, topic_id=row.topic_id, partition=row.partition, offset=row.record_offset)
        for row in transaction.execute(_PLACES, {"ids": sorted(submission_ids)})
    }


_PLACES = select(
    SUBMISSION.c.submission_id, SUBMISSION.c.topic, SUBMISSION.c.topic_id, SUBMISSION.c.partition, SUBMISSION.c.record_offset
).where(SUBMISSION.c.submission_id == func.any(bindparam("ids", type_=postgresql.ARRAY(SUBMISSION.c.submission_id.type))))


# ---- What was known when ----


def safe_watermark(transaction: Transaction) -> datetime:
    """Give the instant up to which no transaction that is still open, nor any later one, can seal a revision.

    A revision's instant is taken inside its transaction, so it is never before the start of it. Ask this before reading: what
    has committed in between is then visible to the read.
    """
    watermark: datetime = transaction.execute(_WATERMARK).scalar_one()
    return watermark


_WATERMARK = text("""
    SELECT least(min(xact_start), clock_timestamp()) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND xact_start IS NOT NULL
""")


def revision_known_at(transaction: Transaction, subject_id: UUID, at: datetime) -> SealedRevision | None:
    """Read the last revision sealed at or before an instant; None when there was none."""
    newest_first = select(ACCOUNT_REVISION).where(ACCOUNT_REVISION.c.subject_id == subject_id, ACCOUNT_REVISION.c.known_at <= at)
    row = transaction.execute(newest_first.order_by(ACCOUNT_REVISION.c.account_revision.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return SealedRevision(
        account_revision=row.account_revision, known_at=row.known_at, statement=row.statement, statement_sha256=row.statement_sha256
    )
