"""A figure is traced to its submissions, and whatever is altered behind the service's back is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from uuid import UUID

import psycopg
import pytest

from deploy.local.postgres import PostgresServer
from services.collector import evidence
from services.collector.__main__ import main
from services.collector.domain import merkle
from services.collector.evidence import Line, Trace
from services.common.errors import Refused
from tests.integration.collector.conftest import Collector
from tests.integration.collector.test_commands import environment
from tests.unit.collector.submissions import CODE, INVOICED, code_of, entry, fuel, month, reported

__all__ = ["environment"]

COAL = Line(start=date(2024, 1, 1), end=date(2024, 2, 1), scope=1, energy_carrier="coal")


@pytest.fixture
def collected(collector: Collector) -> Collector:
    """Two records behind one figure, in two batches, among records of every outcome."""
    first = fuel("1000", basis=INVOICED, record_number="F1")
    collector.send(("ndrc-sx", entry(record_number="E")), ("eco-sx", reported("5", period=month(2024, 3))))
    collector.take(
        *(collector.record("tax-sx", one) for one in (first, first, fuel("-1", basis=INVOICED))),
        collector.record("tax-sx", b"\xff", topic="intake.energy.v1.tax-sx"),
        collector.record("tax-sx", b"\xff" * 70_000, topic="intake.energy.v1.tax-sx"),
    )
    collector.send(("tax-sx", fuel("500", basis=INVOICED, record_number="F2")), ("tax-sx", fuel("7", code=code_of(9), basis=INVOICED)))
    collector.rebuild()
    return collector


@pytest.fixture
def intruder(collector: Collector, postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """Someone with the administrator's rights, who switches the guard off."""
    with postgres_server.connect_as_admin(database=collector.url.rpartition("/")[2]) as connection:
        connection.execute("SET search_path = collector")
        connection.execute("SET session_replication_role = replica")
        yield connection


def traced(collector: Collector) -> Trace:
    (trace,) = evidence.trace(collector.database, code=CODE, posting_id=None, line=COAL)
    return trace


class TestTrace:
    def test_lists_the_submissions_behind_a_figure_with_a_proof_for_each(self, collected: Collector) -> None:
        trace = traced(collected)
        assert [one.record.record_number for one in trace.records if one.record] == sorted(["F1", "F2"], key=_submission_id(collected))
        by_number = {one.record.record_number: one for one in trace.records if one.record}
        assert [by_number[number].proof.size for number in ("F1", "F2")] == [5, 2]  # type: ignore[union-attr]
        for one in trace.records:
            assert one.record is not None
            assert one.proof is not None
            assert one.altered == []
            (receipt,) = (
                told
                for told in collected.receipts("tax-sx")
                if told.first_offset <= one.record.place.offset <= told.last_offset and told.topic == one.record.place.topic
            )
            root = merkle.root_by_path(one.record.value_sha256, index=one.proof.index, size=one.proof.size, path=one.proof.path)
            assert root == receipt.merkle_root

    def test_by_posting_is_the_trace_of_the_line(self, collected: Collector) -> None:
        of_line = traced(collected)
        (by_id,) = evidence.trace(collected.database, code=CODE, posting_id=of_line.posting.posting_id, line=None)
        assert by_id == of_line

    def test_refuses_what_another_account_holds(self, collected: Collector) -> None:
        with pytest.raises(Refused, match="POSTING_NOT_FOUND"):
            evidence.trace(collected.database, code=code_of(9), posting_id=traced(collected).posting.posting_id, line=None)
        with pytest.raises(Refused, match="SUBJECT_NOT_FOUND"):
            evidence.trace(collected.database, code=code_of(77), posting_id=None, line=COAL)

    def test_finds_the_one_record_whose_byte_was_changed(self, collected: Collector, intruder: psycopg.Connection) -> None:
        intruder.execute("UPDATE submission SET value = set_byte(value, 40, get_byte(value, 40) # 1) WHERE record_number = 'F2'")
        intruder.commit()
        altered = {one.record.record_number: one.altered for one in traced(collected).records if one.record}
        assert altered["F1"] == []
        assert "its bytes do not lead to the root in the receipt" in altered["F2"]

    def test_finds_a_byte_changed_together_with_its_hash(self, collected: Collector, intruder: psycopg.Connection) -> None:
        intruder.execute(
            "UPDATE submission SET value = altered, value_sha256 = sha256(altered) "
            "FROM (SELECT replace(encode(value, 'escape'), '1000', '1001')::bytea AS altered FROM submission "
            "WHERE record_number = 'F1') AS new "
            "WHERE record_number = 'F1'"
        )
        intruder.commit()
        altered = {one.record.record_number: one.altered for one in traced(collected).records if one.record}
        assert altered == {"F1": ["its bytes do not lead to the root in the receipt"], "F2": []}

    def test_finds_a_record_that_was_taken_away(self, collected: Collector, intruder: psycopg.Connection) -> None:
        intruder.execute("DELETE FROM submission WHERE record_number = 'F1'")
        intruder.commit()
        altered = [list(one.altered) for one in traced(collected).records]
        assert sorted(altered) == [[], ["the submission is not there any more"]]


