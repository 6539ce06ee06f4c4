"""Where a consumer stands, what it does about records and offsets that are not as they should be, and what it tells of itself."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import LogTruncationError
from kafka.structs import MemberState, OffsetAndMetadata
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from services.common import consumer as consumer_module
from services.common import kafka, outbox, telemetry
from services.common.clock import SystemClock
from services.common.consumer import Record
from services.common.database import Database, Transaction
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher, OutgoingEvent
from services.common.settings import KafkaSettings
from tests.integration.common.conftest import MakeTopic
from tests.integration.common.mechanism import (
    as_bytes,
    committed,
    consumer,
    eventually,
    execute,
    numbered,
    query,
    running,
    send,
    take,
    taken,
)

ROOT = Path(__file__).resolve().parents[3]


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
            eventually(lambda: committed(kafka_admin, topic, topic) == 100)
        # The database came back from an older backup; Kafka has not heard of it.
        execute(database, 'DELETE FROM taken WHERE "offset" >= 40')
        execute(database, "UPDATE consumer_position SET next_offset = 40")
        send(producer, topic, numbered(20, 100))
        with running(consumer(database, kafka_settings, [topic], group=topic).run):
            eventually(lambda: len(taken(database)) >= 80)
            eventually(lambda: committed(kafka_admin, topic, topic) == 120)
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


class TestTruncation:
    def test_of_the_log_below_our_position_is_an_alarm_and_old_news_is_not(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        topic = make_topic()
        send(producer, topic, numbered(20))
        loop = consumer(database, kafka_settings, [topic])

        def found_out(end: int) -> None:
            # One broker never loses the end of its log; this is how the client tells of brokers that did.
            loop._client._fetcher._cached_log_truncation = LogTruncationError({TopicPartition(topic, 0): OffsetAndMetadata(end, "", 0)})

        with running(loop.run):
            eventually(lambda: len(taken(database)) == 20)
            found_out(20)
            eventually(lambda: loop._client._fetcher._cached_log_truncation is None)
            send(producer, topic, numbered(5, 20))
            eventually(lambda: len(taken(database)) == 25)
            assert not any("partition stuck" in record.message for record in caplog.records)
            found_out(24)
            eventually(lambda: any("partition stuck" in record.message for record in caplog.records))
            send(producer, topic, numbered(5, 25))
            time.sleep(1.5)
        assert len(taken(database)) == 25


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
        assert loop.healthy()


class TestMembership:
    def test_lost_without_notice_is_taken_up_by_a_new_client(
        self,
        database: Database,
        kafka_settings: KafkaSettings,
        make_topic: MakeTopic,
        producer: KafkaProducer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(consumer_module, "_UNSETTLED_S_MAX", 2.0)
        topic = make_topic()
        loop = consumer(database, kafka_settings, [topic])
        with running(loop.run):
            send(producer, topic, ["a"])
            eventually(lambda: taken(database) == [b"a"])
            before = loop._client
            # What is left of a client whose join nobody finished: no heartbeat, no place in the group, and it never asks again.
            before._coordinator.need_rejoin = lambda: False
            before._coordinator.state = MemberState.REBALANCING
            before._coordinator._disable_heartbeat()
            eventually(lambda: loop._client not in (before, None))
            send(producer, topic, ["b"])
            eventually(lambda: len(taken(database)) == 2)
        assert taken(database) == [b"a", b"b"]


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
            eventually(lambda: committed(kafka_admin, group, topic) is not None)
        assert committed(kafka_admin, group, topic) == 5
