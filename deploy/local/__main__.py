"""`python -m deploy.local`: runs the bureau on one machine."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local import account, kafka, kafka_programs, processes, screen, supervisor
from deploy.local.access import SERVICES
from deploy.local.environment import environment, sandbox_environment, servers_from
from deploy.local.errors import CannotRunError
from deploy.local.plan import servers_plan, showcase_stage, whole_plan
from deploy.local.state import CACHE, DEFAULT_STATE, State, open_state
from deploy.local.supervisor import Stay, Supervisor

NOT_RUNNING = 3
SANDBOX = "sandbox"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 failed, 3 (status) not everything runs."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options, open_state(options.state))
    except CannotRunError as error:
        print(f"deploy.local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, state: State) -> int:
    match options.command:
        case "stop":
            return supervisor.stop(state, _say)
        case "clean":
            return _clean(state)
        case "rotate-certificate":
            return _rotate_certificate(state)
        case "environment":
            servers, service = servers_from(os.environ, state), options.service
            settings = sandbox_environment(state, servers=servers) if service == SANDBOX else environment(service, state, servers=servers)
            for name, value in settings.items():
                print(f"export {name}={shlex.quote(value)}")
            return 0
    servers = servers_from(os.environ, state)
    plan = servers_plan(servers) if options.servers_only else whole_plan(state, servers)
    if options.command == "status":
        print(screen.table(state, plan))
        return 0 if screen.all_running(state, plan) else NOT_RUNNING
    if servers.own_kafka:
        kafka_programs.java()  # said before anything starts
    if options.command == "run" and not options.servers_only:
        plan.append(showcase_stage(state))
    stay = Stay.LEAVE if options.command == "up" else Stay.STOP if options.once else Stay.WATCH
    return Supervisor(state=state, plan=plan, say=_say).run(stay)


def _clean(state: State) -> int:
    """Stop everything and remove what the state directory holds, but for the programs fetched into the cache."""
    supervisor.stop(state, _say)
    account.remove_outside(state.path)
    for path in state.path.iterdir():
        if path == CACHE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return 0


def _rotate_certificate(state: State) -> int:
    """Have the broker that runs show a new certificate to providers."""
    if not processes.alive(state, kafka.NAME):
        raise CannotRunError("our own broker does not run; it is given a certificate that is good whenever it starts")
    kafka.broker(state).rotate_certificate()
    _say("providers that connect from now on see the new certificate; those that are connected stay so")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Runs the bureau on one machine.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--state", type=Path, default=DEFAULT_STATE, help="the state directory (default: .state of the repository)")
    planned = argparse.ArgumentParser(add_help=False)
    planned.add_argument("--servers-only", action="store_true", help="only PostgreSQL and Kafka, no services")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run", parents=[shared, planned], help="start what is missing, show it at work, watch it, stop it all on Ctrl-C"
    )
    run.add_argument("--once", action="store_true", help="stop everything again as soon as all of it was ready")
    commands.add_parser("up", parents=[shared, planned], help="start what is missing and leave it running")
    commands.add_parser("stop", parents=[shared], help="stop everything")
    commands.add_parser("status", parents=[shared, planned], help="show what runs where")
    commands.add_parser("clean", parents=[shared], help="stop everything and remove its data")
    commands.add_parser("rotate-certificate", parents=[shared], help="give the providers' listener a new certificate while it runs")
    settings = commands.add_parser("environment", parents=[shared], help="print the settings of a service for a shell")
    settings.add_argument("service", choices=(*SERVICES, SANDBOX))
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
