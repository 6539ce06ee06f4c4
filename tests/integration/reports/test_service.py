"""The reports service as a process: assessments in through Kafka, signed revisions out, whatever dies in between."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from carbonbureau.reports.v1 import report_pb2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.local.environment import environment
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.state import REPOSITORY, open_state
from services.reports import published_keys
from services.reports.verify import verify
from tests.integration.gateway.process import serving
from tests.integration.reports.conftest import Keys
from tests.unit.reports.examples import assessment_made

ASSESSMENTS, REVISIONS = "bureau.assessment-made.v1", "bureau.report-revised.v1"
Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def settings(
    kafka_broker: KafkaBroker, postgres_server: PostgresServer, database_url: Callable[[str], str], keys: Keys, servers_dir: Path
) -> dict[str, str]:
    return {
        **environment("reports", open_state(servers_dir)),
        "CARBONBUREAU_REPORTS_POSTGRES_URL": database_url("reports"),
        "CARBONBUREAU_REPORTS_SIGNING_KEY_FILE": str(keys.key_file),
        "CARBONBUREAU_REPORTS_PUBLISHED_KEYS_FILE": str(keys.published_file),
        "CARBONBUREAU_REPORTS_KAFKA_SESSION_TIMEOUT_MS": "2000",
    }


@pytest.fixture
def rows(settings: dict[str, str], postgres_server: PostgresServer) -> Iterator[Rows]:
    """Ask the service's tables as the administrator."""
    with postgres_server.connect_as_admin(database=settings["CARBONBUREAU_REPORTS_POSTGRES_URL"].rpartition("/")[2]) as admin:
        admin.execute("SET search_path = reports")

        def ask(query: str) -> list[tuple[Any, ...]]:
            return admin.execute(psycopg.sql.SQL(query)).fetchall()  # type: ignore[arg-type]

        yield ask


@pytest.fixture
def publish(kafka_broker: KafkaBroker) -> Iterator[Callable[..., None]]:
    """Publish on bureau.assessment-made.v1 as scoring."""
    producer = KafkaProducer(**kafka_broker.client_settings("scoring"))

    def send(*messages: Any) -> None:
        for message in messages:
            value = message if isinstance(message, bytes) else message.SerializeToString()
            producer.send(ASSESSMENTS, value=value, key=b"k").get(timeout=20)

    yield send
    producer.close()


@pytest.fixture
def told(kafka_broker: KafkaBroker) -> Iterator[Callable[[uuid.UUID], list[report_pb2.ReportRevised]]]:
    """Read, as the gateway, what was told of a subject since the test began, each event once by its id."""
    consumer = KafkaConsumer(**kafka_broker.client_settings("gateway"), enable_auto_commit=False)
    partitions = [TopicPartition(REVISIONS, number) for number in sorted(consumer.partitions_for_topic(REVISIONS))]
    consumer.assign(partitions)
    consumer.seek_to_end()
    for partition in partitions:
        consumer.position(partition)
    seen: dict[str, report_pb2.ReportRevised] = {}
    beats: list[bytes] = []

    def read(subject_id: uuid.UUID) -> list[report_pb2.ReportRevised]:
        for batch in consumer.poll(timeout_ms=300).values():
            for record in batch:
                headers = dict(record.headers)
                if headers["ce_type"] == b"heartbeat":
                    beats.append(record.value)
                else:
                    seen[headers["ce_id"].decode()] = report_pb2.ReportRevised.FromString(record.value)
        return [event for event in seen.values() if event.envelope.subject_id == str(subject_id)]

    yield read
    consumer.close()


def state_of(rows: Rows, subject_id: uuid.UUID) -> list[str]:
    return [row[0] for row in rows(f"SELECT state FROM report_revision WHERE subject_id = '{subject_id}' ORDER BY revision_number")]


def command(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.reports", *arguments], cwd=REPOSITORY, env=settings, capture_output=True, text=True, timeout=60
    )


