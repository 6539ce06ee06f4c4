"""What the sender does when Kafka takes some events and not others, with a producer whose answers the test gives."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, NotLeaderForPartitionError, TopicAuthorizationFailedError

from services.common import kafka, outbox_sender
from services.common.lease import StaleLease
from services.common.outbox_sender import Holds, Sender, UnpublishedEvent
from services.common.settings import KafkaSettings, SecretFile

NOTHING_HELD = Holds(topics=frozenset(), keys=frozenset())


class Answer:
    """A future of the library, resolved already unless it is still `slow`."""

    def __init__(self, exception: Exception | None, slow: int = 0) -> None:
        self.exception = exception
        self.slow = slow

    @property
    def is_done(self) -> bool:
        return self.slow == 0

    def get(self, timeout: float) -> None:
        self.slow -= 1
        raise KafkaTimeoutError


class Broker:
    """Stands for the library's producer; `refuse` says what becomes of a value, and `log` keeps what was taken."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.waves: list[list[bytes]] = [[]]
        self.refuse: Callable[[bytes], Exception | None] = lambda value: None
        self.made = 0
        self.slow = 0

    def send(self, topic: str, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]]) -> Answer:
        self.waves[-1].append(value)
        error = self.refuse(value)
        if topic == "missing":
            raise KafkaTimeoutError
        if error is None:
            self.log.append(value)
        return Answer(error, self.slow)

    def bootstrap_connected(self) -> bool:
        return True

    @property
    def _metadata(self) -> Any:
        return self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return None if topic == "missing" else {0}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()

    def made(settings: KafkaSettings, *, client_id: str) -> Broker:
        broker.made += 1
        return broker

    monkeypatch.setattr(kafka, "producer", made)
    monkeypatch.setattr(kafka, "abandon", lambda client: None)
    return broker


@pytest.fixture
def sender(broker: Broker) -> Sender:
    settings = KafkaSettings(bootstrap_servers=("h:1",), username="u", password_file=SecretFile(Path("none")))
    return Sender(settings, still_ours=lambda: broker.waves.append([]))


_next = iter(range(1, 10_000))


def event(value: str, *, key: str = "k", topic: str = "t") -> UnpublishedEvent:
    return UnpublishedEvent(
        id=next(_next),
        event_id=uuid.uuid4(),
        topic=topic,
        key=key.encode(),
        value=value.encode(),
        event_type="type",
        subject=None,
        content_type="application/protobuf",
        traceparent=None,
        created_at=datetime(2026, 2, 28, 16, tzinfo=UTC),
        reached=0,
    )


def refusing(*values: str, error: Callable[[], KafkaError] = MessageSizeTooLargeError) -> Callable[[bytes], Exception | None]:
    return lambda value: error() if value.decode() in values else None


class TestOrder:
    def test_one_event_of_a_key_is_under_way_at_a_time(self, broker: Broker, sender: Sender) -> None:
        events = [event("a1", key="a"), event("b1", key="b"), event("a2", key="a"), event("a3", key="a"), event("b2", key="b")]
        sent = sender.send(events)
        assert [wave for wave in broker.waves if wave] == [[b"a1", b"b1"], [b"a2", b"b2"], [b"a3"]]
        assert sorted(sent.acknowledged) == [one.id for one in events]

    def test_equal_keys_of_two_topics_do_not_wait_for_each_other(self, broker: Broker, sender: Sender) -> None:
        sender.send([event("1", topic="t"), event("2", topic="u")])
        assert [wave for wave in broker.waves if wave] == [[b"1", b"2"]]

    def test_nothing_overtakes_a_refused_event_of_its_key(self, broker: Broker, sender: Sender) -> None:
        broker.refuse = refusing("a1")
        a1, a2, b1 = event("a1", key="a"), event("a2", key="a"), event("b1", key="b")
        sent = sender.send([a1, a2, b1])
        assert sent.acknowledged == [b1.id]
        sent = sender.send([a1, a2])
        assert sent.acknowledged == []
        broker.refuse = refusing()
        sender._holds.clear()
        assert sender.send([a1, a2]).acknowledged == [a1.id, a2.id]
        assert broker.log == [b"b1", b"a1", b"a2"]


