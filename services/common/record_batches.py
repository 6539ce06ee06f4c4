"""Turns what a poll returned into what one transaction commits: records for the handler and moves of their partitions.

Heartbeats are taken out on the way: they move the position and tell how fresh the partition is, but are nothing to handle.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from kafka import TopicPartition
from opentelemetry.trace import SpanContext

from services.common import kafka, telemetry
from services.common.fetched_records import FetchedRecord
from services.common.positions import Advance, Place

_BATCH_BYTES_MAX = 8 * 1024 * 1024


class Record(NamedTuple):
    """One record as it came, bytes undecoded. `topic_id` tells incarnations of a topic apart; the timestamp is the producer's.

    A named tuple, because millions are made: a frozen dataclass takes five times as long.
    """

    topic: str
    topic_id: UUID
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int

    @property
    def timestamp(self) -> datetime:
        """The producer may have set it to anything; what is no instant reads as the epoch."""
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(0, UTC)


@dataclass(kw_only=True)
class Batch:
    """What one transaction commits; `read` is what the handler gets of each record, `causes` the trace contexts of the first ones."""

    records: list[Record] = field(default_factory=list)
    read: list[Any] = field(default_factory=list)
    advances: dict[Place, Advance] = field(default_factory=dict)
    causes: list[SpanContext] = field(default_factory=list)

    def add(self, topic: str, place: Place, raw_records: Sequence[FetchedRecord], *, expected: int, heartbeats: bool) -> None:
        """Take in records of one partition in their order, at least one; `expected` is where the database stands.

        Without `heartbeats` a record that calls itself one is a record like any other.
        """
        topic_id, partition, newest_beat = place.topic_id, place.partition, None
        for raw in raw_records:
            headers = raw.headers
            if heartbeats and headers.get(kafka.TYPE_HEADER) == kafka.HEARTBEAT_TYPE:
                newest_beat = _heartbeat(raw.value) or newest_beat
                continue
            self.records.append(Record(topic, topic_id, partition, raw.offset, raw.key, raw.value, headers, raw.timestamp))
            if len(self.causes) < telemetry.LINKS_MAX and (cause := telemetry.context_of(headers.get(telemetry.TRACEPARENT))) is not None:
                self.causes.append(cause)
        self.advances[place] = Advance(place=place, expected=expected, next_offset=raw_records[-1].offset + 1, heartbeat_at=newest_beat)

    def without(self, places: Iterable[Place]) -> "Batch":
        """Return the batch without these partitions."""
        gone = {(place.topic_id, place.partition) for place in places}
        left = [(one, read) for one, read in zip(self.records, self.read, strict=True) if (one.topic_id, one.partition) not in gone]
        return Batch(
            records=[one for one, _ in left],
            read=[read for _, read in left],
            advances={place: advance for place, advance in self.advances.items() if (place.topic_id, place.partition) not in gone},
            causes=self.causes,
        )


def cut(
    polled: Mapping[TopicPartition, Sequence[FetchedRecord]],
    places: Mapping[TopicPartition, Place],
    expected: Mapping[TopicPartition, int],
    *,
    records_max: int,
    heartbeats: bool,
) -> Iterator[Batch]:
    """Cut what was polled into batches bounded by records and bytes; drop what is not of these places, or not `expected` there.

    `expected` is looked at anew for each batch: whoever takes one moves it on.
    """
    batch = Batch()
    size = count = 0
    for partition, raw_records in polled.items():
        place = places.get(partition)
        if place is None:
            continue
        begin = expected[partition]
        taken: list[FetchedRecord] = []
        for raw in raw_records:
            if raw.offset < begin:
                continue
            if count and (size > _BATCH_BYTES_MAX or count >= records_max):
                if taken:
                    batch.add(partition.topic, place, taken, expected=begin, heartbeats=heartbeats)
                yield batch
                batch, taken, begin = Batch(), [], expected[partition]
                size = count = 0
            size += len(raw.value or b"") + len(raw.key or b"")
            count += 1
            taken.append(raw)
        if taken:
            batch.add(partition.topic, place, taken, expected=begin, heartbeats=heartbeats)
    if batch.advances:
        yield batch


def _heartbeat(value: bytes | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat((value or b"").decode("ascii"))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
