"""`make bench-intake`: how fast the collector takes records in, over what merely moving the same records costs in the same run.

Each phase reads the same 220 topics from their beginning into a fresh database, in fresh processes: the floor (bare poll, bare COPY
and upsert of the same rows), whole intake in one process, and in two that share the partitions. Rounds alternate, medians are
reported. Nothing may be lost or doubled: the bench fails unless every count is what was published.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from kafka import KafkaProducer
from psycopg import sql

from deploy.local import database_access, kafka, postgres
from deploy.local.kafka import KafkaBroker
from deploy.local.plan import PROVIDERS_FILE, inherited
from deploy.local.postgres import PostgresServer
from deploy.local.state import REPOSITORY
from services.collector.providers import apply_directory, parse_directory
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.migrations import upgrade
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile
from tests.bench.closing import Goal, close, cpu_seconds
from tests.bench.intake_load import Load, directory_of, make_load
from tests.bench.intake_phases import Access, Told, floor_table
from tests.servers import new_servers_dir, remove_servers_dir

SUBJECTS = 2_200
ROUNDS = 3
TOPICS_MIN = 200
TEMPLATE = "bench_template"
PHASE_SECONDS_MAX = 600.0
UNACKNOWLEDGED_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One phase: records per second from its first commit to its last, and who used how much CPU for a record."""

    phase: str
    records_per_s: float
    seconds: float
    batches: int
    cpu_us_per_record: dict[str, float]


class IncompleteError(Exception):
    """Records were lost, doubled, or came to another end than they must: no figure of such a run is worth anything."""


