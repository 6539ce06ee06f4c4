"""Intake keeps every record with its outcome, answers it, and marks the accounts concerned."""

from __future__ import annotations

import threading
from hashlib import sha256
from uuid import uuid4

import pytest
from carbonbureau.intake.v1 import notice_pb2
from google.protobuf import json_format, timestamp_pb2

from services.collector.consumer import PRIORITY_BACKFILL, PRIORITY_CORRECTION, PRIORITY_LIVE, Intake
from services.collector.domain.merkle import tree_hash
from tests.integration.collector.conftest import Collector, outcomes
from tests.unit.collector.submissions import (
    CODE,
    PROVINCE,
    SUBJECT_ID,
    code_of,
    electricity,
    entry,
    fuel,
    month,
    output,
    owned,
    reported,
)


class TestOutcomes:
    def test_of_all_records_add_up(self, collector: Collector) -> None:
        sound = electricity("1.5", record_number="1")
        collector.take(
            collector.record("grid-sx", sound),
            collector.record("grid-sx", sound),
            collector.record("grid-sx", electricity("1.6", record_number="1")),
            collector.record("grid-sx", electricity("-1", record_number="2")),
            collector.record("grid-sx", electricity("2", record_number="3", record_revision=2)),
            collector.record("grid-sx", b"\xff\xfe"),
            collector.record("grid-sx", None),
        )
        expected = ["ACCEPTED", "DUPLICATE", "REJECTED", "REJECTED", "PARKED", "QUARANTINED", "QUARANTINED"]
        assert outcomes(collector.receipts("grid-sx")) == expected
        counts = collector.counts()
        assert counts["records"] == {"accepted": 2, "parked": 1, "duplicate": 1, "rejected": 2, "quarantined": 2}
        tables = counts["tables"]
        assert [tables[name] for name in ("submission", "duplicate_record", "rejected_record", "quarantined_record")] == [2, 1, 2, 2]

    def test_keep_the_exact_bytes_and_where_they_came_from(self, collector: Collector) -> None:
        record = collector.record("grid-sx", electricity("1.50"))
        collector.take(record)
        (row,) = collector.rows("SELECT * FROM submission")
        assert row["value"] == record.value
        assert row["value_sha256"] == sha256(record.value or b"").digest()
        assert (row["topic"], row["topic_id"], row["partition"], row["record_offset"]) == (record.topic, record.topic_id, 0, record.offset)

    def test_of_json_are_those_of_the_same_statement_in_protobuf(self, collector: Collector) -> None:
        text = json_format.MessageToJson(electricity("1.5")).encode()
        collector.take(collector.record("grid-sx", text, key=CODE.encode(), headers={"content-type": b"application/json"}))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED"]
        collector.rebuild()
        assert len(collector.statements()) == 1

    def test_do_not_depend_on_how_records_fall_into_batches(self, collector: Collector) -> None:
        sent = [electricity("1", record_number="1"), electricity("1", record_number="1"), electricity("2", record_number="1")]
        for one in sent:
            collector.send(("grid-sx", one))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED", "DUPLICATE", "REJECTED"]

    def test_of_a_topic_that_was_made_again_are_duplicates(self, collector: Collector) -> None:
        sent = electricity("1", record_number="1")
        collector.take(collector.record("grid-sx", sent))
        collector.take(collector.record("grid-sx", sent, topic_id=uuid4()))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED", "DUPLICATE"]

    def test_of_a_provider_that_left_the_directory_are_rejections(self, collector: Collector) -> None:
        collector.run("UPDATE provider SET withdrawn_at = now() WHERE provider_code = 'grid-sx'")
        collector.send(("grid-sx", electricity("1")))
        assert {finding.rule_id for finding in collector.findings("grid-sx")} == {"FORM_KIND_NOT_ENTITLED", "FORM_REGION_NOT_ENTITLED"}

    def test_of_the_same_key_from_two_providers_are_two_submissions(self, collector: Collector) -> None:
        collector.send(("tax-sx", electricity("1", record_number="7")), ("ent-sx", electricity("1", record_number="7")))
        assert collector.counts()["records"]["accepted"] == 2


