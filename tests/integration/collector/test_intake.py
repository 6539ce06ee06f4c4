"""Intake keeps every record with its outcome, answers it, and marks the accounts concerned."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from carbonbureau.intake.v1 import notice_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format, timestamp_pb2

from deploy.local.plan import PROVIDERS_FILE
from services.collector.consumer import FINDINGS_TOLD_MAX, PRIORITY_BACKFILL, PRIORITY_CORRECTION, PRIORITY_LIVE, Intake
from services.collector.domain.kinds import Kind
from services.collector.domain.merkle import tree_hash
from services.collector.providers import Entry, parse_directory
from services.collector.store import directory
from services.collector.tables import APPEND_ONLY
from services.common.consumer import Record
from tests.integration.collector.conftest import Collector, outcomes
from tests.unit.collector.submissions import (
    CODE,
    DECLARED,
    INVOICED,
    PROVINCE,
    SUBJECT_ID,
    code_of,
    days,
    electricity,
    entry,
    fuel,
    month,
    output,
    owned,
    reported,
)


def withdraw(collector: Collector, code: str) -> None:
    _replace(collector, [entry for entry in _shipped() if entry.provider.code != code])


def narrow(collector: Collector, code: str, *kinds: str) -> None:
    """Leave a provider these kinds only."""
    left = frozenset(Kind(kind) for kind in kinds)
    changed = [replace(one, provider=replace(one.provider, kinds=left)) if one.provider.code == code else one for one in _shipped()]
    _replace(collector, changed)


def _shipped() -> list[Entry]:
    return parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))


def _replace(collector: Collector, entries: Sequence[Entry]) -> None:
    with collector.database.transaction("test.directory") as transaction:
        directory.replace_directory(transaction, entries, at=transaction.now())


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

    def test_of_a_provider_that_left_the_directory_are_those_of_its_rights_until_then(self, collector: Collector) -> None:
        """It lost the right to write first, so what lies on its topics was published before."""
        withdraw(collector, "grid-sx")
        collector.send(("grid-sx", electricity("1")), ("grid-sx", electricity("1", code=code_of(1, region="440300"))))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED", "REJECTED"]
        assert {finding.rule_id for finding in collector.findings("grid-sx")} == {"FORM_REGION_NOT_ENTITLED"}

    def test_of_a_kind_that_was_taken_depend_on_whether_its_topic_was(self, collector: Collector) -> None:
        narrow(collector, "ent-sx", "ELECTRICITY_USE", "OUTPUT")
        collector.send(("ent-sx", reported("1")), ("ent-sx", fuel("1", basis=DECLARED)))
        told = {finding.kind: finding.rule_id for finding in collector.findings("ent-sx")}
        assert told == {"FUEL_USE": "FORM_KIND_NOT_ENTITLED"}

    def test_of_a_topic_whose_provider_nobody_knows_are_rejections(self, collector: Collector) -> None:
        collector.take(collector.record("nobody", electricity("1")))
        assert {finding.rule_id for finding in collector.findings("nobody")} == {"FORM_KIND_NOT_ENTITLED", "FORM_REGION_NOT_ENTITLED"}

    def test_of_the_same_key_from_two_providers_are_two_submissions(self, collector: Collector) -> None:
        collector.send(*[(code, electricity("1", record_number="7", basis=DECLARED)) for code in ("tax-sx", "ent-sx")])
        assert collector.counts()["records"]["accepted"] == 2


class TestRecordsReadAgain:
    """Somebody set `next_offset` back by hand: the same places of the same topic come again, in other batches."""

    def of_every_outcome(self, collector: Collector) -> list[Record]:
        sound = electricity("1.5", record_number="1")
        sent: list[intake.Submission | bytes | None] = [
            sound,
            sound,
            electricity("1.6", record_number="1"),
            electricity("-1", record_number="2", period=month(2031, 1)),
            electricity("2", record_number="3", record_revision=2),
            b"\xff\xfe",
            None,
        ]
        entries = [collector.record("ndrc-sx", entry(owned("F1"), owned("F2"), record_number="E"))]
        return [*(collector.record("grid-sx", one) for one in sent), *entries]

    @staticmethod
    def everything(collector: Collector) -> dict[str, list[dict[str, object]]]:
        return {table.name: collector.rows(f"SELECT * FROM {table.name} ORDER BY {table.c[0].name}") for table in APPEND_ONLY}

    @pytest.mark.parametrize("size", [1, 3, 8])
    def test_write_nothing_however_they_fall_into_batches(self, collector: Collector, size: int) -> None:
        records = self.of_every_outcome(collector)
        collector.take(*records)
        collector.rebuild()
        before, counts = self.everything(collector), collector.counts()
        events = collector.rows("SELECT event_id FROM outbox_event ORDER BY id")
        for start in range(0, len(records), size):
            collector.take(*records[start : start + size])
        assert collector.rows("SELECT * FROM work_item") == []
        collector.rebuild()
        assert self.everything(collector) == before
        assert collector.counts() == counts
        assert collector.rows("SELECT event_id FROM outbox_event ORDER BY id") == events

    def test_leave_the_new_ones_among_them_to_be_taken_in_with_receipts_of_their_own(self, collector: Collector) -> None:
        """Offsets 2 and 3 were taken in, skipped ones before and new ones behind come with them in one batch."""
        records = [collector.record("grid-sx", electricity(str(number))) for number in range(6)]
        collector.take(*records[2:4])
        collector.take(*records)
        collector.take(*records)
        ranges = [(receipt.first_offset, receipt.last_offset, receipt.accepted_count) for receipt in collector.receipts("grid-sx")]
        assert sorted(ranges) == [(0, 1, 2), (2, 3, 2), (4, 5, 2)]
        assert collector.counts()["records"]["accepted"] == 6

    def test_raise_no_alarm_while_they_are_the_same(self, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
        records = self.of_every_outcome(collector)
        collector.take(*records)
        withdraw(collector, "grid-sx")
        collector.take(*records)
        assert [entry for entry in caplog.records if entry.levelno >= logging.ERROR] == []

    def test_raise_the_alarm_when_others_stood_at_their_places(self, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
        """The log lost its end and gave the offsets out again: nothing may look as if these records had been taken in."""
        records = self.of_every_outcome(collector)
        collector.take(*records)
        others = [replace(record, value=electricity("9").SerializeToString()) for record in records]
        before = self.everything(collector)
        collector.take(*others)
        alarms = [(entry.__dict__["topic"], entry.__dict__["offset"]) for entry in caplog.records if entry.levelno >= logging.ERROR]
        assert sorted(alarms) == sorted((record.topic, record.offset) for record in records)
        assert self.everything(collector) == before


class TestACorrectionAboutAnotherSubject:
    """`code_of(1)` is whom the original is about, `code_of(2)` whom its correction names."""

    @staticmethod
    def sent(revision: int, number: int, tonnes: str = "1") -> intake.Submission:
        return reported(tonnes, code=code_of(number), record_number="7", record_revision=revision)

    @staticmethod
    def told(collector: Collector) -> list[tuple[str, int]]:
        found = [(one.rule_id, one.record_revision) for one in collector.findings("eco-sx")]
        return [one for one in found if "CORRECTION" in one[0] or "KEY" in one[0]]

    @pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
    @pytest.mark.parametrize("order", [*permutations(["original", "stray", "correction"])], ids=" ".join)
    def test_neither_counts_nor_takes_the_key_of_the_right_one(self, collector: Collector, order: tuple[str, ...], together: bool) -> None:
        by_name = {"original": self.sent(1, 1, "1000"), "stray": self.sent(2, 2, "5"), "correction": self.sent(2, 1, "10")}
        if together:
            collector.send(*(("eco-sx", by_name[name]) for name in order))
        for name in () if together else order:
            collector.send(("eco-sx", by_name[name]))
            collector.rebuild()
        collector.rebuild()
        assert set(outcomes(collector.receipts("eco-sx"))) <= {"ACCEPTED", "PARKED"}
        assert collector.net() == [("2024-01-01 scope 1", "10.000000")]
        assert self.told(collector) == [("CORRECTION_OF_ANOTHER_SUBJECT", 2)]

    @pytest.mark.parametrize("first", ["original", "stray"])
    def test_leaves_the_account_open_to_every_later_correction(self, collector: Collector, first: str) -> None:
        begun = [self.sent(1, 1, "1000"), self.sent(2, 2, "5")]
        for one in (*(begun if first == "original" else reversed(begun)), self.sent(2, 1, "11"), self.sent(3, 1, "10")):
            collector.send(("eco-sx", one))
            collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "10.000000")]

    def test_that_came_first_is_told_of_when_the_original_comes(self, collector: Collector) -> None:
        collector.send(("eco-sx", self.sent(3, 2)))
        collector.rebuild()
        assert self.told(collector) == []
        collector.send(("eco-sx", self.sent(1, 1)))
        collector.rebuild()
        assert self.told(collector) == [("CORRECTION_OF_ANOTHER_SUBJECT", 3)]
        assert outcomes(collector.receipts("eco-sx")) == ["PARKED", "ACCEPTED"]

    def test_is_a_duplicate_when_it_comes_again_and_a_conflict_with_other_bytes(self, collector: Collector) -> None:
        for one in (self.sent(2, 2), self.sent(1, 1), self.sent(2, 2), self.sent(2, 2, "3")):
            collector.send(("eco-sx", one))
        assert outcomes(collector.receipts("eco-sx")) == ["PARKED", "ACCEPTED", "DUPLICATE", "REJECTED"]
        assert self.told(collector) == [("FORM_KEY_CONFLICT", 2)]

    def test_that_meant_an_original_about_the_wrong_subject_is_mended_by_0_and_a_new_record(self, collector: Collector) -> None:
        wrong = (self.sent(1, 2, "1000"), self.sent(1, 1, "1000"), self.sent(2, 1, "1000"))
        for one in (*wrong, self.sent(2, 2, "0"), reported("1000", code=code_of(1), record_number="8")):
            collector.send(("eco-sx", one))
            collector.rebuild()
        assert self.told(collector) == [("FORM_KEY_CONFLICT", 1), ("CORRECTION_OF_ANOTHER_SUBJECT", 2)]
        total = """
            SELECT coalesce(sum(amount_tco2e), 0)::int AS tonnes FROM posting JOIN subject_code USING (subject_id) WHERE code = :code
        """
        assert [collector.rows(total, code=code_of(number))[0]["tonnes"] for number in (1, 2)] == [1000, 0]


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


class TestAFloodOfBadRecords:
    def bad(self, number: int) -> intake.Submission:
        """Make a record in which hardly anything is right."""
        fields: dict[str, Any] = {"code": "x", "record_number": "", "record_revision": -number, "facility_number": " "}
        return fuel("-1e9", fuel_code="", ncv="NaN", basis=99, period=days("1899-13-01", "2031", zone="no/where"), **fields)

    def test_is_told_by_few_findings_a_record_and_kept_whole(self, collector: Collector) -> None:
        collector.take(collector.record("grid-sx", self.bad(1), key=None))
        kept = collector.rows("SELECT rule_id FROM record_finding")
        assert len(kept) > FINDINGS_TOLD_MAX
        assert len(collector.findings("grid-sx")) == FINDINGS_TOLD_MAX

    def test_holds_back_neither_receipts_nor_other_findings_when_one_is_refused(self, collector: Collector) -> None:
        """The outbox holds back what shares a key with a refused event, and sends one event of a key at a time."""
        collector.take(
            *(collector.record("grid-sx", self.bad(number), key=None) for number in range(50)), collector.record("grid-sx", b"?")
        )
        keys = Counter(row["key"] for row in collector.events("provider.notices.v1.grid-sx"))
        assert keys.pop(b"grid-sx") == len(collector.receipts("grid-sx"))
        assert set(keys.values()) == {1}
        (quarantined,) = collector.events("bureau.intake-quarantine.v1")
        assert quarantined["key"] == str(quarantined["event_id"]).encode()


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
    collector.send(*(("tax-sx", fuel(str(number), basis=INVOICED, code=code_of(number % 50))) for number in range(size)))
    assert collector.counts()["records"]["accepted"] == size
