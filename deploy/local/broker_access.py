"""Applies `access.py` to a Kafka cluster, our own or one from outside: passwords, rights, topics. Idempotent.

Rights of the services that the table no longer holds are removed. Providers' principals and topics are never touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import NoError

from deploy.local.access import SERVICES, TOPIC_RIGHTS, TOPICS, Operation, Topic, consumer_group
from deploy.local.errors import CannotRunError
from deploy.local.state import State


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a Kafka cluster is and how its administrator signs in."""

    bootstrap_servers: str
    admin_username: str
    admin_password_file: Path
    security_protocol: str = "SASL_PLAINTEXT"
    ca_file: Path | None = None
    # Where providers connect, if elsewhere than the services do.
    providers_bootstrap_servers: str | None = None

    def client_settings(self, username: str, password_file: Path) -> dict[str, object]:
        """Give the connection arguments of a kafka-python client that signs in as `username`."""
        settings: dict[str, object] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": username,
            "sasl_plain_password": password_file.read_text().strip(),
        }
        return settings if self.ca_file is None else {**settings, "ssl_cafile": str(self.ca_file)}

    def admin(self, *, bootstrap_seconds: float = 15.0) -> KafkaAdminClient:
        """Connect as the administrator. Raises `KafkaError` when the cluster is away or refuses the password."""
        return KafkaAdminClient(
            **self.client_settings(self.admin_username, self.admin_password_file),
            client_id="deploy.local",
            bootstrap_timeout_ms=int(bootstrap_seconds * 1000),
        )


def apply_to(cluster: Cluster, state: State) -> None:
    """Apply `access.py` to a cluster that others run."""
    with contextlib.closing(cluster.admin()) as admin:
        apply(admin, state)


def apply(admin: KafkaAdminClient, state: State) -> None:
    """Bring the services' passwords, rights and the internal topics in line with `access.py`."""
    _apply_passwords(admin, state)
    _apply_rights(admin)
    _apply_topics(admin)


def not_serving(admin: KafkaAdminClient) -> str | None:
    """Say what keeps the cluster from serving; None when every internal topic that exists has leaders for all partitions."""
    if not admin.describe_cluster()["brokers"]:
        return "no broker has registered"
    existing = set(admin.list_topics())
    names = [topic.name for topic in TOPICS if topic.name in existing]
    for topic in admin.describe_topics(names) if names else []:
        leaders = [partition["leader_id"] for partition in topic["partitions"]]
        if not leaders or min(leaders) < 0:
            return f"{topic['name']} has partitions without a leader"
    return None


def _apply_passwords(admin: KafkaAdminClient, state: State) -> None:
    upsertions = [UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, state.password(name)) for name in SERVICES]
    for name, message in admin.alter_user_scram_credentials(upsertions).items():
        if message is not None:
            raise CannotRunError(f"Kafka refused the password of {name}: {message}")


def _apply_rights(admin: KafkaAdminClient) -> None:
    wanted = set(_rights())
    present = {acl for service in SERVICES for acl in _present_rights(admin, service)}
    if (missing := list(wanted - present)) and (failed := admin.create_acls(missing)["failed"]):
        raise CannotRunError(f"Kafka refused {len(failed)} of our rights: {failed[0]}")
    if extra := list(present - wanted):
        _take_rights(admin, extra)


def _take_rights(admin: KafkaAdminClient, rights: list[ACL]) -> None:
    """Take rights away, each of which would hold on unnoticed if only the request as a whole were looked at."""
    refused = [f"{answer.__name__}: {right}" for right, _, answer in admin.delete_acls(rights) if answer is not NoError]
    if refused:
        raise CannotRunError(f"Kafka would not take {len(refused)} rights away, {refused[0]}")


def _rights() -> Iterable[ACL]:
    for right in TOPIC_RIGHTS:
        operation = ACLOperation.READ if right.operation is Operation.READ else ACLOperation.WRITE
        pattern = ACLResourcePatternType.PREFIXED if right.prefix else ACLResourcePatternType.LITERAL
        yield _allow(right.service, operation, ResourcePattern(ResourceType.TOPIC, right.topic, pattern))
    for service in SERVICES:
        yield _allow(service, ACLOperation.READ, ResourcePattern(ResourceType.GROUP, consumer_group(service)))


def _allow(service: str, operation: ACLOperation, resource: ResourcePattern) -> ACL:
    return ACL(f"User:{service}", "*", operation, ACLPermissionType.ALLOW, resource)


def _present_rights(admin: KafkaAdminClient, service: str) -> list[ACL]:
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    found, _ = admin.describe_acls(ACLFilter(f"User:{service}", None, ACLOperation.ANY, ACLPermissionType.ANY, anything))
    return list(found)


def _apply_topics(admin: KafkaAdminClient) -> None:
    existing = set(admin.list_topics())
    new = {
        topic.name: {"num_partitions": topic.partitions, "replication_factor": -1, "configs": _configuration(topic)}
        for topic in TOPICS
        if topic.name not in existing
    }
    if new:
        admin.create_topics(new, wait_for_metadata=True)
    old = [topic for topic in TOPICS if topic.name in existing]
    if not old:
        return
    described = {description["name"]: description for description in admin.describe_topics([topic.name for topic in old])}
    for topic in old:
        description = described[topic.name]
        if len(description["partitions"]) != topic.partitions:
            raise CannotRunError(
                f"{topic.name} has {len(description['partitions'])} partitions where {topic.partitions} are declared; "
                "a topic is never repartitioned in place, since records of one subject would lose their order"
            )
    answers = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, _configuration(topic)) for topic in old])["topic"]
    refused = [f"{name}: {answer}" for name, answer in answers.items() if answer != "OK"]
    if refused:
        raise CannotRunError(f"Kafka would not configure {refused[0]}")


def _configuration(topic: Topic) -> dict[str, str]:
    return {"compression.type": "zstd", "cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
