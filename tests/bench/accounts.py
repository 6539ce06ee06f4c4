"""`make bench-accounts`: what one more account costs when there are a thousand, ten thousand and a hundred thousand of them.

Each size has a database of its own: 12 months of fuel, electricity and output of each subject are taken in by the collector's own
intake, then a fresh process rebuilds every account (postings and sealed statement) and tells its CPU time and its greatest memory; the
database's CPU time is added. Growth shows in the marginal cost: between the two larger sizes over that between the two smaller.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID, uuid5

from carbonbureau.intake.v1 import submission_pb2 as intake
from sqlalchemy import text

from deploy.local import database_access, postgres
from deploy.local.plan import PROVIDERS_FILE, inherited
from deploy.local.postgres import PostgresServer
from deploy.local.state import REPOSITORY
from services.collector import new_records
from services.collector.__main__ import book
from services.collector.accounts import AccountWorker
from services.collector.consumer import DIRTY_SUBJECTS, Intake
from services.collector.providers import parse_directory
from services.collector.store import directory
from services.common import work_queue
from services.common.clock import SystemClock
from services.common.consumer import Record
from services.common.database import Database
from services.common.migrations import upgrade
from services.common.settings import PostgresSettings, SecretFile
from tests.bench.closing import Goal, close, cpu_seconds
from tests.servers import new_servers_dir, remove_servers_dir
from tests.unit.collector.submissions import INVOICED, code_of, electricity, entry, fuel, month, output

SIZES_VARIABLE = "CARBONBUREAU_BENCH_ACCOUNTS_SIZES"
SIZES = "1000,10000,100000"
MONTHS = 12
PROVINCE = "shanxi"
BATCH_RECORDS = 2_000
_TOPIC_IDS = UUID("00000000-0000-4000-8000-0000000000bb")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Which database the worker's process opens."""

    url: str
    password_file: str

    def database(self) -> Database:
        return Database(PostgresSettings(url=self.url, password_file=SecretFile(Path(self.password_file))), SystemClock())


@dataclass(frozen=True, kw_only=True)
class Size:
    """What rebuilding so many accounts took."""

    subjects: int
    accounts: int
    postings: int
    worker_cpu_s: float
    postgres_cpu_s: float
    seconds: float
    worker_mib_max: float

    @property
    def cpu_s(self) -> float:
        return self.worker_cpu_s + self.postgres_cpu_s


# ---- What is in the accounts ----


def _sent(subjects: int) -> Iterator[tuple[str, str, intake.Submission]]:
    """Yield topic, provider and submission: an entry of the register, then three figures a month, subject by subject."""
    for number in range(subjects):
        code = code_of(number)
        yield "registry", "ndrc-sx", entry(code=code, record_number=f"{code}-R")
        for place in range(1, MONTHS + 1):
            period, amount = month(2024, place), 1_000 + (number * 37 + place * 11) % 900
            named = {"period": period, "code": code}
            yield "energy", "grid-sx", electricity(str(amount), record_number=f"{code}-E{place}", **named)
            yield "energy", "tax-sx", fuel(str(40 * amount), basis=INVOICED, record_number=f"{code}-F{place}", **named)
            yield "production", "stats-sx", output(str(100 * amount), record_number=f"{code}-O{place}", **named)


def _records(subjects: int) -> Iterator[Record]:
    offsets: dict[str, Iterator[int]] = {}
    for domain, provider, submission in _sent(subjects):
        topic = f"intake.{domain}.v1.{provider}"
        offset = next(offsets.setdefault(topic, itertools.count()))
        key, value = submission.subject_code.encode(), submission.SerializeToString()
        yield Record(topic, uuid5(_TOPIC_IDS, topic), 0, offset, key, value, {}, 1_795_219_200_000)


def _take_in(database: Database, records: Iterable[Record]) -> int:
    handler, taken = Intake(province=PROVINCE), 0
    rest = iter(records)
    while batch := list(itertools.islice(rest, BATCH_RECORDS)):
        with database.transaction("bench.intake") as transaction:
            handler.handle(transaction, [new_records.read(record) for record in batch])
        taken += len(batch)
    return taken


# ---- One size ----


