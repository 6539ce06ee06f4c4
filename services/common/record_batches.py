"""Turns what a poll returned into what one transaction commits: records for the handler and moves of their partitions.

Heartbeats are taken out on the way: they move the position and tell how fresh the partition is, but are nothing to handle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from opentelemetry.trace import SpanContext

from services.common import kafka, telemetry
from services.common.positions import Advance, Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record as it came, bytes undecoded. `topic_id` tells incarnations of a topic apart; `timestamp` is the producer's."""

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

    def add(self, topic: str, place: Place, raw: Any, *, expected: int, heartbeats: bool) -> None:
        """Take in one record of the library; `expected` is where the database stands, and counts for the first of a place.

        Without `heartbeats` a record that calls itself one is a record like any other.
        """
        headers = kafka.headers_of(raw)
        before = self.advances.get(place)
        beat = before.heartbeat_at if before is not None else None
        if heartbeats and headers.get(kafka.TYPE_HEADER) == kafka.HEARTBEAT_TYPE:
            beat = _heartbeat(raw.value) or beat
        else:
            self.records.append(
                Record(
                    topic=topic,
                    topic_id=place.topic_id,
                    partition=place.partition,
                    offset=raw.offset,
                    key=raw.key,
                    value=raw.value,
                    headers=headers,
                    timestamp=_instant(raw.timestamp),
                )
            )
            cause = telemetry.context_of(headers.get(telemetry.TRACEPARENT)) if len(self.causes) < telemetry.LINKS_MAX else None
            if cause is not None:
                self.causes.append(cause)
        self.advances[place] = Advance(
            place=place,
            expected=expected if before is None else before.expected,
            next_offset=raw.offset + 1,
            heartbeat_at=beat,
        )

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
