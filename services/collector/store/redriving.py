"""Records that were set aside and may be judged again, and what operators did about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.collector.domain.envelope import Envelope
from services.collector.domain.place import Place
from services.collector.domain.submission import Outcome
from services.collector.store.appending import append
from services.collector.tables import REDRIVE, REDRIVEN_RECORD, SKIP
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which records an operator wants judged again; what is None is not asked for."""

    outcome: Outcome
    provider_code: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """A record that was rejected or quarantined, as it is kept. `envelope` is None of one from before envelopes were kept.

    `rule_ids` are the form rules that were told of it so far.
    """

    place: Place
    provider_code: str
    value: bytes
    value_length: int
    received_at: datetime
    envelope: Envelope | None
    rule_ids: frozenset[str]


def lock(transaction: Transaction) -> None:
    """Let one transaction at a time judge records again: two would each find the same ones."""
    transaction.execute(_LOCK)


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/redrive', 0))")


def set_aside(transaction: Transaction, wanted: Wanted, *, redrive_id: UUID, limit: int) -> list[SetAside]:
    """Find records that this run has not tried and that no run has had taken in, in the order of their places."""
    statement = {Outcome.REJECTED: _REJECTED, Outcome.QUARANTINED: _QUARANTINED}[wanted.outcome]
    parameters = {
        "redrive_id": redrive_id,
        "provider_code": wanted.provider_code,
        "topic": wanted.topic,
        "partition": wanted.partition,
        "record_offset": wanted.offset,
        "limit": limit,
    }
    return [
        SetAside(
            place=Place(topic=row.topic, topic_id=row.topic_id, partition=row.partition, offset=row.record_offset),
            provider_code=row.provider_code,
            value=row.value,
            value_length=row.value_length,
            received_at=row.received_at,
            envelope=Envelope(record_key=row.record_key, is_json=row.is_json, jws=row.jws) if row.is_json is not None else None,
            rule_ids=frozenset(row.rule_ids),
        )
        for row in transaction.execute(statement, parameters)
    ]


_OF_ONE_SORT = """
    SELECT aside.topic, aside.topic_id, aside.partition, aside.record_offset, aside.provider_code, aside.value, aside.received_at,
        {length} AS value_length, envelope.record_key, envelope.is_json, envelope.jws,
        ARRAY(
            SELECT rule_id FROM record_finding AS finding
            WHERE (finding.topic_id, finding.partition, finding.record_offset) = (aside.topic_id, aside.partition, aside.record_offset)
        ) AS rule_ids
    FROM {table} AS aside
    LEFT JOIN record_envelope AS envelope USING (topic_id, partition, record_offset)
    WHERE (CAST(:provider_code AS text) IS NULL OR aside.provider_code = :provider_code)
        AND (CAST(:topic AS text) IS NULL OR aside.topic = :topic)
        AND (CAST(:partition AS integer) IS NULL OR aside.partition = :partition)
        AND (CAST(:record_offset AS bigint) IS NULL OR aside.record_offset = :record_offset)
        AND NOT EXISTS (
            SELECT FROM redriven_record AS tried
            WHERE (tried.topic_id, tried.partition, tried.record_offset) = (aside.topic_id, aside.partition, aside.record_offset)
                AND (tried.redrive_id = :redrive_id OR tried.outcome_after IN ('ACCEPTED', 'PARKED', 'DUPLICATE'))
        ) {more}
    ORDER BY aside.topic_id, aside.partition, aside.record_offset
    LIMIT :limit
"""
_REJECTED = text(_OF_ONE_SORT.format(table="rejected_record", length="length(aside.value)", more=""))
# What came out of quarantine to be rejected is among the rejected from then on.
_QUARANTINED = text(
    _OF_ONE_SORT.format(
        table="quarantined_record",
        length="aside.value_length",
        more="""AND NOT EXISTS (
            SELECT FROM rejected_record AS rejected
            WHERE (rejected.topic_id, rejected.partition, rejected.record_offset) = (aside.topic_id, aside.partition, aside.record_offset)
        )""",
    )
)


def append_redrive(transaction: Transaction, wanted: Wanted, *, redrive_id: UUID, operator: str, reason: str, at: datetime) -> None:
    """Record that an operator has records judged again, once for each run."""
    if transaction.execute(_BEGUN, {"redrive_id": redrive_id}).scalar_one():
        return
    asked = (wanted.provider_code, wanted.topic, wanted.partition, wanted.offset)
    append(transaction, REDRIVE, [(redrive_id, operator, reason, wanted.outcome.value, *asked, at)])


_BEGUN = text("SELECT EXISTS (SELECT FROM redrive WHERE redrive_id = :redrive_id)")


def append_redriven(transaction: Transaction, rows: Iterable[Sequence[Any]]) -> None:
    append(transaction, REDRIVEN_RECORD, rows)


def append_skip(transaction: Transaction, row: Sequence[Any]) -> None:
    append(transaction, SKIP, [row])
