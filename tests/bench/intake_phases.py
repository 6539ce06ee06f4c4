"""One phase of the intake bench in a process of its own: the floor, or the collector's intake. Prints one JSON object at its end.

The floor is what any program that moves these records must at least do: poll, COPY into a staging table, upsert, commit, of the same
columns and bytes that intake keeps. It decodes nothing, checks nothing and answers nobody; what stands in the columns beside the
bytes was prepared before. Both phases tell when each of their commits was done.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from services.collector import new_records
from services.collector.consumer import Intake
from services.collector.new_records import ReadRecord
from services.collector.settings import CollectorSettings
from services.collector.subscription import Subscription
from services.common import kafka
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database, Transaction
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile, TelemetrySettings
from services.common.telemetry import configure
from tests.bench.intake_load import PROVINCE, read_prepared

FLOOR_TABLE = "floor_submission"
# What a loop that only copies does best with (tried: 500, 2,000, 5,000).
FLOOR_BATCH_RECORDS_MAX = 5_000
# As in services/collector/__main__.py; neither phase is slowed by looking for cycles among what was prepared.
GC_THRESHOLD = 50_000

_TYPES = {
    "submission_id": "uuid",
    "subject_id": "uuid",
    "subject_code": "text",
    "provider_code": "text",
    "kind": "text",
    "record_number": "text",
    "record_revision": "int4",
    "facility_number": "text",
    "value": "bytea",
    "value_sha256": "bytea",
    "is_json": "bool",
    "topic": "text",
    "topic_id": "uuid",
    "partition": "int4",
    "record_offset": "int8",
    "received_at": "timestamptz",
    "outcome": "text",
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a phase is told: where it reads and writes, as whom, and how much there is."""

    postgres_url: str
    postgres_password_file: str
    bootstrap_servers: str
    kafka_username: str
    kafka_password_file: str
    records: int
    prepared_file: str
    profile: str = ""

    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=(self.bootstrap_servers,),
            username=self.kafka_username,
            password_file=SecretFile(Path(self.kafka_password_file)),
        )

    def database(self) -> Database:
        password_file = SecretFile(Path(self.postgres_password_file))
        return Database(PostgresSettings(url=self.postgres_url, password_file=password_file), SystemClock())


@dataclass(kw_only=True)
class Told:
    """What a phase tells: its commits (when on the machine's monotonic clock, how many records so far) and its CPU time in between."""

    commits: list[tuple[float, int]] = field(default_factory=list)
    cpu_s: float = 0.0
    poll_s: float = 0.0
    store_s: float = 0.0
    rows: int = 0


class _Timeline:
    """Notes commits as they are done."""

    def __init__(self) -> None:
        self.commits: list[tuple[float, int]] = []
        self._records = 0
        self._cpu_at_first = 0.0

    def committed(self, records: int) -> None:
        self._records += records
        if not self.commits:
            self._cpu_at_first = time.process_time()
        self.commits.append((time.monotonic(), self._records))

    def told(self) -> Told:
        return Told(commits=self.commits, cpu_s=time.process_time() - self._cpu_at_first)


# ---- The floor ----


def floor(access: Access) -> Told:
    """Poll everything and upsert it, as fast as one process can that does nothing else."""
    prepared = read_prepared(Path(access.prepared_file))
    reader = _reader(access.kafka())
    partitions = [TopicPartition(topic, 0) for topic in sorted(prepared)]
    topic_ids = _topic_ids(access.kafka(), sorted(prepared))
    password = Path(access.postgres_password_file).read_text().strip()
    timeline = _Timeline()
    told = Told()
    with psycopg.connect(access.postgres_url, password=password) as connection:
        connection.execute(f"CREATE TEMPORARY TABLE staging (LIKE {FLOOR_TABLE}) ON COMMIT DELETE ROWS")
        connection.commit()
        reader.assign(partitions)
        reader.seek_to_beginning(*partitions)
        _settle()
        taken = 0
        while taken < access.records:
            begun = time.monotonic()
            polled = reader.poll(timeout_ms=500, max_records=FLOOR_BATCH_RECORDS_MAX)
            polled_at = time.monotonic()
            rows = [row for partition, records in polled.items() for row in _floor_rows(partition.topic, records, prepared, topic_ids)]
            if rows:
                _upsert(connection, rows)
                taken += len(rows)
                timeline.committed(len(rows))
            told.poll_s += polled_at - begun
            told.store_s += time.monotonic() - polled_at
        told.rows = connection.execute(f"SELECT count(*) FROM {FLOOR_TABLE}").fetchone()[0]  # type: ignore[index]
    reader.close()
    measured = timeline.told()
    told.commits, told.cpu_s = measured.commits, measured.cpu_s
    return told


