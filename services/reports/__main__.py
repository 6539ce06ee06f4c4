"""The commands of the reports service, and the only place where its parts are put together."""

import argparse
import functools
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from services.common import crash, migrations, work_queue
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database, unreachable
from services.common.identifiers import RandomIds
from services.common.outbox import OutboxPublisher
from services.common.process import Polling, run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import Profile, SettingsError, load
from services.common.telemetry import configure
from services.reports import consumer, fsck, metrics, published_keys, signing, store, wire
from services.reports.consumer import SIGNING_QUEUE, AssessmentConsumer
from services.reports.domain.report import Issuer, KeyProfile
from services.reports.issuance import Issuance
from services.reports.published_keys import PublishedKeysError
from services.reports.reproduce import reproduce
from services.reports.settings import ReportsSettings
from services.reports.signing import SigningKeyError
from services.reports.verify import Outcome, verify

SERVICE = "reports"
# What this service publishes; a heartbeat on each tells readers that nothing is held back.
HEARTBEATS = (wire.REPORT_REVISED_TOPIC, wire.OBJECTION_CHANGED_TOPIC)
# Where `verify` looks for keys when none are named: beside the report, then where the one-machine runtime publishes them.
PUBLISHED_KEYS_NAME = "published-keys.json"
LOCAL_KEYS = Path(".state") / "keys" / PUBLISHED_KEYS_NAME
_GRACE_S = 5.0
_FAULTS_SHOWN_MAX = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or at fault, 2 called wrongly."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except SettingsError as error:
        print(f"{SERVICE}: cannot start:", *error.problems, sep="\n  ", file=sys.stderr)
    except (SigningKeyError, PublishedKeysError) as error:
        print(f"{SERVICE}: {error}", file=sys.stderr)
    except Exception as error:
        if (problem := unreachable(error)) is None:
            raise
        print(f"{SERVICE}: {problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description="Composes, signs and issues report revisions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service until it is told to stop").set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the schema to the newest revision").set_defaults(command=_migrate)
    commands.add_parser("summary", help="print what is in the tables as one JSON object").set_defaults(command=_summary)
    commands.add_parser("fsck", help="derive everything stored again; exit 1 on a fault").set_defaults(command=_fsck)

    reproduction = commands.add_parser("reproduce", help="compose stored revisions again from their pins; exit 1 on any other byte")
    reproduction.add_argument("--subject", metavar="CODE", help="of this unified social credit code only")
    reproduction.add_argument("--revision", metavar="N", type=int, help="of this number only")
    reproduction.set_defaults(command=_reproduce)

    keys = commands.add_parser("keys", help="signing keys").add_subparsers(required=True, metavar="COMMAND")
    create = keys.add_parser("create", help="make a signing key and publish its public part; does nothing when both are there")
    create.add_argument("--out", type=Path, required=True, help="private key, PKCS#8 PEM, mode 0600")
    create.add_argument("--published", type=Path, required=True, help="published keys, a JWK set; the key is added to it")
    create.add_argument("--production", action="store_true", help="do not mark the key as a sandbox key")
    create.add_argument("--valid-days", type=int, default=signing.VALID_DAYS, help="how long it may sign (default %(default)s)")
    create.set_defaults(command=_keys_create)

    verification = commands.add_parser("verify", help="check a signed report offline; exit 1 when it may not be believed")
    verification.add_argument("file", type=Path, help="the report as it was received, JWS compact serialisation")
    verification.add_argument("--keys", type=Path, help=f"published keys (default: {PUBLISHED_KEYS_NAME} beside FILE, then {LOCAL_KEYS})")
    verification.add_argument("--predecessor", type=Path, help="the signed revision before, to check the link as well")
    verification.set_defaults(command=_verify)
    return parser


