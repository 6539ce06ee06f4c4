"""The provider directory becomes topics, principals and rights that the broker enforces."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from deploy.local.kafka import KafkaBroker
from services.collector import directory_text
from services.collector.directory_file import DirectoryRefusedError
from services.collector.providers import Applied, BrokerRefusedError, apply_directory, parse_directory, take_rights
from services.collector.store import directory
from services.common.clock import SystemClock
from services.common.kafka import user_quotas
from services.common.settings import KafkaSettings, SecretFile
from tests.integration.collector.conftest import Collector
from tests.unit.collector.test_provider_directory import KEY, X

_numbers = itertools.count(1)
ENTRY = """
[[provider]]
code = "{code}"
name = "{code}"
department = "OTHER_AUTHORITY"
purpose = "test"
legal_basis = "test"
retention_years = 5
quota = {{ records_per_day = 1_000_000, bytes_per_second = 16_777_216, request_percentage = 200 }}
kinds = [{kinds}]
bases = ["METERED", "INVOICED", "DECLARED", "VERIFIED"]
regions = ["14"]
"""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A directory of a test's own on the session's broker."""

    collector: Collector
    broker: KafkaBroker
    secrets_dir: Path
    run: int

    def code(self, name: str) -> str:
        return f"{name}-t{self.run}"

    def apply(self, **kinds: str) -> Applied:
        """Apply a directory of these providers: name and comma-separated kinds."""
        return self.apply_text(
            "".join(
                ENTRY.format(code=self.code(name), kinds=", ".join(f'"{kind}"' for kind in listed.split(",")))
                for name, listed in kinds.items()
            )
        )

    def apply_text(self, text: str) -> Applied:
        admin = KafkaSettings(
            bootstrap_servers=(self.broker.bootstrap_servers,),
            username="admin",
            password_file=SecretFile(self.broker.password_file("admin")),
        )
        return apply_directory(
            parse_directory(text), database=self.collector.database, kafka_settings=admin, secrets_dir=self.secrets_dir, clock=SystemClock()
        )

    def client(self, name: str) -> dict[str, object]:
        """Give the connection arguments of a client that signs in as this provider."""
        return self.broker.cluster.client_settings(self.code(name), self.secrets_dir / f"{self.code(name)}.password")


@pytest.fixture
def applied(collector: Collector, kafka_broker: KafkaBroker, tmp_path: Path) -> Directory:
    return Directory(collector=collector, broker=kafka_broker, secrets_dir=tmp_path / "secrets", run=next(_numbers))


def send(directory: Directory, name: str, topic: str) -> None:
    producer = KafkaProducer(**directory.client(name), acks="all", max_block_ms=5_000)
    try:
        producer.send(topic, b"value").get(timeout=10)
    finally:
        producer.close(timeout=1)


