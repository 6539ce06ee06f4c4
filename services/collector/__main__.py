"""The commands of the collector, and the only place where its parts are put together."""

import argparse
import functools
import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from kafka.errors import KafkaError

from services.collector import (
    closing,
    consumer,
    directory_text,
    dry_run,
    events,
    evidence,
    method_commands,
    method_files,
    new_records,
    peer_snapshots,
    redrive,
    rpc,
    rules_page,
    scorecard,
    skipping,
)
from services.collector.accounts import AccountWorker, evidence_by_accountable, newest_statement, statement_as_known_on
from services.collector.consumer import DIRTY_SUBJECTS, Intake
from services.collector.directory_file import DirectoryRefusedError, parse_directory, refuse_sandbox_keys
from services.collector.domain.benchmark import Benchmarks, BenchmarksRefusedError, parse_benchmarks
from services.collector.domain.disclosure import Policy, PolicyRefusedError, parse_policy
from services.collector.domain.pack_file import PackRefusedError
from services.collector.domain.period_totals import Granularity
from services.collector.domain.submission import Outcome
from services.collector.evidence_text import checked_text, trace_text
from services.collector.method_releases import ReleasedMethods
from services.collector.providers import BrokerRefusedError, apply_directory
from services.collector.settings import CollectorSettings
from services.collector.statement_text import evidence_text, statement_text
from services.collector.store import directory, totals
from services.collector.store.redriving import Wanted
from services.collector.subscription import Subscription
from services.collector.totals_text import totals_json, totals_text
from services.common import crash, migrations, work_queue
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database, unreachable
from services.common.errors import Refused
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher
from services.common.process import Polling, run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import Profile, SettingsError, load
from services.common.telemetry import configure