class TestPath:
    def test_turns_assessments_into_a_chain_that_a_bank_can_verify(
        self,
        settings: dict[str, str],
        tmp_path: Path,
        publish: Callable[..., None],
        told: Callable[[uuid.UUID], list[report_pb2.ReportRevised]],
        rows: Rows,
        keys: Keys,
    ) -> None:
        subject_id = uuid.uuid4()
        with serving("reports", settings, tmp_path / "reports.log") as process:
            publish(assessment_made(subject_id=subject_id, number=1, score="50.00"))
            process.wait("the first revision", lambda: len(told(subject_id)) == 1)
            publish(
                b"\xff\xfe not an event",
                assessment_made(subject_id=subject_id, number=2, score="60.00").SerializeToString()[:-9],
                assessment_made(subject_id=subject_id, number=3, score="50.00", assessed_on="2026-03-01"),
                assessment_made(subject_id=subject_id, number=4, score="70.00"),
            )
            process.wait("the second revision", lambda: len(told(subject_id)) == 2)
            first, second = sorted(told(subject_id), key=lambda event: event.revision_number)
            published = published_keys.read(keys.published_file)
            assert verify(second.signed_report, published, predecessor=first.signed_report).passed
            assert (first.assessment.rated.score, second.assessment.rated.score) == ("50.00", "70.00")
            assert len(process.events("event-refused")) >= 2
            (issued,) = [entry for entry in process.events("report-issued") if entry["content_sha256"] == second.content_sha256]
            assert issued["subject_code"].startswith("…")
            assert process.stop() == 0
        checked = command(settings, "fsck")
        assert checked.returncode == 0, checked.stderr
        assert json.loads(checked.stdout)["faults"] == 0
        summary = json.loads(command(settings, "summary").stdout)
        assert summary["revisions_issued"] >= 2
        assert summary["signing_tickets"] == 0
        second_file, first_file = tmp_path / "second.jws", tmp_path / "first.jws"
        second_file.write_bytes(second.signed_report)
        first_file.write_bytes(first.signed_report)
        by_bank = [*("verify", str(second_file), "--keys", str(keys.published_file)), "--predecessor", str(first_file)]
        verified = command({}, *by_bank)
        assert verified.returncode == 0, verified.stdout + verified.stderr

    def test_beats_on_its_topics_when_it_has_nothing_to_tell(
        self, settings: dict[str, str], tmp_path: Path, kafka_broker: KafkaBroker
    ) -> None:
        consumer = KafkaConsumer(**kafka_broker.client_settings("admin"), enable_auto_commit=False)
        topics = (REVISIONS, "bureau.objection-changed.v1")
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(12)]
        before = consumer.end_offsets(partitions)
        with serving("reports", settings, tmp_path / "reports.log") as process:
            process.wait(
                "a beat on every partition", lambda: all(end > before[one] for one, end in consumer.end_offsets(partitions).items())
            )
        consumer.close()


class TestCrash:
    @pytest.mark.parametrize(
        "point",
        [
            "consumer.batch.before_commit",
            "consumer.batch.after_commit",
            "issuance.before_sign",
            "issuance.after_sign",
            "issuance.issue.after_commit",
            "outbox.after_send",
        ],
    )
    def test_loses_nothing_and_doubles_nothing(
        self,
        settings: dict[str, str],
        tmp_path: Path,
        publish: Callable[..., None],
        told: Callable[[uuid.UUID], list[report_pb2.ReportRevised]],
        rows: Rows,
        keys: Keys,
        point: str,
    ) -> None:
        subject_id = uuid.uuid4()
        log_file = tmp_path / "reports.log"
        # Batches of heartbeats commit too, and the outbox is empty at first: only what this subject brings passes the other points.
        armed = {**settings, "CARBONBUREAU_REPORTS_CRASH_POINT": point, "CARBONBUREAU_REPORTS_ALLOW_CRASH_POINTS": "true"}
        publish(assessment_made(subject_id=subject_id, number=1, score="50.00"))
        with serving("reports", armed, log_file, ready=False) as doomed:
            doomed.wait_killed()
        publish(assessment_made(subject_id=subject_id, number=2, score="60.00"))
        with serving("reports", settings, log_file) as process:
            process.wait("two revisions, or one where the first was never taken", lambda: _settled(rows, subject_id))
            process.wait("the last to be told", lambda: any(event.assessment.rated.score == "60.00" for event in told(subject_id)))
            self.chain_is_whole(told(subject_id), published_keys.read(keys.published_file))
        assert command(settings, "fsck").returncode == 0

    def chain_is_whole(self, events: list[report_pb2.ReportRevised], keys: dict[str, published_keys.PublishedKey]) -> None:
        ordered = sorted(events, key=lambda event: event.revision_number)
        assert [event.revision_number for event in ordered] == list(range(1, len(ordered) + 1))
        for before, after in pairwise(ordered):
            assert verify(after.signed_report, keys, predecessor=before.signed_report).passed


class TestStart:
    def ends_with(self, settings: dict[str, str], tmp_path: Path) -> tuple[int, str]:
        log_file = tmp_path / "reports.log"
        with serving("reports", settings, log_file, ready=False) as process:
            code = process.child.wait(timeout=30)
        return code, log_file.read_text()

    def test_is_refused_with_a_signing_key_that_others_can_read(self, settings: dict[str, str], tmp_path: Path, keys: Keys) -> None:
        keys.key_file.chmod(0o644)
        code, shown = self.ends_with(settings, tmp_path)
        assert code == 2
        assert "open to group or others" in shown

    def test_is_refused_in_production_with_a_sandbox_key(self, settings: dict[str, str], tmp_path: Path) -> None:
        code, shown = self.ends_with({**settings, "CARBONBUREAU_REPORTS_PROFILE": "production"}, tmp_path)
        assert code == 2
        assert "sandbox key" in shown

    def test_says_which_setting_is_unknown(self, settings: dict[str, str], tmp_path: Path) -> None:
        code, shown = self.ends_with({**settings, "CARBONBUREAU_REPORTS_SIGNING_KEYFILE": "x"}, tmp_path)
        assert code == 2
        assert "did you mean CARBONBUREAU_REPORTS_SIGNING_KEY_FILE?" in shown


def _settled(rows: Rows, subject_id: uuid.UUID) -> bool:
    states = state_of(rows, subject_id)
    waiting = rows("SELECT 1 FROM work_item UNION ALL SELECT 1 FROM outbox_event WHERE published_at IS NULL")
    last = rows(f"SELECT assessment_number FROM report_revision WHERE subject_id = '{subject_id}' ORDER BY revision_number DESC LIMIT 1")
    return bool(states) and set(states) == {"ISSUED"} and not waiting and last == [(2,)]
