"""Hides how records become committed data exactly once: positions live in PostgreSQL, in the transaction of the data.

The loop subscribes to a list of topics that may change, reads its positions from the database after every change of
assignment, and advances all partitions of a batch by one compare-and-set. Kafka is only ever told for lag tools. While one batch is
being committed on a thread of its own, the loop already reads the next, which waits for the outcome.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from services.common import kafka, metrics, positions, telemetry
from services.common.crash import crash_point
from services.common.database import Database, Transaction, is_recoverable
from services.common.kafka import TopicDescription, UnreadableBatch
from services.common.positions import PartitionsLost, Place
from services.common.record_batches import Batch, Record, cut
from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)

_POLL_MS = 500
_KAFKA_COMMIT_EVERY_S = 1.0
_BACKOFF_MAX_S = 5.0
# Longer than any rebalance may take (max_poll_interval_ms): a client that is no settled member by then is given up.
_UNSETTLED_S_MAX = 90.0
# healthy(): a turn of the loop takes far less than the first; a partition that has records but has not moved for the second, while
# nothing failed, has gone silent.
_TURN_S_MAX = 60.0
_PROGRESS_S_MAX = 120.0


__all__ = ["Consumer", "Handle", "Record", "Recoverable"]

_TIMESTAMP = attrgetter("timestamp_ms")

Handle = Callable[[Transaction, Sequence[Any]], None]


class Recoverable(Exception):
    """Raised by a handler when the batch cannot be handled now but can be later; it is rolled back and read again."""


class _Generation(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Counts changes of assignment. Runs on the client's heartbeat loop, so it does nothing else."""

    def __init__(self) -> None:
        self.number = 0

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.number += 1

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.number += 1

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.number += 1


