"""The outbox against a real database and a real broker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.local import kafka as local_kafka
from deploy.local.kafka import KafkaBroker
from services.common import outbox, process
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher, OutgoingEvent
from services.common.settings import KafkaSettings, PostgresSettings
from tests.integration.common.conftest import MakeTopic
from tests.integration.common.mechanism import eventually, everything_in, execute, query, running, settings_for


def event(topic: str, value: str, *, key: str = "k", event_id: uuid.UUID | None = None) -> OutgoingEvent:
    return OutgoingEvent(
        topic=topic, key=key.encode(), value=value.encode(), event_id=event_id or uuid.uuid4(), event_type="test.made", subject=key
    )


def publisher(database: Database, settings: KafkaSettings, *, heartbeats: Sequence[str] = (), ttl_s: float = 3.0) -> OutboxPublisher:
    return OutboxPublisher(database, settings, heartbeats, SystemClock(), RandomIds(), "test", lease_ttl_s=ttl_s)


def add(database: Database, *events: OutgoingEvent) -> None:
    with database.transaction("test.add") as transaction:
        outbox.add_all(transaction, events)


def unpublished(database: Database) -> list[bytes]:
    return [value for (value,) in query(database, "SELECT value FROM outbox_event WHERE published_at IS NULL ORDER BY id")]


def values_in(settings: KafkaSettings, topic: str) -> list[bytes]:
    return [record.value for record in everything_in(settings, topic)]


class TestPublish:
    def test_sends_what_was_committed_with_its_cloud_event_headers(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic()
        sent = event(topic, "hello")
        add(database, sent)
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        (record,) = everything_in(kafka_settings, topic)
        headers = dict(record.headers)
        assert (record.key, record.value) == (b"k", b"hello")
        assert headers["ce_id"] == str(sent.event_id).encode()
        assert headers["ce_type"] == b"test.made"
        assert headers["ce_specversion"] == b"1.0"
        assert headers["ce_source"] == b"/admin"
        assert headers["ce_subject"] == b"k"
        assert headers["content-type"] == b"application/protobuf"
        assert datetime.fromisoformat(headers["ce_time"].decode()).utcoffset() == timedelta(0)

    def test_sends_nothing_that_was_rolled_back(self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic) -> None:
        topic = make_topic()
        with contextlib.suppress(KeyError), database.transaction("test.add") as transaction:
            outbox.add(transaction, event(topic, "never"))
            raise KeyError("rolled back")
        add(database, event(topic, "kept"))
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"kept"]

    def test_sends_an_event_that_was_added_twice_once(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic()
        one = event(topic, "once")
        add(database, one)
        add(database, one)
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"once"]

    def test_follows_a_commit_of_the_same_process_at_once(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # So long that whatever leaves sooner was not found by looking from time to time, also on a busy machine.
        monkeypatch.setattr(process, "_POLL_BUSY_S", 3.0)
        monkeypatch.setattr(process, "_POLL_IDLE_S", 3.0)
        topic = make_topic()
        latencies = []
        with running(publisher(database, kafka_settings).run):
            add(database, event(topic, "first"))
            eventually(lambda: not unpublished(database))
            for number in range(5):
                time.sleep(0.1)  # long enough for the publisher to wait again
                started = time.monotonic()
                add(database, event(topic, str(number)))
                eventually(lambda: not unpublished(database))
                latencies.append(time.monotonic() - started)
        # On an idle machine the median is some hundredths.
        assert sorted(latencies)[2] < 1.0, latencies

    def test_delivers_a_transaction_that_began_before_another_and_committed_after_it(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic()
        with running(publisher(database, kafka_settings).run):
            with database.transaction("test.a") as a:
                outbox.add(a, event(topic, "a", key="a"))
                add(database, event(topic, "b", key="b"))
                eventually(lambda: values_in(kafka_settings, topic) == [b"b"])
            eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"b", b"a"]

    def test_keeps_the_order_of_every_key_over_many_rounds(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic(partitions=3)
        with running(publisher(database, kafka_settings).run):
            for number in range(60):
                add(database, *(event(topic, f"{number}", key=f"key-{key}") for key in range(7)))
            eventually(lambda: not unpublished(database))
        seen: dict[bytes, list[int]] = {}
        for record in everything_in(kafka_settings, topic):
            seen.setdefault(record.key, []).append(int(record.value))
        assert len(seen) == 7
        assert all(numbers == list(range(60)) for numbers in seen.values())

    def test_empties_the_published_row_and_deletes_it_after_an_hour(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "_CLEAN_EVERY_S", 0.0)
        add(database, event(make_topic(), "one"), event(make_topic(), "two"))
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
            assert query(database, "SELECT count(*), count(value) FROM outbox_event") == [(2, 0)]
            execute(database, "UPDATE outbox_event SET published_at = published_at - interval '2 hours' WHERE id = 1")
            eventually(lambda: query(database, "SELECT id FROM outbox_event") == [(2,)])


class TestFailedSend:
    def test_does_not_let_a_later_event_of_the_key_overtake(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, kafka_admin: KafkaAdminClient
    ) -> None:
        topic = make_topic(max_message_bytes="2000")
        large = os.urandom(3000).hex()
        add(database, event(topic, large, key="a"), event(topic, "after", key="a"), event(topic, "other", key="b"))
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: len(unpublished(database)) == 2)
            time.sleep(1.0)  # several further rounds
            assert values_in(kafka_settings, topic) == [b"other"]
            kafka_admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "100000"})])
            eventually(lambda: not unpublished(database))
        assert [record.value for record in everything_in(kafka_settings, topic) if record.key == b"a"] == [large.encode(), b"after"]

    def test_takes_a_new_producer_after_a_denied_topic_so_that_others_go_on(
        self, database: Database, kafka_broker: KafkaBroker, make_topic: MakeTopic
    ) -> None:
        denied = make_topic()
        allowed = make_topic(f"provider.notices.v1.{uuid.uuid4().hex}")
        add(database, event(denied, "denied"), event(allowed, "one"))
        with running(publisher(database, settings_for(kafka_broker, "collector")).run):
            eventually(lambda: unpublished(database) == [b"denied"])
            add(database, event(allowed, "two"))
            eventually(lambda: unpublished(database) == [b"denied"])
        assert values_in(settings_for(kafka_broker), allowed) == [b"one", b"two"]

    def test_goes_on_with_others_when_a_topic_does_not_exist(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic()
        add(database, event(f"common.test.none-{uuid.uuid4().hex}", "nowhere"), event(topic, "somewhere"))
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: unpublished(database) == [b"nowhere"])
        assert values_in(kafka_settings, topic) == [b"somewhere"]


class TestOutage:
    def test_of_the_broker_loses_nothing_and_keeps_the_order(self, state_dir: Path, database: Database) -> None:
        with local_kafka.running(state_dir) as broker:
            settings = settings_for(broker)
            admin = broker.admin()
            admin.create_topics({"t": {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
            admin.close()
            with running(publisher(database, settings, heartbeats=["t"]).run):
                add(database, *(event("t", f"{number:03d}", key=f"k{number % 5}") for number in range(50)))
                eventually(lambda: not unpublished(database))
                broker.kill()
                add(database, *(event("t", f"{number:03d}", key=f"k{number % 5}") for number in range(50, 100)))
                time.sleep(2.0)
                assert len(unpublished(database)) == 50
                broker.start()
                eventually(lambda: not unpublished(database), within_s=60)
            seen: dict[bytes, list[bytes]] = {}
            for record in everything_in(settings, "t"):
                if record.key is not None and record.value not in seen.setdefault(record.key, []):
                    seen[record.key].append(record.value)
        assert seen == {b"k%d" % rest: [b"%03d" % number for number in range(rest, 100, 5)] for rest in range(5)}


class TestHeartbeat:
    def test_reaches_every_partition_about_once_an_interval(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "_HEARTBEAT_EVERY_S", 0.5)
        topic = make_topic(partitions=3)
        before = datetime.now(UTC)

        def beats() -> list[list[datetime]]:
            """The instants that were told, by partition."""
            records = everything_in(kafka_settings, topic)
            assert {dict(record.headers)["ce_type"] for record in records} <= {b"heartbeat"}
            return [
                [datetime.fromisoformat(record.value.decode()) for record in records if record.partition == number] for number in range(3)
            ]

        with running(publisher(database, kafka_settings, heartbeats=[topic]).run):
            eventually(lambda: all(len(told) >= 4 for told in beats()))
        for told in beats():
            assert before < told[0] <= told[-1] < datetime.now(UTC)
            # Not each half second to the millisecond on a busy machine, but nowhere near once a round.
            assert (told[-1] - told[0]) / (len(told) - 1) > timedelta(seconds=0.3)

    def test_is_withheld_while_something_older_cannot_leave(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(outbox, "_HEARTBEAT_EVERY_S", 0.2)
        topic = make_topic(max_message_bytes="2000")
        add(database, event(topic, os.urandom(3000).hex()))
        with running(publisher(database, kafka_settings, heartbeats=[topic]).run):
            eventually(lambda: any("event not published" in record.message for record in caplog.records))
            time.sleep(1.0)
        assert everything_in(kafka_settings, topic) == []


StartPublisher = Callable[[str, str], subprocess.Popen[bytes]]


@pytest.fixture
def start_publisher(postgres_settings: PostgresSettings, kafka_settings: KafkaSettings) -> Iterator[StartPublisher]:
    """Give a function that starts a publisher process which is to be killed or paused at a crash point."""
    children: list[subprocess.Popen[bytes]] = []

    def start(action: str, point: str) -> subprocess.Popen[bytes]:
        arguments = [
            postgres_settings.url,
            str(postgres_settings.password_file.path),
            kafka_settings.bootstrap_servers[0],
            str(kafka_settings.password_file.path),
            "1",
            action,
            point,
        ]
        root = Path(__file__).resolve().parents[3]
        children.append(subprocess.Popen([sys.executable, "-m", "tests.integration.common.publisher_process", *arguments], cwd=root))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait(10)


@contextlib.contextmanager
def paused(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Wait until the process has stopped itself, and wake it up after the block."""
    eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    try:
        yield
    finally:
        child.send_signal(signal.SIGCONT)