def _submission_id(collector: Collector) -> Callable[[str], UUID]:
    ids = {row["record_number"]: row["submission_id"] for row in collector.rows("SELECT record_number, submission_id FROM submission")}
    return lambda number: ids[number]


class TestFsck:
    def test_finds_nothing_wrong_with_what_the_service_made(self, collected: Collector) -> None:
        checked = evidence.check(collected.database)
        assert checked.faults == []
        assert (checked.receipts, checked.records, checked.submissions, checked.revisions) == (4, 9, 5, 2)

    def test_finds_an_empty_database_in_order(self, collector: Collector) -> None:
        assert evidence.check(collector.database).faults == []

    @pytest.mark.parametrize(
        ("tampering", "fault"),
        [
            (
                "UPDATE submission SET value = set_byte(value, 40, get_byte(value, 40) # 1) WHERE record_number = 'F1'",
                "do not have the hash",
            ),
            ("UPDATE submission SET value = 'x', value_sha256 = sha256('x') WHERE record_number = 'F1'", "do not make the root"),
            ("UPDATE rejected_record SET value = value || '\\x00'", "do not have the hash"),
            ("UPDATE rejected_record SET value_sha256 = sha256('x'), value = 'x'", "do not make the root"),
            ("DELETE FROM quarantined_record WHERE value_length > 65536", "4 records are kept where the receipt speaks of 5"),
            ("DELETE FROM duplicate_record", "4 records are kept"),
            ("UPDATE submission SET subject_id = gen_random_uuid() WHERE record_number = 'F2'", "its subject never had its code"),
            ("UPDATE submission SET record_number = 'F3' WHERE record_number = 'F2'", "say something else than its bytes"),
            ("UPDATE submission SET provider_code = 'eco-sx' WHERE record_number = 'F2'", "does not follow from its business key"),
            ("UPDATE submission SET record_offset = 99 WHERE record_number = 'F2'", "no receipt of its instant"),
            ("UPDATE receipt SET merkle_root = sha256('x')", "do not make the root"),
            ("DELETE FROM receipt WHERE rejected_count = 0", "no receipt of its instant"),
            ("UPDATE account_revision SET statement = statement || '\\x00'", "hash it was sealed with"),
            ("UPDATE account_revision SET evidence_count = 99", "not the one in it"),
            ("UPDATE account_revision SET account_revision = 2", "the revision before it is missing"),
            ("UPDATE posting SET amount_tco2e = amount_tco2e + 1", "not what postings and reversals add up to"),
            ("DELETE FROM posting WHERE scope = 1", "not what postings and reversals add up to"),
        ],
    )
    def test_finds_what_was_done_to_the_tables(
        self, collected: Collector, intruder: psycopg.Connection, tampering: str, fault: str
    ) -> None:
        intruder.execute(tampering)  # type: ignore[call-overload]
        intruder.commit()
        faults = evidence.check(collected.database).faults
        assert any(fault in one for one in faults), faults


class TestCommands:
    def test_print_the_proof_and_fail_when_something_was_altered(
        self, collected: Collector, intruder: psycopg.Connection, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        environment()
        command = ["trace", "--subject", CODE, "--line", "2024-01-01/2024-02-01/1/coal"]
        assert main(command) == 0
        text = capsys.readouterr().out
        assert "leaf 0 of 5, path" in text
        assert "2 submissions: unaltered" in text
        assert main(["fsck"]) == 0
        assert "5 submissions, 2 sealed revisions: 0 faults" in capsys.readouterr().out
        intruder.execute("UPDATE submission SET value = set_byte(value, 40, get_byte(value, 40) # 1) WHERE record_number = 'F1'")
        intruder.commit()
        assert main(command) == 1
        assert "ALTERED: its bytes" in capsys.readouterr().out
        assert main(["fsck"]) == 1
        assert "ALTERED: intake.energy.v1.tax-sx" in capsys.readouterr().out
