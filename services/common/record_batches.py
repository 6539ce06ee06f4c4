"""Turns what a poll returned into what one transaction commits: records for the handler and moves of their partitions.

Heartbeats are taken out on the way: they move the position and tell how fresh the partition is, but are nothing to handle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from opentelemetry.trace import SpanContext

from services.common import kafka, telemetry
from services.common.fetched_records import FetchedRecord
from services.common.positions import Advance, Place


class Record(NamedTuple):
    """One record as it came, bytes undecoded. `topic_id` tells incarnations of a topic apart; `timestamp` is the producer's.

    A named tuple, because millions are made: a frozen dataclass takes five times as long.
    """

    topic: str
    topic_id: UUID
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp: datetime


@dataclass(kw_only=True)
class Batch:
    """What one transaction commits; `causes` are the trace contexts of the first records."""

    records: list[Record] = field(default_factory=list)
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
            self.records.append(Record(topic, topic_id, partition, raw.offset, raw.key, raw.value, headers, _instant(raw.timestamp)))
            if len(self.causes) < telemetry.LINKS_MAX and (cause := telemetry.context_of(headers.get(telemetry.TRACEPARENT))) is not None:
                self.causes.append(cause)
        self.advances[place] = Advance(place=place, expected=expected, next_offset=raw_records[-1].offset + 1, heartbeat_at=newest_beat)

    def without(self, places: Iterable[Place]) -> "Batch":
        """Return the batch without these partitions."""
        gone = set(places)
        return Batch(
            records=[one for one in self.records if Place(topic_id=one.topic_id, partition=one.partition) not in gone],
            advances={place: advance for place, advance in self.advances.items() if place not in gone},
            causes=self.causes,
        )


def _heartbeat(value: bytes | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat((value or b"").decode("ascii"))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _instant(milliseconds: int) -> datetime:
    """Read a record's timestamp, which its producer may have set to anything; what is no instant reads as the epoch."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