def _measure(server: PostgresServer, subjects: int) -> Size:
    name = f"bench_accounts_{subjects}"
    with server.connect_as_admin() as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    database_access.prepare_database(server.connection, name)
    access = Access(url=server.url(role="collector", database=name), password_file=str(server.password_file("collector")))
    upgrade("collector", url=access.url, password_file=server.password_file("collector"))
    database = access.database()
    begun = time.monotonic()
    with database.transaction("bench.directory") as transaction:
        entries = parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))
        directory.replace_directory(transaction, entries, at=transaction.now())
    taken = _take_in(database, _records(subjects))
    print(f"{subjects:,} subjects: {taken:,} submissions taken in, {time.monotonic() - begun:.0f} s", flush=True)
    with server.connect_as_admin(database=name) as admin:
        # As after a night: what autovacuum would do at some moment of one size and not of another is done before all.
        admin.execute("VACUUM ANALYZE")
        admin.execute("CHECKPOINT")
    assert server.process is not None
    before = cpu_seconds({"postgres": server.process.pid})["postgres"]
    begun = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-m", "tests.bench.accounts", "work", json.dumps(asdict(access))],
        cwd=REPOSITORY,
        env=inherited(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - begun
    postgres_cpu_s = cpu_seconds({"postgres": server.process.pid})["postgres"] - before
    told = json.loads(child.stdout.splitlines()[-1])
    with database.transaction("bench.count") as transaction:
        accounts, postings = transaction.execute(
            text("SELECT (SELECT count(*) FROM account_revision), (SELECT count(*) FROM posting)")
        ).one()
    database.dispose()
    if accounts != subjects or postings < subjects * MONTHS:
        raise AssertionError(f"{accounts} accounts with {postings} postings are not those of {subjects} subjects")
    with server.connect_as_admin() as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    return Size(
        subjects=subjects,
        accounts=accounts,
        postings=postings,
        worker_cpu_s=told["cpu_s"],
        postgres_cpu_s=postgres_cpu_s,
        seconds=seconds,
        worker_mib_max=told["mib_max"],
    )


def _work(access: Access) -> int:
    """Rebuild every account that is due, in this process, and print what it took."""
    database = access.database()
    worker = AccountWorker(database=database, book=book(), province=PROVINCE, holder=f"bench/{os.getpid()}")
    begun = time.process_time()
    while True:
        while worker.step():
            pass
        with database.transaction("bench.depth") as transaction:
            if work_queue.depth(transaction, DIRTY_SUBJECTS) == 0:
                break
        time.sleep(0.1)
    cpu_s = time.process_time() - begun
    database.dispose()
    # Kibibytes on Linux (getrusage(2)).
    print(json.dumps({"cpu_s": cpu_s, "mib_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
    return 0


def main() -> int:
    if sys.argv[1:2] == ["work"]:
        return _work(Access(**json.loads(sys.argv[2])))
    sizes = sorted(int(size) for size in os.environ.get(SIZES_VARIABLE, SIZES).split(","))
    if len(sizes) != 3:
        print(f"{SIZES_VARIABLE} names three sizes, e.g. {SIZES}", file=sys.stderr)
        return 2
    folder = new_servers_dir()
    measured = []
    try:
        with postgres.running(folder) as server:
            for size in sizes:
                measured.append(_measure(server, size))
                one = measured[-1]
                print(
                    f"  {one.postings:,} postings, {one.seconds:.0f} s; CPU a subject: worker {1000 * one.worker_cpu_s / size:.2f} ms, "
                    f"database {1000 * one.postgres_cpu_s / size:.2f} ms; memory of the worker {one.worker_mib_max:.0f} MiB at most",
                    flush=True,
                )
    finally:
        remove_servers_dir(folder)
    small, middle, large = measured
    lower = (middle.cpu_s - small.cpu_s) / (middle.subjects - small.subjects)
    upper = (large.cpu_s - middle.cpu_s) / (large.subjects - middle.subjects)
    print(f"one more subject costs {1000 * lower:.2f} ms of CPU up to {middle.subjects:,}, {1000 * upper:.2f} ms up to {large.subjects:,}")
    close(
        "accounts",
        [
            Goal(name="accounts-marginal-cost-ratio", value=upper / lower, goal="<=1.05"),
            Goal(name="accounts-memory-ratio", value=large.worker_mib_max / small.worker_mib_max, goal="<=1.1"),
        ],
        {"sizes": [asdict(one) for one in measured]},
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