class Bench:
    """The servers, the topics with everything published, and the template of the phases' databases."""

    def __init__(self, *, database: PostgresServer, broker: KafkaBroker, folder: Path, load: Load, profile: str) -> None:
        self._postgres, self._kafka, self._load = database, broker, load
        self._prepared_file = folder / "prepared.pickle"
        self._secrets = folder / "providers"
        self._numbers = iter(range(1, 1_000))
        self._profile = profile

    # -- before ---------------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Apply the directory, publish everything, make the template."""
        self._load.write_prepared(self._prepared_file)
        self._create(TEMPLATE)
        database_access.prepare_database(self._postgres.connection, TEMPLATE)
        url = self._postgres.url(role="collector", database=TEMPLATE)
        upgrade("collector", url=url, password_file=self._postgres.password_file("collector"))
        settings = PostgresSettings(url=url, password_file=SecretFile(self._postgres.password_file("collector")))
        database = Database(settings, SystemClock())
        begun = time.monotonic()
        try:
            applied = apply_directory(
                directory_of(self._load, parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))),
                database=database,
                kafka_settings=self._as("admin"),
                secrets_dir=self._secrets,
                clock=SystemClock(),
            )
        finally:
            database.dispose()
        with self._postgres.connect_as_admin(database=TEMPLATE) as admin:
            admin.execute("SET ROLE collector")
            admin.execute(floor_table().encode())
        topics = len(self._load.records)
        if topics < TOPICS_MIN:
            raise IncompleteError(f"{topics} topics are fewer than {TOPICS_MIN}")
        print(f"{applied.providers} providers with {topics} intake topics in {time.monotonic() - begun:.0f} s", flush=True)
        self._publish()

    def _publish(self) -> None:
        """Send each topic's records in one go, as an agency hands in its month; all by one principal, which spares 132 clients."""
        begun = time.monotonic()
        producer = KafkaProducer(
            **self._kafka.client_settings("admin"),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=5,
            retry_backoff_ms=5,
            metrics_enabled=False,
        )
        sent: deque[tuple[int, Any]] = deque()
        for records in self._load.records.values():
            sent.extend((offset, producer.send(one.topic, one.value, one.key, headers=one.headers)) for offset, one in enumerate(records))
            while len(sent) > UNACKNOWLEDGED_MAX:
                _acknowledged(*sent.popleft())
        while sent:
            _acknowledged(*sent.popleft())
        producer.close()
        sizes = [len(one.value) for records in self._load.records.values() for one in records]
        with_headers = [
            len(one.value) + len(one.key) + sum(len(name) + len(value) for name, value in one.headers)
            for records in self._load.records.values()
            for one in records
        ]
        print(
            f"published {self._load.count:,} records in {time.monotonic() - begun:.0f} s; a submission has {mean(sizes):.0f} bytes "
            f"({max(sizes)} at most), with key and headers {mean(with_headers):.0f}; expected: {dict(self._load.expected)}",
            flush=True,
        )

    # -- phases ---------------------------------------------------------------------------------------------------------------

    def floor(self) -> Measured:
        with self._fresh_database() as name:
            child = self._start("floor", self._access(name, principal="collector"))
            measured, told = self._ended("floor", [child], self._cpu())
            if told[0].rows != self._load.submissions:
                raise IncompleteError(f"the floor holds {told[0].rows} rows of {self._load.submissions}")
            print(f"    of it polling {told[0].poll_s:.1f} s, COPY and upsert {told[0].store_s:.1f} s", flush=True)
        return measured

    def whole(self, processes: int) -> Measured:
        with self._fresh_database() as name:
            before = self._cpu()
            children = [self._start("whole", self._access(name, principal="collector")) for _ in range(processes)]
            self._wait_until_read(name, children)
            for child in children:
                child.terminate()
            measured, _ = self._ended("whole" if processes == 1 else f"whole x{processes}", children, before)
            self._check(name)
        return measured

    def _start(self, phase: str, access: Access) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.intake_phases", phase],
            cwd=REPOSITORY,
            env=inherited(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(asdict(access)))
        child.stdin.close()
        child.stdin = None
        return child

    def _ended(self, phase: str, children: Sequence[subprocess.Popen[str]], cpu_before: dict[str, float]) -> tuple[Measured, list[Told]]:
        told = []
        for child in children:
            printed, _ = child.communicate(timeout=PHASE_SECONDS_MAX)
            if child.returncode != 0:
                raise IncompleteError(f"{phase} ended with {child.returncode}")
            told.append(Told(**json.loads(printed.splitlines()[-1])))
        servers = {name: seconds - cpu_before[name] for name, seconds in self._cpu().items()}
        return _measured(phase, told, servers), told

    def _wait_until_read(self, name: str, children: Sequence[subprocess.Popen[str]]) -> None:
        deadline = time.monotonic() + PHASE_SECONDS_MAX
        with self._postgres.connect_as_admin(database=name) as admin:
            while True:
                row = admin.execute("SELECT coalesce(sum(next_offset), 0) FROM collector.consumer_position").fetchone()
                assert row is not None
                if row[0] >= self._load.count:
                    return
                if time.monotonic() > deadline or any(child.poll() is not None for child in children):
                    raise IncompleteError(f"{row[0]} of {self._load.count} records were read when a process ended or time was up")
                time.sleep(0.2)

    def _check(self, name: str) -> None:
        """Compare what is kept with what was published, record by record and outcome by outcome."""
        with self._postgres.connect_as_admin(database=name) as admin:
            admin.execute("SET search_path TO collector")

            def counted(query: str) -> int:
                row = admin.execute(query.encode()).fetchone()
                assert row is not None
                return int(row[0] or 0)

            found = Counter({outcome: counted(f"SELECT sum({outcome}_count) FROM receipt") for outcome in self._load.expected})
            kept = Counter({outcome: counted(f"SELECT count(*) FROM {table}") for outcome, table in _TABLES.items()})
            places = counted(_PLACES)
            answered = counted("SELECT sum(last_offset - first_offset + 1) FROM receipt")
        for what, is_there, must_be in (
            ("receipts", found, self._load.expected),
            ("rows", kept, self._load.expected),
            ("places", places, self._load.count),
            ("answered offsets", answered, self._load.count),
        ):
            if is_there != must_be:
                raise IncompleteError(f"{what}: {is_there}, must be {must_be}")

    # -- databases ------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _fresh_database(self) -> Iterator[str]:
        name = f"bench_{next(self._numbers)}"
        self._create(name, template=TEMPLATE)
        database_access.prepare_database(self._postgres.connection, name)
        with self._postgres.connect_as_admin() as admin:
            admin.execute("CHECKPOINT")
        yield name
        with self._postgres.connect_as_admin() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, *, template: str = "template1") -> None:
        with self._postgres.connect_as_admin() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def _access(self, database: str, *, principal: str) -> Access:
        return Access(
            postgres_url=self._postgres.url(role="collector", database=database),
            postgres_password_file=str(self._postgres.password_file("collector")),
            bootstrap_servers=self._kafka.bootstrap_servers,
            kafka_username=principal,
            kafka_password_file=str(self._kafka.password_file(principal)),
            records=self._load.count,
            prepared_file=str(self._prepared_file),
            profile=self._profile,
        )

    def _as(self, principal: str) -> KafkaSettings:
        password_file = SecretFile(self._kafka.password_file(principal))
        return KafkaSettings(bootstrap_servers=(self._kafka.bootstrap_servers,), username=principal, password_file=password_file)

    def _cpu(self) -> dict[str, float]:
        servers = {"postgres": self._postgres.process, "kafka": self._kafka.process}
        return cpu_seconds({name: process.pid for name, process in servers.items() if process is not None})


