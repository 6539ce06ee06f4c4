"""Hides how an event that was committed with its data reaches Kafka, at least once and in the order of its key.

`add` writes a row in the data's transaction. One publisher at a time, by a fenced lease, sends the unpublished rows and marks
those that were acknowledged. No cursor by id: ids precede commits. After a crash in between the same `ce_id` leaves again.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from services.common import kafka, lease, metrics, telemetry
from services.common.clock import Clock
from services.common.database import Database, Transaction, is_recoverable
from services.common.identifiers import Ids
from services.common.lease import Lease, StaleLease
from services.common.outbox_sender import Holds, Sender, SendsFailed, UnpublishedEvent
from services.common.process import Polling
from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)

SIGNAL = "outbox"
# Far above the 256 KiB that any event is designed for, compressed; a larger one could never leave and is refused when it is added.
EVENT_BYTES_MAX = 3 * 1024 * 1024

_LEASE = "outbox"
_LEASE_TTL_S = 3.0
_RENEW_AFTER_S = 1.0
_EVENTS_MAX = 500
_BYTES_MAX = 16 * 1024 * 1024
_HEARTBEAT_EVERY_S = 1.0
_CLEAN_EVERY_S = 10.0
_CLEAN_ROWS_MAX = 5_000
_KEEP_PUBLISHED_S = 3_600.0


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

    def __post_init__(self) -> None:
        if len(self.value) > EVENT_BYTES_MAX:
            raise ValueError(f"{self.event_type} of {len(self.value)} bytes is larger than any event may be")


# A derived event_id that was added before is the same event made again by a replay: once is enough.
_ADD = text("""
    INSERT INTO outbox_event (event_id, topic, key, value, event_type, subject, content_type, traceparent)
    VALUES (:event_id, :topic, :key, :value, :event_type, :subject, :content_type, :traceparent)
    ON CONFLICT (event_id) DO NOTHING
""")
# Without what is held back; bounded by rows and by bytes, but the first row always passes, however large.
_UNPUBLISHED = text("""
    SELECT id, event_id, topic, key, value, event_type, subject, content_type, traceparent, created_at, reached
    FROM (
        SELECT oldest.*, sum(octet_length(value)) OVER (ORDER BY id) AS reached
        FROM (
            SELECT * FROM outbox_event
            WHERE published_at IS NULL AND topic <> ALL(CAST(:held_topics AS text[])) AND NOT EXISTS (
                SELECT FROM unnest(CAST(:held_key_topics AS text[]), CAST(:held_keys AS bytea[])) AS held (topic, key)
                WHERE held.topic = outbox_event.topic AND held.key = outbox_event.key
            )
            ORDER BY id LIMIT :events_max
        ) AS oldest
    ) AS bounded
    WHERE reached - octet_length(value) < :bytes_max
    ORDER BY id
""")
_OLDEST = text("SELECT created_at FROM outbox_event WHERE published_at IS NULL ORDER BY id LIMIT 1")
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


@dataclass(frozen=True, kw_only=True)
class _Claimed:
    """What one round may send. `everything` means that nothing else was unpublished at `at`."""

    lease: Lease
    events: Sequence[UnpublishedEvent]
    at: datetime
    everything: bool
    more: bool
    oldest_at: datetime | None


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
        self._heartbeats = tuple(heartbeats)
        self._clock = clock
        self._ids = ids
        # Two lives of one process must not share a holder: the second would inherit the token of the first.
        self._holder = f"{holder}/{ids.new()}"
        self._lease_ttl_s = lease_ttl_s
        self._lease: Lease | None = None
        self._renewed_at = float("-inf")
        self._sender = Sender(kafka_settings, still_ours=self._renew_lease)
        self._beaten_at = float("-inf")
        self._cleaned_at = float("-inf")
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
            self._sender.forget()
            self._give_lease_back()

    def _round(self) -> bool:
        """Send what is unpublished once; return whether another round should follow at once."""
        # 1. Make sure of the lease and read what is unpublished. (crash: nothing has been sent)
        claimed = self._claim(self._sender.holds())
        if claimed is None:
            metrics.OUTBOX_AGE.set(0.0)  # for the holder of the lease to tell
            return False
        # 2. Send outside any transaction, waiting for every acknowledgement. (crash: some were sent, none is marked; the same
        #    ids leave again)
        try:
            sent = self._sender.send(claimed.events)
            # 3. Mark what was acknowledged, if the lease is still ours. (crash before commit: as before; after: done)
            if sent.acknowledged:
                self._mark(claimed.lease, sent.acknowledged)
            # 4. Tell consumers that everything up to the moment of the claim is out. (crash: the next second tells)
            all_out = claimed.everything and len(sent.acknowledged) == len(claimed.events)
            if all_out:
                self._beat(claimed.at)
        except StaleLease:
            self._give_up()
            return False
        self._clean()
        metrics.OUTBOX_AGE.set(0.0 if all_out or claimed.oldest_at is None else (self._clock.now() - claimed.oldest_at).total_seconds())
        if sent.kafka_is_away:
            raise SendsFailed(f"{len(claimed.events) - len(sent.acknowledged)} of {len(claimed.events)} events were not acknowledged")
        return claimed.more or sent.again_at_once

    def _claim(self, held: Holds) -> _Claimed | None:
        with self._database.transaction("outbox.claim") as transaction:
            if not self._holds_lease(transaction):
                return None
            assert self._lease is not None
            at = transaction.now()
            parameters = {
                "events_max": _EVENTS_MAX,
                "bytes_max": _BYTES_MAX,
                "held_topics": list(held.topics),
                "held_key_topics": [topic for topic, _ in held.keys],
                "held_keys": [key for _, key in held.keys],
            }
            events = [UnpublishedEvent._make(row) for row in transaction.execute(_UNPUBLISHED, parameters)]
            nothing_held = not held.topics and not held.keys
            oldest_at = events[0].created_at if events else None
            if not nothing_held:
                oldest_at = transaction.execute(_OLDEST).scalar_one_or_none()
        more = bool(events) and (len(events) == _EVENTS_MAX or events[-1].reached >= _BYTES_MAX)
        return _Claimed(lease=self._lease, events=events, at=at, everything=nothing_held and not more, more=more, oldest_at=oldest_at)

    def _holds_lease(self, transaction: Transaction) -> bool:
        if self._lease is not None and time.monotonic() - self._renewed_at < _RENEW_AFTER_S:
            return True
        asked_at = time.monotonic()
        found = lease.acquire(transaction, _LEASE, self._holder, self._lease_ttl_s)
        if self._lease is not None and found != self._lease:
            # Somebody was in between. What the producer still holds must not leave any more.
            self._give_up()
        self._lease, self._renewed_at = found, asked_at
        return found is not None

    def _renew_lease(self) -> None:
        """Renew the lease outside a claim, so that a long round keeps it and a paused one notices that it is gone.

        Raises:
            StaleLease: another publisher has it.
        """
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

    def _beat(self, at: datetime) -> None:
        """Send one heartbeat to every partition of the owned topics, at most once a second; a lost one is no harm."""
        if self._heartbeats and time.monotonic() - self._beaten_at >= _HEARTBEAT_EVERY_S:
            self._beaten_at = time.monotonic()
            self._sender.beat(self._heartbeats, at, self._ids)

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned_at < _CLEAN_EVERY_S:
            return
        self._cleaned_at = time.monotonic()
        with self._database.transaction("outbox.clean") as transaction:
            transaction.execute(_CLEAN, {"keep_s": _KEEP_PUBLISHED_S, "rows_max": _CLEAN_ROWS_MAX})

    def _give_up(self) -> None:
        metrics.OUTBOX_STALE.add(1)
        _log.warning("the outbox lease went to another publisher")
        self._lease = None
        self._renewed_at = float("-inf")
        self._sender.forget()

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


def _recoverable(error: BaseException) -> bool:
    return is_recoverable(error) or kafka.is_recoverable(error) or isinstance(error, SendsFailed)