class TestPublisherProcess:
    @pytest.mark.parametrize("point", ["outbox.claim.before_commit", "outbox.claim.after_commit", "outbox.before_send"])
    def test_killed_before_the_send_loses_nothing(
        self, point: str, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, start_publisher: StartPublisher
    ) -> None:
        topic = make_topic()
        add(database, event(topic, "one"))
        assert start_publisher("kill", point).wait(20) == -signal.SIGKILL
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"one"]

    @pytest.mark.parametrize("point", ["outbox.after_send", "outbox.mark.before_commit"])
    def test_killed_between_send_and_mark_sends_the_same_id_again(
        self, point: str, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, start_publisher: StartPublisher
    ) -> None:
        topic = make_topic()
        one = event(topic, "one")
        add(database, one)
        assert start_publisher("kill", point).wait(20) == -signal.SIGKILL
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        ids = [dict(record.headers)["ce_id"] for record in everything_in(kafka_settings, topic)]
        assert ids == [str(one.event_id).encode()] * 2

    def test_killed_after_the_mark_sends_nothing_again(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, start_publisher: StartPublisher
    ) -> None:
        topic = make_topic()
        add(database, event(topic, "one"))
        assert start_publisher("kill", "outbox.mark.after_commit").wait(20) == -signal.SIGKILL
        add(database, event(topic, "two"))
        with running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"one", b"two"]

    def test_paused_before_the_send_finds_its_token_stale_and_sends_nothing(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, start_publisher: StartPublisher
    ) -> None:
        topic = make_topic()
        add(database, event(topic, "one"))
        child = start_publisher("pause", "outbox.before_send")
        with paused(child), running(publisher(database, kafka_settings).run):
            eventually(lambda: not unpublished(database))
            add(database, event(topic, "two"))
            eventually(lambda: not unpublished(database))
        # Awake again, it takes the lease that was given back, but what it had in hand is gone.
        add(database, event(topic, "three"))
        eventually(lambda: not unpublished(database))
        assert values_in(kafka_settings, topic) == [b"one", b"two", b"three"]

    def test_paused_after_the_send_may_not_mark_what_another_has_taken_over(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, start_publisher: StartPublisher
    ) -> None:
        topic = make_topic()
        add(database, event(topic, "one"))
        child = start_publisher("pause", "outbox.after_send")
        with paused(child):
            # Another holder took the lease but has not sent yet: the row is its to mark.
            execute(database, "UPDATE lease SET holder = 'other', token = token + 1, expires_at = 'infinity' WHERE name = 'outbox'")
        time.sleep(1.5)
        assert unpublished(database) == [b"one"]
        assert child.poll() is None
        assert query(database, "SELECT holder FROM lease") == [("other",)]
