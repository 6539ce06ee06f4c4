"""What shows that nothing was altered: which submissions a posting rests on, where they stand, and the receipt of their batch."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.collector.domain.place import Place
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedPosting:
    """A posting with the submissions it rests on."""

    posting_id: UUID
    subject_id: UUID
    account_revision: int
    reverses: UUID | None
    period_start: date
    period_end: date
    scope: int
    energy_carrier: str
    amount_tco2e: Decimal
    method_code: str
    factor_codes: tuple[str, ...]
    evidence: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldRecord:
    """A submission as its row says it is, with the exact bytes."""

    submission_id: UUID
    subject_id: UUID
    subject_code: str
    provider_code: str
    kind: str
    record_number: str
    record_revision: int
    facility_number: str
    value: bytes
    value_sha256: bytes
    is_json: bool
    place: Place
    received_at: datetime
    subject_had_code: bool
    redriven: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldReceipt:
    """What was answered for the records of one partition and batch."""

    notice_id: UUID
    provider_code: str
    topic: str
    topic_id: UUID
    partition: int
    first_offset: int
    last_offset: int
    records: int
    merkle_root: bytes
    made_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A record of a batch: its hash as kept, and its bytes where all of them are kept."""

    offset: int
    value_sha256: bytes
    value: bytes | None


_POSTING = (
    "posting_id, subject_id, account_revision, reverses, period_start, period_end, scope, energy_carrier, amount_tco2e, method_code, "
    "factor_codes, evidence"
)


def posting(transaction: Transaction, posting_id: UUID) -> TracedPosting | None:
    """Read one posting."""
    row = transaction.execute(_ONE_POSTING, {"posting_id": posting_id}).one_or_none()
    return _posting(row) if row is not None else None


_ONE_POSTING = text(f"SELECT {_POSTING} FROM posting WHERE posting_id = :posting_id")  # noqa: S608  (no value is put into the text)


def net_postings_of_line(
    transaction: Transaction, subject_id: UUID, *, start: date, end: date, scope: int, energy_carrier: str
) -> list[TracedPosting]:
    """Read the postings of one line of an account that no other one takes back."""
    parameters = {"subject_id": subject_id, "start": start, "end": end, "scope": scope, "energy_carrier": energy_carrier}
    return [_posting(row) for row in transaction.execute(_LINE_POSTINGS, parameters)]


_LINE_POSTINGS = text(f"""
    SELECT {_POSTING} FROM posting
    WHERE subject_id = :subject_id AND reverses IS NULL
        AND period_start = :start AND period_end = :end AND scope = :scope AND energy_carrier = :energy_carrier
        AND NOT EXISTS (
            SELECT FROM posting AS reversal WHERE reversal.reverses = posting.posting_id AND reversal.subject_id = :subject_id
        )
    ORDER BY posting_id
""")  # noqa: S608  (no value is put into the text)


def _posting(row: Any) -> TracedPosting:
    values = row._mapping
    return TracedPosting(**{**values, "factor_codes": tuple(values["factor_codes"]), "evidence": tuple(values["evidence"])})


def held_records(transaction: Transaction, submission_ids: Collection[UUID]) -> dict[UUID, HeldRecord]:
    """Read submissions by their ids."""
    rows = transaction.execute(_HELD_BY_ID, {"ids": sorted(submission_ids)}) if submission_ids else ()
    return {row.submission_id: _held(row) for row in rows}


