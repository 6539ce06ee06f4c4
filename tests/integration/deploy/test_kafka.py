"""The private broker: who may do what, and what a kill leaves."""

import contextlib
import os
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from deploy.local import account, broker_access, certificates, environment, kafka, screen
from deploy.local.access import TOPIC_RIGHTS, TOPICS, Operation
from deploy.local.errors import CannotRunError
from deploy.local.kafka import KafkaBroker
from deploy.local.plan import OwnKafka
from deploy.local.state import open_state

WRITERS = {right.topic: right.service for right in TOPIC_RIGHTS if right.operation is Operation.WRITE and not right.prefix}


@contextlib.contextmanager
def producing(broker: KafkaBroker, principal: str, **settings: object) -> Iterator[KafkaProducer]:
    arguments = {**broker.client_settings(principal), "acks": "all", "enable_idempotence": True, "max_block_ms": 3000, **settings}
    producer = KafkaProducer(**arguments)
    try:
        yield producer
    finally:
        producer.close(timeout=5)


@contextlib.contextmanager
def consuming(broker: KafkaBroker, principal: str, **settings: object) -> Iterator[KafkaConsumer]:
    arguments = {**broker.client_settings(principal), "enable_auto_commit": False, "auto_offset_reset": "earliest", **settings}
    consumer = KafkaConsumer(**arguments)
    try:
        yield consumer
    finally:
        consumer.close(autocommit=False)


def wait(what: Callable[[], bool]) -> None:
    """Wait until a broker says what its controller has decided: it learns of it a moment later."""
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, "did not come to pass in time"
        time.sleep(0.05)


@pytest.fixture
def admin(kafka_broker: KafkaBroker) -> Iterator[KafkaAdminClient]:
    with contextlib.closing(kafka_broker.admin()) as client:
        yield client


class TestServicePrincipals:
    @pytest.mark.parametrize("service", sorted(set(WRITERS.values())))
    def test_write_their_own_topics(self, kafka_broker, service):
        with producing(kafka_broker, service) as producer:
            for topic in (topic for topic, writer in WRITERS.items() if writer == service):
                assert producer.send(topic, b"").get(timeout=10).topic == topic

    @pytest.mark.parametrize("service", ["collector", "scoring", "reports", "gateway"])
    def test_cannot_write_the_topics_of_others(self, kafka_broker, service):
        for topic in sorted(topic for topic, writer in WRITERS.items() if writer != service):
            # Not idempotent, since the gateway may not even ask for a producer id; and a new producer for each topic, since one that was
            # denied fails its later sends too.
            with producing(kafka_broker, service, enable_idempotence=False) as producer, pytest.raises(TopicAuthorizationFailedError):
                producer.send(topic, b"").get(timeout=10)

    def test_read_what_their_table_says_as_the_group_of_their_name(self, kafka_broker):
        with producing(kafka_broker, "collector") as producer:
            sent = producer.send("bureau.account-revised.v1", b"for scoring").get(timeout=10)
        partition = TopicPartition(sent.topic, sent.partition)
        with consuming(kafka_broker, "scoring", group_id="scoring") as consumer:
            consumer.assign([partition])
            consumer.seek(partition, sent.offset)
            [record, *_] = consumer.poll(timeout_ms=10000)[partition]
            assert record.value == b"for scoring"

    def test_cannot_even_see_a_topic_that_is_not_theirs(self, kafka_broker):
        # kafka-python's consumer waits in silence for a topic it was denied; the broker's own answer is in the metadata.
        with contextlib.closing(KafkaAdminClient(**kafka_broker.client_settings("gateway"))) as gateway:
            [described] = gateway.describe_topics(["bureau.account-revised.v1"])
            assert described["error_code"] == TopicAuthorizationFailedError.errno
            assert gateway.list_topics() == ["bureau.report-revised.v1"]

    def test_cannot_join_another_service_s_group(self, kafka_broker):
        with consuming(kafka_broker, "gateway", group_id="reports") as consumer:
            consumer.subscribe(["bureau.report-revised.v1"])
            with pytest.raises(GroupAuthorizationFailedError):
                consumer.poll(timeout_ms=10000)

    def test_cannot_make_topics_or_rights(self, kafka_broker):
        with contextlib.closing(KafkaAdminClient(**kafka_broker.client_settings("collector"))) as intruder:
            with pytest.raises(KafkaError):
                intruder.create_topics({"intake.energy.v1.intruder": {"num_partitions": 1}})
            with pytest.raises(CannotRunError, match="needs ALTER permission"):
                broker_access.apply(intruder, kafka_broker.state)

    def test_are_refused_with_a_wrong_password(self, kafka_broker):
        settings = {**kafka_broker.client_settings("collector"), "sasl_plain_password": "wrong", "bootstrap_timeout_ms": 2000}
        with pytest.raises(KafkaError):
            KafkaAdminClient(**settings)

    def test_are_needed_to_connect_at_all(self, kafka_broker):
        for port in (kafka_broker.port, kafka_broker.state.port(kafka.CONTROLLER_PORT)):
            with pytest.raises(KafkaError):
                KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=1500)