class TestHolds:
    def test_a_refused_event_is_tried_alone_at_once_and_then_held_for_a_growing_while(
        self, broker: Broker, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(outbox_sender.time, "monotonic", lambda: now[0])
        broker.refuse = refusing("a1")
        first = sender.send([event("a1", key="a"), event("b1", key="b")])
        assert first.again_at_once
        assert sender.holds() == NOTHING_HELD
        second = sender.send([event("a1", key="a"), event("c1", key="c")])
        assert broker.waves[-2:] == [[b"c1"], [b"a1"]]
        assert not second.again_at_once
        held_for = []
        for _ in range(8):
            assert sender.holds().keys == {("t", b"a")}
            start = now[0]
            while sender.holds() != NOTHING_HELD:
                now[0] += 0.125
            held_for.append(now[0] - start)
            sender.send([event("a1", key="a")])
        assert held_for == sorted(held_for)
        assert (held_for[0], held_for[-1]) == (1.0, 5.0)

    def test_an_innocent_event_of_a_refused_batch_leaves_in_the_next_round(self, broker: Broker, sender: Sender) -> None:
        broker.refuse = refusing("a1", "b1")  # one batch: the library fails both for the fault of one
        a1, b1 = event("a1", key="a"), event("b1", key="b")
        assert sender.send([a1, b1]).again_at_once
        broker.refuse = refusing("a1")
        assert sender.send([a1, b1]).acknowledged == [b1.id]
        assert broker.made == 3

    def test_a_denied_topic_is_held_as_a_whole_and_others_go_on(self, broker: Broker, sender: Sender) -> None:
        broker.refuse = refusing("x1", "x2", error=lambda: TopicAuthorizationFailedError("x"))
        for _ in range(2):
            sent = sender.send([event("x1", key="a", topic="x"), event("x2", key="b", topic="x"), event("1", key="a")])
        assert not sent.kafka_is_away
        assert sender.holds() == Holds(topics=frozenset({"x"}), keys=frozenset())
        assert broker.log == [b"1", b"1"]

    def test_a_missing_topic_is_told_from_a_broker_that_does_not_answer(self, broker: Broker, sender: Sender) -> None:
        missing = sender.send([event("1", topic="missing")])
        assert not missing.kafka_is_away
        sender.send([event("1", topic="missing")])
        assert sender.holds().topics == {"missing"}
        broker.refuse = refusing("1", error=KafkaTimeoutError)
        away = sender.send([event("1", topic="there")])
        assert away.kafka_is_away
        assert sender.holds().topics == {"missing"}

    def test_a_fault_that_passes_holds_nothing_but_takes_a_new_producer(self, broker: Broker, sender: Sender) -> None:
        broker.refuse = refusing("1", error=NotLeaderForPartitionError)
        assert sender.send([event("1")]).kafka_is_away
        assert sender.holds() == NOTHING_HELD
        broker.refuse = refusing()
        assert len(sender.send([event("1")]).acknowledged) == 1
        assert broker.made == 2
        sender.send([event("2")])
        assert broker.made == 2

    def test_a_producer_that_never_answers_is_given_up(self, broker: Broker, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox_sender, "_WAIT_MAX_S", 0.05)
        broker.slow = 10**9
        assert sender.send([event("1"), event("2", key="other")]).kafka_is_away
        broker.slow = 0
        assert len(sender.send([event("1")]).acknowledged) == 1
        assert broker.made == 2

    def test_no_producer_at_all_fails_the_round_at_once(self, broker: Broker, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
        attempts: list[int] = []

        def nobody_there(settings: KafkaSettings, *, client_id: str) -> Broker:
            attempts.append(1)
            raise KafkaTimeoutError

        monkeypatch.setattr(kafka, "producer", nobody_there)
        sent = sender.send([event("1", topic="t"), event("2", topic="u"), event("3", topic="v"), event("4", topic="v")])
        assert (sent.kafka_is_away, len(attempts)) == (True, 1)


class TestLease:
    def test_is_asked_for_before_every_wave_and_while_waiting(self, broker: Broker, sender: Sender) -> None:
        broker.slow = 3
        sender.send([event("1"), event("2")])
        assert len(broker.waves) - 1 == 2 + 2 * 3

    def test_gone_forgets_what_was_held_back(self, broker: Broker, sender: Sender) -> None:
        broker.refuse = refusing("1")
        for _ in range(2):
            sender.send([event("1")])
        assert sender.holds() != NOTHING_HELD
        sender.forget()
        assert sender.holds() == NOTHING_HELD
        assert not sender.send([event("2", key="other")]).again_at_once

    def test_gone_sends_nothing_more(self, broker: Broker) -> None:
        def gone() -> None:
            raise StaleLease

        settings = KafkaSettings(bootstrap_servers=("h:1",), username="u", password_file=SecretFile(Path("none")))
        with pytest.raises(StaleLease):
            Sender(settings, still_ours=gone).send([event("1")])
        assert broker.log == []
