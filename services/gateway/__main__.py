"""The commands of the gateway, and the only place where its parts are put together."""

import argparse
import json
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc

from services.common import crash, migrations
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database
from services.common.identifiers import RandomIds
from services.common.process import run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import SettingsError, load
from services.common.telemetry import configure
from services.gateway import consumer, export, handshakes, store
from services.gateway.directory import SubscriberDirectory
from services.gateway.domain.subscriber import DirectoryError
from services.gateway.handshakes import HandshakeLog
from services.gateway.inquiries import Inquiries
from services.gateway.rpc import ERROR_DOMAIN, FULL_NAME, InquiryService
from services.gateway.settings import GatewaySettings
from services.gateway.tls import ServerTls, TlsError

SERVICE = "gateway"
_GRACE_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a loop broke, 2 cannot start or called wrongly."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        return command(parsed)
    except SettingsError as error:
        print(f"{SERVICE}: cannot start:", *error.problems, sep="\n  ", file=sys.stderr)
    except DirectoryError as error:
        print(f"{SERVICE}: subscribers cannot be used:", *error.problems, sep="\n  ", file=sys.stderr)
    except TlsError as error:
        print(f"{SERVICE}: certificates cannot be used: {error}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description="Answers the inquiries of banks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service until it is told to stop").set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the schema to the newest revision").set_defaults(command=_migrate)
    commands.add_parser("summary", help="print what is in the tables as one JSON object").set_defaults(command=_summary)
    inquiries = commands.add_parser("inquiries", help="print the record of inquiries as JSON lines, for the supervisor")
    inquiries.add_argument("--since", type=_instant, default=datetime(1970, 1, 1, tzinfo=UTC), help="from this instant on (ISO 8601)")
    inquiries.add_argument("--until", type=_instant, default=None, help="up to, but without, this instant (ISO 8601; default: now)")
    inquiries.set_defaults(command=_inquiries)
    return parser


def _serve(_: argparse.Namespace) -> int:
    settings = load(GatewaySettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    handshakes.make_core_talk()
    clock = SystemClock()
    telemetry = configure(SERVICE, settings.telemetry)
    certificate_file, key_file, client_ca_file = settings.tls_files
    tls = ServerTls(certificate_file=certificate_file, key_file=key_file, client_ca_file=client_ca_file, clock=clock)
    directory = SubscriberDirectory(settings.subscribers_path)
    database = Database(settings.postgres, clock)
    consuming = Consumer(
        name=SERVICE,
        group=SERVICE,
        topics=lambda: consumer.TOPICS,
        handle=consumer.handle,
        database=database,
        kafka_settings=settings.kafka,
    )
    inquiries = Inquiries(
        database=database,
        clock=clock,
        ids=RandomIds(),
        directory=directory,
        freshness=consuming.freshness,
        stale_after_s=settings.stale_after_s,
    )
    with HandshakeLog():
        server = RpcServer(
            settings.rpc.rpc_listen_address,
            settings.rpc.health_listen_address,
            [(pb_grpc.add_InquiryServiceServicer_to_server, InquiryService(inquiries), FULL_NAME)],
            tls.credentials(),
            max_workers=settings.rpc.rpc_workers_max,
            error_domain=ERROR_DOMAIN,
        )
        server.start()

        def watch(stop: threading.Event) -> None:
            """Tell health, and take up changed files."""
            while not stop.is_set():
                server.set_serving(consuming.healthy())
                directory.reload_if_changed()
                tls.reload_if_changed()
                stop.wait(settings.file_poll_s)

        try:
            return run_until_stopped({"consumer": consuming.run, "watch": watch}, on_stop=lambda: server.stop(_GRACE_S))
        finally:
            database.dispose()
            telemetry.shutdown()


def _migrate(_: argparse.Namespace) -> int:
    postgres = load(GatewaySettings, service=SERVICE).postgres
    migrations.upgrade(SERVICE, url=postgres.url, password_file=postgres.password_file.path)
    return 0


def _summary(_: argparse.Namespace) -> int:
    database = Database(load(GatewaySettings, service=SERVICE).postgres, SystemClock())
    with database.transaction("summary.read") as transaction:
        counts = store.counts(transaction)
    print(json.dumps({"service": SERVICE, **counts}))
    return 0


def _inquiries(arguments: argparse.Namespace) -> int:
    database = Database(load(GatewaySettings, service=SERVICE).postgres, SystemClock())
    for line in export.lines(database, since=arguments.since, until=arguments.until or SystemClock().now()):
        print(line)
    return 0


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
