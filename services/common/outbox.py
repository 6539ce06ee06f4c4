"""Hides how an event that was committed with its data reaches Kafka, at least once and in the order of its key.

`add` writes a row in the data's transaction. One publisher at a time, by a fenced lease, sends the unpublished rows and marks
those that were acknowledged. No cursor by id: ids precede commits. After a crash in between the same `ce_id` leaves again.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError
from sqlalchemy import text

from services.common import kafka, lease, metrics, telemetry
from services.common.clock import Clock
from services.common.crash import crash_point
from services.common.database import Database, Transaction, is_recoverable
from services.common.identifiers import Ids
from services.common.lease import Lease, StaleLease
from services.common.process import Polling
from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)

SIGNAL = "outbox"

_LEASE = "outbox"
_LEASE_TTL_S = 3.0
_RENEW_AFTER_S = 1.0
_EVENTS_MAX = 500
_BYTES_MAX = 16 * 1024 * 1024
_HEARTBEAT_EVERY_S = 1.0
_CLEAN_EVERY_S = 10.0
_CLEAN_ROWS_MAX = 5_000
_KEEP_PUBLISHED_S = 3_600.0
# How long a round waits for the broker before it asks the database again whether the lease is still ours.
_WAIT_SLICE_S = 0.5


@dataclass(frozen=True, kw_only=True)
class OutgoingEvent:
    """One event to publish. Events of one key leave in the order in which they were added by committed transactions."""

    topic: str
    key: bytes
    value: bytes
    event_id: UUID
    event_type: str
    subject: str | None = None
    content_type: str = "application/protobuf"


# A derived event_id that was added before is the same event made again by a replay: once is enough.
_ADD = text("""
    INSERT INTO outbox_event (event_id, topic, key, value, event_type, subject, content_type, traceparent)
    VALUES (:event_id, :topic, :key, :value, :event_type, :subject, :content_type, :traceparent)
    ON CONFLICT (event_id) DO NOTHING
""")
# Bounded by rows and by bytes; the first row always passes, however large.
_UNPUBLISHED = text("""
    SELECT id, event_id, topic, key, value, event_type, subject, content_type, traceparent, created_at, reached
    FROM (
        SELECT oldest.*, sum(octet_length(value)) OVER (ORDER BY id) AS reached
        FROM (SELECT * FROM outbox_event WHERE published_at IS NULL ORDER BY id LIMIT :events_max) AS oldest
    ) AS bounded
    WHERE reached - octet_length(value) < :bytes_max
    ORDER BY id
""")
_MARK = text("UPDATE outbox_event SET published_at = clock_timestamp(), value = NULL WHERE id = ANY(:ids) AND published_at IS NULL")
_CLEAN = text("""
    DELETE FROM outbox_event WHERE id IN (
        SELECT id FROM outbox_event WHERE published_at < clock_timestamp() - make_interval(secs => :keep_s) LIMIT :rows_max
    )
