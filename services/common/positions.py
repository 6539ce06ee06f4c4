"""Hides how far a consumer has come in each partition: rows that are advanced by compare-and-set in the transaction of the data.

A row belongs to one incarnation of a topic, by its topic id, so a topic that was deleted and created again starts anew.
Whoever advances a row another process has moved loses and must read it again: that fences every zombie.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Place:
    """One partition of one incarnation of a topic."""

    topic_id: UUID
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Advance:
    """A move of one row from `expected` to `next_offset`, with the newest heartbeat seen on the way."""

    place: Place
    expected: int
    next_offset: int
    heartbeat_at: datetime | None = None


class PartitionsLost(Exception):
    """Rows stood elsewhere than expected: another process has taken these partitions over. Nothing may be committed."""

    def __init__(self, places: Collection[Place]) -> None:
        super().__init__(f"{len(places)} partitions were advanced by another process")
        self.places = frozenset(places)


_READ = text("""
    SELECT topic_id, partition, next_offset FROM consumer_position
    WHERE consumer = :consumer AND topic_id = ANY(CAST(:topic_ids AS uuid[]))
""")
_BEGIN = text("""
    INSERT INTO consumer_position (consumer, topic_id, partition, topic, next_offset)
    SELECT :consumer, topic_id, partition, topic, next_offset
    FROM unnest(CAST(:topic_ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:topics AS text[]), CAST(:offsets AS bigint[]))
        AS new (topic_id, partition, topic, next_offset)
    ON CONFLICT (consumer, topic_id, partition) DO NOTHING
""")
_RETIRE = text("""
    UPDATE consumer_position SET retired_at = clock_timestamp()
    FROM unnest(CAST(:topics AS text[]), CAST(:topic_ids AS uuid[])) AS current (topic, topic_id)
    WHERE consumer = :consumer AND consumer_position.topic = current.topic AND consumer_position.topic_id <> current.topic_id
        AND retired_at IS NULL
""")
_LOCK = text("""
    SELECT topic_id, partition, next_offset FROM consumer_position
    WHERE consumer = :consumer
        AND (topic_id, partition) IN (SELECT * FROM unnest(CAST(:topic_ids AS uuid[]), CAST(:partitions AS integer[])))
    ORDER BY topic_id, partition
    FOR UPDATE
""")
_ADVANCE = text("""
    UPDATE consumer_position
    SET next_offset = moved.next_offset, heartbeat_at = greatest(heartbeat_at, moved.beat_at), updated_at = clock_timestamp()
    FROM unnest(CAST(:topic_ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]), CAST(:beats AS timestamptz[]))
        AS moved (topic_id, partition, next_offset, beat_at)
    WHERE consumer = :consumer AND consumer_position.topic_id = moved.topic_id AND consumer_position.partition = moved.partition
""")
_FRESHNESS = text("""
    SELECT count(DISTINCT topic) AS topics, count(*) AS partitions, count(heartbeat_at) AS beating, min(heartbeat_at) AS oldest
    FROM consumer_position
    WHERE consumer = :consumer AND topic = ANY(CAST(:topics AS text[])) AND retired_at IS NULL
""")


def read(transaction: Transaction, consumer: str, topic_ids: Iterable[UUID]) -> dict[Place, int]:
    """Return the next offset of every partition of these topics that has a row."""
    rows = transaction.execute(_READ, {"consumer": consumer, "topic_ids": sorted(set(topic_ids))})
    return {Place(topic_id=row.topic_id, partition=row.partition): row.next_offset for row in rows}


def begin(transaction: Transaction, consumer: str, topic_names: Mapping[UUID, str], offsets: Mapping[Place, int]) -> None:
    """Make the rows of new partitions; a row that another process made first stays as it is."""
    places = sorted(offsets)
    transaction.execute(
        _BEGIN,
        {
            "consumer": consumer,
            "topic_ids": [place.topic_id for place in places],
            "partitions": [place.partition for place in places],
            "topics": [topic_names[place.topic_id] for place in places],
            "offsets": [offsets[place] for place in places],
        },
    )


def retire(transaction: Transaction, consumer: str, current: Mapping[str, UUID]) -> None:
    """Mark the rows of earlier incarnations of these topics; they count no more for freshness, and stay as a trace."""
    topics = sorted(current)
    transaction.execute(_RETIRE, {"consumer": consumer, "topics": topics, "topic_ids": [current[topic] for topic in topics]})


def advance(transaction: Transaction, consumer: str, advances: Sequence[Advance]) -> None:
    """Advance all rows of a batch together, locking them in the order of their key.

    Raises:
        PartitionsLost: some rows are not where they were expected; none is moved once the caller has rolled back.
    """
    ordered = sorted(advances, key=lambda one: one.place)
    identity = {
        "consumer": consumer,
        "topic_ids": [one.place.topic_id for one in ordered],
        "partitions": [one.place.partition for one in ordered],
    }
    rows = transaction.execute(_LOCK, identity)
    found = {Place(topic_id=row.topic_id, partition=row.partition): row.next_offset for row in rows}
    lost = {one.place for one in ordered if found.get(one.place) != one.expected}
    if lost:
        raise PartitionsLost(lost)
    moved = {"offsets": [one.next_offset for one in ordered], "beats": [one.heartbeat_at for one in ordered]}
    transaction.execute(_ADVANCE, {**identity, **moved})


def freshness(transaction: Transaction, consumer: str, topics: Collection[str]) -> datetime | None:
    """Return the oldest of the newest heartbeats of all partitions; None while any partition has had none.

    Everything that was published before that instant has been committed here.
    """
    row = transaction.execute(_FRESHNESS, {"consumer": consumer, "topics": sorted(topics)}).one()
    if row.topics < len(set(topics)) or row.beating < row.partitions:
        return None
    oldest: datetime | None = row.oldest
    return oldest