class TestReceipts:
    def test_are_one_for_each_partition_and_batch_with_the_root_of_the_exact_bytes(self, collector: Collector) -> None:
        records = [collector.record("grid-sx", electricity(str(number))) for number in range(5)]
        other = collector.record("stats-sx", output("5"))
        # Batches come in any order of partitions; offsets within one are rising.
        collector.take(records[0], other, *records[1:])
        (receipt,) = collector.receipts("grid-sx")
        assert receipt.merkle_root == tree_hash([sha256(record.value or b"").digest() for record in records])
        assert (receipt.topic, receipt.first_offset, receipt.last_offset, receipt.accepted_count) == (records[0].topic, 0, 4, 5)
        assert len(collector.receipts("stats-sx")) == 1

    def test_name_the_records_as_the_provider_does(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1", record_number="DL-7")))
        (outcome,) = collector.receipts("grid-sx")[0].outcomes
        assert (outcome.record_number, outcome.record_revision) == ("DL-7", 1)

    def test_show_hostile_record_numbers_only_as_text(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1", record_number="\x00\n" + "x" * 5000)))
        (outcome,) = collector.receipts("grid-sx")[0].outcomes
        assert outcome.record_number.isprintable()
        assert len(outcome.record_number) <= 64
        assert collector.rows("SELECT record_number FROM rejected_record")[0]["record_number"] == outcome.record_number


class TestFindings:
    def test_reach_the_provider_with_the_place_of_the_record(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1")), ("grid-sx", electricity("1e308", record_number="DL-8")))
        (finding,) = collector.findings("grid-sx")
        assert (finding.rule_id, finding.kind, finding.record_number, finding.offset) == (
            "FORM_AMOUNT_MALFORMED",
            "ELECTRICITY_USE",
            "DL-8",
            1,
        )
        assert finding.severity == notice_pb2.SEVERITY_SEVERE

    def test_are_kept(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("-5", period=month(2031, 1))))
        kept = {row["rule_id"] for row in collector.rows("SELECT rule_id FROM record_finding")}
        assert kept == {"FORM_AMOUNT_NEGATIVE", "FORM_PERIOD_IN_THE_FUTURE"}

    def test_of_a_conflict_name_the_rule(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1", record_number="1")), ("grid-sx", electricity("2", record_number="1")))
        assert [finding.rule_id for finding in collector.findings("grid-sx")] == ["FORM_KEY_CONFLICT"]


class TestQuarantine:
    def test_keeps_the_bytes_and_tells_the_bureau(self, collector: Collector) -> None:
        collector.take(collector.record("grid-sx", b"\xff" * 10))
        (row,) = collector.events("bureau.intake-quarantine.v1")
        told = notice_pb2.QuarantinedRecord.FromString(row["value"])
        assert (told.provider_code, told.value, told.value_sha256) == ("grid-sx", b"\xff" * 10, sha256(b"\xff" * 10).digest())

    def test_is_bounded_for_each_record(self, collector: Collector) -> None:
        collector.take(collector.record("grid-sx", b"\xff" * 900_000))
        (row,) = collector.rows("SELECT octet_length(value) AS kept, value_length, value_sha256 FROM quarantined_record")
        assert (row["kept"], row["value_length"]) == (64 * 1024, 900_000)
        assert row["value_sha256"] == sha256(b"\xff" * 900_000).digest()


class TestSubjects:
    def test_are_born_with_their_first_accepted_submission(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("-1", code=code_of(2))))
        assert collector.rows("SELECT * FROM subject") == []
        collector.send(("grid-sx", electricity("1")))
        (row,) = collector.rows("SELECT subject_id, province, first_code, code FROM subject JOIN subject_code USING (subject_id)")
        assert row == {"subject_id": SUBJECT_ID, "province": PROVINCE, "first_code": CODE, "code": CODE}

    def test_are_one_for_each_code_in_one_batch(self, collector: Collector) -> None:
        collector.send(*(("grid-sx", electricity("1", code=code_of(number % 3))) for number in range(9)))
        assert len(collector.rows("SELECT * FROM subject")) == 3


class TestMarks:
    def priorities(self, collector: Collector) -> dict[str, int]:
        return {row["key"]: row["priority"] for row in collector.rows("SELECT key, priority FROM work_item")}

    def test_let_corrections_pass_live_records_and_these_pass_history(self, collector: Collector) -> None:
        old = electricity("1", code=code_of(1))
        old.compiled_time.CopyFrom(timestamp_pb2.Timestamp(seconds=1_700_000_000))
        correction = electricity("1", code=code_of(2), record_number="1", record_revision=2)
        live = electricity("1", code=code_of(3))
        collector.send(("grid-sx", old), ("grid-sx", correction), ("grid-sx", live))
        assert sorted(self.priorities(collector).values()) == [PRIORITY_CORRECTION, PRIORITY_LIVE, PRIORITY_BACKFILL]

    def test_are_not_made_for_what_changes_nothing(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1", record_number="1")))
        collector.run("DELETE FROM work_item")
        collector.send(("grid-sx", electricity("1", record_number="1")), ("grid-sx", electricity("-1")))
        assert self.priorities(collector) == {}

    def test_reach_whom_a_new_registry_entry_concerns(self, collector: Collector) -> None:
        reporter, owner = code_of(1), code_of(2)
        collector.send(("ent-sx", reported("5", code=reporter, facility_number="F1")))
        collector.run("DELETE FROM work_item")
        collector.send(("ndrc-sx", entry(owned("F1"), code=owner)))
        assert len(self.priorities(collector)) == 2

    def test_reach_whom_a_correction_frees(self, collector: Collector) -> None:
        reporter, owner = code_of(1), code_of(2)
        collector.send(("ent-sx", reported("5", code=reporter, facility_number="F1")))
        collector.send(("ndrc-sx", entry(owned("F1"), code=owner, record_number="E")))
        collector.run("DELETE FROM work_item")
        collector.send(("ndrc-sx", entry(code=owner, record_number="E", record_revision=2)))
        assert len(self.priorities(collector)) == 2


class TestTwoConsumers:
    def test_taking_in_the_same_submission_at_once_keep_it_once(self, collector: Collector) -> None:
        """The second waits for the first to commit, and then finds a duplicate."""
        sent = electricity("1", record_number="1")
        first_record, second_record = collector.record("grid-sx", sent), collector.record("grid-sx", sent, topic_id=uuid4())
        holding, done = threading.Event(), threading.Event()

        def first() -> None:
            with collector.database.transaction("test.first") as transaction:
                Intake(province=PROVINCE).handle(transaction, [first_record])
                holding.set()
                done.wait(0.3)

        thread = threading.Thread(target=first)
        thread.start()
        holding.wait(5)
        collector.take(second_record)
        done.set()
        thread.join()
        assert sorted(outcomes(collector.receipts("grid-sx"))) == ["ACCEPTED", "DUPLICATE"]
        assert len(collector.rows("SELECT * FROM submission")) == 1


@pytest.mark.parametrize("size", [1, 700])
def test_a_batch_of_any_size_is_taken_whole(collector: Collector, size: int) -> None:
    collector.send(*(("tax-sx", fuel(str(number), code=code_of(number % 50))) for number in range(size)))
    assert collector.counts()["records"]["accepted"] == size
