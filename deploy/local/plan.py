"""What runs on one machine, in which order: the one table that `supervisor.py` follows from top to bottom, and back when it stops.

A plan is a list of stages. The entries of a stage start together, and all of them are truly ready before the next stage begins.
Starting again is always allowed: a server or service that runs is kept, a step is idempotent and is run again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psycopg
from kafka.errors import KafkaError

from deploy.local import broker_access, database_access, health, kafka, postgres, processes
from deploy.local.access import SERVICES
from deploy.local.environment import (
    PORTAL_HEALTH_PORT,
    PORTAL_PORT,
    Servers,
    environment,
    outside_variables,
    published_keys_file,
    sandbox_environment,
    signing_key_file,
)
from deploy.local.errors import CannotRunError
from deploy.local.processes import Launch, Process
from deploy.local.state import LOOPBACK, REPOSITORY, State

SECONDS_BETWEEN_SIGNS_OF_LIFE = 3.0
PROVIDERS_FILE = Path(__file__).with_name("providers.toml")
# Ports beside those that every service has.
OTHER_PORTS = {"gateway": (PORTAL_PORT, PORTAL_HEALTH_PORT)}


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

    def begin(self, context: Context) -> Process | None:
        """Start what is missing, without waiting for it; return its process, or None when there is none."""

    def finish(self, process: Process | None, context: Context) -> None:
        """Wait until the entry is ready.

        Raises:
            CannotRunError: it will not be, told in one line and the end of its log.
        """


Plan = Sequence[Sequence[Entry]]


@dataclass(frozen=True, kw_only=True)
class OwnPostgres:
    """The private PostgreSQL."""

    name: str = postgres.NAME
    port_names: Sequence[str] = (postgres.NAME,)

    def begin(self, context: Context) -> Process | None:
        return postgres.server(context.state).begin()

    def finish(self, process: Process | None, context: Context) -> None:
        postgres.server(context.state, pause=context.pause).finish(process)


@dataclass(frozen=True, kw_only=True)
class OwnKafka:
    """The private Kafka broker."""

    name: str = kafka.NAME
    port_names: Sequence[str] = (kafka.NAME, kafka.PROVIDERS_PORT, kafka.CONTROLLER_PORT)

    def begin(self, context: Context) -> Process | None:
        return kafka.broker(context.state, say=context.say).begin()

    def finish(self, process: Process | None, context: Context) -> None:
        kafka.broker(context.state, pause=context.pause).finish(process)


@dataclass(frozen=True, kw_only=True)
class OutsideServer:
    """A server that others run: our roles, schemas, rights and topics are applied to it, and that is all."""

    name: str
    apply: Callable[[State], None]
    port_names: Sequence[str] = ()

    def begin(self, context: Context) -> Process | None:
        return None

    def finish(self, process: Process | None, context: Context) -> None:
        try:
            self.apply(context.state)
        except (psycopg.Error, KafkaError, OSError) as error:
            raise CannotRunError(f"the outside {self.name} server cannot be prepared: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that must have succeeded before what follows."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    # Tells, when the step's turn comes, whether there is anything to do.
    needed: Callable[[], bool] = lambda: True
    # Not run again once it succeeded with the same command and settings.
    once: bool = False
    # Show its output as it comes, rather than its latest line now and then.
    shown: bool = False
    port_names: Sequence[str] = ()

    def begin(self, context: Context) -> Process | None:
        if (left_over := processes.adopt(context.state, self.name)) is not None:
            processes.stop(context.state, left_over)  # of a supervisor that was killed: nobody waits for its result
        launch = Launch(name=self.name, command=self.command, environment=self.environment, directory=REPOSITORY)
        if not self.needed() or (self.once and context.state.finished_step(self.name) == launch.fingerprint):
            return None
        return processes.start(context.state, launch)

    def finish(self, process: Process | None, context: Context) -> None:
        if process is None:
            return
        try:
            self._wait(process, context)
        finally:
            processes.stop(context.state, process)
        if code := process.exit_code():
            log_file = context.state.log_file(self.name)
            raise CannotRunError(f"{self.name} ended with exit code {code}; {log_file} ends with\n{processes.tail(log_file)}")
        if self.once:
            context.state.record_finished_step(self.name, process.record.fingerprint)

    def _wait(self, process: Process, context: Context) -> None:
        """Wait for the end of the command, showing what it prints or, every few seconds, its latest line."""
        interval = 0.1 if self.shown else SECONDS_BETWEEN_SIGNS_OF_LIFE
        next_look = time.monotonic() + interval
        offset, alive = process.log_offset, True
        while alive:
            alive = process.alive()  # read before the log, so that the last lines are not missed
            if time.monotonic() >= next_look or (self.shown and not alive):
                next_look = time.monotonic() + interval
                with context.state.log_file(self.name).open("rb") as log:
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

    def begin(self, context: Context) -> Process | None:
        launch = Launch(
            name=self.name,
            command=self.command,
            environment=self.environment,
            directory=REPOSITORY,
            stop_seconds_max=self.stop_seconds_max,
        )
        return self._adopt(launch, context) or processes.start(context.state, launch)

    def finish(self, process: Process | None, context: Context) -> None:
        assert process is not None
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
            context.pause(0.05)

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


def entries(plan: Plan) -> list[Entry]:
    """Give all entries in the order of their stages."""
    return [entry for stage in plan for entry in stage]


def servers_plan(servers: Servers) -> list[Sequence[Entry]]:
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
    return [(database, cluster)]


def whole_plan(state: State, servers: Servers) -> list[Sequence[Entry]]:
    """Give everything that runs on one machine, in order of dependency."""
    settings = {service: {**inherited(), **environment(service, state, servers=servers)} for service in SERVICES}
    sandbox = {**inherited(), **sandbox_environment(state, servers=servers)}
    as_admin = environment("collector", state, servers=servers, kafka_principal=servers.kafka.admin_username)
    panel, signing_key, published_keys = state.path / "panel.csv", signing_key_file(state), published_keys_file(state)
    return [
        *servers_plan(servers),
        (
            *(Step(name=f"{service}-migrate", command=_module(service, "migrate"), environment=settings[service]) for service in SERVICES),
            Step(
                name="reports-keys",
                command=_module("reports", "keys", "create", "--out", str(signing_key), "--published", str(published_keys)),
                environment=settings["reports"],
                needed=lambda: not (signing_key.exists() and published_keys.exists()),
            ),
            Step(
                name="sandbox-panel",
                command=_module("sandbox", "panel", "--out", str(panel)),
                environment=sandbox,
                needed=lambda: not panel.exists(),
            ),
        ),
        (
            # Makes each provider's principal and topics, so it signs in as the broker's administrator.
            Step(
                name="providers-apply",
                command=_module("collector", "providers", "apply", str(PROVIDERS_FILE), "--secrets-dir", str(state.secrets)),
                environment={**inherited(), **as_admin},
            ),
            Step(
                name="scoring-train",
                command=_module("scoring", "train", "--panel", str(panel)),
                environment=settings["scoring"],
                once=True,
            ),
        ),
        tuple(
            Service(
                name=service,
                command=_module(service, "serve"),
                environment=settings[service],
                not_ready=_health_of(f"{LOOPBACK}:{state.port(f'{service}-health')}"),
                port_names=(f"{service}-rpc", f"{service}-health", f"{service}-metrics", *OTHER_PORTS.get(service, ())),
            )
            for service in SERVICES
        ),
    ]


def showcase_stage(state: State) -> Sequence[Entry]:
    """Give the last stage of a run that a person watches: the province publishes, a bank inquires, a table tells what exists."""
    command = [sys.executable, "-m", "deploy.local.showcase", "--state", str(state.path)]
    return [Step(name="showcase", command=command, environment={**inherited(), **outside_variables(os.environ)}, shown=True)]


def inherited() -> dict[str, str]:
    """Give the variables a child takes from ours: where programs are and who we are, but no setting by accident."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}


def _module(service: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"services.{service}", *arguments]


def _health_of(address: str) -> Callable[[], str | None]:
    return lambda: health.not_serving(address)