def _serve(_: argparse.Namespace) -> int:
    settings = load(ReportsSettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    signer = signing.load(
        key_file=settings.signing_key_path,
        published_file=settings.published_keys_path,
        production=settings.profile is Profile.PRODUCTION,
    )
    telemetry = configure(SERVICE, settings.telemetry)
    metrics.SIGNING_KEY_EXPIRES.set(signer.published.expires_at.timestamp())
    clock, ids = SystemClock(), RandomIds()
    holder = f"{socket.gethostname()}/{os.getpid()}/{ids.new()}"
    database = Database(settings.postgres, clock)
    handler = AssessmentConsumer(
        clock=clock,
        issuer=Issuer(name=settings.issuer_name, province=settings.province),
        key_profile=KeyProfile.SANDBOX if signer.published.sandbox else KeyProfile.PRODUCTION,
    )
    consuming = Consumer(
        name=SERVICE,
        group=SERVICE,
        topics=lambda: consumer.TOPICS,
        handle=handler.handle,
        database=database,
        kafka_settings=settings.kafka,
    )
    issuance = Issuance(database=database, signer=signer, clock=clock, province=settings.province, holder=holder)
    issuing = Polling("issuance", issuance.step)
    database.subscribe(work_queue.signal(SIGNING_QUEUE), issuing.wake)
    publisher = OutboxPublisher(database, settings.kafka, HEARTBEATS, clock, ids, holder)
    server = RpcServer(settings.rpc.rpc_listen_address, settings.rpc.health_listen_address, [], None)
    server.start()
    try:
        return run_until_stopped(
            {
                "consumer": consuming.run,
                "issuance": issuing.run,
                "outbox": publisher.run,
                "health": functools.partial(_tell_health, server, consuming),
            },
            on_stop=lambda: server.stop(_GRACE_S),
        )
    finally:
        database.dispose()
        telemetry.shutdown()


def _tell_health(server: RpcServer, consuming: Consumer, stop: threading.Event) -> None:
    """Say by health whether the loop turns; whether brokers and database are there is for metrics to say."""
    while not stop.is_set():
        server.set_serving(consuming.healthy())
        stop.wait(1.0)


def _migrate(_: argparse.Namespace) -> int:
    postgres = load(ReportsSettings, service=SERVICE).postgres
    migrations.upgrade(SERVICE, url=postgres.url, password_file=postgres.password_file.path)
    return 0


def _summary(_: argparse.Namespace) -> int:
    database = Database(load(ReportsSettings, service=SERVICE).postgres, SystemClock())
    with database.transaction("summary.read") as transaction:
        counts = store.counts(transaction)
        counts["signing_tickets"] = work_queue.depth(transaction, SIGNING_QUEUE)
    print(json.dumps({"service": SERVICE, **counts}))
    return 0


def _fsck(_: argparse.Namespace) -> int:
    settings = load(ReportsSettings, service=SERVICE)
    keys = published_keys.read(settings.published_keys_path)
    findings = fsck.check(Database(settings.postgres, SystemClock()), keys)
    for fault in findings.faults[:_FAULTS_SHOWN_MAX]:
        print(f"FAULT subject {fault.subject_id} revision {fault.number}: {fault.what}", file=sys.stderr)
    print(
        json.dumps(
            {
                "service": SERVICE,
                "subjects": findings.subjects,
                "revisions": findings.revisions,
                "signatures": findings.signatures,
                "faults": len(findings.faults),
            }
        )
    )
    return 1 if findings.faults else 0


def _reproduce(arguments: argparse.Namespace) -> int:
    database = Database(load(ReportsSettings, service=SERVICE).postgres, SystemClock())
    revisions = differences = 0
    try:
        for one in reproduce(database, subject_code=arguments.subject, number=arguments.revision):
            revisions += 1
            if one.difference is not None:
                differences += 1
                print(f"DIFFERENT subject {one.subject_id} revision {one.number}: {one.difference}", file=sys.stderr)
    finally:
        database.dispose()
    print(json.dumps({"service": SERVICE, "revisions": revisions, "different": differences}))
    asked = arguments.subject is not None or arguments.revision is not None
    if asked and not revisions:
        print(f"{SERVICE}: no such revision", file=sys.stderr)
    return 1 if differences or (asked and not revisions) else 0


def _keys_create(arguments: argparse.Namespace) -> int:
    key = signing.create(
        key_file=arguments.out,
        published_file=arguments.published,
        sandbox=not arguments.production,
        now=SystemClock().now(),
        valid_days=arguments.valid_days,
    )
    marker = "sandbox" if key.sandbox else "production"
    print(f"{marker} key {key.key_id}, valid {key.not_before.isoformat()} to {key.expires_at.isoformat()}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    keys_file = arguments.keys or next((one for one in (file.parent / PUBLISHED_KEYS_NAME, LOCAL_KEYS) if one.exists()), None)
    if keys_file is None:
        print(f"{SERVICE}: no published keys: name them with --keys", file=sys.stderr)
        return 2
    try:
        signed = file.read_bytes()
        predecessor = arguments.predecessor.read_bytes() if arguments.predecessor else None
    except OSError as error:
        print(f"{SERVICE}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"report {file}, {len(signed)} bytes, against the keys in {keys_file}")
    verification = verify(signed, published_keys.read(keys_file), predecessor=predecessor)
    for check in verification.checks:
        print(f"  {check.outcome.value:<5}{check.name:<19}{check.detail}")
    failed = sum(check.outcome is Outcome.FAILED for check in verification.checks)
    print("verified: every byte is the bureau's" if verification.passed else f"NOT VERIFIED: {failed} checks failed")
    return 0 if verification.passed else 1


if __name__ == "__main__":
    sys.exit(main())
