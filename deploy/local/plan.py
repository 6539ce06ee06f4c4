"""What runs on one machine, in which order: the one table that `supervisor.py` follows from top to bottom, and back when it stops.

An entry is brought up by `start`, which returns when the entry is truly ready. Starting again is always allowed: a server or service
that runs is kept, a step is idempotent and is run again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deploy.local import broker_access, database_access, health, kafka, postgres, processes
from deploy.local.access import SERVICES
from deploy.local.environment import Servers, environment
from deploy.local.errors import CannotRunError
from deploy.local.processes import Launch, Process
from deploy.local.state import LOOPBACK, REPOSITORY, State

SECONDS_BETWEEN_SIGNS_OF_LIFE = 3.0
PROVIDERS_FILE = Path(__file__).with_name("providers.toml")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an entry is given: the state directory, a voice, and a pause that raises when the person wants everything to stop."""

    state: State
    say: Callable[[str], None]
    pause: Callable[[float], None]


class Entry(Protocol):
    """One line of the plan."""

    @property
    def name(self) -> str: ...

    @property
    def port_names(self) -> Sequence[str]:
        """Names of its ports in the state directory, the one people connect to first; empty for what only runs once."""

    def start(self, context: Context) -> Process | None:
        """Bring the entry up; return its process, or None when nothing of it stays.

        Raises:
            CannotRunError: with one line, and the end of the log where there is one.
        """


@dataclass(frozen=True, kw_only=True)
class OwnPostgres:
    """The private PostgreSQL."""

    name: str = postgres.NAME
    port_names: Sequence[str] = (postgres.NAME,)

    def start(self, context: Context) -> Process | None:
        server = postgres.server(context.state, pause=context.pause)
        server.start()
        return server.process


@dataclass(frozen=True, kw_only=True)
class OwnKafka:
    """The private Kafka broker."""

    name: str = kafka.NAME
    port_names: Sequence[str] = (kafka.NAME, kafka.CONTROLLER_PORT)

    def start(self, context: Context) -> Process | None:
        broker = kafka.broker(context.state, say=context.say, pause=context.pause)
        broker.start()
        return broker.process


