"""What intake keeps: submissions, and every record that became none, with its reason."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects import postgresql

from services.collector.domain.envelope import Envelope
from services.collector.domain.kinds import Kind
from services.collector.domain.place import Place
from services.collector.domain.submission import BusinessKey, Outcome
from services.collector.store.appending import append
from services.collector.tables import (
    DUPLICATE_RECORD,
    FACILITY_CLAIM,
    QUARANTINED_RECORD,
    RECEIPT,
    RECORD_ENVELOPE,
    RECORD_FINDING,
    REJECTED_RECORD,
    SUBJECT,
    SUBJECT_CODE,
    SUBMISSION,
)
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSubmission:
    """A submission to be kept, with its exact bytes and where they came from."""

    submission_id: UUID
    subject_id: UUID
    subject_code: str
    provider_code: str
    kind: Kind
    record_number: str
    record_revision: int
    facility_number: str
    value: bytes
    value_sha256: bytes
    is_json: bool
    place: Place
    received_at: datetime
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Records of one partition that follow each other, by their offsets; both ends are part of it."""

    topic_id: UUID
    partition: int
    first_offset: int
    last_offset: int


def receipted(transaction: Transaction, spans: Collection[Span]) -> list[Span]:
    """Find the receipts that speak of any offset of these spans, in the order of partitions and offsets.

    Receipts of a partition share no offset, and whoever makes one holds the lock on the partition's position.
    """
    parameters = {
        "topic_ids": [span.topic_id for span in spans],
        "partitions": [span.partition for span in spans],
        "first_offsets": [span.first_offset for span in spans],
        "last_offsets": [span.last_offset for span in spans],
    }
    return [
        Span(topic_id=row.topic_id, partition=row.partition, first_offset=row.first_offset, last_offset=row.last_offset)
        for row in transaction.execute(_RECEIPTED, parameters)
    ]


# The subquery gives the newest receipt that begins at or before the span, so that the index is read from there and not from offset 0.
_RECEIPTED = text("""
    SELECT receipt.topic_id, receipt.partition, receipt.first_offset, receipt.last_offset
    FROM unnest(
        CAST(:topic_ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:first_offsets AS bigint[]), CAST(:last_offsets AS bigint[])
    ) AS span (topic_id, partition, first_offset, last_offset)
    JOIN receipt ON receipt.topic_id = span.topic_id AND receipt.partition = span.partition
        AND receipt.first_offset <= span.last_offset AND receipt.last_offset >= span.first_offset
        AND receipt.first_offset >= coalesce((
            SELECT max(earlier.first_offset) FROM receipt AS earlier
            WHERE earlier.topic_id = span.topic_id AND earlier.partition = span.partition AND earlier.first_offset <= span.first_offset
        ), 0)
    ORDER BY receipt.topic_id, receipt.partition, receipt.first_offset
""")


def lock_facilities(transaction: Transaction, *, exclusive: bool) -> None:
    """Keep a registry entry and figures of the facilities it names from passing each other unseen, until the commit.

    Both ask who is concerned by what the other writes; without the lock two transactions could each miss the other's rows.
    """
    transaction.execute(_LOCK_FACILITIES if exclusive else _LOCK_FACILITIES_SHARED)


_LOCK_FACILITIES = text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/facilities', 0))")
_LOCK_FACILITIES_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/facilities', 0))")


def subject_ids(transaction: Transaction, codes: Collection[str]) -> dict[str, UUID]:
    """Find the subjects that these codes stand for now."""
    if not codes:
        return {}
    return {row.code: row.subject_id for row in transaction.execute(_SUBJECT_IDS, {"codes": sorted(codes)})}


_SUBJECT_IDS = select(SUBJECT_CODE.c.code, SUBJECT_CODE.c.subject_id).where(
    SUBJECT_CODE.c.code == func.any(bindparam("codes", type_=postgresql.ARRAY(SUBJECT_CODE.c.code.type))),
    SUBJECT_CODE.c.valid_until.is_(None),
)


