"""The commands of the gateway, and the only place where its parts are put together."""

import argparse
import json
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc
from carbonbureau.bureau.v1 import subject_service_pb2_grpc as subject_pb_grpc

from services.common import crash, migrations
from services.common.clock import Clock, SystemClock
from services.common.consumer import Consumer
from services.common.database import Database, Transaction, unreachable
from services.common.identifiers import RandomIds
from services.common.process import run_until_stopped
from services.common.rpc import RpcServer
from services.common.settings import Profile, SettingsError, load
from services.common.telemetry import configure
from services.gateway import consumer, export, handshakes, store
from services.gateway.directory import SubscriberDirectory
from services.gateway.domain.subscriber import DirectoryError
from services.gateway.handshakes import HandshakeLog
from services.gateway.inquiries import Inquiries
from services.gateway.portal import Portal
from services.gateway.revocation import RevocationError, Revocations
from services.gateway.rpc import ERROR_DOMAIN, INQUIRY_SERVICE, SUBJECT_SERVICE, InquiryService, SubjectService
from services.gateway.settings import GatewaySettings, PortalSettings
from services.gateway.tls import ServerTls, TlsError
from services.gateway.tokens import TokenKeys, TokenKeysError

SERVICE = "gateway"
_GRACE_S = 5.0
# Two of them for streams; at the database fewer stand at a time, as portal.py says.
_PORTAL_WORKERS = 8

_Freshness = Callable[[Transaction], datetime | None]


class _Watched(Protocol):
    """Something read from files that may change."""

    def reload_if_changed(self) -> bool: ...


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
    except RevocationError as error:
        print(f"{SERVICE}: revocation lists cannot be used: {error}", file=sys.stderr)
    except TokenKeysError as error:
        print(f"{SERVICE}: token keys cannot be used: {error}", file=sys.stderr)
    except Exception as error:
        if (problem := unreachable(error)) is None:
            raise
        print(f"{SERVICE}: {problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description="Answers the inquiries of banks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service until it is told to stop").set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the schema to the newest revision").set_defaults(command=_migrate)
    commands.add_parser("summary", help="print what is in the tables as one JSON object").set_defaults(command=_summary)
    inquiries = commands.add_parser("inquiries", help="print the record of inquiries as JSON lines, for the supervisor")
    inquiries.add_argument("--since", type=_instant, default=datetime(1970, 1, 1, tzinfo=UTC), help="from this instant on (ISO 8601)")
    until = "up to, but without, this instant (ISO 8601; default and at most: the start of the oldest call being recorded)"
    inquiries.add_argument("--until", type=_instant, default=None, help=until)
    inquiries.add_argument(
        "--portal", action="store_true", help="those of enterprises, reviewers and the supervisor instead of those of banks"
    )
    inquiries.set_defaults(command=_inquiries)
    return parser


def _serve(_: argparse.Namespace) -> int:
    settings = load(GatewaySettings, service=SERVICE)
    crash.arm(settings.crash.crash_point, settings.crash.allow_crash_points)
    handshakes.make_core_talk()
    clock = SystemClock()
    telemetry = configure(SERVICE, settings.telemetry)
    database = Database(settings.postgres, clock)
    consuming = Consumer(
        name=SERVICE,
        group=SERVICE,
        topics=lambda: consumer.TOPICS,
        handle=consumer.handle,
        database=database,
        kafka_settings=settings.kafka,
    )
    certificate_file, key_file, client_ca_file = settings.tls_files
    tls = ServerTls(certificate_file=certificate_file, key_file=key_file, client_ca_file=client_ca_file, clock=clock)
    watched: list[_Watched] = [tls]
    with HandshakeLog():
        servers = [_bank_server(settings, tls, database, clock, consuming.freshness, watched)]
        if settings.portal is not None:
            servers.append(_portal_server(settings, settings.portal, tls, database, clock, consuming.freshness, watched))
        for server in servers:
            server.start()

        def watch(stop: threading.Event) -> None:
            """Tell health, and take up changed files."""
            while not stop.is_set():
                for server in servers:
                    server.set_serving(consuming.healthy())
                for files in watched:
                    files.reload_if_changed()
                stop.wait(settings.file_poll_s)

        def stop_serving() -> None:
            """Let the listeners finish their calls side by side: each may need the whole grace."""
            with ThreadPoolExecutor(len(servers)) as stopping:
                list(stopping.map(lambda server: server.stop(_GRACE_S), servers))

        try:
            return run_until_stopped({"consumer": consuming.run, "watch": watch}, on_stop=stop_serving)
        finally:
            database.dispose()
            telemetry.shutdown()


def _bank_server(
    settings: GatewaySettings, tls: ServerTls, database: Database, clock: Clock, freshness: _Freshness, watched: list[_Watched]
) -> RpcServer:
    """Put together what answers banks over mTLS; the files it follows are added to `watched`."""
    revocations = Revocations(
        crl_file=settings.client_crl_path,
        client_ca_file=settings.tls_files[2],
        must_be_known=settings.profile is Profile.PRODUCTION,
        clock=clock,
    )
    directory = SubscriberDirectory(settings.subscribers_path)
    watched += [revocations, directory]
    inquiries = Inquiries(
        database=database,
        clock=clock,
        ids=RandomIds(),
        directory=directory,
        revocations=revocations,
        freshness=freshness,
        stale_after_s=settings.stale_after_s,
    )
    return RpcServer(
        settings.rpc.rpc_listen_address,
        settings.rpc.health_listen_address,
        [(pb_grpc.add_InquiryServiceServicer_to_server, InquiryService(inquiries), INQUIRY_SERVICE)],
        tls.credentials(),
        max_workers=settings.rpc.rpc_workers_max,
        error_domain=ERROR_DOMAIN,
    )


def _portal_server(
    settings: GatewaySettings,
    portal_settings: PortalSettings,
    tls: ServerTls,
    database: Database,
    clock: Clock,
    freshness: _Freshness,
    watched: list[_Watched],
) -> RpcServer:
    """Put together what answers holders of tokens over TLS; the files it follows are added to `watched`."""
    token_keys = TokenKeys(portal_settings.token_keys_path, production=settings.profile is Profile.PRODUCTION)
    watched.append(token_keys)
    portal = Portal(
        database=database,
        clock=clock,
        ids=RandomIds(),
        token_keys=token_keys,
        token_issuer=portal_settings.token_issuer,
        token_audience=portal_settings.token_audience,
        freshness=freshness,
        stale_after_s=settings.stale_after_s,
    )
    return RpcServer(
        portal_settings.listen_address,
        portal_settings.health_listen_address,
        [(subject_pb_grpc.add_SubjectServiceServicer_to_server, SubjectService(portal), SUBJECT_SERVICE)],
        tls.credentials(clients=False),
        max_workers=_PORTAL_WORKERS,
        error_domain=ERROR_DOMAIN,
    )


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
    until = export.complete_until(database, arguments.until)
    for line in export.lines(database, since=arguments.since, until=until, portal=arguments.portal):
        print(line)
    # Beside the lines, not among them, and only after the last.
    print(f"{SERVICE}: complete up to, but without, this instant; go on with --since {until.isoformat()}", file=sys.stderr)
    return 0


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