_HELD = (
    "submission_id, subject_id, subject_code, provider_code, kind, record_number, record_revision, facility_number, value, value_sha256, "
    "is_json, topic, topic_id, partition, record_offset, received_at, EXISTS (SELECT FROM subject_code "
    "WHERE subject_code.code = submission.subject_code AND subject_code.subject_id = submission.subject_id) AS subject_had_code, "
    "EXISTS (SELECT FROM redriven_record WHERE redriven_record.submission_id = submission.submission_id) AS redriven"
)
_HELD_BY_ID = text(f"SELECT {_HELD} FROM submission WHERE submission_id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608


def pages_of_records(transaction: Transaction, after: UUID, limit: int) -> list[HeldRecord]:
    """Read the next page of submissions, in the order of their ids."""
    return [_held(row) for row in transaction.execute(_HELD_PAGE, {"after": after, "limit": limit})]


_HELD_PAGE = text(f"SELECT {_HELD} FROM submission WHERE submission_id > :after ORDER BY submission_id LIMIT :limit")  # noqa: S608


def _held(row: Any) -> HeldRecord:
    return HeldRecord(
        submission_id=row.submission_id,
        subject_id=row.subject_id,
        subject_code=row.subject_code,
        provider_code=row.provider_code,
        kind=row.kind,
        record_number=row.record_number,
        record_revision=row.record_revision,
        facility_number=row.facility_number,
        value=row.value,
        value_sha256=row.value_sha256,
        is_json=row.is_json,
        place=Place(topic=row.topic, topic_id=row.topic_id, partition=row.partition, offset=row.record_offset),
        received_at=row.received_at,
        subject_had_code=row.subject_had_code,
        redriven=row.redriven,
    )


_RECEIPT = (
    "notice_id, provider_code, topic, topic_id, partition, first_offset, last_offset, "
    "accepted_count + duplicate_count + rejected_count + quarantined_count AS records, merkle_root, made_at"
)


def receipt_of(transaction: Transaction, place: Place) -> HeldReceipt | None:
    """Find the receipt that speaks of the record at a place."""
    parameters = {"topic_id": place.topic_id, "partition": place.partition, "offset": place.offset}
    row = transaction.execute(_RECEIPT_OF, parameters).one_or_none()
    return HeldReceipt(**row._mapping) if row is not None and row.last_offset >= place.offset else None


# The newest that begins at or before the record: receipts of a partition share no offset.
_RECEIPT_OF = text(f"""
    SELECT {_RECEIPT} FROM receipt WHERE topic_id = :topic_id AND partition = :partition AND first_offset <= :offset
    ORDER BY first_offset DESC LIMIT 1
""")  # noqa: S608  (no value is put into the text)


def all_receipts(transaction: Transaction) -> Iterator[HeldReceipt]:
    """Read every receipt, partition by partition."""
    for row in transaction.execute(_ALL_RECEIPTS):
        yield HeldReceipt(**row._mapping)


_ALL_RECEIPTS = text(f"SELECT {_RECEIPT} FROM receipt ORDER BY topic_id, partition, first_offset")  # noqa: S608


def leaves(transaction: Transaction, receipt: HeldReceipt) -> list[Leaf]:
    """Read every record of a receipt's batch, in the order of their offsets.

    Submissions are found by the instant they share with their receipt: an index by place would cost every batch, one by blocks of
    time costs nothing. A duplicate has the bytes of what is held; of a very long quarantined record only the hash is whole.
    """
    parameters = {
        "topic_id": receipt.topic_id,
        "partition": receipt.partition,
        "first_offset": receipt.first_offset,
        "last_offset": receipt.last_offset,
        "made_at": receipt.made_at,
    }
    rows = transaction.execute(_LEAVES, parameters)
    return [Leaf(offset=row.record_offset, value_sha256=row.value_sha256, value=row.value) for row in rows]


_LEAVES = text("""
    SELECT record_offset, value_sha256, value FROM submission
    WHERE received_at = :made_at AND topic_id = :topic_id AND partition = :partition
        AND record_offset BETWEEN :first_offset AND :last_offset
    UNION ALL
    SELECT duplicate.record_offset, held.value_sha256, held.value FROM duplicate_record AS duplicate
    JOIN submission AS held USING (submission_id)
    WHERE duplicate.topic_id = :topic_id AND duplicate.partition = :partition
        AND duplicate.record_offset BETWEEN :first_offset AND :last_offset
    UNION ALL
    SELECT record_offset, value_sha256, value FROM rejected_record
    WHERE topic_id = :topic_id AND partition = :partition AND record_offset BETWEEN :first_offset AND :last_offset
    UNION ALL
    SELECT record_offset, value_sha256, CASE WHEN length(value) = value_length THEN value END FROM quarantined_record
    WHERE topic_id = :topic_id AND partition = :partition AND record_offset BETWEEN :first_offset AND :last_offset
    ORDER BY record_offset
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldRevision:
    """A sealed revision with the hashes kept beside its bytes."""

    subject_id: UUID
    account_revision: int
    statement: bytes
    statement_sha256: bytes
    evidence_root: bytes
    evidence_count: int
    newest: bool


def pages_of_revisions(transaction: Transaction, after: tuple[UUID, int], limit: int) -> list[HeldRevision]:
    """Read the next page of sealed revisions, by subject and number; `newest` is the one that the subject stands at."""
    parameters = {"subject_id": after[0], "account_revision": after[1], "limit": limit}
    return [HeldRevision(**row._mapping) for row in transaction.execute(_REVISION_PAGE, parameters)]


_REVISION_PAGE = text("""
    SELECT sealed.subject_id, sealed.account_revision, statement, statement_sha256, evidence_root, evidence_count,
        subject.account_revision = sealed.account_revision AS newest
    FROM account_revision AS sealed JOIN subject USING (subject_id)
    WHERE (sealed.subject_id, sealed.account_revision) > (:subject_id, :account_revision)
    ORDER BY sealed.subject_id, sealed.account_revision LIMIT :limit
""")


def net_amounts(transaction: Transaction, subject_id: UUID) -> dict[tuple[UUID, date, date, int, str, str], Decimal]:
    """Sum postings and reversals of a subject by facility, period, scope, carrier and treatment; what is 0 in all is left out."""
    return {
        (row.facility_id, row.period_start, row.period_end, row.scope, row.energy_carrier, row.treatment): row.amount
        for row in transaction.execute(_NET_AMOUNTS, {"subject_id": subject_id})
    }


_NET_AMOUNTS = text("""
    SELECT facility_id, period_start, period_end, scope, energy_carrier, treatment, sum(amount_tco2e) AS amount
    FROM posting WHERE subject_id = :subject_id GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount_tco2e) <> 0
""")
