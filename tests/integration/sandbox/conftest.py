"""Two providers of these tests' own on the session's broker, made as the provider directory makes them."""

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.consumer.fetcher import ConsumerRecord

from deploy.local.kafka import KafkaBroker
from services.common.settings import KafkaSettings, SecurityProtocol
from services.sandbox.settings import SandboxSettings

# Not the province's providers: other tests of the session may make those, with passwords of their own.
GRID, STATS = "sandboxtest-grid", "sandboxtest-stats"
TOPICS = {GRID: f"intake.energy.v1.{GRID}", STATS: f"intake.production.v1.{STATS}"}


@dataclass(frozen=True, kw_only=True)
class Agencies:
    """How the two providers sign in, and what lies on their topics."""

    broker: KafkaBroker
    settings: SandboxSettings

    def access(self, provider_code: str) -> KafkaSettings:
        return self.settings.kafka_as(provider_code)

    def end(self, topic: str) -> int:
        """Give the offset after the last record of a topic of one partition."""
        with contextlib.closing(KafkaConsumer(**self.broker.client_settings("admin"))) as consumer:
            partition = TopicPartition(topic, 0)
            return int(consumer.end_offsets([partition])[partition])

    def records(self, topic: str, *, since: int) -> list[ConsumerRecord]:
        """List what lies on a topic of one partition from an offset on."""
        with contextlib.closing(KafkaConsumer(**self.broker.client_settings("admin"))) as consumer:
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, since)
            end = consumer.end_offsets([partition])[partition]
            found: list[ConsumerRecord] = []
            while consumer.position(partition) < end:
                found += consumer.poll(timeout_ms=500).get(partition, [])
            return found


@pytest.fixture(scope="session")
def agencies(kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Agencies:
    """Make both providers: a principal, the right to write its one topic and to read its notices, and the topics."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    passwords = {code: secrets.token_urlsafe(16) for code in TOPICS}
    for code, password in passwords.items():
        (folder / f"{code}.password").write_text(password)
    with contextlib.closing(kafka_broker.admin()) as admin:
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(code, ScramMechanism.SCRAM_SHA_512, password) for code, password in passwords.items()]
        )
        notices = {code: f"provider.notices.v1.{code}" for code in TOPICS}
        admin.create_topics(
            {topic: {"num_partitions": 1, "replication_factor": -1} for topic in (*TOPICS.values(), *notices.values())},
            wait_for_metadata=True,
        )
        admin.create_acls([_allow(code, ACLOperation.WRITE, topic) for code, topic in TOPICS.items()])
        admin.create_acls([_allow(code, ACLOperation.READ, topic) for code, topic in notices.items()])
    cluster = kafka_broker.cluster_of_providers
    settings = SandboxSettings(
        kafka_bootstrap_servers=(cluster.bootstrap_servers,),
        kafka_security_protocol=SecurityProtocol(cluster.security_protocol),
        kafka_ca_file=cluster.ca_file,
        secrets_dir=str(folder),
    )
    return Agencies(broker=kafka_broker, settings=settings)


def _allow(code: str, operation: ACLOperation, topic: str) -> ACL:
    resource = ResourcePattern(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    return ACL(f"User:{code}", "*", operation, ACLPermissionType.ALLOW, resource)