def read(directory: Directory, name: str, topic: str, *, group: str | None = None) -> None:
    """Subscribe as a provider until the broker deals out the partition or says no."""
    group = group or f"provider.{directory.code(name)}"
    consumer = KafkaConsumer(**directory.client(name), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")
    deadline = time.monotonic() + 15
    try:
        consumer.subscribe([topic])
        while not consumer.assignment():
            assert time.monotonic() < deadline, "neither given nor refused"
            consumer.poll(timeout_ms=100)
    finally:
        consumer.close(autocommit=False)


def is_hidden(directory: Directory, name: str, topic: str) -> bool:
    """Tell whether a topic is kept even from being described to a provider; who may not describe it may not read it."""
    admin = KafkaAdminClient(**directory.client(name))
    try:
        (described,) = admin.describe_topics([topic])
        return bool(described["error_code"] == TopicAuthorizationFailedError.errno)
    finally:
        admin.close()


class TestApply:
    def test_twice_changes_nothing(self, applied: Directory) -> None:
        first = applied.apply(grid="ELECTRICITY_USE", ent="FUEL_USE,OUTPUT")
        assert (len(first.topics_created), len(first.passwords_created)) == (2 + 3, 2)
        password = (applied.secrets_dir / f"{applied.code('grid')}.password").read_text()
        second = applied.apply(grid="ELECTRICITY_USE", ent="FUEL_USE,OUTPUT")
        assert (second.topics_created, second.passwords_created, second.rights_added, second.rights_removed) == ((), (), 0, 0)
        assert (applied.secrets_dir / f"{applied.code('grid')}.password").read_text() == password

    def test_makes_topics_of_one_partition(self, applied: Directory) -> None:
        created = applied.apply(grid="ELECTRICITY_USE").topics_created
        admin = applied.broker.admin()
        try:
            assert [len(topic["partitions"]) for topic in admin.describe_topics(list(created))] == [1, 1]
        finally:
            admin.close()

    def test_has_every_topic_compressed_by_the_broker_also_one_that_was_made_before(self, applied: Directory) -> None:
        created = applied.apply(grid="ELECTRICITY_USE").topics_created
        older = f"intake.energy.v1.{applied.code('grid')}"
        admin = applied.broker.admin()
        try:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, older, {"compression.type": "producer"})])
            assert applied.apply(grid="ELECTRICITY_USE").topics_altered == (older,)
            assert applied.apply(grid="ELECTRICITY_USE").topics_altered == ()
            described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic) for topic in created], config_filter="all")
            assert {described["topic"][topic]["compression.type"]["value"] for topic in created} == {"zstd"}
        finally:
            admin.close()

    def test_keeps_passwords_from_other_eyes(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE")
        (file,) = applied.secrets_dir.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600

    def test_withdraws_who_left_and_takes_their_rights(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE")
        changed = applied.apply(tax="FUEL_USE")
        assert changed.rights_removed == 4
        with applied.collector.database.transaction("test.read") as transaction:
            assert list(directory.providers(transaction)) == [applied.code("tax")]
        with pytest.raises(TopicAuthorizationFailedError):
            send(applied, "grid", f"intake.energy.v1.{applied.code('grid')}")

    def test_takes_the_right_to_a_kind_that_was_removed(self, applied: Directory) -> None:
        applied.apply(ent="FUEL_USE,OUTPUT")
        applied.apply(ent="FUEL_USE")
        with pytest.raises(TopicAuthorizationFailedError):
            send(applied, "ent", f"intake.production.v1.{applied.code('ent')}")

    def test_says_why_when_a_right_cannot_be_taken(self, applied: Directory) -> None:
        """Signed in as who may not alter the cluster, the broker refuses."""
        applied.apply(grid="ELECTRICITY_USE")
        resource = ResourcePattern(ResourceType.TOPIC, f"intake.energy.v1.{applied.code('grid')}", ACLResourcePatternType.LITERAL)
        right = ACL(f"User:{applied.code('grid')}", "*", ACLOperation.WRITE, ACLPermissionType.ALLOW, resource)
        admin = KafkaAdminClient(**applied.client("grid"))
        try:
            with pytest.raises(BrokerRefusedError, match="ClusterAuthorizationFailed"):
                take_rights(admin, [right])
        finally:
            admin.close()
        send(applied, "grid", f"intake.energy.v1.{applied.code('grid')}")


def quotas(directory: Directory, name: str) -> dict[str, float] | None:
    """Ask the broker which quotas hold for a provider's principal."""
    admin = directory.broker.admin()
    try:
        return user_quotas(admin).get(directory.code(name))
    finally:
        admin.close()


class TestQuotas:
    def test_are_described_back_by_the_broker_and_set_once(self, applied: Directory) -> None:
        assert applied.apply(grid="ELECTRICITY_USE").quotas_set == (applied.code("grid"),)
        assert quotas(applied, "grid") == {"producer_byte_rate": 16_777_216.0, "request_percentage": 200.0}
        again = applied.apply(grid="ELECTRICITY_USE")
        assert (again.quotas_set, again.quotas_removed) == ((), ())

    def test_follow_the_file(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE")
        entry = ENTRY.format(code=applied.code("grid"), kinds='"ELECTRICITY_USE"')
        assert applied.apply_text(entry.replace("16_777_216", "1_024")).quotas_set == (applied.code("grid"),)
        assert quotas(applied, "grid") == {"producer_byte_rate": 1024.0, "request_percentage": 200.0}

    def test_go_with_who_leaves_the_directory(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE")
        assert applied.apply(tax="FUEL_USE").quotas_removed == (applied.code("grid"),)
        assert quotas(applied, "grid") is None
        assert quotas(applied, "tax") is not None

    def test_hold_back_who_sends_more(self, applied: Directory) -> None:
        """Kafka measures over some seconds: the first burst passes, then the broker answers late."""
        entry = ENTRY.format(code=applied.code("grid"), kinds='"ELECTRICITY_USE"')
        applied.apply_text(entry.replace("16_777_216", "20_000"))
        topic = f"intake.energy.v1.{applied.code('grid')}"
        producer = KafkaProducer(**applied.client("grid"), acks="all", max_block_ms=5_000)
        try:
            begun = time.monotonic()
            for _ in range(4):
                producer.send(topic, os.urandom(100_000)).get(timeout=60)
            assert time.monotonic() - begun > 3
        finally:
            producer.close(timeout=1)


class TestKeys:
    def test_may_be_ended_but_never_left_out(self, applied: Directory) -> None:
        entry = ENTRY.format(code=applied.code("grid"), kinds='"ELECTRICITY_USE"')
        applied.apply_text(entry + KEY)
        with pytest.raises(DirectoryRefusedError, match="leave it in the file and end it by valid_until"):
            applied.apply_text(entry)
        applied.apply_text(entry + KEY + "valid_until = 2026-02-01T00:00:00+08:00")
        with applied.collector.database.transaction("test.read") as transaction:
            (key,) = directory.everyone(transaction)[applied.code("grid")].keys
        assert (key.x, key.valid_until) == (X, datetime(2026, 1, 31, 16, tzinfo=UTC))


class TestWhatHolds:
    def test_is_what_was_applied(self, applied: Directory) -> None:
        entry = ENTRY.format(code=applied.code("grid"), kinds='"ELECTRICITY_USE"') + 'signature = "required"\n'
        more = """
[provider.calendar]
ELECTRICITY_USE = { every = "quarter", due_days = 15 }

[provider.standard_uncertainty]
ELECTRICITY_USE = { percent = "0.50", assumed = true, source = "class 0.5 meters" }
"""
        applied.apply_text(entry + more + KEY)
        with applied.collector.database.transaction("test.read") as transaction:
            (held,) = directory.entries(transaction)
        (written,) = parse_directory(entry + more + KEY)
        assert held == written
        shown = directory_text.text([held], received={held.provider.code: 2_000_000}, now=datetime(2026, 2, 1, tzinfo=UTC))
        for text in (
            "every quarter, due 15 days",
            "± 0.50 % (assumed): class 0.5 meters",
            "ABOVE ITS QUOTA",
            "required",
            "signs",
            "5 years",
        ):
            assert text in shown


class TestANewPassword:
    def test_is_made_for_one_provider_while_its_connections_stand(self, applied: Directory) -> None:
        """What docs/providers.md says of a rotation without a gap."""
        applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE")
        topic, file = f"intake.energy.v1.{applied.code('grid')}", applied.secrets_dir / f"{applied.code('grid')}.password"
        old = applied.client("grid")
        producer = KafkaProducer(**old, acks="all", max_block_ms=5_000)
        try:
            producer.send(topic, b"before").get(timeout=10)
            file.unlink()
            assert applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE").passwords_created == (applied.code("grid"),)
            producer.send(topic, b"after").get(timeout=10)
        finally:
            producer.close(timeout=1)
        send(applied, "grid", topic)
        with pytest.raises(KafkaError):
            KafkaAdminClient(**old, bootstrap_timeout_ms=2_000)


class TestRights:
    def test_let_a_provider_publish_on_its_own_topics(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE")
        send(applied, "grid", f"intake.energy.v1.{applied.code('grid')}")

    def test_let_nobody_publish_in_anothers_name(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE")
        with pytest.raises(TopicAuthorizationFailedError):
            send(applied, "tax", f"intake.energy.v1.{applied.code('grid')}")

    @pytest.mark.parametrize("topic", ["bureau.account-revised.v1", "provider.notices.v1.{grid}", "bureau.intake-quarantine.v1"])
    def test_let_no_provider_write_what_the_bureau_says(self, applied: Directory, topic: str) -> None:
        applied.apply(grid="ELECTRICITY_USE")
        with pytest.raises(TopicAuthorizationFailedError):
            send(applied, "grid", topic.format(grid=applied.code("grid")))

    def test_let_a_provider_read_its_own_notices_only(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE", tax="FUEL_USE")
        own, others = (f"provider.notices.v1.{applied.code(name)}" for name in ("grid", "tax"))
        read(applied, "grid", own)
        assert not is_hidden(applied, "grid", own)
        assert is_hidden(applied, "grid", others)
        assert is_hidden(applied, "grid", f"intake.energy.v1.{applied.code('tax')}")

    def test_let_a_provider_use_its_own_group_only(self, applied: Directory) -> None:
        applied.apply(grid="ELECTRICITY_USE")
        with pytest.raises(GroupAuthorizationFailedError):
            read(applied, "grid", f"provider.notices.v1.{applied.code('grid')}", group="collector")
