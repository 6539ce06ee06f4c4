"""The consumer loop against a real database and a real broker."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from deploy.local import kafka as local_kafka
from deploy.local import postgres as local_postgres
from deploy.local.kafka import KafkaBroker
from services.common import consumer as consumer_module
from services.common import kafka, migrations
from services.common.clock import SystemClock
from services.common.consumer import Consumer, Record, Recoverable
from services.common.database import Database, Transaction
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile
from tests.integration.common.conftest import ROLE, MakeTopic, migrations_dir
from tests.integration.common.mechanism import (
    as_bytes,
    committed,
    consumer,
    eventually,
    numbered,
    query,
    running,
    send,
    settings_for,
    take,
    taken,
)

ROOT = Path(__file__).resolve().parents[3]


class TestConsume:
    def test_takes_every_record_of_every_topic_once_and_goes_on_where_it_stopped(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topics = [make_topic(partitions=3), make_topic(), make_topic()]
        for number, topic in enumerate(topics):
            send(producer, topic, numbered(100, 1000 * number))
        with running(consumer(database, kafka_settings, topics).run):
            eventually(lambda: len(taken(database)) == 300)
        send(producer, topics[0], numbered(10, 9000))
        with running(consumer(database, kafka_settings, topics).run):
            eventually(lambda: len(taken(database)) == 310)
        assert taken(database) == as_bytes(numbered(100) + numbered(100, 1000) + numbered(100, 2000) + numbered(10, 9000))

    def test_begins_at_the_beginning_of_the_log_even_if_it_was_cut(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(10))
        kafka_admin.delete_records({TopicPartition(topic, 0): 4})
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: len(taken(database)) == 6)
        assert taken(database) == as_bytes(numbered(6, 4))

    def test_hands_over_key_headers_and_time_as_they_came(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        seen: list[Record] = []
        producer.send(topic, None, b"\xff\xfe", headers=[("content-type", b"a"), ("content-type", b"b")], timestamp_ms=0).get(timeout=10)
        with running(consumer(database, kafka_settings, [topic], lambda _, records: seen.extend(records)).run):
            eventually(lambda: seen)
        (record,) = seen
        assert (record.key, record.value, record.offset, record.partition) == (b"\xff\xfe", None, 0, 0)
        assert record.headers == {"content-type": b"b"}
        assert record.timestamp == datetime(1970, 1, 1, tzinfo=UTC)

    def test_follows_a_topic_that_appears_while_it_runs(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topics = [make_topic()]
        coming = f"common.test.{uuid.uuid4().hex}"
        send(producer, topics[0], ["a"])
        with running(consumer(database, kafka_settings, lambda: [*topics, coming], group=coming).run):
            eventually(lambda: taken(database) == [b"a"])
            make_topic(coming)
            send(producer, coming, ["b"])
            eventually(lambda: len(taken(database)) == 2)
        assert taken(database) == [b"a", b"b"]

    def test_sees_a_record_without_waiting_for_the_end_of_a_poll(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # So long that whatever arrives sooner did not wait for the end of one, also on a busy machine.
        monkeypatch.setattr(consumer_module, "_POLL_MS", 3_000)
        topic = make_topic(partitions=12)
        arrived: list[float] = []
        with running(consumer(database, kafka_settings, [topic], lambda *_: arrived.append(time.monotonic())).run):
            send(producer, topic, ["first"])
            eventually(lambda: arrived)
            delays = []
            for number in range(8):
                time.sleep(0.05 * number)
                count = len(arrived)
                sent_at = time.monotonic()
                send(producer, topic, [str(number)])
                eventually(lambda count=count: len(arrived) > count)
                delays.append(arrived[-1] - sent_at)
        # On an idle machine the median is some hundredths.
        assert sorted(delays)[len(delays) // 2] < 1.0, delays

    def test_reads_the_next_batch_while_one_is_being_committed(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(10))
        read_ahead = threading.Event()

        def read(record: Record) -> Record:
            if record.value == b"000007":
                read_ahead.set()
            return record

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            if records[0].value == b"000000":
                assert read_ahead.wait(20)
            take(transaction, records)

        loop = Consumer("test", topic, lambda: [topic], handle, database, kafka_settings, max_records=5, read=read)
        with running(loop.run):
            eventually(lambda: len(taken(database)) == 10)
        assert taken(database) == as_bytes(numbered(10))

    def test_hands_over_what_read_made_of_each_record(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(3))
        handed: list[object] = []
        loop = Consumer(
            "test", topic, lambda: [topic], lambda _, read: handed.extend(read), database, kafka_settings, read=lambda record: record.value
        )
        with running(loop.run):
            eventually(lambda: len(handed) == 3)
        assert handed == as_bytes(numbered(3))

    def test_cuts_batches_by_records(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(partitions=2)
        sizes: list[int] = []
        send(producer, topic, numbered(50))

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            sizes.append(len(records))
            take(transaction, records)

        with running(consumer(database, kafka_settings, [topic], handle, max_records=7).run):
            eventually(lambda: len(taken(database)) == 50)
        assert max(sizes) == 7

    def test_calls_after_commit_once_the_records_are_visible(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        send(producer, topic, ["a"])
        visible: list[list[bytes]] = []
        loop = Consumer("test", topic, lambda: [topic], take, database, kafka_settings, lambda: visible.append(taken(database)))
        with running(loop.run):
            eventually(lambda: visible)
        assert visible == [[b"a"]]


class TestRights:
    def test_a_topic_that_may_not_be_read_stops_no_other(
        self, database: Database, kafka_broker: KafkaBroker, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        denied, allowed = make_topic(), make_topic(f"intake.test.v1.{uuid.uuid4().hex}")
        send(producer, denied, ["denied"])
        send(producer, allowed, ["allowed"])
        with running(consumer(database, settings_for(kafka_broker, "collector"), [denied, allowed], group="collector").run):
            eventually(lambda: taken(database))
            send(producer, allowed, ["more"])
            eventually(lambda: len(taken(database)) > 1)
        assert taken(database) == [b"allowed", b"more"]


class TestFailures:
    def test_delivers_again_what_a_handler_rolled_back(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(partitions=2)
        send(producer, topic, numbered(20))
        failures = [3]

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            take(transaction, records)
            if failures[0]:
                failures[0] -= 1
                raise Recoverable("not now")

        loop = consumer(database, kafka_settings, [topic], handle)
        with running(loop.run):
            eventually(lambda: len(taken(database)) >= 20)
            assert loop.healthy()
        assert taken(database) == as_bytes(numbered(20))

    def test_drops_what_was_read_behind_a_batch_that_failed_and_reads_it_again_in_its_order(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(60))
        handled: list[bytes | None] = []

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            handled.extend(record.value for record in records)
            take(transaction, records)
            # Every batch but the third fails once, while the one behind it is being read.
            if handled.count(records[0].value) == 1 and records[0].offset != 10:
                time.sleep(0.05)
                raise Recoverable("not now")

        with running(consumer(database, kafka_settings, [topic], handle, max_records=5).run):
            eventually(lambda: len(taken(database)) >= 60)
        # By transaction, not by place: PostgreSQL puts rows where those of a transaction that was rolled back had been.
        in_order = query(database, 'SELECT "offset" FROM taken ORDER BY xmin::text::bigint, "offset"')
        assert in_order == [(number,) for number in range(60)]

    def test_finishes_what_is_under_way_when_it_is_told_to_stop(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(5))
        begun = threading.Event()

        def slow(transaction: Transaction, records: Sequence[Record]) -> None:
            begun.set()
            time.sleep(0.5)
            take(transaction, records)

        with running(consumer(database, kafka_settings, [topic], slow, group=topic).run):
            assert begun.wait(20)
        assert taken(database) == as_bytes(numbered(5))
        # Told on the way out; the group's offsets come behind it.
        eventually(lambda: committed(kafka_admin, topic, topic) == 5)

    def test_a_broken_invariant_ends_the_loop_and_the_next_life_takes_the_same_records(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(5))

        def broken(transaction: Transaction, records: Sequence[Record]) -> None:
            take(transaction, records)
            raise AssertionError("cannot be")

        with pytest.raises(AssertionError, match="cannot be"):
            consumer(database, kafka_settings, [topic], broken).run(threading.Event())
        assert taken(database) == []
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: taken(database) == as_bytes(numbered(5)))

    @pytest.mark.parametrize("point", ["consumer.batch.before_commit", "consumer.batch.after_commit", "consumer.before_kafka_commit"])
    def test_killed_anywhere_takes_every_record_once(
        self,
        point: str,
        database: Database,
        postgres_settings: PostgresSettings,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
    ) -> None:
        topic = make_topic(partitions=2)
        send(producer, topic, numbered(30))
        arguments = [
            postgres_settings.url,
            str(postgres_settings.password_file.path),
            kafka_settings.bootstrap_servers[0],
            str(kafka_settings.password_file.path),
            "test",
            topic,
            point,
        ]
        killed = subprocess.run([sys.executable, "-m", "tests.integration.common.consumer_process", *arguments], cwd=ROOT, timeout=30)
        assert killed.returncode == -signal.SIGKILL
        send(producer, topic, numbered(5, 30))
        with running(consumer(database, kafka_settings, [topic], group="test").run):
            eventually(lambda: len(taken(database)) >= 35)
        assert taken(database) == as_bytes(numbered(35))

    def test_takes_every_record_once_while_members_come_and_go(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topics = [make_topic(partitions=4), make_topic()]
        values = numbered(400)
        with running(consumer(database, kafka_settings, topics).run):
            for part in range(4):
                with running(consumer(database, kafka_settings, topics).run):
                    for value in values[part * 100 : (part + 1) * 100]:
                        send(producer, topics[int(value) % 2], [value])
                    time.sleep(0.5)
            eventually(lambda: len(taken(database)) >= 400)
        assert taken(database) == as_bytes(values)

    def test_zombies_that_both_own_all_partitions_take_every_record_once(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(partitions=6)
        # Two groups are what Kafka cannot arbitrate: each loop owns every partition, as a zombie believes it does.
        loops = [consumer(database, kafka_settings, [topic], group=f"{topic}-{number}", max_records=9) for number in range(3)]
        with running(*(loop.run for loop in loops)):
            for part in range(10):
                send(producer, topic, numbered(60, 60 * part))
            eventually(lambda: len(taken(database)) >= 600)
            time.sleep(0.5)
        assert taken(database) == as_bytes(numbered(600))

    def test_loses_nothing_when_the_database_goes_away_in_between(
        self,
        state_dir: Path,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        topic = make_topic(partitions=2)
        with local_postgres.running(state_dir) as server:
            url, password_file = server.url(role=ROLE), server.password_file(ROLE)
            migrations.upgrade("common", url=url, password_file=password_file, directory=migrations_dir(state_dir / "migrations"))
            database = Database(PostgresSettings(url=url, password_file=SecretFile(password_file)), SystemClock())
            loop = consumer(database, kafka_settings, [topic])
            with running(loop.run):
                send(producer, topic, numbered(50))
                eventually(lambda: len(taken(database)) == 50)
                server.kill()
                send(producer, topic, numbered(50, 50))
                eventually(lambda: any("reading again from the last commit" in record.message for record in caplog.records))
                server.start()
                eventually(lambda: _taken_when_back(database) >= 100)
                assert loop.healthy()
            assert taken(database) == as_bytes(numbered(100))
            database.dispose()

    def test_loses_nothing_when_the_broker_goes_away_in_between(self, state_dir: Path, database: Database) -> None:
        with local_kafka.running(state_dir) as broker:
            settings = settings_for(broker)
            admin = broker.admin()
            admin.create_topics({"t": {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
            admin.close()
            own = kafka.producer(settings, client_id="test")
            loop = consumer(database, settings, ["t"])
            with running(loop.run):
                send(own, "t", numbered(50))
                eventually(lambda: len(taken(database)) == 50)
                broker.kill()
                time.sleep(1.0)
                assert loop.healthy()
                broker.start()
                own.close(timeout=1)
                own = kafka.producer(settings, client_id="test")
                send(own, "t", numbered(50, 50))
                eventually(lambda: len(taken(database)) >= 100, within_s=40)
            own.close(timeout=1)
        assert taken(database) == as_bytes(numbered(100))


def _taken_when_back(database: Database) -> int:
    try:
        return len(taken(database))
    except Exception:
        return 0
