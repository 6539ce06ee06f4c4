"""From a provider's own principal through Kafka to its notices and the account event: the loops as they run, on real servers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.intake.v1 import notice_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import LeaderNotAvailableError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from deploy.local import kafka_programs
from services.collector import new_records, subscription
from services.collector.consumer import DIRTY_SUBJECTS, Intake
from services.collector.subscription import Subscription
from services.common import kafka, work_queue
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher
from services.common.process import Polling
from services.common.settings import KafkaSettings, SecretFile
from tests.integration.collector.test_providers import Directory, applied, is_hidden
from tests.unit.collector.submissions import CODE, PROVINCE, code_of, electricity, entry, fuel, month, output, reported

__all__ = ["applied"]

TIMEOUT_S = 90.0
KINDS = {"grid": "ELECTRICITY_USE", "ent": "FUEL_USE,OUTPUT,REPORTED_EMISSIONS,REGISTRY_ENTRY"}


def publish(
    applied: Directory,
    name: str,
    domain: str,
    *sent: intake.Submission | bytes | None,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Publish as a provider on its topic of a domain; each record is acknowledged when this returns."""
    topic = f"intake.{domain}.v1.{applied.code(name)}"
    producer = KafkaProducer(**applied.client(name), acks="all", max_block_ms=5_000, max_request_size=32 * 1024 * 1024)
    try:
        futures = []
        for one in sent:
            value = one.SerializeToString() if isinstance(one, intake.Submission) else one
            own_key = one.subject_code.encode() if isinstance(one, intake.Submission) else b"key"
            futures.append(producer.send(topic, value, key=key or own_key, headers=list(headers)))
        for future in futures:
            future.get(timeout=10)
    finally:
        producer.close(timeout=1)


class Running:
    """A collector whose loops run in this process."""

    def __init__(self, applied: Directory, consumer: Consumer, subscription: Subscription) -> None:
        self.applied = applied
        self.consumer = consumer
        self.subscription = subscription

    def publish(
        self,
        name: str,
        domain: str,
        *sent: intake.Submission | bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        publish(self.applied, name, domain, *sent, key=key, headers=headers)

    def wait(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not what():
            assert time.monotonic() < deadline, (self.applied.collector.counts(), "did not come to pass in time")
            time.sleep(0.05)

    def taken_in(self, count: int) -> None:
        """Wait until so many records have an outcome."""
        self.wait(lambda: sum(self.records().values()) >= count)

    def records(self) -> dict[str, int]:
        counts = {name: int(number) for name, number in self.applied.collector.counts()["records"].items()}
        counts.pop("parked")
        return counts

    def settled(self) -> None:
        """Wait until no subject is dirty and nothing is unpublished."""
        query = "SELECT (SELECT count(*) FROM work_item) + (SELECT count(*) FROM outbox_event WHERE published_at IS NULL) AS n"
        self.wait(lambda: bool(self.applied.collector.rows(query)[0]["n"] == 0))

    def notices(self, name: str, count: int) -> list[notice_pb2.ProviderNotice]:
        """Read a provider's notices with its own principal."""
        values = self.read(self.applied.client(name), f"provider.notices.v1.{self.applied.code(name)}", count)
        return [notice_pb2.ProviderNotice.FromString(value) for value in values]

    def read(self, client: dict[str, object], topic: str, count: int) -> list[bytes]:
        """Read at least `count` records that are no heartbeats from the beginning of every partition."""
        consumer = KafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
        values: list[bytes] = []
        try:
            consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or {0}])
            consumer.seek_to_beginning()
            deadline = time.monotonic() + TIMEOUT_S
            while len(values) < count:
                assert time.monotonic() < deadline, f"{len(values)} of {count} records on {topic}"
                for records in consumer.poll(timeout_ms=250).values():
                    values += [record.value for record in records if dict(record.headers).get("ce_type") != b"heartbeat"]
            return values
        finally:
            consumer.close(autocommit=False)


def collector_settings(applied: Directory) -> KafkaSettings:
    broker = applied.broker
    return KafkaSettings(
        bootstrap_servers=(broker.bootstrap_servers,),
        username="collector",
        password_file=SecretFile(broker.password_file("collector")),
        session_timeout_ms=6_000,
    )


