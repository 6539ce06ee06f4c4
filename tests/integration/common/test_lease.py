"""The lease row, with two holders."""

from __future__ import annotations

import threading

import pytest

from services.common import lease
from services.common.database import Database
from services.common.lease import Lease, StaleLease
from tests.integration.common.mechanism import execute


def acquire(database: Database, holder: str, ttl_s: float = 60) -> Lease | None:
    with database.transaction("test.acquire") as transaction:
        return lease.acquire(transaction, "thing", holder, ttl_s)


def confirm(database: Database, held: Lease) -> None:
    with database.transaction("test.confirm") as transaction:
        lease.confirm(transaction, held)


def expire(database: Database) -> None:
    execute(database, "UPDATE lease SET expires_at = clock_timestamp() - interval '1 second'")


class TestLease:
    def test_is_given_to_one_holder_until_its_term_ends(self, database: Database) -> None:
        first = acquire(database, "a")
        assert first == Lease(name="thing", holder="a", token=1)
        assert acquire(database, "b") is None
        expire(database)
        assert acquire(database, "b") == Lease(name="thing", holder="b", token=2)
        assert acquire(database, "a") is None

    def test_keeps_its_token_when_it_is_renewed_even_late(self, database: Database) -> None:
        first = acquire(database, "a")
        assert acquire(database, "a") == first
        expire(database)
        assert acquire(database, "a") == first

    def test_confirms_only_the_present_holder(self, database: Database) -> None:
        first = acquire(database, "a")
        assert first is not None
        confirm(database, first)
        expire(database)
        confirm(database, first)
        second = acquire(database, "b")
        assert second is not None
        confirm(database, second)
        with pytest.raises(StaleLease):
            confirm(database, first)

    def test_never_gives_one_token_to_two_holders(self, database: Database) -> None:
        given: list[Lease] = []

        def contend(holder: str) -> None:
            for _ in range(20):
                found = acquire(database, holder, ttl_s=0.001)
                if found is not None:
                    given.append(found)

        threads = [threading.Thread(target=contend, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        holders = {}
        for one in given:
            assert holders.setdefault(one.token, one.holder) == one.holder
        assert len(holders) > 1

    def test_cannot_be_taken_between_a_confirmation_and_its_commit(self, database: Database) -> None:
        held = acquire(database, "a")
        assert held is not None
        expire(database)
        with database.transaction("test.confirm") as confirming:
            lease.confirm(confirming, held)
            taken: list[Lease | None] = []
            thread = threading.Thread(target=lambda: taken.append(acquire(database, "b")))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
            assert taken == []
        thread.join(10)
        assert taken == [Lease(name="thing", holder="b", token=2)]

    def test_given_back_is_free_at_once(self, database: Database) -> None:
        held = acquire(database, "a")
        assert held is not None
        with database.transaction("test.release") as transaction:
            lease.release(transaction, held)
        assert acquire(database, "b") == Lease(name="thing", holder="b", token=2)

    def test_given_back_late_takes_nothing_from_the_next_holder(self, database: Database) -> None:
        held = acquire(database, "a")
        assert held is not None
        expire(database)
        acquire(database, "b")
        with database.transaction("test.release") as transaction:
            lease.release(transaction, held)
        assert acquire(database, "c") is None

    def test_confirming_what_was_never_given_is_refused(self, database: Database) -> None:
        with pytest.raises(StaleLease):
            confirm(database, Lease(name="thing", holder="a", token=1))
