"""Clients made against a broker that is there, and against none."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, NoOffsetForPartitionError

from deploy.local.kafka import KafkaBroker
from services.common import kafka
from services.common.settings import KafkaSettings, SecretFile
from tests.integration.common.conftest import MakeTopic
from tests.integration.common.mechanism import eventually


def _consumer(settings: KafkaSettings) -> Any:
    return kafka.consumer(settings, group="test", client_id="made-in-vain")


def _producer(settings: KafkaSettings) -> Any:
    return kafka.producer(settings, client_id="made-in-vain")


def _admin(settings: KafkaSettings) -> Any:
    return kafka.admin(settings, client_id="made-in-vain")


def io_threads() -> int:
    return sum("made-in-vain" in thread.name for thread in threading.enumerate())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients give up sooner than in service: how long they try makes no difference to what they leave behind."""
    monkeypatch.setattr(kafka, "_BOOTSTRAP_TIMEOUT_MS", 1_000)


@pytest.mark.usefixtures("impatient")
class TestMake:
    @pytest.mark.parametrize("make", [_consumer, _producer, _admin])
    def test_leaves_no_thread_behind_when_nobody_answers(self, make: Callable[[KafkaSettings], Any], tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text("x")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{unused.getsockname()[1]}"
            settings = KafkaSettings(bootstrap_servers=(address,), username="u", password_file=SecretFile(secret))
            started = time.monotonic()
            with pytest.raises(KafkaTimeoutError) as caught:
                make(settings)
        assert time.monotonic() - started < 5
        assert kafka.is_recoverable(caught.value)
        eventually(lambda: io_threads() == 0)

    def test_a_wrong_password_is_told_within_seconds(self, kafka_settings: KafkaSettings, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text("wrong")
        with pytest.raises(KafkaError):
            _admin(replace(kafka_settings, password_file=SecretFile(secret)))
        eventually(lambda: io_threads() == 0)


class TestGroup:
    def test_a_join_that_outlasts_a_poll_is_finished_by_the_next(
        self, kafka_broker: KafkaBroker, kafka_settings: KafkaSettings, make_topic: MakeTopic
    ) -> None:
        first, second = make_topic(), make_topic()
        client = _consumer(kafka_settings)

        def polled(timeout_ms: int) -> set[str]:
            with contextlib.suppress(NoOffsetForPartitionError):
                client.poll(timeout_ms=timeout_ms)
            return {partition.topic for partition in client.assignment()}

        client.subscribe([first])
        eventually(lambda: polled(300) == {first})
        client.subscribe([first, second])
        assert client.partitions_for_topic(second) == {0}
        assert kafka_broker.process is not None
        kafka_broker.process.signal(signal.SIGSTOP)
        try:
            assert polled(300) == {first}
        finally:
            kafka_broker.process.signal(signal.SIGCONT)
        time.sleep(0.5)
        eventually(lambda: polled(300) == {first, second})
        assert kafka.is_stable(client)
        kafka.close(client)


class TestDescribe:
    def test_gives_ids_that_differ_between_incarnations(self, kafka_settings: KafkaSettings, make_topic: MakeTopic) -> None:
        admin = _admin(kafka_settings)
        topic = make_topic(partitions=3)
        before = kafka.describe(admin, [topic, "common.test.never-made"])
        assert list(before) == [topic]
        assert before[topic].partitions == 3
        admin.delete_topics([topic])
        eventually(lambda: not kafka.describe(admin, [topic]))
        make_topic(topic)
        assert kafka.describe(admin, [topic])[topic].topic_id != before[topic].topic_id
        assert kafka.describe(admin, []) == {}
        kafka.close(admin)
        eventually(lambda: io_threads() == 0)
