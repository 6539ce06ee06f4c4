"""Hides how events are handed to Kafka so that a failed one neither is overtaken by the next of its key nor stops the others.

A producer that failed once is replaced: after a refusal it refuses everything, after an outage it may never answer again. What was
refused is tried alone, then held back for a growing while, with all that follows under its key. Which events are sent, and what is
recorded, is not decided here.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError, RetriableError

from services.common import kafka, metrics, telemetry
from services.common.crash import crash_point
from services.common.identifiers import Ids
from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)

# How long to wait for the broker before asking again whether the lease is still ours.
_WAIT_SLICE_S = 0.5
# Beyond the producer's own time-out for a delivery: a future that is still open then will stay open.
_WAIT_MAX_S = 15.0
_HOLD_FIRST_S = 0.25
_HOLD_MAX_S = 5.0


class UnpublishedEvent(NamedTuple):
    """One row of the outbox; `reached` is the sum of value bytes up to and with this row."""

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
class Holds:
    """What must not be sent now: whole topics (denied or missing), and keys whose first event was refused."""

    topics: frozenset[str]
    keys: frozenset[tuple[str, bytes]]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of one round. `again_at_once` asks for another without a wait; `kafka_is_away` for a wait."""

    acknowledged: Sequence[int]
    again_at_once: bool
    kafka_is_away: bool


class SendsFailed(Exception):
    """Kafka did not take everything; the rows stay and the next round waits a little."""