@dataclass(frozen=True, kw_only=True)
class OutsideServer:
    """A server that others run: our roles, schemas, rights and topics are applied to it, and that is all."""

    name: str
    apply: Callable[[State], None]
    port_names: Sequence[str] = ()

    def start(self, context: Context) -> Process | None:
        try:
            self.apply(context.state)
        except CannotRunError:
            raise
        except Exception as error:
            raise CannotRunError(f"the outside {self.name} server cannot be prepared: {type(error).__name__}: {error}") from error
        return None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that must have succeeded before what follows. What `needed` finds done already is skipped."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    needed: Callable[[], bool] = lambda: True
    # Show its output as it comes, rather than a line now and then.
    shown: bool = False
    port_names: Sequence[str] = ()

    def start(self, context: Context) -> Process | None:
        if (left_over := processes.adopt(context.state, self.name)) is not None:
            processes.stop(context.state, left_over)  # of a supervisor that was killed: nobody waits for its result
        if not self.needed():
            return None
        log_file = context.state.log_file(self.name)
        offset = log_file.stat().st_size if log_file.exists() else 0
        launch = Launch(name=self.name, command=self.command, environment=self.environment, directory=REPOSITORY)
        process = processes.start(context.state, launch)
        try:
            self._wait(process, context, log_file, offset)
        finally:
            processes.stop(context.state, process)
        if code := process.exit_code():
            raise CannotRunError(f"{self.name} ended with exit code {code}; {log_file} ends with\n{processes.tail(log_file)}")
        return None

    def _wait(self, process: Process, context: Context, log_file: Path, offset: int) -> None:
        """Wait for the end of the command, showing what it prints or, every few seconds, its latest line."""
        interval = 0.1 if self.shown else SECONDS_BETWEEN_SIGNS_OF_LIFE
        next_look = time.monotonic() + interval
        alive = True
        while alive:
            alive = process.alive()  # read before the log, so that the last lines are not missed
            if time.monotonic() >= next_look or (self.shown and not alive):
                next_look = time.monotonic() + interval
                with log_file.open("rb") as log:
                    log.seek(offset)
                    complete, line_end, _ = log.read().rpartition(b"\n")
                offset += len(complete) + len(line_end)
                lines = complete.decode(errors="replace").splitlines()
                for line in lines if self.shown else lines[-1:]:
                    context.say(line if self.shown else f"{self.name}: {line}")
            if alive:
                context.pause(0.05)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A long-running process. `not_ready` says what it still lacks, or None when it is ready."""

    name: str
    command: Sequence[str]
    not_ready: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    port_names: Sequence[str] = ()
    start_seconds_max: float = 60.0
    stop_seconds_max: float = 20.0

    def start(self, context: Context) -> Process | None:
        launch = Launch(
            name=self.name,
            command=self.command,
            environment=self.environment,
            directory=REPOSITORY,
            stop_seconds_max=self.stop_seconds_max,
        )
        process = self._adopt(launch, context)
        if process is None:
            process = processes.start(context.state, launch)
            self._wait_until_ready(process, context)
        return process

    def _adopt(self, launch: Launch, context: Context) -> Process | None:
        """Keep a process of an earlier command if it has today's settings and is ready; otherwise end it, and say so."""
        process = processes.adopt(context.state, self.name)
        if process is None:
            return None
        if process.record.fingerprint != launch.fingerprint:
            context.say(f"{self.name}: runs with other settings (pid {process.pid}), starting it anew")
        elif (reason := self.not_ready()) is not None:
            context.say(f"{self.name}: runs (pid {process.pid}) but {reason}, starting it anew")
        else:
            return process
        processes.stop(context.state, process)
        return None

    def _wait_until_ready(self, process: Process, context: Context) -> None:
        log_file = context.state.log_file(self.name)
        deadline = time.monotonic() + self.start_seconds_max
        while (reason := self.not_ready()) is not None:
            if not process.alive():
                raise CannotRunError(f"{self.name} ended while starting; {log_file} ends with\n{processes.tail(log_file)}")
            if time.monotonic() > deadline:
                raise CannotRunError(
                    f"{self.name} is not ready after {self.start_seconds_max:.0f} s: {reason}; "
                    f"{log_file} ends with\n{processes.tail(log_file)}"
                )
            context.pause(0.1)


def servers_plan(servers: Servers) -> list[Entry]:
    """Give the database and the cluster: our own, or what is needed of those that others run."""
    database: Entry = (
        OwnPostgres()
        if servers.own_postgres
        else OutsideServer(name=postgres.NAME, apply=lambda state: database_access.apply(state, servers.postgres))
    )
    cluster: Entry = (
        OwnKafka()
        if servers.own_kafka
        else OutsideServer(name=kafka.NAME, apply=lambda state: broker_access.apply_to(servers.kafka, state))
    )
    return [database, cluster]


def whole_plan(state: State, servers: Servers) -> list[Entry]:
    """Give everything that runs on one machine, in order of dependency."""
    settings = {service: {**inherited(), **environment(service, state, servers=servers)} for service in SERVICES}
    as_admin = {**inherited(), **environment("collector", state, servers=servers, kafka_principal=servers.kafka.admin_username)}
    return [
        *servers_plan(servers),
        *(Step(name=f"{service}-migrate", command=_module(service, "migrate"), environment=settings[service]) for service in SERVICES),
        # Makes each provider's principal and topics, so it signs in as the broker's administrator.
        Step(
            name="providers-apply",
            command=_module("collector", "providers", "apply", str(PROVIDERS_FILE)),
            environment=as_admin,
        ),
        Step(name="scoring-train", command=_module("scoring", "train"), environment=settings["scoring"]),
        *(
            Service(
                name=service,
                command=_module(service, "serve"),
                environment=settings[service],
                not_ready=_health_of(f"{LOOPBACK}:{state.port(f'{service}-health')}"),
                port_names=(f"{service}-rpc", f"{service}-health", f"{service}-metrics"),
            )
            for service in SERVICES
        ),
    ]


def inherited() -> dict[str, str]:
    """Give the variables a child takes from ours: where programs are and who we are, but no setting by accident."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}


def _module(service: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"services.{service}", *arguments]


def _health_of(address: str) -> Callable[[], str | None]:
    return lambda: health.not_serving(address)