class Consumer:
    """One consumer loop. Any number may run for one `group`; Kafka deals out the partitions, the database decides.

    `handle` gets the records of a batch in the transaction that advances their positions: what it writes and the positions
    are committed together or not at all. It is called again with the same records after any failure, so it must not act
    outside the transaction. What it raises ends the loop, unless the database is away or it raised `Recoverable`.

    With `read` it gets what that made of each record instead. `read` is called while the batch before is being committed, so it
    costs no time as long as the database has work; it must depend on the record alone.
    """

    def __init__(
        self,
        name: str,
        group: str,
        topics: Callable[[], Sequence[str]],
        handle: Handle,
        database: Database,
        kafka_settings: KafkaSettings,
        after_commit: Callable[[], None] = lambda: None,
        max_records: int = 500,
        *,
        read: Callable[[Record], Any] = lambda record: record,
        refresh_every_s: float = 10.0,
        heartbeats: bool = True,
    ) -> None:
        self._name = name
        self._group = group
        self._topics = topics
        self._handle = handle
        self._database = database
        self._kafka_settings = kafka_settings
        self._after_commit = after_commit
        self._max_records = max_records
        self._read = read
        self._refresh_every_s = refresh_every_s
        # Off where strangers write: a provider's record that calls itself a heartbeat is a record like any other.
        self._heartbeats = heartbeats
        self._client: KafkaConsumer | None = None
        self._admin: KafkaAdminClient | None = None
        self._generation = _Generation()
        # The one batch that is being committed, and since when.
        self._under_way: Future[tuple[Batch, frozenset[Place]]] | None = None
        self._under_way_since = 0.0
        # The generation whose assignment was sought, and where each of its partitions will stand in the database when what is under
        # way is committed.
        self._sought: int | None = None
        self._polled_since_seek = False
        self._places: dict[TopicPartition, Place] = {}
        self._expected: dict[TopicPartition, int] = {}
        self._described: dict[str, TopicDescription] = {}
        # Partitions that cannot go on from the offset they stand at, until someone changes that offset by hand.
        self._stuck: dict[Place, int] = {}
        self._refresh_due = 0.0
        self._kafka_commit_due = 0.0
        self._to_tell_kafka: dict[TopicPartition, OffsetAndMetadata] = {}
        self._turned_at = self._settled_at = time.monotonic()
        # Partitions with records to come: the position at which they were seen first, and when.
        self._behind: dict[TopicPartition, tuple[int, float]] = {}

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set; what is in hand then is finished first."""
        failures = 0
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{self._name}-commit") as committer:
            try:
                while not stop.is_set():
                    self._turned_at = time.monotonic()
                    try:
                        self._turn(stop, committer)
                        failures = 0
                    except Exception as error:
                        failures += 1
                        self._recover(error, failures)
                        stop.wait(min(_BACKOFF_MAX_S, 0.1 * 2 ** min(failures, 10)))
                self._finish_last()
                self._tell_kafka()
            finally:
                self._close()

    def freshness(self, transaction: Transaction) -> datetime | None:
        """Return the instant up to which everything published has been committed here, or None while that is unknown."""
        return positions.freshness(transaction, self._name, self._topics())

    def healthy(self) -> bool:
        """Tell whether the loop turns and every partition with records moves; says nothing of brokers or the database being there."""
        now = time.monotonic()
        moving = all(now - since < _PROGRESS_S_MAX for _, since in list(self._behind.values()))
        under_way = self._under_way
        since = self._turned_at if under_way is None or under_way.done() else min(self._turned_at, self._under_way_since)
        return moving and now - since < _TURN_S_MAX

    def _turn(self, stop: threading.Event, committer: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        if now >= self._refresh_due:
            self._refresh()
            self._measure_lag()
        if not self._described:
            stop.wait(_POLL_MS / 1000)
            return
        if self._sought != self._generation.number:
            # Only what is under way can still move the positions that are read now.
            self._finish()
            self._seek()
        polled = self._poll()
        self._watch_membership()
        if self._sought != self._generation.number:
            # The assignment changed under the poll: these records may come from positions that are not ours.
            return
        places = {partition: place for partition, place in self._places.items() if place not in self._stuck}
        for batch in cut(polled, places, self._expected, records_max=self._max_records, heartbeats=self._heartbeats):
            batch.read = [self._read(record) for record in batch.records]
            self._finish()
            if self._sought is None:
                # A partition was lost: whether these records are ours to take is read anew.
                return
            self._begin(batch, committer)
        if self._under_way is not None and self._under_way.done():
            self._finish()
        if now >= self._kafka_commit_due:
            self._tell_kafka()

    # -- topics and assignment ------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Learn which topics exist under which ids, make the rows of new partitions, subscribe to what changed."""
        wanted = sorted(set(self._topics()))
        if self._admin is None:
            self._admin = kafka.admin(self._kafka_settings, client_id=f"{self._name}-topics")
        described = kafka.describe(self._admin, wanted)
        if described != self._described:
            missing = [topic for topic in wanted if topic not in described]
            _log.info("topics of %s: %d, missing %d %s", self._name, len(described), len(missing), missing[:5])
        self._begin_new_partitions(self._admin, described)
        if self._client is None and described:
            self._client = kafka.consumer(self._kafka_settings, group=self._group, client_id=self._name)
            self._settled_at = time.monotonic()
        if self._client is not None and set(described) != set(self._described):
            if described:
                self._client.subscribe(topics=sorted(described), listener=self._generation)
            else:
                self._client.unsubscribe()
        if described != self._described or self._stuck:
            self._sought = None
        self._described = described
        self._refresh_due = time.monotonic() + self._refresh_every_s

    def _begin_new_partitions(self, admin: KafkaAdminClient, described: Mapping[str, TopicDescription]) -> None:
        if described == self._described:
            return
        names = {one.topic_id: one.topic for one in described.values()}
        with self._database.transaction("consumer.positions") as transaction:
            known = positions.read(transaction, self._name, names)
        new = {
            TopicPartition(one.topic, number): Place(topic_id=one.topic_id, partition=number)
            for one in described.values()
            for number in range(one.partitions)
            if Place(topic_id=one.topic_id, partition=number) not in known
        }
        # The id is read before the beginning: if the topic is made again in between, this row is of an id that is gone.
        offsets = {new[partition]: offset for partition, offset in kafka.beginnings(admin, new).items()}

        def record() -> None:
            with self._database.transaction("consumer.begin") as transaction:
                positions.retire(transaction, self._name, {one.topic: one.topic_id for one in described.values()})
                if offsets:
                    positions.begin(transaction, self._name, names, offsets)

        self._database.retrying(record)

    def _seek(self) -> None:
        """Take the positions of what is assigned now from the database; pause what is stuck."""
        client = self._required_client()
        generation = self._generation.number
        assigned = {partition: self._described.get(partition.topic) for partition in client.assignment()}
        places = {
            partition: Place(topic_id=one.topic_id, partition=partition.partition) for partition, one in assigned.items() if one is not None
        }
        with self._database.transaction("consumer.positions") as transaction:
            known = positions.read(transaction, self._name, {place.topic_id for place in places.values()})
        self._places = {partition: place for partition, place in places.items() if place in known}
        self._expected = {partition: known[place] for partition, place in self._places.items()}
        current = {one.topic_id for one in self._described.values()}
        self._stuck = {
            place: offset for place, offset in self._stuck.items() if place.topic_id in current and known.get(place, offset) == offset
        }
        try:
            for partition in assigned:
                place = self._places.get(partition)
                if place is None or place in self._stuck:
                    # A partition without a row is one that appeared since the last refresh; the next makes the row.
                    client.pause(partition)
                if place is not None:
                    client.seek(partition, self._expected[partition])
                    if place not in self._stuck:
                        client.resume(partition)
        except (ValueError, KeyError):
            # The assignment changed again; the next turn sees another generation.
            self._sought = None
            return
        if len(self._places) < len(assigned):
            self._refresh_due = min(self._refresh_due, time.monotonic() + 1.0)
        self._sought = generation
        self._polled_since_seek = False
        metrics.CONSUMER_STUCK.set(len(self._stuck), {"consumer": self._name})

    # -- records ------------------------------------------------------------------------------------------------------------

    def _poll(self) -> Mapping[TopicPartition, Sequence[Any]]:
        client = self._required_client()
        try:
            polled: Mapping[TopicPartition, Sequence[Any]] = client.poll(timeout_ms=_POLL_MS, max_records=self._max_records)
            self._polled_since_seek = True
            return polled
        except NoOffsetForPartitionError:
            # Newly assigned, and the client wants to know where to begin: the database knows.
            self._sought = None
        except OffsetOutOfRangeError as error:
            self._stick(dict(error.args[0]), "offset out of range")
        except LogTruncationError as error:
            self._stick(dict.fromkeys(self._truncated(error.divergent_offsets)), "log truncated")
        except UnreadableBatch as error:
            self._stick({error.partition: None}, f"unreadable batch: {error}")
        except TopicAuthorizationFailedError:
            # The next description leaves the topic out, so that the others go on.
            self._refresh_due = 0.0
            raise
        return {}

    def _watch_membership(self) -> None:
        now = time.monotonic()
        if kafka.is_stable(self._required_client()):
            self._settled_at = now
        elif now - self._settled_at > _UNSETTLED_S_MAX:
            raise KafkaTimeoutError("no settled member of its group for too long")

    def _truncated(self, divergent: Mapping[TopicPartition, OffsetAndMetadata | None]) -> list[TopicPartition]:
        """Return the partitions whose log now ends, or differs, before the position in the database.

        The client found this out some time before it says so; what it says may be of a position before the last seek.
        """
        found = []
        for partition, end in divergent.items():
            expected = self._expected.get(partition, 0)
            if self._polled_since_seek if end is None else end.offset < expected:
                found.append(partition)
        return found

    def _stick(self, partitions: Mapping[TopicPartition, int | None], why: str) -> None:
        """Leave these partitions paused where they stand and raise the alarm, unless the topic is simply a new one."""
        before = self._places
        sought = self._sought == self._generation.number
        self._refresh()
        self._sought = None
        for partition, offset in partitions.items():
            place = before.get(partition)
            if not sought or place is None or not self._is_current(partition, place):
                continue
            if offset is not None and offset != self._expected[partition]:
                # Not from a position of ours: the client had looked one up by itself before we sought.
                continue
            self._stuck[place] = self._expected[partition]
            _log.error(
                "partition stuck, set next_offset in consumer_position by hand: %s",
                why,
                extra={"consumer": self._name, "topic": partition.topic, "partition": place.partition, "offset": self._expected[partition]},
            )

    def _begin(self, batch: Batch, committer: ThreadPoolExecutor) -> None:
        """Have a batch committed, and go on as if it were: should it fail, what was read meanwhile is dropped and read again."""
        self._under_way_since = time.monotonic()
        self._under_way = committer.submit(self._commit, batch)
        for partition, place in self._places.items():
            if (advance := batch.advances.get(place)) is not None:
                self._expected[partition] = advance.next_offset

    def _finish(self) -> None:
        """Wait for the batch that is under way, if there is one, and take note of its outcome; what failed it is raised here."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        committed, lost = under_way.result()
        if lost:
            self._sought = None
        for partition, place in self._places.items():
            if (advance := committed.advances.get(place)) is not None:
                self._to_tell_kafka[partition] = OffsetAndMetadata(advance.next_offset, "", -1)

    def _finish_last(self) -> None:
        try:
            self._finish()
        except Exception as error:
            self._recover(error, failures=1)

    # The next two run on the committer's thread and touch nothing of the loop.

    def _commit(self, batch: Batch) -> tuple[Batch, frozenset[Place]]:
        """Handle a batch and advance its positions in one transaction; without the partitions that were lost meanwhile.

        Returns what was committed, and which partitions were lost.
        """
        started = time.monotonic()
        gone: set[Place] = set()
        while batch.advances:
            try:
                # (crash before the commit: nothing has happened; after: data and positions are there)
                self._database.retrying(partial(self._commit_once, batch))
                break
            except PartitionsLost as lost:
                metrics.CONSUMER_LOST.add(len(lost.places), {"consumer": self._name})
                _log.warning("%s lost %d partitions to another process", self._name, len(lost.places))
                batch = batch.without(lost.places)
                gone |= lost.places
        if batch.records:
            labels = {"consumer": self._name}
            metrics.CONSUMER_RECORDS.add(len(batch.records), labels)
            metrics.CONSUMER_BATCH.record(time.monotonic() - started, labels)
            metrics.CONSUMER_DELAY.record(telemetry.seconds_since(min(batch.records, key=_TIMESTAMP).timestamp), labels)
            self._after_commit()
        return batch, frozenset(gone)

    def _commit_once(self, batch: Batch) -> None:
        if not batch.records:
            with self._database.transaction("consumer.batch") as transaction:
                positions.advance(transaction, self._name, list(batch.advances.values()))
            return
        with (
            telemetry.span(f"{self._name} process", causes=batch.causes, attributes={"messaging.batch.message_count": len(batch.records)}),
            self._database.transaction("consumer.batch") as transaction,
        ):
            positions.advance(transaction, self._name, list(batch.advances.values()))
            self._handle(transaction, batch.read)

    # -- the rest -------------------------------------------------------------------------------------------------------------

    def _tell_kafka(self) -> None:
        """Tell Kafka where we are, for lag tools; nothing here depends on it, so a failure is only noted."""
        if self._client is None or not self._to_tell_kafka:
            return
        crash_point("consumer.before_kafka_commit")
        assigned = self._client.assignment()
        offsets = {partition: offset for partition, offset in self._to_tell_kafka.items() if partition in assigned}
        self._to_tell_kafka = {}
        self._kafka_commit_due = time.monotonic() + _KAFKA_COMMIT_EVERY_S
        if offsets:
            self._client.commit_async(offsets, callback=_note_kafka_commit)

    def _measure_lag(self) -> None:
        """Compare the log's ends with the database's positions, and remember which partitions have records but do not move.

        Asked of the broker, not of the fetcher: a partition that the client forgot to fetch looks caught up to it. Moving means
        the client's position, which also passes what is no record (the markers of a producer's transactions).
        """
        if self._admin is None or self._client is None:
            return
        now = time.monotonic()
        current = {partition for partition, place in self._places.items() if self._is_current(partition, place)}
        lags: dict[str, int] = {}
        behind: dict[TopicPartition, tuple[int, float]] = {}
        fetched_up_to = kafka.fetch_positions(self._client)
        for partition, end in kafka.ends(self._admin, current).items():
            expected = self._expected[partition]
            lags[partition.topic] = lags.get(partition.topic, 0) + max(0, end - expected)
            position = fetched_up_to.get(partition)
            if position is not None and position < end and self._places[partition] not in self._stuck:
                seen = self._behind.get(partition)
                behind[partition] = seen if seen is not None and seen[0] == position else (position, now)
        self._behind = behind
        metrics.CONSUMER_LAG.replace({"consumer": self._name}, "topic", lags)

    def _is_current(self, partition: TopicPartition, place: Place) -> bool:
        described = self._described.get(partition.topic)
        return described is not None and described.topic_id == place.topic_id

    def _recover(self, error: Exception, failures: int) -> None:
        """Prepare to read again from the database's positions; what cannot pass by waiting is raised again."""
        if not (isinstance(error, Recoverable) or is_recoverable(error) or kafka.is_recoverable(error)):
            raise error
        metrics.CONSUMER_RETRIES.add(1, {"consumer": self._name})
        self._behind = {}
        _log.warning("%s: %s, reading again from the last commit", self._name, type(error).__name__, exc_info=failures == 1)
        self._sought = None
        if isinstance(error, KafkaError) and not isinstance(error, TopicAuthorizationFailedError):
            # Whatever state the clients are in, new ones have none.
            self._close()

    def _close(self) -> None:
        client, self._client = self._client, None
        admin, self._admin = self._admin, None
        self._described = {}
        self._refresh_due = 0.0
        for one in (client, admin):
            if one is not None:
                kafka.close(one)

    def _required_client(self) -> KafkaConsumer:
        if self._client is None:
            raise AssertionError("the loop polls only after it has subscribed")
        return self._client


def _note_kafka_commit(offsets: Any, outcome: Any) -> None:
    if isinstance(outcome, Exception):
        _log.debug("offsets not told to Kafka: %s", type(outcome).__name__)