class _TopicMissing(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """The brokers answer, but not for this topic."""


@dataclass(kw_only=True)
class _Hold:
    failures: int
    until: float


# A topic as a whole is held under (topic, None).
_HeldThing = tuple[str, bytes | None]


class Sender:
    """Sends the events of one outbox. `still_ours` raises when the right to send is gone; it is asked before every wave."""

    def __init__(self, settings: KafkaSettings, *, still_ours: Callable[[], None]) -> None:
        self._settings = settings
        self._source = f"/{settings.username}".encode()
        self._still_ours = still_ours
        self._producer: KafkaProducer | None = None
        self._holds: dict[_HeldThing, _Hold] = {}

    def holds(self) -> Holds:
        """Return what is held back at this moment; what is not listed may be tried."""
        now = time.monotonic()
        active = [thing for thing, hold in self._holds.items() if hold.until > now]
        return Holds(
            topics=frozenset(topic for topic, key in active if key is None),
            keys=frozenset((topic, key) for topic, key in active if key is not None),
        )

    def send(self, events: Sequence[UnpublishedEvent]) -> Sent:
        """Send events that are not held and return which Kafka acknowledged.

        Waves keep the order of a key: its second event is sent when the first was acknowledged, and not at all in this round
        when it was not. A second one in the pipeline would overtake a first that failed.
        """
        acknowledged: list[int] = []
        failed: set[_HeldThing] = set()
        refused: set[_HeldThing] = set()
        away = False
        for wave in self._waves(events):
            sendable = [event for event in wave if not (failed | refused) & {(event.topic, event.key), (event.topic, None)}]
            if not sendable:
                continue
            crash_point("outbox.before_send")
            # After the crash point: a process that was paused here must look before it sends.
            self._still_ours()
            outcomes = self._send_wave(sendable)
            crash_point("outbox.after_send")
            for event, error in outcomes:
                if error is None:
                    acknowledged.append(event.id)
                    self._release(event)
                    continue
                _note_failure(event, error)
                failed.add((event.topic, event.key))
                if (thing := self._refused_thing(event, error)) is not None:
                    refused.add(thing)
                else:
                    away = True
            if away:
                break
        first_time = [thing for thing in refused if self._hold(thing) == 1]
        return Sent(acknowledged=acknowledged, again_at_once=bool(first_time), kafka_is_away=away)

    def beat(self, topics: Iterable[str], at: datetime, ids: Ids) -> None:
        """Send a heartbeat with the instant `at` to every partition of `topics`; a failure is only noted."""
        value = at.astimezone(UTC).isoformat(timespec="microseconds").encode()
        deadline = time.monotonic() + _WAIT_MAX_S
        try:
            producer = self._ready_producer()
            futures = []
            for topic in topics:
                headers = self._cloud_event(str(ids.new()), kafka.HEARTBEAT_TYPE, value, "text/plain")
                futures += [producer.send(topic, value, partition=number, headers=headers) for number in producer.partitions_for(topic)]
            errors = [error for future in futures if (error := self._outcome(future, deadline)) is not None]
        except KafkaError as error:
            errors = [error]
        if errors:
            _log.warning("%d heartbeats failed: %s", len(errors), type(errors[0]).__name__)
            self._drop_producer()

    def forget(self) -> None:
        """Drop the producer with whatever it has not sent, and all that was held back; the rows are still there."""
        self._holds = {}
        self._drop_producer()

    def _waves(self, events: Sequence[UnpublishedEvent]) -> list[list[UnpublishedEvent]]:
        """Cut the events so that a wave has at most one of each key, in order; what failed before comes last, each alone."""
        waves: list[list[UnpublishedEvent]] = []
        alone: list[list[UnpublishedEvent]] = []
        seen: dict[tuple[str, bytes], int] = {}
        for event in events:
            if (event.topic, event.key) in self._holds or (event.topic, None) in self._holds:
                alone.append([event])
                continue
            number = seen.get((event.topic, event.key), 0)
            seen[event.topic, event.key] = number + 1
            if number == len(waves):
                waves.append([])
            waves[number].append(event)
        return waves + alone

    def _send_wave(self, events: Sequence[UnpublishedEvent]) -> list[tuple[UnpublishedEvent, Exception | None]]:
        outcomes: list[tuple[UnpublishedEvent, Exception | None]] = []
        waiting: list[tuple[UnpublishedEvent, Any]] = []
        unknown: dict[str, Exception] = {}
        try:
            producer = self._ready_producer()
        except KafkaError as error:
            if not kafka.is_recoverable(error):
                raise
            away = KafkaTimeoutError(f"no producer: {type(error).__name__}")
            return [(event, away) for event in events]
        deadline = time.monotonic() + _WAIT_MAX_S
        for event in events:
            if event.topic in unknown:
                # Without metadata for its topic each further send would wait just as long.
                outcomes.append((event, unknown[event.topic]))
                continue
            try:
                waiting.append((event, producer.send(event.topic, event.value, event.key, headers=self._headers(event))))
            except KafkaError as error:
                unknown[event.topic] = _TopicMissing(event.topic) if _is_missing(producer, event.topic, error) else error
                outcomes.append((event, unknown[event.topic]))
        outcomes += [(event, self._outcome(future, deadline)) for event, future in waiting]
        if any(error is not None for _, error in outcomes):
            self._drop_producer()
        return outcomes

    def _outcome(self, future: Any, deadline: float) -> Exception | None:
        """Wait for one acknowledgement; a slow broker costs renewals of the lease, not the lease."""
        failure: Exception | None = KafkaTimeoutError("the producer gave no answer")
        while not future.is_done and time.monotonic() < deadline:
            try:
                future.get(timeout=_WAIT_SLICE_S)
            except KafkaTimeoutError:
                self._still_ours()
            except KafkaError:
                break
        if future.is_done:
            failure = future.exception
        return failure

    def _release(self, event: UnpublishedEvent) -> None:
        self._holds.pop((event.topic, event.key), None)
        self._holds.pop((event.topic, None), None)
        metrics.OUTBOX_PUBLISHED.add(1, {"topic": event.topic})

    def _refused_thing(self, event: UnpublishedEvent, error: Exception) -> _HeldThing | None:
        """Say what the refusal is about, the topic or the key; None when it is rather that Kafka is away."""
        if isinstance(error, AuthorizationError | _TopicMissing):
            return (event.topic, None)
        return None if isinstance(error, RetriableError) else (event.topic, event.key)

    def _hold(self, thing: _HeldThing) -> int:
        """Hold it back, longer each time, and return how often it was refused.

        The first time it may have been another event of its batch that was refused: it is tried alone at once.
        """
        failures = self._holds[thing].failures + 1 if thing in self._holds else 1
        wait_s = 0.0 if failures == 1 else min(_HOLD_MAX_S, _HOLD_FIRST_S * 2 ** min(failures, 10))
        self._holds[thing] = _Hold(failures=failures, until=time.monotonic() + wait_s)
        return failures

    def _headers(self, event: UnpublishedEvent) -> list[tuple[str, bytes]]:
        time_header = event.created_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
        headers = self._cloud_event(str(event.event_id), event.event_type.encode(), time_header, event.content_type)
        if event.subject is not None:
            headers.append(("ce_subject", event.subject.encode()))
        if event.traceparent is not None:
            headers.append((telemetry.TRACEPARENT, event.traceparent.encode()))
        return headers

    def _cloud_event(self, event_id: str, event_type: bytes, time_header: bytes, content_type: str) -> list[tuple[str, bytes]]:
        """Make the headers of CloudEvents 1.0, Kafka protocol binding, binary content mode."""
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", self._source),
            (kafka.TYPE_HEADER, event_type),
            ("ce_time", time_header),
            ("content-type", content_type.encode()),
        ]

    def _ready_producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = kafka.producer(self._settings, client_id=f"{self._settings.username}-outbox")
        return self._producer

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            kafka.abandon(producer)


def _is_missing(producer: KafkaProducer, topic: str, error: Exception) -> bool:
    """Tell a topic that does not exist from a broker that does not answer: both are time-outs to the library."""
    if not isinstance(error, KafkaTimeoutError) or not producer.bootstrap_connected():
        return False
    return producer._metadata.partitions_for_topic(topic) is None


def _note_failure(event: UnpublishedEvent, error: Exception) -> None:
    metrics.OUTBOX_FAILED.add(1, {"topic": event.topic})
    extra = {"topic": event.topic, "event_id": str(event.event_id)}
    _log.warning("event not published, will be tried again: %s", type(error).__name__, extra=extra)
