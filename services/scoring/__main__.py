"""The commands of the scoring service, and the only place where its parts are put together."""

import argparse
import functools
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from services.common import crash, migrations
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database, unreachable
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher
from services.common.process import Polling, run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import SettingsError, load
from services.common.telemetry import configure
from services.scoring import consumer, explanation, reassessment, rpc, store, training, wire
from services.scoring.assessment import Assessing
from services.scoring.consumer import AccountConsumer
from services.scoring.domain.grade import SCALE
from services.scoring.model import ModelRefusedError
from services.scoring.panel import PanelError, read_panel
from services.scoring.parameter_files import load_parameters
from services.scoring.reassessment import DueRound
from services.scoring.releases import CurrentModel, NoModelError, release
from services.scoring.settings import ScoringSettings
from services.scoring.training import TrainingError

SERVICE = "scoring"
# What this service publishes; a heartbeat on it tells readers that nothing is held back.
HEARTBEATS = (wire.ASSESSMENT_MADE_TOPIC,)
_HEALTH_EVERY_S = 1.0
_PROGRESS_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused, 2 called wrongly."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except SettingsError as error:
        print(f"{SERVICE}: cannot start:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    except (PanelError, TrainingError, ModelRefusedError, NoModelError, OSError) as error:
        print(f"{SERVICE}: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if (problem := unreachable(error)) is None:
            raise
        print(f"{SERVICE}: {problem}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description="Turns account statements into assessments.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service until it is told to stop").set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the schema to the newest revision").set_defaults(command=_migrate)
    commands.add_parser("summary", help="print what is in the tables as one JSON object").set_defaults(command=_summary)
    commands.add_parser("models", help="list model releases and which one is in use").set_defaults(command=_models)
    commands.add_parser("sensitivity", help="show how scores depend on the published weights").set_defaults(command=_sensitivity)

    train = commands.add_parser("train", help="train a model on a panel, release it and put it to use")
    train.add_argument("--panel", type=Path, required=True, help="CSV of yearly figures")
    train.add_argument("--seed", type=int, default=training.SEED, help="same panel and seed, same artefact (default %(default)s)")
    train.set_defaults(command=_train)

    reassess = commands.add_parser("reassess", help="assess again what was not assessed by the model and tables in use")
    reassess.add_argument("--rate", type=_rate, required=True, help="subjects a second at most")
    reassess.set_defaults(command=_reassess)

    explain = commands.add_parser("explain", help="tell how the newest assessment of a subject came about")
    explain.add_argument("--subject", required=True, help="unified social credit code")
    explain.set_defaults(command=_explain)
    return parser


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 10_000:
        raise argparse.ArgumentTypeError("above 0 and at most 10000")
    return rate


def _serve(_: argparse.Namespace) -> int:
    settings = load(ScoringSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    telemetry = configure(SERVICE, settings.telemetry)
    clock, ids = SystemClock(), RandomIds()
    database = Database(settings.postgres, clock)
    models = CurrentModel(database=database, clock=clock, profile=settings.profile)
    assessing = _assessing(settings, clock, models)
    handler = AccountConsumer(assessing=assessing)
    consuming = Consumer(
        name=SERVICE,
        group=SERVICE,
        topics=lambda: consumer.TOPICS,
        handle=handler.handle,
        database=database,
        kafka_settings=settings.kafka,
        after_commit=handler.after_commit,
        max_records=consumer.RECORDS_MAX,
    )
    publisher = OutboxPublisher(database, settings.kafka, HEARTBEATS, clock, ids, f"{socket.gethostname()}/{os.getpid()}")
    server = rpc.server(settings.rpc)
    server.start()
    try:
        return run_until_stopped(
            {
                "model": Polling("model", models.refresh).run,
                "consumer": functools.partial(_consume, models, consuming),
                "due": functools.partial(_run_due, models, DueRound(database=database, assessing=assessing)),
                "outbox": publisher.run,
                "health": functools.partial(_tell_health, server, consuming, models),
            },
            on_stop=lambda: server.stop(rpc.GRACE_S),
        )
    finally:
        database.dispose()
        telemetry.shutdown()


def _assessing(settings: ScoringSettings, clock: SystemClock, models: CurrentModel) -> Assessing:
    return Assessing(clock=clock, parameters=load_parameters(), scale=SCALE, models=models, province=settings.province)


def _consume(models: CurrentModel, consuming: Consumer, stop: threading.Event) -> None:
    _await_model(models, stop)
    consuming.run(stop)


def _run_due(models: CurrentModel, due: DueRound, stop: threading.Event) -> None:
    _await_model(models, stop)
    Polling("due", due.step).run(stop)


def _await_model(models: CurrentModel, stop: threading.Event) -> None:
    """Wait for the first model: before it there is nothing to assess with, and no reason to join the group."""
    while not (models.ready or stop.is_set()):
        stop.wait(0.1)


def _tell_health(server: RpcServer, consuming: Consumer, models: CurrentModel, stop: threading.Event) -> None:
    """Say by health whether there is a model and the loop turns; whether brokers and database are there is for metrics to say."""
    while not stop.is_set():
        server.set_serving(models.ready and consuming.healthy())
        stop.wait(_HEALTH_EVERY_S if models.ready else 0.1)


def _migrate(_: argparse.Namespace) -> int:
    postgres = load(ScoringSettings, service=SERVICE).postgres
    migrations.upgrade(SERVICE, url=postgres.url, password_file=postgres.password_file.path)
    return 0


def _summary(_: argparse.Namespace) -> int:
    clock = SystemClock()
    with _database().transaction("summary.read") as transaction:
        counts = store.counts(transaction)
        counts["model_in_use"] = store.current_model(transaction, at=clock.now())
    print(json.dumps({"service": SERVICE, **counts}))
    return 0


def _models(_: argparse.Namespace) -> int:
    with _database().transaction("models.read") as transaction:
        releases = store.releases(transaction)
        in_use = store.current_model(transaction, at=SystemClock().now())
    for one in releases:
        test, tested_years = one.card["test_with_headroom"], ", ".join(one.card["data"]["tested_years"])
        print(f"{'*' if one.model_sha256 == in_use else ' '} {one.model_sha256}  {one.model_version}  {one.profile}")
        print(f"    trained {one.trained_at.isoformat(timespec='seconds')}, tested on {tested_years}", end=": ")
        print(f"AUC {test['auc']} ± {test['auc_standard_error']}, Brier {test['brier']} (constant {test['brier_constant']})")
        for valid_from in one.valid_from:
            print(f"    in use from {valid_from.isoformat(timespec='seconds')}")
    return 0


def _train(arguments: argparse.Namespace) -> int:
    settings = load(ScoringSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    clock = SystemClock()
    panel = read_panel(arguments.panel)
    print(f"panel {arguments.panel}: {panel.rows} rows, {len(panel.subjects)} subjects, sha256 {panel.sha256}", flush=True)
    content = training.train(panel, parameters=load_parameters(), seed=arguments.seed, profile=settings.profile)
    model = release(database=Database(settings.postgres, clock), clock=clock, content=content, profile=settings.profile)
    print(f"released {model.version}, sha256 {model.sha256}, {len(content)} bytes")
    return 0


def _reassess(arguments: argparse.Namespace) -> int:
    settings = load(ScoringSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    clock = SystemClock()
    database = Database(settings.postgres, clock)
    models = CurrentModel(database=database, clock=clock, profile=settings.profile)
    models.refresh()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def progress(done: int) -> None:
        if done % _PROGRESS_EVERY < reassessment.CHUNK:
            print(f"{done} subjects assessed again", flush=True)

    counts = reassessment.wave(
        database=database, assessing=_assessing(settings, clock, models), rate_per_s=arguments.rate, stop=stop, progress=progress
    )
    print(f"wave done: {counts.made} new assessments, {counts.unchanged} without news" + (", stopped early" if stop.is_set() else ""))
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    with _database().transaction("explain.read") as transaction:
        content = store.newest_assessment_of(transaction, arguments.subject)
    if content is None:
        print(f"{SERVICE}: no assessment of {arguments.subject}", file=sys.stderr)
        return 1
    for line in explanation.explain(content):
        print(line)
    return 0


def _sensitivity(_: argparse.Namespace) -> int:
    with _database().transaction("explain.read") as transaction:
        contents = store.newest_assessments(transaction)
    for line in explanation.sensitivity(contents, scale=SCALE):
        print(line)
    return 0


def _database() -> Database:
    return Database(load(ScoringSettings, service=SERVICE).postgres, SystemClock())


if __name__ == "__main__":
    sys.exit(main())