def add_subjects(transaction: Transaction, codes: Mapping[str, UUID], *, province: str, at: datetime, valid_from: date) -> None:
    """Create the subjects of codes that are new; a subject that another transaction made meanwhile has the same derived id."""
    if not codes:
        return
    ordered = sorted(codes.items(), key=lambda item: item[1])
    transaction.execute(
        postgresql.insert(SUBJECT).on_conflict_do_nothing(),
        [
            {"subject_id": subject_id, "province": province, "first_code": code, "created_at": at, "account_revision": 0}
            for code, subject_id in ordered
        ],
    )
    transaction.execute(
        postgresql.insert(SUBJECT_CODE).on_conflict_do_nothing(),
        [{"code": code, "valid_from": valid_from, "subject_id": subject_id} for code, subject_id in sorted(ordered)],
    )


def append_submissions(transaction: Transaction, submissions: Iterable[NewSubmission]) -> set[UUID]:
    """Keep submissions whose business key is not held yet, and return their ids; the others are left as they are."""
    rows = [
        (
            one.submission_id,
            one.subject_id,
            one.subject_code,
            one.provider_code,
            one.kind.value,
            one.record_number,
            one.record_revision,
            one.facility_number,
            one.value,
            one.value_sha256,
            one.is_json,
            one.place.topic,
            one.place.topic_id,
            one.place.partition,
            one.place.offset,
            one.received_at,
            one.outcome.value,
        )
        for one in submissions
    ]
    if not rows:
        return set()
    transaction.execute(_STAGING)
    transaction.copy_into("incoming_submission", SUBMISSION.columns.keys(), rows)
    return set(transaction.execute(_TAKE_IN).scalars())


# One per session, emptied by each commit: making it anew for every batch would bloat the catalogue.
_STAGING = text("CREATE TEMPORARY TABLE IF NOT EXISTS incoming_submission (LIKE submission) ON COMMIT DELETE ROWS")
_TAKE_IN = text("""
    INSERT INTO submission SELECT * FROM incoming_submission ORDER BY submission_id
    ON CONFLICT (submission_id) DO NOTHING
    RETURNING submission_id
""")


def held(transaction: Transaction, submission_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, bytes]]:
    """Find the subject and the hash of those submissions that are held already."""
    if not submission_ids:
        return {}
    rows = transaction.execute(_HELD, {"ids": sorted(submission_ids)})
    return {row.submission_id: (row.subject_id, row.value_sha256) for row in rows}


_IDS = bindparam("ids", type_=postgresql.ARRAY(SUBMISSION.c.submission_id.type))
_HELD = select(SUBMISSION.c.submission_id, SUBMISSION.c.subject_id, SUBMISSION.c.value_sha256).where(
    SUBMISSION.c.submission_id == func.any(_IDS)
)


def waiting_elsewhere(transaction: Transaction, keys: Sequence[BusinessKey]) -> set[UUID]:
    """Find the other subjects about which a correction was parked whose original is among these."""
    originals = [key for key in keys if key.record_revision == 1]
    parameters = {
        "provider_codes": [key.provider_code for key in originals],
        "kinds": [key.kind.value for key in originals],
        "record_numbers": [key.record_number for key in originals],
        "subject_ids": [key.subject_id for key in originals],
    }
    return set(transaction.execute(_WAITING_ELSEWHERE, parameters).scalars()) if originals else set()


_WAITING_ELSEWHERE = text("""
    SELECT DISTINCT parked.subject_id
    FROM unnest(
        CAST(:provider_codes AS text[]), CAST(:kinds AS text[]), CAST(:record_numbers AS text[]), CAST(:subject_ids AS uuid[])
    ) AS arrived (provider_code, kind, record_number, subject_id)
    JOIN submission AS parked USING (provider_code, kind, record_number)
    WHERE parked.outcome = 'PARKED' AND parked.subject_id <> arrived.subject_id
""")


