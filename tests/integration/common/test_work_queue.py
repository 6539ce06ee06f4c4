"""The work queue, with several workers and a controllable clock in the rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from services.common import work_queue
from services.common.database import Database
from services.common.work_queue import Claim, Mark, StaleClaim
from tests.integration.common.mechanism import execute, query


def mark(database: Database, *keys: str, priority: int = 5, delay_ms: int = 0) -> None:
    with database.transaction("test.mark") as transaction:
        work_queue.mark_all(transaction, queue="q", marks=[Mark(key=key, priority=priority, delay_ms=delay_ms) for key in keys])


def claim(database: Database, *, holder: str = "w", limit: int = 10, lease_s: float = 60) -> list[Claim]:
    with database.transaction("test.claim") as transaction:
        return work_queue.claim(transaction, queue="q", holder=holder, limit=limit, lease_s=lease_s)


def finish(database: Database, claim: Claim) -> None:
    with database.transaction("test.finish") as transaction:
        work_queue.finish(transaction, claim)


def fail(database: Database, claim: Claim, *, retry_after_s: float = 0) -> None:
    with database.transaction("test.fail") as transaction:
        work_queue.fail(transaction, claim, retry_after_s=retry_after_s, why="because")


def depth(database: Database) -> int:
    with database.transaction("test.depth") as transaction:
        return work_queue.depth(transaction, "q")


def keys(claims: Sequence[Claim]) -> list[str]:
    return [one.key for one in claims]


def end_terms(database: Database) -> None:
    execute(database, "UPDATE work_item SET leased_until = clock_timestamp() - interval '1 second'")


class TestMark:
    def test_makes_one_item_of_many_marks(self, database: Database) -> None:
        mark(database, "a")
        mark(database, "a", "a", "b")
        assert depth(database) == 2
        assert sorted((one.key, one.mark_number) for one in claim(database)) == [("a", 2), ("b", 1)]

    def test_keeps_the_most_urgent_priority(self, database: Database) -> None:
        mark(database, "a", priority=9)
        mark(database, "b", priority=5)
        mark(database, "a", priority=1)
        mark(database, "a", priority=9)
        assert keys(claim(database)) == ["a", "b"]

    def test_waits_for_its_delay_and_is_not_put_off_by_further_marks(self, database: Database) -> None:
        mark(database, "a", delay_ms=300)
        started = time.monotonic()
        found: list[Claim] = []
        while not found:
            mark(database, "a", delay_ms=300)
            found = claim(database)
            assert time.monotonic() - started < 5
        assert 0.25 <= time.monotonic() - started < 1.0

    def test_becomes_due_at_once_when_it_is_urgent(self, database: Database) -> None:
        mark(database, "a", delay_ms=60_000)
        assert claim(database) == []
        mark(database, "a", delay_ms=0)
        assert keys(claim(database)) == ["a"]

    def test_many_in_opposite_orders_do_not_deadlock(self, database: Database) -> None:
        everything = [f"{number:03d}" for number in range(40)]
        done: list[int] = []

        def mark_in(order: list[str]) -> None:
            mark(database, *order)
            done.append(1)

        threads = [threading.Thread(target=mark_in, args=(order,)) for order in (everything, everything[::-1])]
        with database.transaction("test.hold") as holding:
            work_queue.mark(holding, queue="q", key="020", priority=5)
            for thread in threads:
                thread.start()
                thread.join(0.3)
        for thread in threads:
            thread.join(20)
        assert len(done) == 2
        assert depth(database) == 40

    def test_wakes_the_subscribers_of_its_queue(self, database: Database) -> None:
        woken: list[str] = []
        database.subscribe(work_queue.signal("q"), lambda: woken.append("q"))
        database.subscribe(work_queue.signal("other"), lambda: woken.append("other"))
        mark(database, "a")
        mark(database)
        assert woken == ["q"]


class TestClaim:
    def test_takes_the_most_urgent_then_the_longest_due_up_to_the_limit(self, database: Database) -> None:
        for key, priority in (("late", 5), ("later", 5), ("urgent", 1)):
            mark(database, key, priority=priority)
        assert keys(claim(database, limit=2)) == ["urgent", "late"]
        assert keys(claim(database, limit=2)) == ["later"]

    def test_gives_an_item_to_one_worker_at_a_time(self, database: Database) -> None:
        everything = [f"{number:03d}" for number in range(200)]
        mark(database, *everything)
        got: list[str] = []

        def work(holder: str) -> None:
            while claims := claim(database, holder=holder, limit=7):
                for one in claims:
                    got.append(one.key)
                    finish(database, one)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(got) == everything
        assert depth(database) == 0

    def test_takes_over_an_item_whose_term_ended_with_a_higher_token(self, database: Database) -> None:
        mark(database, "a")
        (first,) = claim(database, holder="one")
        assert claim(database, holder="two") == []
        end_terms(database)
        (second,) = claim(database, holder="two")
        assert second.token > first.token
        assert second.attempts == 2

    def test_does_not_wait_for_a_transaction_that_is_marking(self, database: Database) -> None:
        mark(database, "a", "b")
        with database.transaction("test.mark") as marking:
            work_queue.mark(marking, queue="q", key="a", priority=5)
            assert keys(claim(database)) == ["b"]
        assert keys(claim(database)) == ["a"]

    def test_sees_only_its_own_queue(self, database: Database) -> None:
        with database.transaction("test.mark") as transaction:
            work_queue.mark(transaction, queue="other", key="a", priority=1)
        assert claim(database) == []


class TestFinish:
    def test_removes_the_item(self, database: Database) -> None:
        mark(database, "a")
        (one,) = claim(database)
        finish(database, one)
        assert depth(database) == 0

    def test_gives_the_item_back_when_it_was_marked_after_the_claim(self, database: Database) -> None:
        mark(database, "a")
        (one,) = claim(database)
        mark(database, "a", delay_ms=100)
        assert claim(database) == []
        finish(database, one)
        assert depth(database) == 1
        assert claim(database) == []
        time.sleep(0.15)
        (again,) = claim(database)
        assert (again.mark_number, again.attempts) == (2, 1)

    def test_loses_no_mark_that_commits_while_it_finishes(self, database: Database) -> None:
        mark(database, "a")
        (one,) = claim(database)
        with database.transaction("test.mark") as marking:
            work_queue.mark(marking, queue="q", key="a", priority=5)
            thread = threading.Thread(target=finish, args=(database, one))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(10)
        assert keys(claim(database)) == ["a"]

    def test_refuses_a_stale_token_and_leaves_the_other_worker_alone(self, database: Database) -> None:
        mark(database, "a")
        (first,) = claim(database, holder="one")
        end_terms(database)
        (second,) = claim(database, holder="two")
        with pytest.raises(StaleClaim):
            finish(database, first)
        with pytest.raises(StaleClaim):
            fail(database, first)
        finish(database, second)
        with pytest.raises(StaleClaim):
            finish(database, second)


class TestFail:
    def test_gives_the_item_back_for_later_and_counts_the_attempts(self, database: Database) -> None:
        mark(database, "a")
        for attempt in (1, 2, 3):
            (one,) = claim(database)
            assert one.attempts == attempt
            fail(database, one)
        assert query(database, "SELECT last_failure, attempts FROM work_item") == [("because", 3)]
        (one,) = claim(database)
        fail(database, one, retry_after_s=60)
        assert claim(database) == []

    def test_does_not_put_off_a_mark_that_came_meanwhile(self, database: Database) -> None:
        mark(database, "a")
        (one,) = claim(database)
        mark(database, "a")
        fail(database, one, retry_after_s=60)
        assert keys(claim(database)) == ["a"]

    def test_is_overruled_by_a_later_mark(self, database: Database) -> None:
        mark(database, "a")
        (one,) = claim(database)
        fail(database, one, retry_after_s=60)
        mark(database, "a")
        assert keys(claim(database)) == ["a"]