@contextmanager
def running(applied: Directory) -> Iterator[Running]:
    """Run consumer, worker and publisher as `serve` does, with the collector's own principal."""
    database, settings = applied.collector.database, collector_settings(applied)
    reading = Subscription(consumer="collector", database=database, kafka_settings=settings)
    consumer = Consumer(
        name="collector", group="collector", topics=reading.topics, read=new_records.read,
        handle=Intake(province=PROVINCE).handle, database=database, kafka_settings=settings, refresh_every_s=1.0,
    )  # fmt: skip
    worker = Polling("accounts", applied.collector.worker().step)
    database.subscribe(work_queue.signal(DIRTY_SUBJECTS), worker.wake)
    publisher = OutboxPublisher(database, settings, (), SystemClock(), RandomIds(), "test")
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,)) for loop in (consumer.run, worker.run, publisher.run)]
    for thread in threads:
        thread.start()
    try:
        yield Running(applied, consumer, reading)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
        reading.close()


@pytest.fixture
def path(applied: Directory) -> Iterator[Running]:
    applied.apply(**KINDS)
    with running(applied) as made:
        yield made


class TestThePath:
    def test_leads_from_submissions_to_receipts_and_the_account(self, path: Running) -> None:
        path.publish("ent", "registry", entry())
        path.publish("ent", "energy", *(fuel("1000", period=month(2024, number)) for number in range(1, 13)))
        path.publish("grid", "energy", *(electricity("50", period=month(2024, number)) for number in range(1, 13)))
        path.taken_in(25)
        path.settled()
        client = path.applied.broker.client_settings("scoring")
        events = [account_pb2.AccountRevised.FromString(one) for one in path.read(client, "bureau.account-revised.v1", 1)]
        own = [event for event in events if event.statement.subject_code == CODE and event.envelope.subject_id]
        assert own[-1].statement.evidence_count == 25
        assert sum(notice.receipt.accepted_count for notice in path.notices("grid", 1)) == 12

    def test_ends_with_every_record_accounted_for(self, path: Running) -> None:
        sound = electricity("1", record_number="1")
        sent = [sound, sound, electricity("2", record_number="1"), electricity("-1"), b"\xff\xfe", sound.SerializeToString()[:-2], None]
        path.publish("grid", "energy", *sent)
        path.publish("grid", "energy", electricity("1"), key=code_of(5).encode())
        path.publish("grid", "energy", electricity("1", record_number="JSON"))
        path.taken_in(9)
        assert path.records() == {"accepted": 2, "duplicate": 1, "rejected": 3, "quarantined": 3}
        path.settled()
        receipts = [notice.receipt for notice in path.notices("grid", 4) if notice.HasField("receipt")]
        assert sum(len(receipt.outcomes) for receipt in receipts) == 9
        assert sorted(one.offset for receipt in receipts for one in receipt.outcomes) == list(range(9))

    def test_tells_each_provider_of_its_own_records_only(self, path: Running) -> None:
        path.publish("grid", "energy", electricity("1", record_number="OF-GRID"), electricity("-1", record_number="OF-GRID-2"))
        path.publish("ent", "production", output("1", record_number="OF-ENT"))
        path.taken_in(3)
        path.settled()
        told = [str(notice) for notice in path.notices("ent", 1)]
        assert any("OF-ENT" in text for text in told)
        assert not any("OF-GRID" in text for text in told)
        assert is_hidden(path.applied, "ent", f"provider.notices.v1.{path.applied.code('grid')}")


