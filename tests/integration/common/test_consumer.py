"""The consumer loop against a real database and a real broker."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import RetriableError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from deploy.local import kafka as local_kafka
from deploy.local import postgres as local_postgres
from services.common import consumer as consumer_module
from services.common import kafka, migrations, outbox, telemetry
from services.common.clock import SystemClock
from services.common.consumer import Consumer, Record, Recoverable
from services.common.database import Database, Transaction
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher, OutgoingEvent
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile
from tests.integration.common.conftest import ROLE, MakeTopic, migrations_dir
from tests.integration.common.mechanism import eventually, execute, query, running, settings_for, take, taken

ROOT = Path(__file__).resolve().parents[3]


def consumer(
    database: Database,
    settings: KafkaSettings,
    topics: Sequence[str] | Callable[[], Sequence[str]],
    handle: Callable[[Transaction, Sequence[Record]], None] = take,
    *,
    name: str = "test",
    group: str | None = None,
    refresh_every_s: float = 0.5,
    max_records: int = 500,
) -> Consumer:
    listed = topics if callable(topics) else lambda: topics
    return Consumer(
        name, group or f"g-{topics}"[:60], listed, handle, database, settings, max_records=max_records, refresh_every_s=refresh_every_s
    )


def send(producer: KafkaProducer, topic: str, values: Sequence[str], *, partition: int | None = None, headers: list | None = None) -> None:
    futures = [producer.send(topic, value.encode(), value.encode(), headers=headers, partition=partition) for value in values]
    for future in futures:
        future.get(timeout=10)


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{number:06d}" for number in range(start, start + count)]


def as_bytes(values: Sequence[str]) -> list[bytes]:
    return [value.encode() for value in values]


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
            eventually(lambda: taken(database) == [b"a", b"b"])

    def test_sees_a_record_without_waiting_for_the_end_of_a_poll(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(partitions=12)
        arrived: list[float] = []
        with running(consumer(database, kafka_settings, [topic], lambda *_: arrived.append(time.monotonic())).run):
            send(producer, topic, ["first"])
            eventually(lambda: arrived)
            delays = []
            for number in range(15):
                time.sleep(0.1 + 0.03 * number)
                count = len(arrived)
                sent_at = time.monotonic()
                send(producer, topic, [str(number)])
                eventually(lambda count=count: len(arrived) > count)
                delays.append(arrived[-1] - sent_at)
        # A poll lasts half a second; on an idle machine the median is some hundredths.
        assert sorted(delays)[len(delays) // 2] < 0.2, delays

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
        self, state_dir: Path, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
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
                time.sleep(2.0)
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


class TestPositions:
    def test_kafkas_own_offsets_are_never_believed(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(100))
        with running(consumer(database, kafka_settings, [topic], group=topic).run):
            eventually(lambda: _committed(kafka_admin, topic, topic) == 100)
        # The database came back from an older backup; Kafka has not heard of it.
        execute(database, 'DELETE FROM taken WHERE "offset" >= 40')
        execute(database, "UPDATE consumer_position SET next_offset = 40")
        send(producer, topic, numbered(20, 100))
        with running(consumer(database, kafka_settings, [topic], group=topic).run):
            eventually(lambda: len(taken(database)) >= 80)
            eventually(lambda: _committed(kafka_admin, topic, topic) == 120)
        assert taken(database) == as_bytes(numbered(120))

    def test_a_topic_deleted_and_created_again_is_taken_from_its_beginning(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic, other = make_topic(), make_topic()
        send(producer, topic, numbered(20))
        with running(consumer(database, kafka_settings, [topic, other]).run):
            eventually(lambda: len(taken(database)) == 20)
            kafka_admin.delete_topics([topic])
            eventually(lambda: topic not in kafka_admin.list_topics())
            make_topic(topic)
            again = kafka.producer(kafka_settings, client_id="again")
            # Fewer than before, so that the old position is beyond the end, and then more, so that it is inside.
            send(again, topic, numbered(5, 100))
            eventually(lambda: len(taken(database)) >= 25)
            send(again, topic, numbered(40, 105))
            send(producer, other, ["other"])
            eventually(lambda: len(taken(database)) >= 66)
            again.close(timeout=2)
        assert taken(database) == as_bytes([*numbered(20), *numbered(45, 100), "other"])
        rows = query(database, "SELECT next_offset, retired_at IS NULL FROM consumer_position WHERE topic = :topic ORDER BY 2", topic=topic)
        assert rows == [(20, False), (45, True)]

    def test_a_topic_created_again_while_nobody_looked_skips_nothing(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(3))
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: len(taken(database)) == 3)
        kafka_admin.delete_topics([topic])
        eventually(lambda: topic not in kafka_admin.list_topics())
        make_topic(topic)
        again = kafka.producer(kafka_settings, client_id="again")
        send(again, topic, numbered(10, 100))
        again.close(timeout=2)
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: len(taken(database)) >= 13)
        assert taken(database) == as_bytes(numbered(3) + numbered(10, 100))

    def test_an_offset_out_of_range_pauses_that_partition_and_no_other(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        topic, other = make_topic(partitions=2), make_topic()
        send(producer, topic, numbered(5), partition=0)
        send(producer, topic, numbered(5, 10), partition=1)
        with running(consumer(database, kafka_settings, [topic, other]).run):
            eventually(lambda: len(taken(database)) == 10)
        # Retention runs ahead of the consumer: what it would read next is gone.
        send(producer, topic, numbered(10, 20), partition=0)
        kafka_admin.delete_records({TopicPartition(topic, 0): 12})
        with running(consumer(database, kafka_settings, [topic, other]).run):
            eventually(lambda: any("partition stuck" in record.message for record in caplog.records))
            send(producer, topic, numbered(5, 40), partition=1)
            send(producer, other, numbered(5, 50))
            eventually(lambda: len(taken(database)) == 20)
            time.sleep(1.5)
            assert query(database, "SELECT next_offset FROM consumer_position WHERE topic = :t AND partition = 0", t=topic) == [(5,)]
            # Someone looked, and decided to go on from what is left.
            execute(database, "UPDATE consumer_position SET next_offset = 12 WHERE topic = :t AND partition = 0", t=topic)
            eventually(lambda: len(taken(database)) == 23)
        assert sum("partition stuck" in record.message for record in caplog.records) == 1

    def test_an_offset_beyond_the_end_is_an_alarm_too(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(5))
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: len(taken(database)) == 5)
        execute(database, "UPDATE consumer_position SET next_offset = 1000")
        with running(consumer(database, kafka_settings, [topic]).run):
            eventually(lambda: any("partition stuck" in record.message for record in caplog.records))
        assert query(database, "SELECT next_offset FROM consumer_position") == [(1000,)]


@pytest.fixture
def tracing() -> None:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())


@pytest.mark.usefixtures("tracing")
class TestTrace:
    def test_goes_from_the_cause_through_outbox_and_consumer(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        topic = make_topic()
        traces: list[int] = []
        cause = telemetry.context_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        one = OutgoingEvent(topic=topic, key=b"k", value=b"v", event_id=uuid.uuid4(), event_type="t")
        with telemetry.span("cause", parent=cause), database.transaction("test.add") as transaction:
            outbox.add(transaction, one)

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            traces.append(trace.get_current_span().get_span_context().trace_id)

        publisher = OutboxPublisher(database, kafka_settings, (), SystemClock(), RandomIds(), "p")
        with running(publisher.run, consumer(database, kafka_settings, [topic], handle).run):
            eventually(lambda: traces)
        assert traces == [0x0AF7651916CD43DD8448EB211C80319C]

    def test_of_many_causes_is_linked_not_mixed(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        links: list[int] = []
        for number in range(1, 50):
            send(producer, topic, [str(number)], headers=[("traceparent", f"00-{number:032x}-{number:016x}-01".encode())])

        def handle(transaction: Transaction, records: Sequence[Record]) -> None:
            take(transaction, records)
            links.append(len(trace.get_current_span().links))

        with running(consumer(database, kafka_settings, [topic], handle).run):
            eventually(lambda: len(taken(database)) == 49)
        assert max(links) == telemetry.LINKS_MAX


class _Hostile(str):
    """A header name whose bytes are not UTF-8; no client of good faith can make one, but any broker takes it."""

    def encode(self, *arguments: object) -> bytes:
        return b"\xff\xfe-bad"


class TestHostileRecords:
    def test_a_header_name_that_is_no_text_stops_nothing(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic()
        seen: list[Record] = []
        send(producer, topic, ["before"])
        send(producer, topic, ["bad"], headers=[("good", b"1"), (_Hostile("bad"), b"\xff"), ("traceparent", b"\xff\xff")])
        send(producer, topic, ["after"])
        with running(consumer(database, kafka_settings, [topic], lambda _, records: seen.extend(records)).run):
            eventually(lambda: len(seen) == 3)
        assert [record.value for record in seen] == [b"before", b"bad", b"after"]
        assert seen[1].headers == {"good": b"1", "\\xff\\xfe-bad": b"\xff", "traceparent": b"\xff\xff"}

    def test_a_timestamp_beyond_all_time_stops_nothing(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(message_timestamp_after_max_ms=str(2**63 - 1))
        seen: list[Record] = []
        producer.send(topic, b"v", b"k", timestamp_ms=2**62).get(timeout=10)
        with running(consumer(database, kafka_settings, [topic], lambda _, records: seen.extend(records)).run):
            eventually(lambda: seen)
        assert seen[0].timestamp == datetime(1970, 1, 1, tzinfo=UTC)

    def test_a_batch_that_cannot_be_read_stops_its_partition_and_no_other(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        # The broker packs what it is sent anew, into a codec that this client has not got.
        unreadable, other = make_topic(compression_type="snappy"), make_topic()
        with running(consumer(database, kafka_settings, [unreadable, other]).run):
            send(producer, unreadable, ["x"])
            eventually(lambda: any("unreadable batch" in record.message for record in caplog.records))
            for number in range(10):
                send(producer, other, numbered(5, 5 * number))
                time.sleep(0.1)
            eventually(lambda: len(taken(database)) >= 50)
        assert taken(database) == as_bytes(numbered(50))
        assert sum("partition stuck" in record.message for record in caplog.records) == 1


class TestHealthy:
    def test_says_no_when_a_partition_with_records_goes_silent(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(consumer_module, "_PROGRESS_S_MAX", 1.0)
        topic = make_topic(partitions=2)
        loop = consumer(database, kafka_settings, [topic])
        with running(loop.run):
            send(producer, topic, ["a"], partition=0)
            eventually(lambda: taken(database) == [b"a"])
            assert loop.healthy()
            # What a client that forgot to fetch looks like.
            loop._client.pause(TopicPartition(topic, 1))
            send(producer, topic, ["b"], partition=1)
            eventually(lambda: not loop.healthy())
            loop._client.resume(TopicPartition(topic, 1))
            eventually(loop.healthy)
        assert taken(database) == [b"a", b"b"]

    def test_says_no_when_the_loop_hangs(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(consumer_module, "_TURN_S_MAX", 1.0)
        topic = make_topic()
        released = threading.Event()
        loop = consumer(database, kafka_settings, [topic], lambda *_: released.wait(20))
        with running(loop.run):
            eventually(loop.healthy)
            send(producer, topic, ["a"])
            eventually(lambda: not loop.healthy())
            released.set()
            eventually(loop.healthy)


class TestFreshness:
    def test_is_the_oldest_of_the_newest_heartbeats_and_hands_none_over(
        self, database: Database, kafka_settings: KafkaSettings, make_topic: MakeTopic, producer: KafkaProducer
    ) -> None:
        topic = make_topic(partitions=2)
        start = datetime(2026, 3, 1, tzinfo=UTC)

        def beat(partition: int, second: int) -> None:
            value = (start + timedelta(seconds=second)).isoformat().encode()
            headers = [(kafka.TYPE_HEADER, kafka.HEARTBEAT_TYPE)]
            producer.send(topic, value, partition=partition, headers=headers).get(timeout=10)

        loop = consumer(database, kafka_settings, [topic])

        def fresh() -> datetime | None:
            with database.transaction("test.freshness") as transaction:
                return loop.freshness(transaction)

        with running(loop.run):
            send(producer, topic, ["a"])
            beat(0, 5)
            eventually(lambda: taken(database) == [b"a"])
            assert fresh() is None
            beat(1, 7)
            eventually(lambda: fresh() == start + timedelta(seconds=5))
            beat(0, 9)
            beat(0, 8)
            eventually(lambda: fresh() == start + timedelta(seconds=7))
            producer.send(topic, b"not a time", partition=1, headers=[(kafka.TYPE_HEADER, kafka.HEARTBEAT_TYPE)]).get(timeout=10)
            send(producer, topic, ["b"])
            eventually(lambda: taken(database) == [b"a", b"b"])
        assert fresh() == start + timedelta(seconds=7)

    def test_is_unknown_while_a_topic_has_never_been_seen(self, database: Database, kafka_settings: KafkaSettings) -> None:
        loop = consumer(database, kafka_settings, ["common.test.never-made"])
        with database.transaction("test.freshness") as transaction:
            assert loop.freshness(transaction) is None


class TestKafkaCommit:
    def test_tells_kafka_where_it_is_for_lag_tools(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        kafka_admin: KafkaAdminClient,
    ) -> None:
        topic = make_topic()
        group = f"lag-{uuid.uuid4().hex}"
        send(producer, topic, numbered(5))
        with running(consumer(database, kafka_settings, [topic], group=group).run):
            eventually(lambda: _committed(kafka_admin, group, topic) == 5)


def _committed(admin: KafkaAdminClient, group: str, topic: str) -> int | None:
    try:
        offsets = admin.list_group_offsets([group])[group]
    except RetriableError:
        # The broker makes its own topic for offsets when the first group appears.
        return None
    found = offsets.get(TopicPartition(topic, 0))
    return None if found is None else found.offset
