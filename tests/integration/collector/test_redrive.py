"""Operators have kept records judged again, or passed over: audited, once, told, whatever is killed and whoever else does it too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from carbonbureau.intake.v1 import notice_pb2
from kafka import KafkaProducer

from deploy.local.plan import PROVIDERS_FILE
from deploy.local.state import REPOSITORY
from services.collector import redrive, skipping, wire
from services.collector.__main__ import main
from services.collector.consumer import Intake
from services.collector.directory_file import parse_directory
from services.collector.domain.submission import Outcome
from services.collector.store import directory
from services.collector.store.redriving import Wanted
from services.collector.tables import APPEND_ONLY
from services.common.consumer import Record
from services.common.identifiers import RandomIds
from tests.integration.collector.conftest import Collector, outcomes
from tests.integration.collector.test_commands import environment
from tests.integration.collector.test_intake import narrow
from tests.integration.collector.test_path import Running, collector_settings, publish, running
from tests.integration.collector.test_providers import Directory, applied
from tests.unit.collector.signing import signer
from tests.unit.collector.submissions import CODE, DECLARED, PROVINCE, electricity, fuel

__all__ = ["applied", "environment"]

DECISION = ("--reason", "the entry lacked a kind", "--operator", "li.wei")


def widen(collector: Collector, **changes: Any) -> None:
    """Apply the shipped directory again, the entry of ent-sx with changes."""
    entries = parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))
    changed = [replace(one, provider=replace(one.provider, **changes)) if one.provider.code == "ent-sx" else one for one in entries]
    with collector.database.transaction("test.directory") as transaction:
        directory.replace_directory(transaction, changed, at=transaction.now())


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """Records that were rejected because the directory lacked a kind; it has it now."""

    collector: Collector
    records: list[Record]

    def run(self, outcome: Outcome = Outcome.REJECTED, *, batch: int = 500, **wanted: Any) -> redrive.Tally:
        return redrive.run(
            database=self.collector.database,
            intake=Intake(province=PROVINCE),
            wanted=Wanted(outcome=outcome, **wanted),
            redrive_id=RandomIds().new(),
            operator="li.wei",
            reason="the entry lacked a kind",
            batch_records_max=batch,
        )

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Read every table that only grows, but for who ran what when."""
        tables = [table for table in APPEND_ONLY if table.name not in ("redrive", "redriven_record")]
        return {table.name: self.collector.rows(f"SELECT * FROM {table.name} ORDER BY 1, 2") for table in tables}


@pytest.fixture
def rejected(collector: Collector) -> Rejected:
    narrow(collector, "ent-sx", "OUTPUT", "ELECTRICITY_USE")
    records = [collector.record("ent-sx", fuel(f"{number}", record_number=f"F-{number}", basis=DECLARED)) for number in range(1, 5)]
    collector.take(*records)
    collector.take(collector.record("ent-sx", fuel("-1", record_number="F-5", basis=DECLARED)))
    assert collector.counts()["records"]["rejected"] == 5
    widen(collector)
    return Rejected(collector=collector, records=records)