class TestTopics:
    def test_are_those_of_the_table(self, admin):
        described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics([topic.name for topic in TOPICS])}
        assert described == {topic.name: 12 for topic in TOPICS}

    def test_keep_compressed_records_as_long_as_declared(self, admin):
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in TOPICS]
        found = admin.describe_configs(resources)["topic"]
        for topic in TOPICS:
            values = {name: config["value"] for name, config in found[topic.name].items()}
            assert values == {"compression.type": "zstd", "cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}

    def test_are_not_made_by_writing_to_them(self, kafka_broker):
        with producing(kafka_broker, "admin") as producer, pytest.raises(KafkaError):
            producer.send("intake.energy.v1.nobody", b"").get(timeout=3)

    def test_refuse_a_record_above_a_mebibyte(self, kafka_broker):
        with (
            producing(kafka_broker, "collector", max_request_size=20_000_000) as producer,
            pytest.raises(MessageSizeTooLargeError),
        ):
            producer.send("bureau.account-revised.v1", os.urandom(10_000_000)).get(timeout=10)


class TestApply:
    def test_changes_nothing_the_second_time(self, kafka_broker, admin):
        before = {service: set(broker_access._present_rights(admin, service)) for service in WRITERS.values()}
        broker_access.apply(admin, kafka_broker.state)
        assert {service: set(broker_access._present_rights(admin, service)) for service in WRITERS.values()} == before

    def test_takes_back_a_right_that_the_table_does_not_hold(self, kafka_broker, admin):
        grant = broker_access._allow(
            "gateway",
            broker_access.ACLOperation.WRITE,
            broker_access.ResourcePattern(broker_access.ResourceType.TOPIC, "bureau.report-revised.v1"),
        )
        admin.create_acls([grant])
        wait(lambda: grant in broker_access._present_rights(admin, "gateway"))

        broker_access.apply(admin, kafka_broker.state)

        wait(lambda: grant not in broker_access._present_rights(admin, "gateway"))

    def test_says_why_when_a_right_cannot_be_taken_back(self, kafka_broker, admin):
        rights = broker_access._present_rights(admin, "gateway")
        with (
            contextlib.closing(KafkaAdminClient(**kafka_broker.client_settings("gateway"))) as without_rights,
            pytest.raises(CannotRunError, match="ClusterAuthorizationFailed"),
        ):
            broker_access._take_rights(without_rights, rights)
        assert broker_access._present_rights(admin, "gateway") == rights


class TestBroker:
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
    def test_does_not_run_as_root(self, kafka_broker):
        assert kafka_broker.process is not None
        assert Path(f"/proc/{kafka_broker.process.pid}").stat().st_uid == account.of_servers().uid != 0

    def test_shows_no_password_on_its_command_line(self, kafka_broker):
        assert kafka_broker.process is not None
        command = Path(f"/proc/{kafka_broker.process.pid}/cmdline").read_text()
        assert kafka_broker.password_file("broker").read_text() not in command
        assert oct((kafka_broker.home / "server.properties").stat().st_mode)[-3:] == "600"

    def test_keeps_acknowledged_records_over_a_kill_and_comes_back_on_its_ports(self, state_dir):
        with kafka.running(state_dir) as broker:
            with producing(broker, "collector") as producer:
                values = [uuid.uuid4().bytes for _ in range(500)]
                sent = [producer.send("bureau.account-revised.v1", value, partition=0) for value in values]
                for future in sent:
                    future.get(timeout=10)
                broker.rotate_certificate()
                ports = dict(broker.state.ports())

                broker.kill()
                broker.start()

                assert dict(broker.state.ports()) == ports
                shown = ssl.DER_cert_to_PEM_cert(served_certificate(broker))
                assert shown == certificates.broker(broker.state).certificate_file.read_text()
                # The producer that lived through it goes on by itself.
                assert producer.send("bureau.account-revised.v1", b"after", partition=0).get(timeout=20).offset == 500
            partition = TopicPartition("bureau.account-revised.v1", 0)
            with consuming(broker, "scoring") as consumer:
                consumer.assign([partition])
                read: list[bytes] = []
                while len(read) < 501:
                    records = consumer.poll(timeout_ms=10000)
                    assert records
                    read += [record.value for record in records[partition]]
                assert read == [*values, b"after"]

    def test_knows_an_unknown_topic_from_a_denied_one_only_for_those_who_may_ask(self, kafka_broker, admin):
        with pytest.raises(UnknownTopicOrPartitionError):
            admin.delete_topics(["intake.energy.v1.nobody"])


def served_certificate(broker: KafkaBroker) -> bytes:
    """Shake hands on the providers' listener, checking name and authority, and give the certificate that was shown."""
    context = ssl.create_default_context(cafile=str(certificates.authority_file(broker.state)))
    with (
        socket.create_connection(("127.0.0.1", broker.state.port(kafka.PROVIDERS_PORT)), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
        assert shown is not None
        return shown


class TestTheProvidersListener:
    def test_speaks_tls_and_scram(self, kafka_broker):
        settings = kafka_broker.cluster_of_providers.client_settings("gateway", kafka_broker.password_file("gateway"))
        assert settings["security_protocol"] == "SASL_SSL"
        with contextlib.closing(KafkaAdminClient(**settings)) as client:
            assert client.list_topics() == ["bureau.report-revised.v1"]

    def test_is_the_one_that_the_sandbox_is_told_of_and_status_shows(self, kafka_broker):
        variables = environment.sandbox_environment(kafka_broker.state)
        port = kafka_broker.state.port(kafka.PROVIDERS_PORT)
        assert variables["CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS"] == f"127.0.0.1:{port}"
        assert variables["CARBONBUREAU_SANDBOX_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
        assert f"providers={port}" in screen.table(kafka_broker.state, [(OwnKafka(),)])

    def test_cannot_be_used_without_tls(self, kafka_broker):
        settings = kafka_broker.cluster_of_providers.client_settings("gateway", kafka_broker.password_file("gateway"))
        plain = {name: value for name, value in settings.items() if not name.startswith("ssl_")} | {"security_protocol": "SASL_PLAINTEXT"}
        with pytest.raises(KafkaError):
            KafkaAdminClient(**plain, bootstrap_timeout_ms=1500)

    def test_is_not_believed_under_another_authority(self, kafka_broker, state_dir):
        other = str(certificates.authority_file(open_state(state_dir)))
        settings = kafka_broker.cluster_of_providers.client_settings("gateway", kafka_broker.password_file("gateway"))
        with pytest.raises(KafkaError):
            KafkaAdminClient(**{**settings, "ssl_cafile": other}, bootstrap_timeout_ms=1500)

    def test_keeps_the_private_key_from_other_eyes(self, kafka_broker):
        assert oct(kafka_broker.keystore_file.stat().st_mode)[-3:] == "600"

    def test_shows_a_new_certificate_to_new_connections_while_old_ones_go_on(self, kafka_broker):
        before = served_certificate(kafka_broker)
        settings = kafka_broker.cluster_of_providers.client_settings("collector", kafka_broker.password_file("collector"))
        # Never given up by the client, so that what is sent later goes by the connection that stood before.
        with contextlib.closing(KafkaProducer(**settings, acks="all", connections_max_idle_ms=600_000)) as producer:
            producer.send("bureau.account-revised.v1", b"before", partition=1).get(timeout=10)
            connected = established(kafka_broker)
            seen = {before}
            for _ in range(2):
                kafka_broker.rotate_certificate()
                wait(lambda: served_certificate(kafka_broker) not in seen)
                seen.add(served_certificate(kafka_broker))
                producer.send("bureau.account-revised.v1", b"after", partition=1).get(timeout=10)
                assert connected <= established(kafka_broker)
        shown = ssl.DER_cert_to_PEM_cert(served_certificate(kafka_broker))
        assert shown == certificates.broker(kafka_broker.state).certificate_file.read_text()


def established(broker: KafkaBroker) -> set[str]:
    """List our own connections to the providers' listener that stand, by their local ports."""
    port = f"{broker.state.port(kafka.PROVIDERS_PORT):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[2].endswith(f":{port}") and row[3] == "01"}
