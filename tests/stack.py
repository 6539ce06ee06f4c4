"""Runs the four services as real processes on the real servers, for end-to-end tests, chaos tests and benchmarks.

Nothing of ours is replaced: the same commands, settings and files as `make run`, under a state directory of its own. What a test
does to the processes (kill, pause, arm a crash point) is done from outside, by signal and by environment.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaConsumer, TopicPartition

from deploy.local import kafka, postgres
from deploy.local.environment import environment, published_keys_file, sandbox_environment, signing_key_file
from deploy.local.kafka import KafkaBroker
from deploy.local.plan import PROVIDERS_FILE, inherited
from deploy.local.postgres import PostgresServer
from deploy.local.state import LOOPBACK, REPOSITORY, State, open_state
from services.common.clock import SystemClock
from services.common.identifiers import RandomIds
from services.common.settings import load
from services.sandbox import truth_file
from services.sandbox.bank import Bank
from services.sandbox.publisher import Publisher
from services.sandbox.settings import SandboxSettings
from tests import checkers
from tests.servers import new_servers_dir, remove_servers_dir

SERVICES = ("collector", "scoring", "reports", "gateway")
READY_SECONDS_MAX = 60.0
# A killed member holds its partitions for its session; the broker allows short ones, so that a restart need not wait.
SESSION_TIMEOUT_MS = "2000"


class StackError(Exception):
    """A process of the stack did not do what a test waited for; the text holds the tail of its log."""


class Stack:
    """Four services, one state directory. Start with `prepare`, then `start` what the test needs."""

    def __init__(self, *, state_dir: Path, postgres: PostgresServer, kafka: KafkaBroker) -> None:
        self.state: State = open_state(state_dir)
        self.postgres = postgres
        self.kafka = kafka
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    # -- set-up ---------------------------------------------------------------------------------------------------------------

    def prepare(self, *, panel_subjects: int = 400) -> None:
        """Migrate every schema, apply the provider directory, make keys and certificates, train a model."""
        for service in SERVICES:
            self.command(service, "migrate")
        self.command(
            "collector", "providers", "apply", str(PROVIDERS_FILE), "--secrets-dir", str(self.state.secrets), kafka_principal="admin"
        )
        keys, published = signing_key_file(self.state), published_keys_file(self.state)
        self.command("reports", "keys", "create", "--out", str(keys), "--published", str(published))
        panel = self.state.path / "panel.csv"
        self.sandbox("panel", "--out", str(panel), "--subjects", str(panel_subjects))
        self.command("scoring", "train", "--panel", str(panel))

    def environment(self, service: str, *, kafka_principal: str | None = None) -> dict[str, str]:
        return {**inherited(), **environment(service, self.state, kafka_principal=kafka_principal)}

    def command(self, service: str, *arguments: str, kafka_principal: str | None = None, crash_point: str | None = None) -> str:
        """Run one command of a service to its end and give what it printed."""
        variables = self.environment(service, kafka_principal=kafka_principal) | _armed(service, crash_point)
        return _run([sys.executable, "-m", f"services.{service}", *arguments], variables)

    def sandbox_environment(self) -> dict[str, str]:
        return {**inherited(), **sandbox_environment(self.state)}

    def sandbox_settings(self) -> SandboxSettings:
        return load(SandboxSettings, service="sandbox", environment=sandbox_environment(self.state))

    def bank(self) -> Bank:
        """Give a client of the gateway with the test bank's certificate; use as a context manager."""
        return Bank(access=self.sandbox_settings().bank(), ids=RandomIds())

    def publisher(self) -> Publisher:
        """Give a publisher that signs in as whichever provider a record is of; use as a context manager."""
        return Publisher(access=self.sandbox_settings().kafka_as, clock=SystemClock(), ids=RandomIds())

    def sandbox(self, *arguments: str) -> str:
        return _run([sys.executable, "-m", "services.sandbox", *arguments], self.sandbox_environment())

    @property
    def gateway_address(self) -> str:
        return f"{LOOPBACK}:{self.state.port('gateway-rpc')}"

    # -- processes ------------------------------------------------------------------------------------------------------------

    def start(self, *services: str, crash_points: Mapping[str, str] | None = None, extra: Mapping[str, str] | None = None) -> None:
        """Start services and wait until each says it serves. An armed crash point kills its process from within."""
        for service in services:
            variables = self.environment(service) | _armed(service, (crash_points or {}).get(service)) | dict(extra or {})
            variables[f"CARBONBUREAU_{service.upper()}_KAFKA_SESSION_TIMEOUT_MS"] = SESSION_TIMEOUT_MS
            with self.log(service).open("ab") as log:
                self._children[service] = subprocess.Popen(
                    [sys.executable, "-m", f"services.{service}", "serve"], cwd=REPOSITORY, env=variables, stdout=log, stderr=log
                )
        for service in services:
            if not (crash_points or {}).get(service):
                self.wait_ready(service)

    def start_another(self, service: str) -> subprocess.Popen[bytes]:
        """Start a second process of a service beside the first, as a rollout does; the caller ends it."""
        ports = {name: f"{LOOPBACK}:{self.state.port(f'{service}-second-{name}')}" for name in ("rpc", "health")}
        prefix = f"CARBONBUREAU_{service.upper()}_"
        variables = self.environment(service) | {
            f"{prefix}RPC_LISTEN_ADDRESS": ports["rpc"],
            f"{prefix}HEALTH_LISTEN_ADDRESS": ports["health"],
            f"{prefix}METRICS_PORT": str(self.state.port(f"{service}-second-metrics")),
            f"{prefix}KAFKA_SESSION_TIMEOUT_MS": SESSION_TIMEOUT_MS,
        }
        with self.log(f"{service}-second").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"services.{service}", "serve"], cwd=REPOSITORY, env=variables, stdout=log, stderr=log
            )

    def metrics(self, service: str) -> str:
        """Read a service's metrics page."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.state.port(f'{service}-metrics')}/metrics", timeout=5) as page:
            return str(page.read().decode())

    def running(self) -> set[str]:
        """Name the services whose process lives."""
        return {service for service, child in self._children.items() if child.poll() is None}

    def log(self, service: str) -> Path:
        return self.state.log_file(service)

    def process(self, service: str) -> subprocess.Popen[bytes]:
        return self._children[service]

    def signal(self, service: str, number: int) -> None:
        self._children[service].send_signal(number)

    def kill(self, service: str) -> None:
        self.signal(service, signal.SIGKILL)
        self._children[service].wait()

    def terminate(self, service: str) -> bool:
        """End a service by SIGTERM; tell whether it ended by itself and not at a crash point on the way out."""
        self.signal(service, signal.SIGTERM)
        code = self._children[service].wait(timeout=30)
        if code not in (0, -signal.SIGKILL):
            raise StackError(f"{service} ended with {code} on SIGTERM:\n{self._tail(service)}")
        return code == 0

    def stop(self, *services: str) -> None:
        """End services as Kubernetes would, and insist on a clean exit."""
        for service in services:
            self._children[service].send_signal(signal.SIGTERM)
        for service in services:
            code = self._children.pop(service).wait(timeout=30)
            if code != 0:
                raise StackError(f"{service} ended with {code} on SIGTERM:\n{self._tail(service)}")

    def close(self) -> None:
        """End every process, whatever state it is in."""
        for child in self._children.values():
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGCONT)
                    child.kill()
                child.wait()
        self._children.clear()

    def wait_ready(self, service: str) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        with grpc.insecure_channel(f"{LOOPBACK}:{self.state.port(f'{service}-health')}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            while True:
                if (code := self._children[service].poll()) is not None:
                    raise StackError(f"{service} ended with {code} while starting:\n{self._tail(service)}")
                with contextlib.suppress(grpc.RpcError):
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                if time.monotonic() > deadline:
                    raise StackError(f"{service} is not ready after {READY_SECONDS_MAX:.0f} s:\n{self._tail(service)}")
                time.sleep(0.05)

    def wait_killed(self, service: str, *, seconds: float) -> bool:
        """Wait for a process to die at its crash point; tell whether it did, and insist that it died by SIGKILL."""
        try:
            code = self._children[service].wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        if code != -signal.SIGKILL:
            raise StackError(f"{service} ended with {code} instead of dying at its crash point:\n{self._tail(service)}")
        return True

    # -- looking inside -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """Give a read-only administrator's connection: tests may see all schemas, services may not."""
        with self.postgres.connect_as_admin() as connection:
            connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
            connection.read_only = True
            yield connection  # type: ignore[misc]

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with self.database() as connection:
            return list(connection.execute(query.encode(), parameters).fetchall())

    def value(self, query: str, *parameters: object) -> Any:
        (row,) = self.rows(query, *parameters)
        return next(iter(row.values()))

    def problems(self, truth: Path, *, times_sent: int = 1) -> list[str]:
        """Run every checker on what the bureau holds, against the truth file of what was sent to it."""
        with self.database() as connection:
            return checkers.everything(
                connection,
                truth=truth_file.planned_records(truth),
                times_sent=times_sent,
                published_keys=published_keys_file(self.state),
            )

    def wait_until(self, what: str, condition: Callable[[], bool], *, seconds: float = 60.0, every: float = 0.1) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            for service, child in self._children.items():
                if (code := child.poll()) not in (None, 0):
                    raise StackError(f"{service} ended with {code} while waiting for {what}:\n{self._tail(service)}")
            if time.monotonic() > deadline:
                raise StackError(f"not within {seconds:.0f} s: {what}; {self.backlog()}")
            time.sleep(every)

    def backlog(self) -> dict[str, int]:
        """Count what is still under way: unread intake and event records, marked subjects, unsigned revisions, unpublished events."""
        waiting = {}
        for service in SERVICES:
            waiting[f"{service}.outbox"] = self.value(f"SELECT count(*) FROM {service}.outbox_event WHERE published_at IS NULL")
            waiting[f"{service}.work"] = self.value(f"SELECT count(*) FROM {service}.work_item")
            waiting[f"{service}.lag"] = self._lag(service)
        return waiting

    def wait_settled(self, *, seconds: float = 120.0) -> None:
        """Wait until nothing is under way anywhere. Two looks in a row must agree, as work moves while one looks."""
        quiet = 0

        def settled() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if not any(self.backlog().values()) else 0
            return quiet >= 2

        self.wait_until("the stack to settle", settled, seconds=seconds, every=0.2)

    def _lag(self, service: str) -> int:
        """Count records of interest behind the service's stored positions; the heartbeats of internal topics do not count."""
        topics = self._topics_of(service)
        ends = self.kafka_end_offsets(topics)
        stored = {
            (row["topic"], row["partition"]): row["next_offset"]
            for row in self.rows(f"SELECT topic, partition, next_offset FROM {service}.consumer_position WHERE retired_at IS NULL")
        }
        behind = 0
        for (topic, partition), end in ends.items():
            missing = end - stored.get((topic, partition), 0)
            # Heartbeats come once a second for ever, so an internal partition counts as read when at most three are unread.
            behind += max(0, missing - (3 if topic.startswith("bureau.") else 0))
        return behind

    def _topics_of(self, service: str) -> list[str]:
        match service:
            case "collector":
                return [topic for topic in self._all_topics() if topic.startswith("intake.")]
            case "scoring":
                return ["bureau.account-revised.v1"]
            case "reports":
                return ["bureau.assessment-made.v1"]
            case _:
                return ["bureau.report-revised.v1"]

    def _all_topics(self) -> Sequence[str]:
        return sorted(self._consumer().topics())

    def kafka_end_offsets(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        consumer = self._consumer()
        partitions = [
            TopicPartition(topic, partition) for topic in topics for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        return {(each.topic, each.partition): end for each, end in consumer.end_offsets(partitions).items()} if partitions else {}

    def _consumer(self) -> Any:
        if not hasattr(self, "_admin_consumer"):
            self._admin_consumer = KafkaConsumer(**self.kafka.client_settings("admin"), enable_auto_commit=False)
        return self._admin_consumer

    def _tail(self, service: str) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-25:])

    def log_events(self, service: str, event: str) -> list[dict[str, Any]]:
        """Give the JSON log lines of a service whose `event` field is `event`."""
        found = []
        for line in self.log(service).read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("event") == event:
                    found.append(entry)
        return found


def _armed(service: str, crash_point: str | None) -> dict[str, str]:
    prefix = f"CARBONBUREAU_{service.upper()}_"
    return {} if crash_point is None else {f"{prefix}CRASH_POINT": crash_point, f"{prefix}ALLOW_CRASH_POINTS": "true"}


@contextlib.contextmanager
def running_stack(*, panel_subjects: int = 400) -> Iterator[Stack]:
    """Run servers of its own and a prepared stack on them; the services are started by the caller.

    The servers are not shared with the integration tests, which write to the same topic names.
    """
    state_dir = new_servers_dir()
    try:
        with postgres.running(state_dir) as database, kafka.running(state_dir) as broker:
            stack = Stack(state_dir=state_dir, postgres=database, kafka=broker)
            try:
                stack.prepare(panel_subjects=panel_subjects)
                yield stack
            finally:
                stack.close()
    finally:
        remove_servers_dir(state_dir)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=REPOSITORY, env=dict(variables), capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise StackError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout
