"""Hides how an event that a consumer could not take is kept: its place, why, and its first bytes, so that the stream goes on without it.

Whoever mends the cause reads the rest off the topic while it is retained. One row per place: a record read again stays as it was kept.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import text

from services.common import metrics
from services.common.database import Transaction
from services.common.record_batches import Record

_log = logging.getLogger(__name__)

Refusal = tuple[Record, str]

VALUE_BYTES_MAX = 64 * 1024
# A publisher gone wrong must not fill the disk: beyond so many rows place and reason are kept, and the bytes stay on the topic.
ROWS_WITH_VALUE_MAX = 10_000
_REASON_CHARACTERS_MAX = 500
_KEEP = text("""
    INSERT INTO refused_event (topic_id, partition, "offset", topic, reason, value, value_bytes)
    VALUES (:topic_id, :partition, :offset, :topic, :reason, :value, :value_bytes)
    ON CONFLICT (topic_id, partition, "offset") DO NOTHING
""")
_IS_FULL = text("SELECT count(*) >= :most FROM (SELECT 1 FROM refused_event LIMIT :most) AS kept")
_COUNT = text("SELECT count(*) FROM refused_event")


def keep(transaction: Transaction, refused: Sequence[Refusal]) -> None:
    """Keep records that could not be taken, each with its reason, in the transaction that advances the positions beyond them."""
    if refused:
        is_full = transaction.execute(_IS_FULL, {"most": ROWS_WITH_VALUE_MAX}).scalar_one()
        rows = [
            {
                "topic_id": record.topic_id,
                "partition": record.partition,
                "offset": record.offset,
                "topic": record.topic,
                "reason": reason[:_REASON_CHARACTERS_MAX],
                "value": None if record.value is None or is_full else record.value[:VALUE_BYTES_MAX],
                "value_bytes": len(record.value or b""),
            }
            for record, reason in sorted(refused, key=lambda one: (one[0].topic_id, one[0].partition, one[0].offset))
        ]
        transaction.execute(_KEEP, rows)


def tell(refused: Sequence[Refusal]) -> None:
    """Log and count what was refused. The reason may quote what the event holds: it stands in the table, never in a log."""
    for record, _ in refused:
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        _log.error("event refused, see refused_event", extra={"event": "event-refused", **place})
        metrics.EVENTS_REFUSED.add(1, {"topic": record.topic})


def count(transaction: Transaction) -> int:
    """Count what was refused so far."""
    number: int = transaction.execute(_COUNT).scalar_one()
    return number
