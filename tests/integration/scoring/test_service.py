"""The service as it runs: a process of its own on real Kafka and PostgreSQL, its commands, and its death at every crash point."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from carbonbureau.scoring.v1 import assessment_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaProducer

from deploy.local.environment import environment
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.state import REPOSITORY, open_state
from services.scoring.wire import ACCOUNT_REVISED_TOPIC, ASSESSMENT_MADE_TOPIC
from tests.integration.common.mechanism import everything_in, settings_for
from tests.integration.scoring.conftest import Scoring, assemble
from tests.unit.scoring.accounts import account_revised
from tests.unit.scoring.subjects import SUBJECT_CODE, window

CRASH_POINTS = (
    "consumer.batch.before_commit",
    "consumer.batch.after_commit",
    "consumer.before_kafka_commit",
    "outbox.before_send",
    "outbox.after_send",
    "outbox.mark.before_commit",
)
READY_SECONDS_MAX = 40


class Service:
    """The scoring process under test, and what it reads and writes."""

    def __init__(self, *, parts: Scoring, variables: Mapping[str, str], health_port: int, broker: KafkaBroker, log: Path) -> None:
        self.parts = parts
        self._variables = dict(variables)
        self._health_port = health_port
        self._broker = broker
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._producer = KafkaProducer(**broker.client_settings("admin"), acks="all", enable_idempotence=True)

    def command(self, *arguments: str, code: int = 0, crash_point: str | None = None) -> str:
        command = [sys.executable, "-m", "services.scoring", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=self._armed(crash_point), capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def start(self, *, crash_point: str | None = None, wait: bool = True) -> None:
        command = [sys.executable, "-m", "services.scoring", "serve"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=self._armed(crash_point), stdout=log, stderr=log)
        if wait:
            self.until(self.serving, seconds=READY_SECONDS_MAX)

    def assess_here(self, *messages: Any) -> None:
        """Assess in this process what a test wants to find in the tables."""
        (release,) = self.parts.rows("SELECT artefact FROM model_release")
        self.parts.models.take_up(release["artefact"])
        self.parts.take(*messages)

    def _armed(self, crash_point: str | None) -> dict[str, str]:
        if crash_point is None:
            return self._variables
        armed = {"CARBONBUREAU_SCORING_CRASH_POINT": crash_point, "CARBONBUREAU_SCORING_ALLOW_CRASH_POINTS": "true"}
        return self._variables | armed

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def died_at_its_crash_point(self) -> bool:
        assert self._process is not None
        return self._process.wait(READY_SECONDS_MAX) == -signal.SIGKILL

    def close(self) -> None:
        self._producer.close(timeout=5)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def serving(self) -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{self._health_port}") as channel, contextlib.suppress(grpc.RpcError):
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
        return False

    def publish(self, *messages: Any) -> None:
        for message in messages:
            value = message if isinstance(message, bytes) else message.SerializeToString()
            key = b"junk" if isinstance(message, bytes) else message.envelope.subject_id.encode()
            self._producer.send(ACCOUNT_REVISED_TOPIC, value=value, key=key).get(timeout=20)

    def told(self, subject_ids: set[UUID]) -> dict[str, assessment_pb2.AssessmentMade]:
        """Return what the topic tells of these subjects, by event id; an id that came twice carried the same bytes."""
        keys = {str(one).encode() for one in subject_ids}
        found: dict[str, bytes] = {}
        for record in everything_in(settings_for(self._broker), ASSESSMENT_MADE_TOPIC):
            headers = dict(record.headers)
            if headers.get("ce_type") == b"heartbeat" or record.key not in keys:
                continue
            event_id = headers["ce_id"].decode()
            assert found.setdefault(event_id, record.value) == record.value
        return {event_id: assessment_pb2.AssessmentMade.FromString(value) for event_id, value in found.items()}

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        lines = []
        for line in self._log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry.get("event") == event:
                    lines.append(entry)
        return lines

    def until(self, check: Callable[[], Any], *, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, self._log.read_text()[-3000:]
            time.sleep(0.05)


@pytest.fixture
def service(
    servers_dir: Path,
    postgres_server: PostgresServer,
    kafka_broker: KafkaBroker,
    database_url: Callable[[str], str],
    panel_file: Path,
    tmp_path: Path,
) -> Iterator[Service]:
    state = open_state(servers_dir)
    url = database_url("scoring")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARBONBUREAU_")}
    own = {
        "CARBONBUREAU_SCORING_POSTGRES_URL": url,
        # A killed member leaves its group only when its session ends; the broker allows a second in tests.
        "CARBONBUREAU_SCORING_KAFKA_SESSION_TIMEOUT_MS": "2000",
    }
    parts = assemble(url, postgres_server.password_file("scoring"))
    made = Service(
        parts=parts,
        variables=inherited | environment("scoring", state) | own,
        health_port=state.port("scoring-health"),
        broker=kafka_broker,
        log=tmp_path / "scoring.log",
    )
    made.command("migrate")
    made.command("train", "--panel", str(panel_file))
    yield made
    made.close()
    parts.database.dispose()


class TestServe:
    def test_turns_account_revisions_into_assessments_and_leaves_junk_aside(self, service: Service) -> None:
        subject_ids = {uuid4() for _ in range(6)}
        first, *_ = subject_ids
        service.start()
        service.publish(b"\xff\xfe junk", *(account_revised(subject_id=one) for one in subject_ids), b"")
        service.until(lambda: len(service.told(subject_ids)) == len(subject_ids))
        service.publish(account_revised(subject_id=first), account_revised(subject_id=first, revision=2, windows=[window(2025)]))
        service.until(lambda: len(service.told(subject_ids)) == len(subject_ids) + 1)
        newest = [event for event in service.told({first}).values() if event.envelope.subject_revision == 2]
        assert [reason.code for event in newest for reason in event.assessment.not_rated.reasons] == ["TOO_FEW_PERIODS"]
        service.until(lambda: len(service.log_lines("event-refused")) >= 2)
        # Others wrote to the same topic before; each subject is named by the last characters of its code.
        named = {line["subject_code"] for line in service.log_lines("assessment-made")}
        assert "…T00X" in named
        assert {len(name) for name in named} == {5}
        assert service.stop() == 0

    def test_loses_and_doubles_nothing_when_killed_at_any_crash_point(self, service: Service) -> None:
        subject_ids = [uuid4() for _ in range(3)]
        for revision, point in enumerate(CRASH_POINTS, start=1):
            # Revision by revision: what one life leaves undone is what the next begins with.
            service.publish(*(account_revised(subject_id=one, revision=revision) for one in subject_ids))
            service.start(crash_point=point, wait=False)
            assert service.died_at_its_crash_point(), point
        service.start()
        newest = len(CRASH_POINTS)
        ids = ",".join(f"'{one}'" for one in subject_ids)
        query = f"SELECT * FROM assessment WHERE subject_id IN ({ids}) ORDER BY subject_id, assessment_number"
        service.until(lambda: sum(row["account_revision"] == newest for row in service.parts.rows(query)) == len(subject_ids))
        service.until(lambda: not service.parts.rows("SELECT id FROM outbox_event WHERE published_at IS NULL"))
        stored = service.parts.rows(query)
        told = service.told(set(subject_ids))
        assert {str(row["assessment_id"]) for row in stored} == {event.assessment.assessment_id for event in told.values()}
        assert len(told) == len(stored)
        for one in subject_ids:
            rows = [row for row in stored if row["subject_id"] == one]
            assert [row["assessment_number"] for row in rows] == list(range(1, len(rows) + 1))
            revisions = [row["account_revision"] for row in rows]
            assert revisions == sorted(set(revisions))
            assert revisions[-1] == newest
        assert service.stop() == 0


class TestCommands:
    def test_tell_what_is_there(self, service: Service) -> None:
        thin = account_revised(subject_id=uuid4(), subject_code="91140400MA0THIN00X", windows=[window(2025)])
        service.assess_here(account_revised(), thin)
        summary = json.loads(service.command("summary"))
        assert (summary["subjects"], summary["rated"], summary["not_rated"]) == (2, 1, 1)
        assert summary["not_rated_reasons"] == {"TOO_FEW_PERIODS": 1}
        assert f"* {summary['model_in_use']}" in service.command("models")
        assert "FORWARD_LOOKING" in service.command("sensitivity")
        assert "milestones_met" in service.command("explain", "--subject", SUBJECT_CODE)
        assert service.command("explain", "--subject", "91140400MA0NOBODYX", code=1) == ""

    def test_a_killed_wave_goes_on_where_it_was(self, service: Service, panel_file: Path) -> None:
        service.assess_here(*(account_revised(subject_id=UUID(int=number)) for number in range(1, 6)))
        service.command("train", "--panel", str(panel_file), "--seed", "2")
        for point in ("reassess.wave.before_commit", "reassess.wave.after_commit@2"):
            service.command("reassess", "--rate", "2", code=-signal.SIGKILL, crash_point=point)
        service.command("reassess", "--rate", "1000")
        numbers = service.parts.rows("SELECT subject_id, max(assessment_number) AS newest, count(*) AS made FROM assessment GROUP BY 1")
        assert [(row["newest"], row["made"]) for row in numbers] == [(2, 2)] * 5