def _acknowledged(offset: int, future: Any) -> None:
    if future.get(timeout=60).offset != offset:
        raise IncompleteError("a topic does not hold what was sent to it in its order")


_TABLES = {"accepted": "submission", "duplicate": "duplicate_record", "rejected": "rejected_record", "quarantined": "quarantined_record"}
_PLACES = """
    SELECT count(DISTINCT (topic_id, partition, record_offset)) FROM (
        SELECT topic_id, partition, record_offset FROM submission UNION ALL SELECT topic_id, partition, record_offset FROM duplicate_record
        UNION ALL SELECT topic_id, partition, record_offset FROM rejected_record
        UNION ALL SELECT topic_id, partition, record_offset FROM quarantined_record
    ) AS kept
"""


def _measured(phase: str, told: Sequence[Told], servers: dict[str, float]) -> Measured:
    """Count from the moment from which every process commits to the last commit of all; what starting costs is left out everywhere."""
    begin = max(one.commits[0][0] for one in told)
    end = max(one.commits[-1][0] for one in told)
    before = sum(max(count for at, count in one.commits if at <= begin) for one in told)
    records = sum(one.commits[-1][1] for one in told)
    used = {"process": sum(one.cpu_s for one in told), **servers}
    measured = Measured(
        phase=phase,
        records_per_s=(records - before) / (end - begin),
        seconds=end - begin,
        batches=sum(len(one.commits) for one in told),
        cpu_us_per_record={name: 1e6 * seconds / records for name, seconds in used.items()},
    )
    cpu = ", ".join(f"{name} {value:.1f}" for name, value in measured.cpu_us_per_record.items())
    print(
        f"  {phase:<9}{measured.records_per_s:>9,.0f} records/s over {end - begin:5.1f} s, {records / measured.batches:6.0f} a batch; "
        f"CPU us/record: {cpu}",
        flush=True,
    )
    return measured


@contextmanager
def _servers() -> Iterator[tuple[PostgresServer, KafkaBroker, Path]]:
    folder = new_servers_dir()
    try:
        with postgres.running(folder) as database, kafka.running(folder) as broker:
            yield database, broker, folder
    finally:
        remove_servers_dir(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=SUBJECTS, help="some 184 records each")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--phases", default="floor,whole,two", help="which of floor, whole, two")
    parser.add_argument("--profile", default="", help="write what a sampling profiler sees of each phase to files of this beginning")
    options = parser.parse_args(arguments)
    load = make_load(subjects=options.subjects)
    with _servers() as (database, broker, folder):
        bench = Bench(database=database, broker=broker, folder=folder, load=load, profile=options.profile)
        bench.prepare()
        phases: dict[str, Callable[[], Measured]] = {"floor": bench.floor, "whole": lambda: bench.whole(1), "two": lambda: bench.whole(2)}
        chosen = [name for name in phases if name in options.phases.split(",")]
        measured: dict[str, list[Measured]] = {name: [] for name in chosen}
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            # Forth and back, so that none always comes first.
            for name in chosen if number % 2 == 0 else reversed(chosen):
                measured[name].append(phases[name]())
    return _report(measured, load, options)


def _report(measured: dict[str, list[Measured]], load: Load, options: argparse.Namespace) -> int:
    rate = {name: median(one.records_per_s for one in found) for name, found in measured.items()}
    for name, value in rate.items():
        print(f"median {name:<6} {value:>9,.0f} records/s")
    nan = float("nan")
    figures: list[Any] = [
        Goal(name="intake-ratio", value=rate.get("whole", nan) / rate.get("floor", nan), goal=">=0.6"),
        Goal(name="intake-two-processes-ratio", value=rate.get("two", nan) / rate.get("whole", nan), goal=">=1.2"),
    ]
    details = {name: [asdict(one) for one in found] for name, found in measured.items()}
    close("intake", figures, {"records": load.count, "topics": len(load.records), "rounds": details, "options": vars(options)})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
