"""What the tests of the mechanism share: loops in threads, waiting for something to become so, and reading a whole topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import RetriableError
from sqlalchemy import text

from deploy.local.kafka import KafkaBroker
from services.common.consumer import Consumer, Handle, Record
from services.common.database import Database, Transaction
from services.common.settings import KafkaSettings, SecretFile

Loop = Callable[[threading.Event], None]


@contextmanager
def running(*loops: Loop) -> Iterator[None]:
    """Run loops in threads until the block ends; an error of a loop is an error of the test."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def guarded(loop: Loop) -> None:
        try:
            loop(stop)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not errors, errors


def eventually(check: Callable[[], Any], *, within_s: float = 20.0) -> None:
    """Wait until `check` returns something true."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def query(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Read rows in a transaction of their own."""
    with database.transaction("test.query") as transaction:
        return [tuple(row) for row in transaction.execute(text(statement), parameters)]


def execute(database: Database, statement: str, **parameters: Any) -> None:
    with database.transaction("test.execute") as transaction:
        transaction.execute(text(statement), parameters)


def settings_for(broker: KafkaBroker, principal: str = "admin") -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=(broker.bootstrap_servers,),
        username=principal,
        password_file=SecretFile(broker.password_file(principal)),
        session_timeout_ms=2_000,
    )


def everything_in(settings: KafkaSettings, topic: str) -> list[Any]:
    """Read a topic from its beginning to its present end, partition by partition, without a group."""
    reader = KafkaConsumer(
        bootstrap_servers=list(settings.bootstrap_servers),
        security_protocol=settings.security_protocol.value,
        sasl_mechanism=settings.sasl_mechanism,
        sasl_plain_username=settings.username,
        sasl_plain_password=settings.password_file.read(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic))]
        ends = reader.end_offsets(partitions)
        reader.assign(partitions)
        reader.seek_to_beginning(*partitions)
        found: list[Any] = []
        while any(reader.position(partition) < ends[partition] for partition in partitions):
            for records in reader.poll(timeout_ms=500).values():
                found.extend(records)
        return found
    finally:
        reader.close()


_TAKE = text('INSERT INTO taken (topic, partition, "offset", key, value) VALUES (:topic, :partition, :offset, :key, :value)')


def take(transaction: Transaction, records: Sequence[Record]) -> None:
    """Handle records by writing each into the scratch table."""
    fields = ("topic", "partition", "offset", "key", "value")
    transaction.execute(_TAKE, [{name: getattr(record, name) for name in fields} for record in records])


def taken(database: Database) -> list[bytes]:
    """Return the values that were handled, each as often as it was, in the order of their bytes."""
    return [value for (value,) in query(database, "SELECT value FROM taken ORDER BY value")]


def consumer(
    database: Database,
    settings: KafkaSettings,
    topics: Sequence[str] | Callable[[], Sequence[str]],
    handle: Handle = take,
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


def send(
    producer: KafkaProducer,
    topic: str,
    values: Sequence[str],
    *,
    partition: int | None = None,
    headers: list[tuple[str, bytes]] | None = None,
) -> None:
    futures = [producer.send(topic, value.encode(), value.encode(), headers=headers, partition=partition) for value in values]
    for future in futures:
        future.get(timeout=10)


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{number:06d}" for number in range(start, start + count)]


def as_bytes(values: Sequence[str]) -> list[bytes]:
    return [value.encode() for value in values]


def committed(admin: KafkaAdminClient, group: str, topic: str) -> int | None:
    try:
        offsets = admin.list_group_offsets([group])[group]
    except RetriableError:
        # The broker makes its own topic for offsets when the first group appears.
        return None
    found = offsets.get(TopicPartition(topic, 0))
    return None if found is None else found.offset
