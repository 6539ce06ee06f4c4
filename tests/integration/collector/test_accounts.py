"""A dirty subject is rebuilt in one transaction: postings, findings, the sealed statement and its event, or nothing of it."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.accounts import RECORDS_TOLD_MAX, newest_statement, statement_as_known_on
from services.collector.consumer import DIRTY_SUBJECTS
from services.common import work_queue
from services.common.errors import Refused
from services.common.work_queue import StaleClaim
from tests.integration.collector.conftest import Collector
from tests.unit.collector.every_kind import withdrawal
from tests.unit.collector.submissions import (
    CODE,
    DECLARED,
    INVOICED,
    METERED,
    SUBJECT_ID,
    code_of,
    electricity,
    entry,
    fuel,
    month,
    output,
    owned,
    plan,
    reported,
)
from tests.unit.collector.test_succession import MERGED, change

TOPIC = "bureau.account-revised.v1"


def revised(collector: Collector) -> list[account_pb2.AccountRevised]:
    return [account_pb2.AccountRevised.FromString(row["value"]) for row in collector.events(TOPIC)]


def numbers(collector: Collector) -> list[int]:
    return [statement.account_revision for statement in collector.statements()]


def open_rules(collector: Collector) -> set[str]:
    """List the rules of the findings on the newest statement."""
    return {finding.rule_id for finding in collector.statements()[-1].findings}


class TestRebuild:
    def test_posts_what_the_submissions_say_and_tells_it(self, collector: Collector) -> None:
        collector.send(("ndrc-sx", entry()), ("ndrc-sx", plan()), ("tax-sx", fuel("1000", basis=INVOICED)), ("stats-sx", output("3300")))
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "2990.012850")]
        (event,) = revised(collector)
        assert (event.envelope.subject_id, event.envelope.subject_revision, event.envelope.province) == (str(SUBJECT_ID), 1, "shanxi")
        assert [line.amount_tco2e for line in event.statement.lines] == ["2990.012850"]
        assert event.statement.profile.industry_code == "4411"

    def test_keys_the_event_by_subject_and_carries_the_sealed_bytes(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1")))
        collector.rebuild()
        (row,) = collector.events(TOPIC)
        (sealed,) = collector.rows("SELECT statement, statement_sha256 FROM account_revision")
        assert row["key"] == str(SUBJECT_ID).encode()
        assert sealed["statement"] in row["value"]
        assert sealed["statement_sha256"] == sha256(sealed["statement"]).digest()

    def test_makes_one_revision_of_a_burst(self, collector: Collector) -> None:
        for number in range(1, 6):
            collector.send(("eco-sx", reported(str(number), period=month(2024, number))))
        collector.rebuild()
        assert numbers(collector) == [1]

    def test_without_change_seals_nothing(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1", record_number="1")))
        collector.rebuild()
        with collector.database.transaction("test.mark") as transaction:
            work_queue.mark(transaction, queue=DIRTY_SUBJECTS, key=str(SUBJECT_ID), priority=20)
        collector.rebuild()
        assert numbers(collector) == [1]
        assert len(collector.events(TOPIC)) == 1

    def test_names_the_submissions_that_caused_it(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1", record_number="1")))
        collector.rebuild()
        (event,) = revised(collector)
        assert list(event.envelope.causation_ids) == [
            str(row["submission_id"]) for row in collector.rows("SELECT submission_id FROM submission")
        ]


class TestFiguresBeyondEveryLimit:
    def test_seal_a_revision_that_says_so_and_leave_no_work_behind(self, collector: Collector) -> None:
        """A thousand and one records of the largest amount: their sum has more digits than an amount, a window and a line can hold."""
        largest = "1000000000000"
        sent = [("stats-sx", output(largest, record_number=f"O{number}")) for number in range(1001)]
        sent += [("stats-sx", output(largest, facility_number=f"F{number}", record_number=f"F{number}")) for number in range(1001)]
        collector.send(*sent, ("eco-sx", reported("5")))
        collector.rebuild()
        assert {"FIGURE_BEYOND_LIMIT", "WINDOW_BEYOND_LIMIT"} <= open_rules(collector)
        assert collector.net() == [("2024-01-01 scope 1", "5.000000")]
        assert list(collector.statements()[-1].annual_figures) == []
        assert collector.rows("SELECT * FROM work_item") == []


class TestCorrection:
    def test_reverses_and_posts_again(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.rebuild()
        collector.send(("eco-sx", reported("90", record_number="1", record_revision=2)))
        collector.rebuild()
        rows = collector.rows("SELECT account_revision, amount_tco2e, reverses IS NOT NULL AS reversal FROM posting ORDER BY 1, 3 DESC")
        assert [(row["account_revision"], row["amount_tco2e"], row["reversal"]) for row in rows] == [
            (1, Decimal(100), False),
            (2, Decimal(-100), True),
            (2, Decimal(90), False),
        ]
        assert collector.net() == [("2024-01-01 scope 1", "90.000000")]
        assert numbers(collector) == [1, 2]

    def test_before_its_original_is_parked_until_that_arrives(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("90", record_number="1", record_revision=2)))
        collector.rebuild()
        assert collector.net() == []
        assert "CORRECTION_PARKED" in open_rules(collector)
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "90.000000")]
        assert "CORRECTION_PARKED" not in open_rules(collector)

    def test_that_comes_while_the_subject_is_rebuilt_is_not_lost(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.make_due()
        with collector.database.transaction("test.claim") as transaction:
            (claim,) = work_queue.claim(transaction, queue=DIRTY_SUBJECTS, holder="test", limit=1, lease_s=30)
        collector.send(("eco-sx", reported("90", record_number="1", record_revision=2)))
        collector.worker().rebuild(claim)
        assert collector.rows("SELECT count(*) AS n FROM work_item")[0]["n"] == 1
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "90.000000")]


class TestFindings:
    def test_are_opened_told_and_closed(self, collector: Collector) -> None:
        collector.send(
            ("grid-sx", electricity("100", record_number="G", basis=METERED)),
            ("ent-sx", electricity("150", record_number="E", basis=DECLARED)),
        )
        collector.rebuild()
        told = {finding.rule_id: finding for finding in collector.findings("ent-sx")}
        assert told["PROVIDERS_DIFFER"].record_number == "E"
        assert collector.findings("grid-sx")[0].record_number == "G"
        collector.send(("ent-sx", electricity("101", record_number="E", record_revision=2, basis=DECLARED)))
        collector.rebuild()
        closed = collector.rows("SELECT rule_id, closed_revision FROM account_finding JOIN account_finding_closed USING (finding_id)")
        assert {"rule_id": "PROVIDERS_DIFFER", "closed_revision": 2} in closed

    def test_may_be_opened_again(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("100", record_number="G", basis=METERED)))
        for revision, amount in enumerate(("150", "100", "150"), start=1):
            collector.send(("ent-sx", electricity(amount, record_number="E", record_revision=revision, basis=DECLARED)))
            collector.rebuild()
        rows = collector.rows("SELECT opened_revision FROM account_finding WHERE rule_id = 'PROVIDERS_DIFFER' ORDER BY 1")
        assert [row["opened_revision"] for row in rows] == [1, 3]

    def test_that_rest_on_absence_wait_for_the_monthly_close(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1", facility_number="F1")))
        collector.rebuild()
        assert "FACILITY_NOT_REGISTERED" in open_rules(collector)
        assert collector.findings("eco-sx") == []

    def test_of_many_records_are_told_by_the_first_of_each_provider(self, collector: Collector) -> None:
        same = [("tax-sx", fuel("5", record_number=str(number), basis=INVOICED)) for number in range(2 * RECORDS_TOLD_MAX)]
        collector.send(*same)
        collector.rebuild()
        told = [finding for finding in collector.findings("tax-sx") if finding.rule_id == "QUANTITY_STATED_TWICE"]
        assert len(told) == RECORDS_TOLD_MAX

    def test_are_provisional(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1")))
        collector.rebuild()
        assert {row["state"] for row in collector.rows("SELECT state FROM account_finding")} == {"PROVISIONAL"}


class TestFacilities:
    def test_that_are_registered_to_another_leave_the_account_and_come_back(self, collector: Collector) -> None:
        reporter, owner = code_of(1), code_of(2)
        collector.send(("eco-sx", reported("5", code=reporter, facility_number="F1")))
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "5.000000")]
        collector.send(("ndrc-sx", entry(owned("F1"), code=owner, record_number="E")))
        collector.rebuild()
        assert collector.net() == []
        assert [finding.rule_id for finding in collector.findings("eco-sx")] == ["FACILITY_OF_ANOTHER_SUBJECT"]
        collector.send(("ndrc-sx", entry(owned("F1", "2010-01-01", "2023-01-01"), code=owner, record_number="E", record_revision=2)))
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "5.000000")]

    def test_of_this_province_are_not_taken_over_by_a_foreign_register(self, collector: Collector) -> None:
        """The regulator of another region registers a plant of its own under the number of one here."""
        owner, foreign = code_of(1), code_of(2, region="999000")
        collector.send(
            ("ndrc-sx", entry(owned("F1", "2015-01-01"), code=owner)),
            ("eco-sx", reported("5", code=owner, facility_number="F1")),
        )
        collector.rebuild()
        collector.send(
            ("cer-au", entry(owned("F1", "2024-01-01"), code=foreign)),
            ("cer-au", reported("7", code=foreign, facility_number="F1", period=month(2024, 2))),
        )
        collector.rebuild()
        assert collector.net() == [("2024-01-01 scope 1", "5.000000"), ("2024-02-01 scope 1", "7.000000")]
        assert len(collector.rows("SELECT DISTINCT facility_id FROM posting")) == 2
        assert numbers(collector) == [1, 1]

    def test_count_once_whichever_came_first(self, collector: Collector) -> None:
        seller, buyer = code_of(1), code_of(2)
        sent = [
            ("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-02-10"), code=seller, record_number="A")),
            ("ndrc-sx", entry(owned("F1", "2024-02-10"), code=buyer, record_number="B")),
            *(("eco-sx", reported("5", code=seller, facility_number="F1", period=month(2024, number))) for number in (1, 2)),
            *(("eco-sx", reported("5", code=buyer, facility_number="F1", period=month(2024, number))) for number in (2, 3)),
        ]
        for one in reversed(sent):
            collector.send(one)
            collector.rebuild()
        assert collector.net() == [(f"2024-0{number}-01 scope 1", "5.000000") for number in (1, 2, 3)]

    @pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3), (3, 4, 1, 0, 2), (1, 2, 3, 4, 0)])
    def test_of_a_merged_subject_count_for_its_successor_in_whatever_order_all_comes(
        self, collector: Collector, order: tuple[int, ...]
    ) -> None:
        old, successor = code_of(1), code_of(2)
        sent = [
            ("ndrc-sx", entry(owned("F1"), code=old)),
            ("ndrc-sx", change(old, "2024-02-01", MERGED, into=successor)),
            ("eco-sx", reported("5", code=old, facility_number="F1", period=month(2024, 1))),
            ("eco-sx", reported("6", code=old, period=month(2024, 2))),
            ("eco-sx", reported("7", code=successor, facility_number="F1", period=month(2024, 3))),
        ]
        for place in order:
            collector.send(sent[place])
            collector.rebuild()
        newest = {statement.subject_code: statement for statement in collector.statements()}
        assert [line.amount_tco2e for line in newest[old].lines] == ["5.000000"]
        assert [line.amount_tco2e for line in newest[successor].lines] == ["6.000000", "7.000000"]
        assert len({line.facility_id for statement in newest.values() for line in statement.lines}) == 1

    def test_come_back_when_the_merger_is_withdrawn(self, collector: Collector) -> None:
        old, successor = code_of(1), code_of(2)
        collector.send(
            ("ndrc-sx", entry(owned("F1"), code=old)),
            ("eco-sx", reported("5", code=old, facility_number="F1", period=month(2024, 2))),
            ("eco-sx", reported("7", code=successor, facility_number="F9", period=month(2024, 2))),
        )
        merger = change(old, "2024-02-01", MERGED, into=successor)
        collector.send(("ndrc-sx", merger))
        collector.rebuild()
        assert [line.amount_tco2e for line in collector.statements()[-1].lines] in (["5.000000", "7.000000"], [])
        withdrawn = withdrawal("STRUCTURAL_CHANGE", code=old, record_number=merger.record_number)
        collector.send(("ndrc-sx", withdrawn))
        collector.rebuild()
        newest = {statement.subject_code: statement for statement in collector.statements()}
        assert [line.amount_tco2e for line in newest[old].lines] == ["5.000000"]
        assert [line.amount_tco2e for line in newest[successor].lines] == ["7.000000"]


class TestClaims:
    def test_that_went_to_another_worker_change_nothing(self, collector: Collector) -> None:
        """A worker that was paused beyond its lease wakes up and finds its token stale."""
        collector.send(("eco-sx", reported("5")))
        collector.make_due()
        with collector.database.transaction("test.claim") as transaction:
            (paused,) = work_queue.claim(transaction, queue=DIRTY_SUBJECTS, holder="paused", limit=1, lease_s=0.05)
        time.sleep(0.1)
        with collector.database.transaction("test.claim") as transaction:
            (taken_over,) = work_queue.claim(transaction, queue=DIRTY_SUBJECTS, holder="other", limit=1, lease_s=30)
        with pytest.raises(StaleClaim):
            collector.worker().rebuild(paused)
        assert collector.statements() == []
        collector.worker().rebuild(taken_over)
        assert numbers(collector) == [1]

    def test_of_a_subject_that_cannot_be_rebuilt_do_not_hold_up_the_others(self, collector: Collector) -> None:
        with collector.database.transaction("test.mark") as transaction:
            work_queue.mark(transaction, queue=DIRTY_SUBJECTS, key="00000000-0000-4000-8000-000000000001", priority=0)
        collector.send(("eco-sx", reported("5")))
        collector.make_due()
        assert collector.worker().step()
        assert numbers(collector) == [1]
        (item,) = collector.rows("SELECT last_failure, due_at > clock_timestamp() AS later FROM work_item")
        assert item == {"last_failure": "AssertionError", "later": True}

    def test_by_two_workers_at_once_share_the_work(self, collector: Collector) -> None:
        collector.send(*(("eco-sx", reported("5", code=code_of(number))) for number in range(40)))
        collector.make_due()
        threads = [threading.Thread(target=self._work_off, args=(collector, f"worker {number}")) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers(collector) == [1] * 40
        assert len(collector.events(TOPIC)) == 40

    def _work_off(self, collector: Collector, holder: str) -> None:
        worker = collector.worker(holder=holder)
        while worker.step():
            pass


class TestKilledWorker:
    @pytest.mark.parametrize(
        "point",
        ["accounts.claim.before_commit", "accounts.claim.after_commit", "accounts.rebuild.before_commit", "accounts.rebuild.after_commit"],
    )
    def test_leaves_nothing_half_done_and_nothing_doubled(self, collector: Collector, point: str) -> None:
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.rebuild()
        collector.send(("eco-sx", reported("90", record_number="1", record_revision=2)))
        collector.make_due()
        command = [sys.executable, "-m", "tests.integration.collector.worker_process", collector.url, str(collector.password_file), point]
        killed = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert killed.returncode == -9, killed.stderr.decode()
        done = point == "accounts.rebuild.after_commit"
        assert numbers(collector) == ([1, 2] if done else [1])
        time.sleep(0.6)
        collector.rebuild()
        assert numbers(collector) == [1, 2]
        assert collector.net() == [("2024-01-01 scope 1", "90.000000")]
        assert [event.envelope.subject_revision for event in revised(collector)] == [1, 2]


class TestAsKnownOn:
    def known(self, collector: Collector, at: datetime) -> account_pb2.AccountStatement:
        return account_pb2.AccountStatement.FromString(statement_as_known_on(collector.database, code=CODE, at=at).statement)

    def now(self, collector: Collector) -> datetime:
        with collector.database.transaction("test.now") as transaction:
            return transaction.now()

    def test_gives_the_last_revision_sealed_by_then_with_the_same_bytes(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.rebuild()
        then = self.now(collector)
        before = statement_as_known_on(collector.database, code=CODE, at=then)
        collector.send(("eco-sx", reported("90", record_number="1", record_revision=2)))
        collector.rebuild()
        assert statement_as_known_on(collector.database, code=CODE, at=then) == before
        assert before.account_revision == 1
        assert newest_statement(collector.database, code=CODE).account_revision == 2

    def test_refuses_an_instant_that_a_transaction_still_open_may_seal(self, collector: Collector) -> None:
        """Connection A opens and takes its instant; connection B must not answer for it before A has committed."""
        collector.send(("eco-sx", reported("100", record_number="1")))
        collector.make_due()
        reached, go_on = threading.Event(), threading.Event()
        sealed_at: list[datetime] = []

        def slow() -> None:
            with collector.database.transaction("test.claim") as transaction:
                (claim,) = work_queue.claim(transaction, queue=DIRTY_SUBJECTS, holder="slow", limit=1, lease_s=30)
            worker = collector.worker()
            finish = work_queue.finish

            def held(transaction: object, claimed: object) -> None:
                sealed_at.append(collector.rows("SELECT clock_timestamp() AS now")[0]["now"])
                reached.set()
                go_on.wait(4)
                finish(transaction, claimed)  # type: ignore[arg-type]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(work_queue, "finish", held)
                worker.rebuild(claim)

        thread = threading.Thread(target=slow)
        thread.start()
        assert reached.wait(10)
        # A has sealed its revision at some instant before this one, and B cannot see it yet.
        at = sealed_at[0]
        with pytest.raises(Refused) as refused:
            statement_as_known_on(collector.database, code=CODE, at=at)
        assert refused.value.reason == "NOT_YET_KNOWABLE"
        go_on.set()
        thread.join()
        assert self.known(collector, at).account_revision == 1

    def test_refuses_the_future(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("100")))
        collector.rebuild()
        with pytest.raises(Refused) as refused:
            statement_as_known_on(collector.database, code=CODE, at=self.now(collector) + timedelta(days=1))
        assert refused.value.reason == "NOT_YET_KNOWABLE"

    def test_says_when_nothing_was_known(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("100")))
        collector.rebuild()
        with pytest.raises(Refused) as refused:
            statement_as_known_on(collector.database, code=CODE, at=datetime(2020, 1, 1, tzinfo=UTC))
        assert refused.value.reason == "NOTHING_KNOWN_THEN"

    def test_says_when_nobody_has_the_code(self, collector: Collector) -> None:
        with pytest.raises(Refused) as refused:
            statement_as_known_on(collector.database, code=code_of(9), at=datetime(2020, 1, 1, tzinfo=UTC))
        assert refused.value.reason == "SUBJECT_NOT_FOUND"


def test_replaying_everything_changes_nothing(collector: Collector) -> None:
    sent = [("eco-sx", reported("5", record_number=str(number), period=month(2024, number))) for number in range(1, 13)]
    collector.send(*sent)
    collector.rebuild()
    before = (collector.net(), numbers(collector), len(collector.events(TOPIC)))
    collector.send(*sent)
    collector.rebuild()
    assert (collector.net(), numbers(collector), len(collector.events(TOPIC))) == before
    assert collector.counts()["records"]["duplicate"] == 12


class TestOrder:
    """Batches, their order and the moments of rebuilding differ; accounts and what stands on them do not."""

    @staticmethod
    def final(collector: Collector) -> tuple[list[tuple[str, str]], list[bytes]]:
        collector.rebuild()
        contents = collector.rows("SELECT first_code, content_sha256 FROM subject ORDER BY first_code")
        return collector.net(), [row["content_sha256"] for row in contents]

    def test_of_arrival_changes_nothing_that_stands(self, collector: Collector, another_collector: Collector) -> None:
        sent = list(_province())
        collector.send(*sent)
        expected = self.final(collector)
        shuffled = random.Random(7)
        shuffled.shuffle(sent)
        while sent:
            size = shuffled.randrange(1, 9)
            another_collector.send(*sent[:size])
            del sent[:size]
            if shuffled.random() < 0.4:
                another_collector.rebuild()
        assert self.final(another_collector) == expected


def _province() -> Iterator[tuple[str, intake.Submission]]:
    """Make submissions about three subjects that sell a plant to each other, correct themselves and disagree."""
    for number in range(3):
        code, since, until = code_of(number), f"2024-0{number + 1}-01", f"2024-0{number + 2}-01"
        yield "ndrc-sx", entry(owned("PLANT", since, until), owned(f"OWN-{number}"), code=code, record_number=f"E{number}")
        for month_number in range(1, 6):
            fields = {"code": code, "period": month(2024, month_number)}
            name = f"{number}-{month_number}"
            yield "tax-sx", fuel("1000", basis=INVOICED, facility_number="PLANT", record_number=f"F{name}", **fields)
            yield "ent-sx", fuel("1200", basis=DECLARED, ncv="22", facility_number="PLANT", record_number=f"F{name}", **fields)
            yield "eco-sx", reported("77", "7", facility_number=f"OWN-{number}", record_number=f"R{name}", **fields)
            yield "eco-sx", reported("78", "7", facility_number=f"OWN-{number}", record_number=f"R{name}", record_revision=2, **fields)
            yield "eco-sx", reported("99", "7", record_number=f"S{name}", record_revision=2, **fields)
        yield "ndrc-sx", entry(owned("PLANT", since, until), code=code, record_number=f"E{number}", record_revision=2)
