"""A record on its way through a batch of intake: what was read of it, and what is decided about it step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.collector import signatures
from services.collector.domain.envelope import Envelope
from services.collector.domain.finding import RecordFinding
from services.collector.domain.place import Place
from services.collector.domain.provider import Provider
from services.collector.domain.submission import Outcome, Received, shown
from services.common.consumer import Record


@dataclass(slots=True)
class Arrival:
    """One record on its way through a batch; the outcome is decided step by step. Its first fields are those of `ReadRecord`."""

    record: Record
    sha256: bytes
    is_json: bool
    received: Received | None
    unreadable: str
    provider: Provider
    findings: Sequence[RecordFinding] = ()
    outcome: Outcome | None = None
    submission_id: UUID | None = None
    subject_id: UUID | None = None

    @property
    def value(self) -> bytes:
        return self.record.value or b""

    @property
    def place(self) -> Place:
        record = self.record
        return Place(topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset)

    @property
    def envelope(self) -> Envelope:
        return Envelope(record_key=self.record.key, is_json=self.is_json, jws=self._jws())

    def is_signed(self) -> bool:
        return self._jws() is not None

    def _jws(self) -> bytes | None:
        return self.record.headers.get(signatures.HEADER)

    def record_number(self) -> str:
        return shown(self.received.record_number) if self.received is not None else ""

    def record_revision(self) -> int:
        return self.received.record_revision if self.received is not None else 0

    def sound(self) -> Received:
        """Give the submission of a record that could be read."""
        assert self.received is not None
        return self.received