class TestARejectedRecord:
    def test_is_taken_in_by_the_directory_of_now_and_its_account_drawn_up(
        self, rejected: Rejected, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        environment()
        assert main(["redrive", "--rejected", *DECISION]) == 0
        assert "5 records judged again: 4 accepted, 1 rejected; 0 cannot be" in capsys.readouterr().out
        held = rejected.collector.rows("SELECT value, record_offset FROM submission ORDER BY record_offset")
        assert [(row["value"], row["record_offset"]) for row in held] == [(one.value, one.offset) for one in rejected.records]
        rejected.collector.rebuild()
        assert rejected.collector.statements()[-1].evidence_count == 4

    def test_is_on_record_with_who_why_and_both_outcomes(self, rejected: Rejected) -> None:
        rejected.run(provider_code="ent-sx")
        (run,) = rejected.collector.rows("SELECT * FROM redrive")
        assert (run["operator"], run["reason"], run["set_aside"], run["provider_code"]) == (
            "li.wei",
            "the entry lacked a kind",
            "REJECTED",
            "ent-sx",
        )
        rows = rejected.collector.rows("SELECT * FROM redriven_record ORDER BY record_offset")
        assert [(row["outcome_before"], row["outcome_after"]) for row in rows] == [("REJECTED", "ACCEPTED")] * 4 + [
            ("REJECTED", "REJECTED")
        ]
        assert [row["detail"] for row in rows] == [""] * 4 + ["FORM_AMOUNT_NEGATIVE"]
        assert all((row["submission_id"] is not None) == (row["outcome_after"] == "ACCEPTED") for row in rows)
        assert {row["redrive_id"] for row in rows} == {run["redrive_id"]}

    def test_is_told_to_its_provider_with_what_is_new(self, rejected: Rejected) -> None:
        """The first receipt and findings stay; the fifth record has one rule against it less, which is no news."""
        findings = len(rejected.collector.findings("ent-sx"))
        rejected.run()
        *_, receipt = rejected.collector.receipts("ent-sx")
        assert receipt.redriven
        assert [(one.offset, one.record_number) for one in receipt.outcomes] == [(number, f"F-{number + 1}") for number in range(4)]
        assert outcomes([receipt]) == ["ACCEPTED"] * 4
        assert len(rejected.collector.findings("ent-sx")) == findings

    def test_that_breaks_other_rules_now_has_these_told_and_kept(self, rejected: Rejected) -> None:
        widen(rejected.collector, region_prefixes=("44",))
        assert rejected.run().outcomes == {Outcome.REJECTED: 5}
        kept = rejected.collector.rows("SELECT DISTINCT rule_id FROM record_finding WHERE record_offset < 4 ORDER BY 1")
        assert [row["rule_id"] for row in kept] == ["FORM_KIND_NOT_ENTITLED", "FORM_REGION_NOT_ENTITLED"]
        told = [finding for finding in rejected.collector.findings("ent-sx") if finding.rule_id == "FORM_REGION_NOT_ENTITLED"]
        assert len(told) == 5

    def test_that_was_taken_in_is_a_duplicate_when_it_is_sent_again(self, rejected: Rejected) -> None:
        rejected.run()
        rejected.collector.take(*(rejected.collector.record("ent-sx", one.value, key=one.key) for one in rejected.records))
        assert outcomes(rejected.collector.receipts("ent-sx")[-1:]) == ["DUPLICATE"] * 4

    def test_that_was_sent_again_before_is_a_duplicate_itself(self, rejected: Rejected) -> None:
        rejected.collector.take(rejected.collector.record("ent-sx", rejected.records[0].value, key=CODE.encode()))
        tally = rejected.run()
        assert tally.outcomes == {Outcome.ACCEPTED: 3, Outcome.DUPLICATE: 1, Outcome.REJECTED: 1}
        assert rejected.collector.counts()["tables"]["submission"] == 4

    def test_is_not_touched_by_a_second_run(self, rejected: Rejected) -> None:
        rejected.run()
        before, events = rejected.everything(), rejected.collector.rows("SELECT event_id FROM outbox_event ORDER BY id")
        again = rejected.run()
        assert again.outcomes == {Outcome.REJECTED: 1}
        assert rejected.everything() == before
        assert rejected.collector.rows("SELECT event_id FROM outbox_event ORDER BY id") == events
        assert len(rejected.collector.rows("SELECT FROM redriven_record")) == 6

    def test_is_found_by_provider_topic_and_place(self, rejected: Rejected) -> None:
        topic = rejected.records[0].topic
        assert rejected.run(provider_code="grid-sx").outcomes.total() == 0
        assert rejected.run(topic="intake.energy.v1.grid-sx").outcomes.total() == 0
        assert rejected.run(topic=topic, partition=1).outcomes.total() == 0
        assert rejected.run(topic=topic, partition=0, offset=2).outcomes == {Outcome.ACCEPTED: 1}
        assert rejected.run(topic=topic).outcomes == {Outcome.ACCEPTED: 3, Outcome.REJECTED: 1}

    def test_is_judged_with_its_key_and_its_signature_as_they_came(self, collector: Collector) -> None:
        key = signer()
        value = electricity("1", basis=DECLARED).SerializeToString()
        headers = {"jws": key.jws(value, at=datetime.now(UTC))}
        collector.take(
            *(collector.record("ent-sx", value, key=record_key, headers=headers) for record_key in (CODE.encode(), b"another")),
        )
        rejected = Rejected(collector=collector, records=[])
        assert rejected.run().outcomes == {Outcome.REJECTED: 2}
        widen(collector, keys=(key.key(valid_from=datetime(2020, 1, 1, tzinfo=UTC)),))
        assert rejected.run().outcomes == {Outcome.ACCEPTED: 1, Outcome.REJECTED: 1}

    def test_from_before_keys_were_kept_is_said_to_be_sent_again(self, rejected: Rejected) -> None:
        collector = rejected.collector
        collector.run(
            "INSERT INTO rejected_record SELECT gen_random_uuid(), partition, record_offset, topic, provider_code, subject_code, kind, "
            "record_number, record_revision, value, value_sha256, is_json, received_at FROM rejected_record WHERE record_offset = 0"
        )
        tally = rejected.run()
        assert [line.partition(": ")[2] for line in tally.not_tried] == [
            "it came before keys were kept beside bytes: the provider has to send it again"
        ]


class TestAQuarantinedRecord:
    def test_is_read_anew(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was no message for the reader of then may be one for that of now: here its limit was lower."""
        records = [collector.record("grid-sx", one) for one in (electricity("1"), electricity("-1"), b"\xff\xfe" * 20)]
        with monkeypatch.context() as then:
            then.setattr(wire, "SUBMISSION_BYTES_MAX", 10)
            collector.take(*records)
        assert outcomes(collector.receipts("grid-sx")) == ["QUARANTINED"] * 3
        rejected = Rejected(collector=collector, records=[])
        assert rejected.run(Outcome.QUARANTINED).outcomes == {Outcome.ACCEPTED: 1, Outcome.REJECTED: 1, Outcome.QUARANTINED: 1}
        assert outcomes(collector.receipts("grid-sx")[-1:]) == ["ACCEPTED", "REJECTED"]
        assert [finding.rule_id for finding in collector.findings("grid-sx")] == ["FORM_AMOUNT_NEGATIVE"]
        # What came out to be rejected is among the rejected, and nowhere else, from now on.
        assert rejected.run(Outcome.QUARANTINED).outcomes == {Outcome.QUARANTINED: 1}
        assert rejected.run(Outcome.REJECTED).outcomes == {Outcome.REJECTED: 1}

    def test_of_which_only_the_beginning_is_kept_says_so(
        self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        collector.take(collector.record("grid-sx", b"\xff" * 100_000))
        environment()
        assert main(["redrive", "--quarantined", *DECISION]) == 0
        shown = capsys.readouterr().out
        assert "intake.energy.v1.grid-sx-0@0: only the first 65536 of its 100000 bytes are kept" in shown
        assert "0 records judged again; 1 cannot be" in shown
        assert collector.rows("SELECT outcome_after FROM redriven_record") == [{"outcome_after": "QUARANTINED"}]


class TestTwoRuns:
    def test_at_once_take_in_each_record_once(self, rejected: Rejected) -> None:
        tallies: list[redrive.Tally] = []
        threads = [threading.Thread(target=lambda: tallies.append(rejected.run(batch=1))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(tally.outcomes[Outcome.ACCEPTED] for tally in tallies) == 4
        assert len(rejected.collector.rows("SELECT FROM submission")) == 4
        assert len(rejected.collector.rows("SELECT FROM redriven_record WHERE outcome_after = 'ACCEPTED'")) == 4
        receipts = [receipt for receipt in rejected.collector.receipts("ent-sx") if receipt.redriven]
        assert sorted(one.offset for receipt in receipts for one in receipt.outcomes) == [0, 1, 2, 3]


def killed(collector: Collector, *arguments: str, point: str, **settings: str) -> None:
    """Run a command that is killed at a crash point."""
    variables = {
        "POSTGRES_URL": collector.url,
        "POSTGRES_PASSWORD_FILE": str(collector.password_file),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_USERNAME": "collector",
        "KAFKA_PASSWORD_FILE": str(collector.password_file),
        "CRASH_POINT": point,
        "ALLOW_CRASH_POINTS": "true",
        **settings,
    }
    environment = {**os.environ, **{f"CARBONBUREAU_COLLECTOR_{name}": value for name, value in variables.items()}}
    command = [sys.executable, "-m", "services.collector", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


class TestARunThatIsKilled:
    @pytest.mark.parametrize("point", ["redrive.batch.before_commit", "redrive.batch.after_commit", "redrive.batch.before_commit@3"])
    def test_is_finished_by_another_and_nothing_is_taken_in_or_told_twice(self, rejected: Rejected, point: str) -> None:
        killed(rejected.collector, "redrive", "--rejected", *DECISION, point=point, INTAKE_BATCH_RECORDS_MAX="1")
        rejected.run()
        assert len(rejected.collector.rows("SELECT FROM submission")) == 4
        assert len(rejected.collector.rows("SELECT FROM redriven_record WHERE outcome_after = 'ACCEPTED'")) == 4
        receipts = [receipt for receipt in rejected.collector.receipts("ent-sx") if receipt.redriven]
        assert sorted(one.offset for receipt in receipts for one in receipt.outcomes) == [0, 1, 2, 3]
        # Every record that was tried belongs to a run that is on record.
        assert rejected.collector.rows("SELECT FROM redriven_record WHERE redrive_id NOT IN (SELECT redrive_id FROM redrive)") == []


class TestTheCommand:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["redrive", *DECISION],
            ["redrive", "--rejected", "--quarantined", *DECISION],
            ["redrive", "--rejected", "--reason", "why"],
            ["redrive", "--rejected", "--operator", "who", "--reason", " "],
            ["redrive", "--rejected", "--operator", "who", "--reason", "two\nlines"],
            ["skip", "--topic", "intake.energy.v1.grid-sx", "--partition", "0", *DECISION],
        ],
    )
    def test_is_refused_without_what_an_audit_needs(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "error: " in capsys.readouterr().err

    def test_of_one_offset_needs_its_partition(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["redrive", "--rejected", "--offset", "5", *DECISION]) == 2
        assert "--offset needs --topic and --partition" in capsys.readouterr().err


# ---- Passing over what cannot be read ----

KINDS = {"grid": "ELECTRICITY_USE"}


def bomb(applied: Directory) -> str:
    """Publish a batch of a few kilobytes that unpacks to more than its reader takes, and return its topic."""
    topic = f"intake.energy.v1.{applied.code('grid')}"
    producer = KafkaProducer(**applied.client("grid"), compression_type="zstd", max_request_size=64 * 1024 * 1024)
    try:
        producer.send(topic, b"\x00" * 40 * 1024 * 1024, key=b"key").get(timeout=30)
    finally:
        producer.close(timeout=1)
    return topic


def skip(applied: Directory, topic: str, to_offset: int) -> skipping.Skipped:
    return skipping.skip(
        database=applied.collector.database,
        kafka_settings=collector_settings(applied),
        consumer="collector",
        topic=topic,
        partition=0,
        to_offset=to_offset,
        skip_id=RandomIds().new(),
        operator="li.wei",
        reason="unpacks to 40 MiB",
    )


def position(applied: Directory, topic: str) -> int:
    (row,) = applied.collector.rows("SELECT next_offset FROM consumer_position WHERE topic = :topic", topic=topic)
    return int(row["next_offset"])


@pytest.fixture
def begun(applied: Directory) -> str:
    """Give a topic of which the collector has read one record of three."""
    applied.apply(**KINDS)
    with running(applied) as path:
        path.publish("grid", "energy", electricity("1", record_number="1"))
        path.taken_in(1)
    publish(applied, "grid", "energy", electricity("2", record_number="2"), electricity("3", record_number="3"))
    return f"intake.energy.v1.{applied.code('grid')}"


class TestAPartitionThatIsStuck:
    def test_goes_on_behind_what_was_passed_over_and_its_provider_is_told(
        self, applied: Directory, caplog: pytest.LogCaptureFixture
    ) -> None:
        applied.apply(**KINDS)
        with running(applied) as path:
            path.publish("grid", "energy", electricity("1", record_number="1"))
            path.taken_in(1)
            topic = bomb(applied)
            path.publish("grid", "energy", electricity("2", record_number="2"))
            path.wait(lambda: any("partition stuck" in record.message for record in caplog.records))
            assert skip(applied, topic, 2) == skipping.Skipped(first_offset=1, last_offset=1)
            path.taken_in(2)
            path.settled()
            self.assert_told(path, topic)
        assert [row["record_offset"] for row in applied.collector.rows("SELECT record_offset FROM submission ORDER BY 1")] == [0, 2]

    @staticmethod
    def assert_told(path: Running, topic: str) -> None:
        (told,) = [notice for notice in path.notices("grid", 3) if notice.HasField("skipped")]
        assert (told.skipped.topic, told.skipped.first_offset, told.skipped.last_offset) == (topic, 1, 1)
        assert told.skipped.reason == "unpacks to 40 MiB"
        (row,) = path.applied.collector.rows("SELECT * FROM skip")
        assert (row["operator"], row["reason"], row["first_offset"], row["last_offset"]) == ("li.wei", "unpacks to 40 MiB", 1, 1)


class TestSkip:
    def test_done_again_does_nothing(
        self, applied: Directory, begun: str, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        environment(
            KAFKA_BOOTSTRAP_SERVERS=applied.broker.bootstrap_servers, KAFKA_PASSWORD_FILE=str(applied.broker.password_file("collector"))
        )
        command = ["skip", "--topic", begun, "--partition", "0", "--to-offset", "2", *DECISION]
        assert (main(command), main(command)) == (0, 0)
        shown = capsys.readouterr().out.splitlines()
        assert shown == [f"offsets 1 to 1 of {begun}-0 are passed over", f"{begun}-0 stands at 2 already: nothing was done"]
        assert len(applied.collector.rows("SELECT FROM skip")) == 1
        with running(applied) as path:
            path.taken_in(2)
        assert [row["record_number"] for row in applied.collector.rows("SELECT record_number FROM submission ORDER BY 1")] == ["1", "3"]

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"to_offset": 4}, "ends at 3: nothing lies before 4"),
            ({"to_offset": 0}, "stands at 1 of"),
            ({"topic": "bureau.account-revised.v1"}, "not an intake topic"),
            ({"topic": "intake.energy.v1.nobody"}, "does not exist"),
            ({"partition": 1}, "does not exist"),
            ({"consumer": "another"}, "another has not begun"),
        ],
    )
    def test_says_why_it_will_not(self, applied: Directory, begun: str, change: dict[str, Any], says: str) -> None:
        arguments = {"topic": begun, "partition": 0, "to_offset": 2, "consumer": "collector", **change}
        with pytest.raises(skipping.SkipRefusedError, match=says):
            skipping.skip(
                database=applied.collector.database,
                kafka_settings=collector_settings(applied),
                skip_id=RandomIds().new(),
                operator="li.wei",
                reason="why",
                **arguments,
            )
        assert position(applied, begun) == 1
        assert applied.collector.rows("SELECT FROM skip") == []

    def test_by_two_at_once_is_done_once(self, applied: Directory, begun: str) -> None:
        done: list[skipping.Skipped | skipping.SkipRefusedError] = []

        def one(to_offset: int) -> None:
            try:
                done.append(skip(applied, begun, to_offset))
            except skipping.SkipRefusedError as refused:
                done.append(refused)

        threads = [threading.Thread(target=one, args=(to_offset,)) for to_offset in (2, 3, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 4
        rows = applied.collector.rows("SELECT first_offset, last_offset FROM skip ORDER BY 1")
        # Either both steps one after the other, or the longer one at once: each offset is passed over exactly once.
        assert [offset for row in rows for offset in range(row["first_offset"], row["last_offset"] + 1)] == list(
            range(1, position(applied, begun))
        )
        waiting = [row["value"] for row in applied.collector.events(f"provider.notices.v1.{applied.code('grid')}") if row["value"]]
        assert sum(notice_pb2.ProviderNotice.FromString(value).HasField("skipped") for value in waiting) == len(rows)

    @pytest.mark.parametrize("side", ["before_commit", "after_commit"])
    def test_that_is_killed_is_done_by_another(self, applied: Directory, begun: str, side: str) -> None:
        killed(
            applied.collector,
            *("skip", "--topic", begun, "--partition", "0", "--to-offset", "2", *DECISION),
            point=f"skip.advance.{side}",
            KAFKA_BOOTSTRAP_SERVERS=applied.broker.bootstrap_servers,
            KAFKA_PASSWORD_FILE=str(applied.broker.password_file("collector")),
        )
        assert position(applied, begun) == (1 if side == "before_commit" else 2)
        skip(applied, begun, 2)
        assert position(applied, begun) == 2
        assert len(applied.collector.rows("SELECT FROM skip")) == 1
