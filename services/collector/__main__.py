"""The commands of the collector, and the only place where its parts are put together."""

import argparse
import functools
import gc
import json
import os
import socket
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from kafka.errors import KafkaError

from services.collector import closing, consumer, events, evidence, peer_snapshots, rpc
from services.collector.accounts import AccountWorker, newest_statement, statement_as_known_on
from services.collector.consumer import DIRTY_SUBJECTS, Intake
from services.collector.domain.benchmark import Benchmarks, BenchmarksRefusedError, parse_benchmarks
from services.collector.domain.emissions import Book
from services.collector.domain.method import PackRefusedError, parse_pack
from services.collector.domain.period_totals import Granularity
from services.collector.evidence_text import checked_text, trace_text
from services.collector.providers import BrokerRefusedError, DirectoryRefusedError, apply_directory, parse_directory
from services.collector.settings import CollectorSettings
from services.collector.statement_text import statement_text
from services.collector.store import totals
from services.collector.subscription import Subscription
from services.collector.totals_text import totals_json, totals_text
from services.common import crash, migrations, work_queue
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database
from services.common.errors import Refused
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher
from services.common.process import Polling, run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import SettingsError, load
from services.common.telemetry import configure

SERVICE = "collector"
_DOMAIN = Path(__file__).with_name("domain")
# Objects made while rebuilding an account are dropped at once; looking for cycles after every 700 of them costs a third of the time.
_GC_THRESHOLD = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or not possible now, 2 called wrongly."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except SettingsError as error:
        print(f"{SERVICE}: cannot start:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    except DirectoryRefusedError as error:
        print(f"{SERVICE}: the provider directory is refused:", *error.problems, sep="\n  ", file=sys.stderr)
    except PackRefusedError as error:
        print(f"{SERVICE}: a method file is refused: {error}", file=sys.stderr)
    except BenchmarksRefusedError as error:
        print(f"{SERVICE}: the benchmarks are refused: {error}", file=sys.stderr)
    except BrokerRefusedError as error:
        print(f"{SERVICE}: {error}", file=sys.stderr)
    except KafkaError as error:
        print(f"{SERVICE}: the broker cannot be reached or refuses: {type(error).__name__}", file=sys.stderr)
    except Refused as error:
        print(f"{SERVICE}: {error.reason}: {error.message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description="Takes in submissions and keeps carbon accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service until it is told to stop").set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the schema to the newest revision").set_defaults(command=_migrate)
    commands.add_parser("summary", help="print what is in the tables as one JSON object").set_defaults(command=_summary)

    providers = commands.add_parser("providers", help="the provider directory").add_subparsers(required=True, metavar="COMMAND")
    apply = providers.add_parser("apply", help="make rows, topics, principals and rights what a directory file says")
    apply.add_argument("file", type=Path, help="the directory, TOML")
    apply.add_argument("--secrets-dir", type=Path, required=True, help="where <code>.password of each provider is kept, or made if absent")
    apply.set_defaults(command=_providers_apply)

    explain = commands.add_parser("explain", help="print the account of a subject")
    explain.add_argument("--subject", required=True, metavar="CODE", help="unified social credit code")
    explain.add_argument("--known-on", type=_instant, metavar="INSTANT", help="as it was known then, ISO 8601 with zone (default: newest)")
    explain.add_argument("--by", type=Granularity, choices=list(Granularity), help="totals by period instead of lines")
    explain.add_argument("--json", action="store_true", help="totals as one JSON object (with --by)")
    explain.set_defaults(command=_explain)

    trace = commands.add_parser("trace", help="list the submissions behind a figure and show whether any was altered")
    trace.add_argument("--subject", required=True, metavar="CODE", help="unified social credit code")
    figure = trace.add_mutually_exclusive_group(required=True)
    figure.add_argument("--posting", type=UUID, metavar="ID", help="one posting")
    figure.add_argument("--line", type=_line, metavar="START/END/SCOPE/CARRIER", help="a line, e.g. 2024-01-01/2024-02-01/1/coal")
    trace.set_defaults(command=_trace)
    close = commands.add_parser("close", help="close a month: its findings become final")
    close.add_argument("--month", type=_month, required=True, metavar="YYYY-MM")
    close.add_argument("--operator", required=True, metavar="NAME", help="who closes it; kept with the close")
    close.set_defaults(command=_close)
    peers = commands.add_parser("peers", help="snapshots of peers").add_subparsers(required=True, metavar="COMMAND")
    peers_close = peers.add_parser("close", help="make the snapshots of a month, or new editions of those that changed")
    peers_close.add_argument("--month", type=_month, required=True, metavar="YYYY-MM")
    peers_close.set_defaults(command=_peers_close)
    commands.add_parser("fsck", help="derive again what was stored and say what was altered").set_defaults(command=_fsck)
    return parser


def book(domain: Path = _DOMAIN) -> Book:
    """Read what accounts are drawn up by: the method files and the catalogue of recognised technologies.

    Raises:
        PackRefusedError: a method file cannot be used.
    """
    packs = [parse_pack(path.read_text(encoding="utf-8"), file_name=path.name) for path in sorted((domain / "methods").glob("*.toml"))]
    technologies = tomllib.loads((domain / "recognised_technologies.toml").read_text(encoding="utf-8"))
    return Book(
        packs=tuple(packs),
        recognised_everywhere=frozenset(technologies["everywhere"]["technologies"]),
        recognised_by_industry={code: frozenset(one["technologies"]) for code, one in technologies["industry"].items()},
    )


def benchmarks(domain: Path = _DOMAIN) -> Benchmarks:
    """Read the industry benchmarks that accounts are laid against.

    Raises:
        BenchmarksRefusedError: the file cannot be used.
    """
    return parse_benchmarks((domain / "benchmarks.toml").read_text(encoding="utf-8"))


def _serve(_: argparse.Namespace) -> int:
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    accounted_by, laid_against = book(), benchmarks()
    telemetry = configure(SERVICE, settings.telemetry)
    clock, ids = SystemClock(), RandomIds()
    holder = f"{socket.gethostname()}/{os.getpid()}/{ids.new()}"
    database = Database(settings.postgres, clock)
    subscription = Subscription(consumer=SERVICE, database=database, kafka_settings=settings.kafka)
    consuming = Consumer(
        name=SERVICE,
        group=SERVICE,
        topics=subscription.topics,
        handle=Intake(province=settings.province).handle,
        database=database,
        kafka_settings=settings.kafka,
        max_records=settings.intake_batch_records_max,
        heartbeats=False,
    )
    worker = AccountWorker(database=database, book=accounted_by, province=settings.province, holder=holder, benchmarks=laid_against)
    accounting = Polling("accounts", worker.step)
    database.subscribe(work_queue.signal(DIRTY_SUBJECTS), accounting.wake)
    publisher = OutboxPublisher(database, settings.kafka, events.OWNED_TOPICS, clock, ids, holder)
    server = rpc.server(settings.rpc)
    server.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        return run_until_stopped(
            {
                "consumer": consuming.run,
                "accounts": accounting.run,
                "outbox": publisher.run,
                "health": functools.partial(_tell_health, server, consuming),
            },
            on_stop=lambda: server.stop(rpc.GRACE_S),
        )
    finally:
        subscription.close()
        database.dispose()
        telemetry.shutdown()


def _tell_health(server: RpcServer, consuming: Consumer, stop: threading.Event) -> None:
    """Say by health whether the loop turns; whether brokers and database are there is for metrics to say."""
    while not stop.is_set():
        server.set_serving(consuming.healthy())
        stop.wait(1.0)


def _migrate(_: argparse.Namespace) -> int:
    postgres = load(CollectorSettings, service=SERVICE).postgres
    migrations.upgrade(SERVICE, url=postgres.url, password_file=postgres.password_file.path)
    return 0


@contextmanager
def _opened(settings: CollectorSettings) -> Iterator[Database]:
    database = Database(settings.postgres, SystemClock())
    try:
        yield database
    finally:
        database.dispose()


def _summary(_: argparse.Namespace) -> int:
    with _opened(load(CollectorSettings, service=SERVICE)) as database, database.transaction("summary.read") as transaction:
        counts = totals.counts(transaction)
        counts["dirty_subjects"] = work_queue.depth(transaction, consumer.DIRTY_SUBJECTS)
    print(json.dumps({"service": SERVICE, **counts}, default=str))
    return 0


def _providers_apply(parsed: argparse.Namespace) -> int:
    entries = parse_directory(parsed.file.read_text(encoding="utf-8"))
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    clock = SystemClock()
    applied = apply_directory(
        entries,
        database=Database(settings.postgres, clock),
        kafka_settings=settings.kafka,
        secrets_dir=parsed.secrets_dir,
        clock=clock,
    )
    print(
        f"{applied.providers} providers; made {len(applied.topics_created)} topics, {len(applied.passwords_created)} passwords, "
        f"{applied.rights_added} rights; altered {len(applied.topics_altered)} topics; removed {applied.rights_removed} rights"
    )
    return 0


def _explain(parsed: argparse.Namespace) -> int:
    if parsed.json and parsed.by is None:
        print(f"{SERVICE}: --json needs --by", file=sys.stderr)
        return 2
    with _opened(load(CollectorSettings, service=SERVICE)) as database:
        if parsed.known_on is None:
            revision = newest_statement(database, code=parsed.subject)
        else:
            revision = statement_as_known_on(database, code=parsed.subject, at=parsed.known_on)
    if parsed.by is None:
        print(statement_text(revision), end="")
    elif parsed.json:
        print(totals_json(revision, parsed.by))
    else:
        print(totals_text(revision, parsed.by), end="")
    return 0


def _trace(parsed: argparse.Namespace) -> int:
    with _opened(load(CollectorSettings, service=SERVICE)) as database:
        traces = evidence.trace(database, code=parsed.subject, posting_id=parsed.posting, line=parsed.line)
    print(trace_text(traces), end="")
    return 1 if any(trace.is_altered() for trace in traces) else 0


def _fsck(_: argparse.Namespace) -> int:
    with _opened(load(CollectorSettings, service=SERVICE)) as database:
        checked = evidence.check(database)
    print(checked_text(checked), end="")
    return 1 if checked.faults else 0


def _close(parsed: argparse.Namespace) -> int:
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    with _opened(settings) as database:
        closed = closing.close_month(database, month=parsed.month, operator=parsed.operator)
    print(
        f"{closed.close.month:%Y-%m} closed by {closed.close.operator} at {closed.close.closed_at.isoformat()}"
        f"{' (recorded before)' if closed.again else ''}; {closed.accounts_marked} accounts are stated again"
    )
    return 0


def _peers_close(parsed: argparse.Namespace) -> int:
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    with _opened(settings) as database:
        groups, appended = peer_snapshots.close_peers(database, month=parsed.month)
        marked = closing.mark_every_account(database) if appended else 0
    print(f"{parsed.month:%Y-%m}: {groups} groups of peers, {appended} new editions; {marked} accounts are stated again")
    return 0


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError as error:
        raise argparse.ArgumentTypeError("name the month as YYYY-MM") from error


def _line(text: str) -> evidence.Line:
    try:
        start, end, scope, carrier = text.split("/", 3)
        return evidence.Line(start=date.fromisoformat(start), end=date.fromisoformat(end), scope=int(scope), energy_carrier=carrier)
    except ValueError as error:
        raise argparse.ArgumentTypeError("name it as START/END/SCOPE/CARRIER, e.g. 2024-01-01/2024-02-01/1/coal") from error


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError("name the zone, e.g. 2025-06-01T00:00:00+08:00")
    return instant.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