def _reader(settings: KafkaSettings) -> KafkaConsumer:
    """Make a plain consumer, with the fetch sizes that the services use."""
    return KafkaConsumer(
        bootstrap_servers=list(settings.bootstrap_servers),
        security_protocol=settings.security_protocol.value,
        sasl_mechanism=settings.sasl_mechanism,
        sasl_plain_username=settings.username,
        sasl_plain_password=settings.password_file.read(),
        enable_auto_commit=False,
        metrics_enabled=False,
        max_partition_fetch_bytes=2 * 1024 * 1024,
        fetch_max_bytes=16 * 1024 * 1024,
    )


def _topic_ids(settings: KafkaSettings, topics: Sequence[str]) -> dict[str, UUID]:
    admin: KafkaAdminClient = kafka.admin(settings, client_id="bench-floor")
    try:
        return {topic: described.topic_id for topic, described in kafka.describe(admin, topics).items()}
    finally:
        admin.close()


def _floor_rows(
    topic: str, records: Iterable[Any], prepared: Mapping[str, Sequence[Sequence[Any]]], topic_ids: Mapping[str, UUID]
) -> list[tuple[Any, ...]]:
    of_topic, topic_id, now = prepared[topic], topic_ids[topic], datetime.now(UTC)
    rows = []
    for record in records:
        offset = record.offset
        *keys, digest = of_topic[offset]
        rows.append((*keys, record.value, digest, False, topic, topic_id, 0, offset, now, "ACCEPTED"))
    return rows


def _upsert(connection: psycopg.Connection[Any], rows: Sequence[Sequence[Any]]) -> None:
    """Take in rows by binary COPY, the cheapest way there is, and one upsert; sorted, as every batch of ours is."""
    with connection.cursor() as cursor:
        with cursor.copy("COPY staging FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(list(_TYPES.values()))
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"INSERT INTO {FLOOR_TABLE} SELECT * FROM staging ORDER BY submission_id ON CONFLICT DO NOTHING")
    connection.commit()


def floor_table() -> str:
    """Define the floor's table: the columns of `submission` and its primary key, without checks, triggers and further indexes."""
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in _TYPES.items())
    return f"CREATE TABLE {FLOOR_TABLE} ({columns}, PRIMARY KEY (submission_id))"


# ---- Whole intake ----


def whole(access: Access) -> Told:
    """Take in everything that this process gets, by the collector's own parts put together as `serve` does, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    telemetry = configure("bench-intake", TelemetrySettings(log_level="WARNING"))
    database = access.database()
    subscription = Subscription(consumer="collector", database=database, kafka_settings=access.kafka())
    intake = Intake(province=PROVINCE)
    timeline = _Timeline()
    handled = 0

    def handle(transaction: Transaction, records: Sequence[ReadRecord]) -> None:
        nonlocal handled
        handled = len(records)
        intake.handle(transaction, records)

    consuming = Consumer(
        name="collector",
        group="collector",
        topics=subscription.topics,
        handle=handle,
        database=database,
        kafka_settings=access.kafka(),
        after_commit=lambda: timeline.committed(handled),
        max_records=CollectorSettings.intake_batch_records_max,
        read=new_records.read,
        heartbeats=False,
    )
    _settle()
    consuming.run(stop)
    told = timeline.told()
    subscription.close()
    database.dispose()
    telemetry.shutdown()
    return told


def _settle() -> None:
    """Leave what is loaded out of the collector's rounds, in both phases, as `serve` does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def main() -> int:
    phase, access = sys.argv[1], Access(**json.loads(sys.stdin.read()))
    phases = {"floor": floor, "whole": whole}
    if access.profile:
        from pyinstrument import Profiler  # here, because only a profiled run needs it

        with Profiler(interval=0.002) as profiler:
            told = phases[phase](access)
        Path(f"{access.profile}-{phase}-{os.getpid()}.txt").write_text(profiler.output_text(show_all=True, timeline=False))
    else:
        told = phases[phase](access)
    print(json.dumps(asdict(told)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