SERVICE = "collector"
_BENCHMARKS = Path(__file__).with_name("domain") / "benchmarks.toml"
_DISCLOSURE = Path(__file__).with_name("domain") / "disclosure.toml"
# Objects made while rebuilding an account are dropped at once; looking for cycles after every 700 of them costs a third of the time.
_GC_THRESHOLD = 50_000
_DECISION_CHARACTERS_MAX = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused, 2 called wrongly or without what it needs."""
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
    except PolicyRefusedError as error:
        print(f"{SERVICE}: the disclosure file is refused: {error}", file=sys.stderr)
    except BenchmarksRefusedError as error:
        print(f"{SERVICE}: the benchmarks are refused: {error}", file=sys.stderr)
    except (BrokerRefusedError, skipping.SkipRefusedError) as error:
        print(f"{SERVICE}: {error}", file=sys.stderr)
    except KafkaError as error:
        print(f"{SERVICE}: the broker cannot be reached or refuses: {type(error).__name__}", file=sys.stderr)
    except Refused as error:
        print(f"{SERVICE}: {error.reason}: {error.message}", file=sys.stderr)
    except OSError as error:
        return _called_wrongly(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except UnicodeDecodeError as error:
        return _called_wrongly(f"the file is not UTF-8 from its byte {error.start} on")
    except Exception as error:
        if (problem := unreachable(error)) is None:
            raise
        return _called_wrongly(problem)
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
    show = providers.add_parser("show", help="print the directory as it holds, with what came of each provider in the last 24 hours")
    show.add_argument("--provider", metavar="CODE", help="this one only")
    show.set_defaults(command=_providers_show)

    check = commands.add_parser("check", help="say what intake would answer to the records of a file; needs no database and no broker")
    check.add_argument("file", type=Path, help="one submission in JSON a line, or protobuf: one message, or each after its length")
    check.add_argument("--format", type=dry_run.Layout, choices=list(dry_run.Layout), help="how the records lie (default: found out)")
    check.add_argument("--directory", type=Path, metavar="FILE", help="the provider directory, for rights and bases (default: no limits)")
    check.add_argument("--provider", metavar="CODE", help="who would send them, of that directory")
    check.set_defaults(command=_check)

    again = commands.add_parser("redrive", help="have kept records judged again by the rules and the directory of now")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--rejected", dest="outcome", action="store_const", const=Outcome.REJECTED, help="what a form rule refused")
    which.add_argument("--quarantined", dest="outcome", action="store_const", const=Outcome.QUARANTINED, help="what could not be read")
    again.add_argument("--provider", metavar="CODE", help="of this provider only")
    again.add_argument("--topic", help="of this topic only")
    again.add_argument("--partition", type=int, metavar="P")
    again.add_argument("--offset", type=int, metavar="N", help="this record only; needs --topic and --partition")
    _add_decision(again)
    again.set_defaults(command=_redrive)

    skip = commands.add_parser("skip", help="pass over records that cannot be read, so that their partition goes on")
    skip.add_argument("--topic", required=True)
    skip.add_argument("--partition", type=int, required=True, metavar="P")
    skip.add_argument("--to-offset", type=int, required=True, metavar="N", help="the next offset that is read")
    _add_decision(skip)
    skip.set_defaults(command=_skip)

    method_commands.add_to(commands, opened=_with_database, add_decision=_add_decision)

    rules = commands.add_parser("rules", help="print the catalogue of rules")
    rules.add_argument("--markdown", action="store_true", help="whole, as the page docs/rules.md")
    rules.set_defaults(command=_rules)

    card = commands.add_parser("scorecard", help="print how late, refused, in disagreement and corrected a provider's records were")
    card.add_argument("--provider", required=True, metavar="CODE", help="the provider's code")
    card.add_argument("--month", type=_month, metavar="YYYY-MM", help="of arrival (default: all)")
    card.add_argument("--csv", type=Path, metavar="FILE", help="write it there too")
    card.set_defaults(command=_scorecard)

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


def _add_decision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", type=_one_line, required=True, metavar="TEXT", help="why; kept for ever, and of a skip told to the provider"
    )
    parser.add_argument("--operator", type=_one_line, required=True, metavar="NAME", help="who decided it")


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _DECISION_CHARACTERS_MAX:
        raise argparse.ArgumentTypeError(f"one line of 1 to {_DECISION_CHARACTERS_MAX} printable characters")
    return text.strip()


def disclosure_policy(file: Path = _DISCLOSURE) -> Policy:
    """Read what one agency may learn of another's data.

    Raises:
        PolicyRefusedError: the file cannot be used.
    """
    return parse_policy(file.read_text(encoding="utf-8"), file_name=file.name)


def benchmarks(file: Path = _BENCHMARKS) -> Benchmarks:
    """Read the industry benchmarks that accounts are laid against.

    Raises:
        BenchmarksRefusedError: the file cannot be used.
    """
    return parse_benchmarks(file.read_text(encoding="utf-8"))


def _serve(_: argparse.Namespace) -> int:
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    methods = ReleasedMethods(method_files.shipped())
    methods.check()
    policy, laid_against = disclosure_policy(), benchmarks()
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
        read=new_records.read,
        heartbeats=False,
    )
    worker = AccountWorker(
        database=database, methods=methods, province=settings.province, holder=holder, policy=policy, benchmarks=laid_against
    )
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


def _with_database() -> AbstractContextManager[tuple[Database, str]]:
    """Open the database by the settings, with the province that accounts are kept for."""
    return _database_and_province(load(CollectorSettings, service=SERVICE))


@contextmanager
def _database_and_province(settings: CollectorSettings) -> Iterator[tuple[Database, str]]:
    with _opened(settings) as database:
        yield database, settings.province


def _rules(parsed: argparse.Namespace) -> int:
    print(rules_page.markdown() if parsed.markdown else rules_page.table(), end="")
    return 0


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
    if settings.profile is Profile.PRODUCTION:
        refuse_sandbox_keys(entries)
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
        f"{applied.rights_added} rights, {len(applied.quotas_set)} quotas; altered {len(applied.topics_altered)} topics; "
        f"removed {applied.rights_removed} rights, {len(applied.quotas_removed)} quotas"
    )
    return 0


def _providers_show(parsed: argparse.Namespace) -> int:
    with _opened(load(CollectorSettings, service=SERVICE)) as database, database.transaction("providers.show") as transaction:
        entries = directory.entries(transaction)
        received = totals.received_within_a_day(transaction)
        now = transaction.now()
    shown = [entry for entry in entries if parsed.provider in (None, entry.provider.code)]
    if not shown:
        print(f"{SERVICE}: {parsed.provider or 'no provider'} is not in the directory", file=sys.stderr)
        return 1
    print(directory_text.text(shown, received=received, now=now), end="")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    if (parsed.provider is None) != (parsed.directory is None):
        return _called_wrongly("check needs --provider and --directory together: rights are those of one provider of a directory")
    provider = dry_run.anyone()
    if parsed.directory is not None:
        entries = parse_directory(parsed.directory.read_text(encoding="utf-8"))
        providers = {entry.provider.code: entry.provider for entry in entries}
        if parsed.provider not in providers:
            return _called_wrongly(f"{parsed.provider} is not in {parsed.directory}, which has {', '.join(sorted(providers))}")
        provider = providers[parsed.provider]
    try:
        found = dry_run.answers(parsed.file.read_bytes(), provider=provider, received_at=SystemClock().now(), layout=parsed.format)
    except dry_run.LayoutError as error:
        return _called_wrongly(f"{parsed.file}: {error}")
    print(dry_run.text(found, provider=provider), end="")
    return 1 if any(answer.outcome in (Outcome.REJECTED, Outcome.QUARANTINED) for answer in found) else 0


def _redrive(parsed: argparse.Namespace) -> int:
    if parsed.offset is not None and (parsed.topic is None or parsed.partition is None):
        return _called_wrongly("--offset needs --topic and --partition: it is one record of one partition")
    wanted = Wanted(
        outcome=parsed.outcome, provider_code=parsed.provider, topic=parsed.topic, partition=parsed.partition, offset=parsed.offset
    )
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    with _opened(settings) as database:
        tally = redrive.run(
            database=database,
            intake=Intake(province=settings.province),
            wanted=wanted,
            redrive_id=RandomIds().new(),
            operator=parsed.operator,
            reason=parsed.reason,
            batch_records_max=settings.intake_batch_records_max,
        )
    for line in tally.not_tried:
        print(line)
    counts = ", ".join(f"{tally.outcomes[outcome]} {outcome.lower()}" for outcome in Outcome if tally.outcomes[outcome])
    print(f"{tally.outcomes.total()} records judged again{': ' if counts else ''}{counts}; {len(tally.not_tried)} cannot be")
    return 0


def _skip(parsed: argparse.Namespace) -> int:
    settings = load(CollectorSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    with _opened(settings) as database:
        skipped = skipping.skip(
            database=database,
            kafka_settings=settings.kafka,
            consumer=SERVICE,
            topic=parsed.topic,
            partition=parsed.partition,
            to_offset=parsed.to_offset,
            skip_id=RandomIds().new(),
            operator=parsed.operator,
            reason=parsed.reason,
        )
    if skipped.last_offset < skipped.first_offset:
        print(f"{parsed.topic}-{parsed.partition} stands at {parsed.to_offset} already: nothing was done")
    else:
        print(f"offsets {skipped.first_offset} to {skipped.last_offset} of {parsed.topic}-{parsed.partition} are passed over")
    return 0


def _called_wrongly(what: str) -> int:
    print(f"{SERVICE}: {what}", file=sys.stderr)
    return 2


def _explain(parsed: argparse.Namespace) -> int:
    if parsed.json and parsed.by is None:
        print(f"{SERVICE}: --json needs --by", file=sys.stderr)
        return 2
    with _opened(load(CollectorSettings, service=SERVICE)) as database:
        if parsed.known_on is None:
            revision = newest_statement(database, code=parsed.subject)
        else:
            revision = statement_as_known_on(database, code=parsed.subject, at=parsed.known_on)
        answering = evidence_by_accountable(database, code=parsed.subject)
    if parsed.by is None:
        print(statement_text(revision), end="")
        print(evidence_text(answering), end="")
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


def _scorecard(parsed: argparse.Namespace) -> int:
    with _opened(load(CollectorSettings, service=SERVICE)) as database:
        rows = scorecard.scorecard(database, provider_code=parsed.provider, month=parsed.month)
    print(scorecard.text(rows), end="")
    if parsed.csv is not None:
        with parsed.csv.open("w", encoding="utf-8", newline="") as file:
            scorecard.write_csv(rows, file)
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