def set_aside(transaction: Transaction, places: Collection[Place]) -> dict[Place, bytes]:
    """Find the hashes of what was rejected or quarantined at these places."""
    ordered = list(places)
    parameters = {
        "topics": [place.topic for place in ordered],
        "topic_ids": [place.topic_id for place in ordered],
        "partitions": [place.partition for place in ordered],
        "offsets": [place.offset for place in ordered],
    }
    return {
        Place(topic=row.topic, topic_id=row.topic_id, partition=row.partition, offset=row.record_offset): row.value_sha256
        for row in transaction.execute(_SET_ASIDE, parameters)
    }


_SET_ASIDE = text("""
    SELECT asked.topic, asked.topic_id, asked.partition, asked.record_offset,
        coalesce(rejected_record.value_sha256, quarantined_record.value_sha256) AS value_sha256
    FROM unnest(CAST(:topics AS text[]), CAST(:topic_ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
        AS asked (topic, topic_id, partition, record_offset)
    LEFT JOIN rejected_record USING (topic_id, partition, record_offset)
    LEFT JOIN quarantined_record USING (topic_id, partition, record_offset)
    WHERE rejected_record.topic_id IS NOT NULL OR quarantined_record.topic_id IS NOT NULL
""")


def append_rejected(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, REJECTED_RECORD, rows)


def append_duplicates(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, DUPLICATE_RECORD, rows)


def append_quarantined(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, QUARANTINED_RECORD, rows)


def append_envelopes(transaction: Transaction, rows: Iterable[tuple[Place, Envelope]]) -> None:
    """Keep what came around the bytes of records."""
    kept = ((place, one.bounded()) for place, one in rows)
    append(
        transaction,
        RECORD_ENVELOPE,
        [(place.topic_id, place.partition, place.offset, one.record_key, one.is_json, one.jws) for place, one in kept],
    )


def append_record_findings(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, RECORD_FINDING, rows)


def append_receipts(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, RECEIPT, rows)


def append_claims(transaction: Transaction, rows: Iterable[tuple[str, UUID, UUID]]) -> None:
    """Note which registry entry names which facility: number, subject, submission."""
    append(transaction, FACILITY_CLAIM, sorted(set(rows)))


def concerned_by_claims(transaction: Transaction, subject_ids: Collection[UUID]) -> set[UUID]:
    """Find everyone who reports for, or claims, a facility that one of these subjects ever claimed, or who took over all that it had."""
    return set(transaction.execute(_CONCERNED, {"subject_ids": sorted(subject_ids)}).scalars()) if subject_ids else set()


_CONCERNED = text("""
    WITH named AS (
        SELECT DISTINCT facility_number, submission_id FROM facility_claim WHERE subject_id = ANY(CAST(:subject_ids AS uuid[]))
    )
    SELECT subject_id FROM submission WHERE facility_number <> '' AND facility_number IN (SELECT facility_number FROM named)
    UNION
    SELECT subject_id FROM facility_claim WHERE facility_number <> '' AND facility_number IN (SELECT facility_number FROM named)
    UNION
    SELECT subject_id FROM facility_claim WHERE submission_id IN (SELECT submission_id FROM named WHERE facility_number = '')
""")


def concerned_by_figures(transaction: Transaction, figures: Collection[tuple[UUID, str]]) -> set[UUID]:
    """Find who else claims the facilities that these subjects report for; an empty number is any of the subject's own."""
    ordered = sorted(figures)
    parameters = {"subject_ids": [one for one, _ in ordered], "numbers": [number for _, number in ordered]}
    return set(transaction.execute(_CONCERNED_BY_FIGURES, parameters).scalars()) if ordered else set()


_CONCERNED_BY_FIGURES = text("""
    SELECT DISTINCT other.subject_id
    FROM unnest(CAST(:subject_ids AS uuid[]), CAST(:numbers AS text[])) AS arrived (subject_id, facility_number)
    JOIN facility_claim AS own ON own.subject_id = arrived.subject_id
        AND (arrived.facility_number = '' OR own.facility_number IN (arrived.facility_number, ''))
    JOIN facility_claim AS other ON other.facility_number = own.facility_number AND other.subject_id <> own.subject_id
        AND (own.facility_number <> '' OR other.submission_id = own.submission_id)
""")