class TestHostileInput:
    def test_of_every_sort_leaves_the_stream_moving(self, path: Running) -> None:
        hostile: list[intake.Submission | bytes | None] = [
            electricity("1").SerializeToString()[:7],
            b"\x0a\x12\xc3\x28" + b"x" * 16,
            electricity("-5"),
            electricity("1e308"),
            electricity("1", period=month(2031, 1)),
            electricity("1", code=CODE[:-1] + ("0" if CODE[-1] != "0" else "1")),
            reported("1", "1"),
            b"\x00" * 900_000,
            None,
        ]
        path.publish("grid", "energy", *hostile, electricity("7", record_number="AFTER"))
        path.taken_in(len(hostile) + 1)
        assert path.records() == {"accepted": 1, "duplicate": 0, "rejected": 5, "quarantined": 4}
        assert path.consumer.healthy()

    def test_of_10_megabytes_is_refused_by_the_broker(self, path: Running) -> None:
        with pytest.raises(MessageSizeTooLargeError):
            path.publish("grid", "energy", b"\xff" * 10 * 1024 * 1024)
        path.publish("grid", "energy", electricity("7"))
        path.taken_in(1)

    def test_of_10_megabytes_that_were_compressed_is_bounded_here(self, path: Running) -> None:
        """The broker measures what it stores: zeros shrink to nothing, so the collector has a limit of its own."""
        topic = f"intake.energy.v1.{path.applied.code('grid')}"
        producer = KafkaProducer(**path.applied.client("grid"), compression_type="zstd", max_request_size=32 * 1024 * 1024)
        try:
            producer.send(topic, b"\x00" * 10 * 1024 * 1024, key=b"key").get(timeout=10)
        finally:
            producer.close(timeout=1)
        path.publish("grid", "energy", electricity("7"))
        path.taken_in(2)
        assert path.records() == {"accepted": 1, "duplicate": 0, "rejected": 0, "quarantined": 1}

    def test_with_strange_headers_is_read_all_the_same(self, path: Running) -> None:
        headers = [("content-type", b"\xff"), ("traceparent", b"00-zz"), ("ce_type", b"x" * 1000), ("", b"")]
        path.publish("grid", "energy", electricity("7"), headers=headers)
        path.taken_in(1)
        assert path.records()["accepted"] == 1

    def test_in_json_by_its_header_is_read_as_json(self, path: Running) -> None:
        text = json_format.MessageToJson(electricity("7")).encode()
        path.publish("grid", "energy", text, key=CODE.encode(), headers=[("content-type", b"application/json")])
        path.taken_in(1)
        assert path.records()["accepted"] == 1


class TestAClientThatPacksInItsOwnWay:
    @pytest.mark.parametrize("codec", ["lz4", "snappy", "gzip", "none"])
    def test_is_read_whatever_the_codec(self, path: Running, codec: str) -> None:
        """We cannot unpack lz4 or snappy: the broker packs anew. Agencies' clients are Java, and so is this one."""
        topic = f"intake.energy.v1.{path.applied.code('grid')}"
        sent = [electricity("1", record_number=f"{codec}-{number}") for number in range(50)]
        lines = [f"content-type:application/json\t{CODE}\t{json_format.MessageToJson(one, indent=None)}" for one in sent]
        produce_with_java(path.applied, "grid", topic, codec, lines)
        path.publish("grid", "energy", electricity("7", record_number="AFTER"))
        path.taken_in(51)
        assert path.records()["accepted"] == 51


def produce_with_java(applied: Directory, name: str, topic: str, codec: str, lines: Sequence[str]) -> None:
    """Publish lines of headers, key and value with Apache Kafka's own console producer, signed in as a provider."""
    client = applied.client(name)
    login = f'username="{client["sasl_plain_username"]}" password="{client["sasl_plain_password"]}"'
    settings = {
        "security.protocol": client["security_protocol"],
        "sasl.mechanism": client["sasl_mechanism"],
        "sasl.jaas.config": f"org.apache.kafka.common.security.scram.ScramLoginModule required {login};",
        "linger.ms": "500",
    }
    file = applied.secrets_dir / "java.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    command = [
        *(kafka_programs.java(), "-cp", f"{kafka_programs.jars()}/*", "org.apache.kafka.tools.ConsoleProducer"),
        *("--bootstrap-server", str(client["bootstrap_servers"]), "--topic", topic, "--producer.config", str(file)),
        *("--compression-codec", codec, "--property", "parse.key=true", "--property", "parse.headers=true"),
    ]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr


class TestPositionsSetBackByHand:
    def test_have_the_log_read_again_and_nothing_written_twice(self, applied: Directory) -> None:
        applied.apply(**KINDS)
        with running(applied) as path:
            path.publish("grid", "energy", electricity("1", record_number="1"), electricity("-1"), b"\xff", None)
            path.taken_in(4)
        applied.collector.run("UPDATE consumer_position SET next_offset = 0")
        with running(applied) as path:
            path.publish("grid", "energy", electricity("2", record_number="2"))
            path.taken_in(5)
            path.settled()
            assert path.records() == {"accepted": 2, "duplicate": 0, "rejected": 1, "quarantined": 2}
            receipts = [notice.receipt for notice in path.notices("grid", 3) if notice.HasField("receipt")]
        assert sorted(one.offset for receipt in receipts for one in receipt.outcomes) == list(range(5))


class TestATopicMadeAgain:
    def test_is_read_from_its_beginning_and_what_was_there_is_a_duplicate(self, path: Running) -> None:
        topic = f"intake.energy.v1.{path.applied.code('grid')}"
        path.publish("grid", "energy", electricity("1", record_number="1"), electricity("2", record_number="2"))
        path.taken_in(2)
        admin = path.applied.broker.admin()
        try:
            admin.delete_topics([topic])
            path.wait(lambda: topic not in admin.list_topics())
        finally:
            admin.close()
        path.wait(lambda: bool(path.applied.apply(**KINDS).topics_created))
        path.publish("grid", "energy", electricity("1", record_number="1"), electricity("3", record_number="3"))
        path.taken_in(4)
        assert path.records() == {"accepted": 3, "duplicate": 1, "rejected": 0, "quarantined": 0}


class TestAProviderThatIsAdded:
    def test_is_heard_without_a_restart(self, path: Running) -> None:
        path.applied.apply(**KINDS, eco="REPORTED_EMISSIONS")
        path.publish("eco", "emissions", reported("5"))
        path.taken_in(1)


class TestATopicThatLeavesTheDirectory:
    @pytest.mark.parametrize("left", [{"ent": KINDS["ent"]}, {**KINDS, "grid": "OUTPUT"}], ids=["with its provider", "with its domain"])
    @pytest.mark.parametrize("known", [True, False], ids=["read before", "never read"])
    def test_is_read_to_its_end_and_then_no_more(self, applied: Directory, left: dict[str, str], known: bool) -> None:
        applied.apply(**KINDS)
        topic = f"intake.energy.v1.{applied.code('grid')}"
        if known:
            with running(applied) as path:
                path.publish("grid", "energy", electricity("1", record_number="BEFORE"))
                path.taken_in(1)
        # Nobody reads while the provider publishes and is withdrawn.
        publish(applied, "grid", "energy", electricity("2", record_number="UNREAD"))
        applied.apply(**left)
        with pytest.raises(TopicAuthorizationFailedError):
            publish(applied, "grid", "energy", electricity("3"))
        with running(applied) as path:
            path.taken_in(1 + known)
            assert path.records() == {"accepted": 1 + known, "duplicate": 0, "rejected": 0, "quarantined": 0}
            path.wait(lambda: topic not in path.subscription.topics())

    @pytest.mark.parametrize("question", ["beginnings", "ends"])
    def test_keeps_nobody_waiting_while_it_has_no_leader(
        self, applied: Directory, question: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def no_leader(*_: object) -> dict[TopicPartition, int]:
            raise LeaderNotAvailableError

        applied.apply(**KINDS)
        publish(applied, "grid", "energy", electricity("1"))
        applied.apply(ent=KINDS["ent"])
        former, current = f"intake.energy.v1.{applied.code('grid')}", f"intake.energy.v1.{applied.code('ent')}"
        settings = collector_settings(applied)
        before, begun_meanwhile = (
            Subscription(consumer="collector", database=applied.collector.database, kafka_settings=settings) for _ in range(2)
        )
        try:
            assert {former, current} <= set(before.topics())
            with monkeypatch.context() as away:
                away.setattr(kafka, question, no_leader)
                assert {former, current} <= set(before.topics())
                assert current in begun_meanwhile.topics()
                assert former not in begun_meanwhile.topics()
                assert {entry.levelname for entry in caplog.records if entry.name == subscription.__name__} == {"WARNING"}
            assert former in begun_meanwhile.topics()
        finally:
            before.close()
            begun_meanwhile.close()