""")


def add(transaction: Transaction, event: OutgoingEvent) -> None:
    """Have `event` published once this transaction is committed; adding the same event_id twice publishes it once."""
    add_all(transaction, [event])


def add_all(transaction: Transaction, events: Iterable[OutgoingEvent]) -> None:
    """Have many events published, in this order for each key; the current trace context leaves with them."""
    traceparent = telemetry.current_traceparent()
    rows = [
        {
            "event_id": event.event_id,
            "topic": event.topic,
            "key": event.key,
            "value": event.value,
            "event_type": event.event_type,
            "subject": event.subject,
            "content_type": event.content_type,
            "traceparent": traceparent,
        }
        for event in events
    ]
    if rows:
        transaction.execute(_ADD, rows)
        transaction.announce(SIGNAL)


class _Row(NamedTuple):
    """One unpublished row, as `_UNPUBLISHED` selects it."""

    id: int
    event_id: UUID
    topic: str
    key: bytes
    value: bytes
    event_type: str
    subject: str | None
    content_type: str
    traceparent: str | None
    created_at: datetime
    reached: int


@dataclass(frozen=True, kw_only=True)
class _Claimed:
    """What one round may send. `complete` means that nothing else was unpublished at `at`."""

    lease: Lease
    rows: Sequence[_Row]
    at: datetime
    complete: bool


class OutboxPublisher:
    """Publishes the outbox of one service. Any number may run; the one with the lease works, the others wait for its term.

    Published rows lose their value at once and are deleted after an hour.
    """

    def __init__(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        heartbeats: Sequence[str],
        clock: Clock,
        ids: Ids,
        holder: str,
        *,
        lease_ttl_s: float = _LEASE_TTL_S,
    ) -> None:
        self._database = database
        self._kafka_settings = kafka_settings
        self._heartbeats = tuple(heartbeats)
        self._clock = clock
        self._ids = ids
        # Two lives of one process must not share a holder: the second would inherit the token of the first.
        self._holder = f"{holder}/{ids.new()}"
        self._source = f"/{kafka_settings.username}"
        self._lease_ttl_s = lease_ttl_s
        self._lease: Lease | None = None
        self._renewed_at = float("-inf")
        self._producer: KafkaProducer | None = None
        self._beaten_at = float("-inf")
        self._cleaned_at = time.monotonic()
        self._polling = Polling("outbox", self._round, recoverable=_recoverable)
        database.subscribe(SIGNAL, self.wake)

    def wake(self) -> None:
        """Look into the outbox now; a commit of this process that added events does it by itself."""
        self._polling.wake()

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set, then give the lease back."""
        try:
            self._polling.run(stop)
        finally:
            self._drop_producer()
            self._give_lease_back()

    def _round(self) -> bool:
        """Send what is unpublished once; return whether another round should follow at once."""
        # 1. Make sure of the lease and read what is unpublished. (crash: nothing has been sent)
        claimed = self._claim()
        if claimed is None:
            return False
        # 2. Send outside any transaction, waiting for every acknowledgement. (crash: some were sent, none is marked; the same
        #    ids leave again)
        try:
            acknowledged = self._send(claimed.rows)
            # 3. Mark what was acknowledged, if the lease is still ours. (crash before commit: as before; after: done)
            if acknowledged:
                self._mark(claimed.lease, acknowledged)
        except StaleLease:
            self._give_up()
            return False
        # 4. Tell consumers that everything up to the moment of the claim is out.
        all_out = claimed.complete and len(acknowledged) == len(claimed.rows)
        if all_out:
            self._beat(claimed)
        self._clean()
        metrics.OUTBOX_AGE.set(0.0 if all_out else telemetry.seconds_since(claimed.rows[0].created_at))
        if len(acknowledged) < len(claimed.rows):
            raise _SendsFailed(f"{len(claimed.rows) - len(acknowledged)} of {len(claimed.rows)} events were not acknowledged")
        return not claimed.complete

    def _claim(self) -> _Claimed | None:
        with self._database.transaction("outbox.claim") as transaction:
            if not self._holds_lease(transaction):
                return None
            assert self._lease is not None
            at = transaction.now()
            parameters = {"events_max": _EVENTS_MAX, "bytes_max": _BYTES_MAX}
            rows = [_Row(*row) for row in transaction.execute(_UNPUBLISHED, parameters)]
            complete = len(rows) < _EVENTS_MAX and (not rows or rows[-1].reached < _BYTES_MAX)
        return _Claimed(lease=self._lease, rows=rows, at=at, complete=complete)

    def _holds_lease(self, transaction: Transaction) -> bool:
        if self._lease is not None and time.monotonic() - self._renewed_at < _RENEW_AFTER_S:
            return True
        asked_at = time.monotonic()
        found = lease.acquire(transaction, _LEASE, self._holder, self._lease_ttl_s)
        if self._lease is not None and found != self._lease:
            # Somebody was in between. What this producer still holds must not leave any more.
            self._give_up()
        self._lease, self._renewed_at = found, asked_at
        return found is not None

    def _send(self, rows: Sequence[_Row]) -> list[int]:
        """Send the rows and return the ids of those that Kafka acknowledged.

        Waves keep the order of a key: the second event of a key is sent when its first was acknowledged, and not at all in
        this round when it was not. A pipelined second would overtake a first that failed.
        """
        acknowledged: list[int] = []
        failed: set[tuple[str, bytes]] = set()
        denied: set[str] = set()
        for wave in _waves(rows):
            sendable = [row for row in wave if (row.topic, row.key) not in failed and row.topic not in denied]
            if not sendable:
                break
            self._renew_between_waves()
            crash_point("outbox.before_send")
            outcomes = self._send_wave(sendable, denied)
            crash_point("outbox.after_send")
            for row, error in outcomes:
                if error is None:
                    acknowledged.append(row.id)
                    metrics.OUTBOX_PUBLISHED.add(1, {"topic": row.topic})
                else:
                    failed.add((row.topic, row.key))
                    self._note_failure(row, error)
        return acknowledged

    def _send_wave(self, rows: Sequence[_Row], denied: set[str]) -> list[tuple[_Row, Exception | None]]:
        outcomes: list[tuple[_Row, Exception | None]] = []
        waiting: list[tuple[_Row, Any]] = []
        for row in rows:
            if row.topic in denied:
                continue
            try:
                waiting.append((row, self._ready_producer().send(row.topic, row.value, row.key, headers=self._headers(row))))
            except KafkaError as error:
                outcomes.append((row, error))
                # No metadata for the topic: each further send to it would wait just as long.
                if isinstance(error, KafkaTimeoutError | AuthorizationError):
                    denied.add(row.topic)
        outcomes += [(row, self._outcome(future)) for row, future in waiting]
        if any(isinstance(error, AuthorizationError) for _, error in outcomes):
            self._drop_producer()
        return outcomes

    def _outcome(self, future: Any) -> Exception | None:
        """Wait for one acknowledgement; a slow broker costs renewals, not the lease."""
        while not future.is_done:
            try:
                future.get(timeout=_WAIT_SLICE_S)
            except KafkaTimeoutError:
                self._renew_between_waves()
            except KafkaError as error:
                return error
        error: Exception | None = future.exception
        return error

    def _renew_between_waves(self) -> None:
        """Renew the lease outside the claim, so that a long round keeps it and a paused one notices that it is gone."""
        if time.monotonic() - self._renewed_at < _RENEW_AFTER_S:
            return
        asked_at = time.monotonic()
        with self._database.transaction("outbox.renew") as transaction:
            found = lease.acquire(transaction, _LEASE, self._holder, self._lease_ttl_s)
        if found != self._lease:
            raise StaleLease("the outbox lease went to another publisher while sending")
        self._renewed_at = asked_at

    def _mark(self, held: Lease, ids: Sequence[int]) -> None:
        with self._database.transaction("outbox.mark") as transaction:
            lease.confirm(transaction, held)
            transaction.execute(_MARK, {"ids": sorted(ids)})

    def _beat(self, claimed: _Claimed) -> None:
        """Send one heartbeat to every partition of the owned topics, at most once a second; a lost one is no harm."""
        if not self._heartbeats or time.monotonic() - self._beaten_at < _HEARTBEAT_EVERY_S:
            return
        self._beaten_at = time.monotonic()
        value = claimed.at.astimezone(UTC).isoformat(timespec="microseconds").encode()
        futures = []
        try:
            producer = self._ready_producer()
            for topic in self._heartbeats:
                headers = self._cloud_event(str(self._ids.new()), kafka.HEARTBEAT_TYPE, value, "text/plain")
                futures += [producer.send(topic, value, partition=number, headers=headers) for number in producer.partitions_for(topic)]
            errors = [error for error in map(self._outcome, futures) if error is not None]
        except KafkaError as error:
            errors = [error]
        if errors:
            _log.warning("%d heartbeats failed: %s", len(errors), type(errors[0]).__name__)
            if any(isinstance(error, AuthorizationError) for error in errors):
                self._drop_producer()

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned_at < _CLEAN_EVERY_S:
            return
        self._cleaned_at = time.monotonic()
        with self._database.transaction("outbox.clean") as transaction:
            transaction.execute(_CLEAN, {"keep_s": _KEEP_PUBLISHED_S, "rows_max": _CLEAN_ROWS_MAX})

    def _headers(self, row: _Row) -> list[tuple[str, bytes]]:
        time_header = row.created_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
        headers = self._cloud_event(str(row.event_id), row.event_type.encode(), time_header, row.content_type)
        if row.subject is not None:
            headers.append(("ce_subject", row.subject.encode()))
        if row.traceparent is not None:
            headers.append((telemetry.TRACEPARENT, row.traceparent.encode()))
        return headers

    def _cloud_event(self, event_id: str, event_type: bytes, time_header: bytes, content_type: str) -> list[tuple[str, bytes]]:
        """CloudEvents 1.0, Kafka protocol binding, binary content mode."""
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", self._source.encode()),
            (kafka.TYPE_HEADER, event_type),
            ("ce_time", time_header),
            ("content-type", content_type.encode()),
        ]

    def _note_failure(self, row: _Row, error: Exception) -> None:
        metrics.OUTBOX_FAILED.add(1, {"topic": row.topic})
        _log.warning(
            "event not published, will be tried again: %s", type(error).__name__, extra={"topic": row.topic, "event_id": str(row.event_id)}
        )

    def _ready_producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = kafka.producer(self._kafka_settings, client_id=f"{self._kafka_settings.username}-outbox")
        return self._producer

    def _drop_producer(self) -> None:
        """Forget the producer and whatever it has not sent; the rows are still there."""
        producer, self._producer = self._producer, None
        if producer is not None:
            kafka.abandon(producer)

    def _give_up(self) -> None:
        metrics.OUTBOX_STALE.add(1)
        _log.warning("the outbox lease went to another publisher")
        self._lease = None
        self._renewed_at = float("-inf")
        self._drop_producer()

    def _give_lease_back(self) -> None:
        held, self._lease = self._lease, None
        if held is None:
            return
        try:
            with self._database.transaction("outbox.release") as transaction:
                lease.release(transaction, held)
        except Exception as error:
            if not is_recoverable(error):
                raise
            _log.warning("the outbox lease could not be given back and will run out: %s", type(error).__name__)


class _SendsFailed(Exception):
    """Kafka did not take everything; the rows stay and the next round waits a little."""


def _recoverable(error: BaseException) -> bool:
    return is_recoverable(error) or isinstance(error, KafkaError | _SendsFailed)


def _waves(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Cut the rows so that each wave has at most one event per topic and key, in the order of the rows."""
    waves: list[list[_Row]] = []
    seen: dict[tuple[str, bytes], int] = {}
    for row in rows:
        number = seen.get((row.topic, row.key), 0)
        seen[row.topic, row.key] = number + 1
        if number == len(waves):
            waves.append([])
        waves[number].append(row)
    return waves
