"""The inbox and the positions under concurrent batches: no deadlock, nothing taken twice."""

from __future__ import annotations

import random
import threading
from uuid import UUID

import pytest

from services.common import inbox, positions
from services.common.database import Database
from services.common.positions import Advance, PartitionsLost, Place
from tests.integration.common.mechanism import query

SUBJECTS = [UUID(int=number) for number in range(40)]


def news(database: Database, revisions: dict[UUID, int], topic: str = "t") -> set[UUID]:
    with database.transaction("test.news") as transaction:
        return inbox.news(transaction, topic=topic, revisions=revisions)


class TestNews:
    def test_is_what_has_a_higher_revision_than_any_before(self, database: Database) -> None:
        a, b, c = SUBJECTS[:3]
        assert news(database, {a: 1, b: 5}) == {a, b}
        assert news(database, {a: 1, b: 4, c: 1}) == {c}
        assert news(database, {a: 2, b: 6}) == {a, b}
        assert news(database, {b: 6}) == set()
        assert news(database, {}) == set()

    def test_is_told_apart_by_topic(self, database: Database) -> None:
        a = SUBJECTS[0]
        assert news(database, {a: 3}, "one") == {a}
        assert news(database, {a: 1}, "two") == {a}

    def test_is_forgotten_with_the_transaction(self, database: Database) -> None:
        a = SUBJECTS[0]
        with pytest.raises(ValueError, match="undone"):
            self._take_and_fail(database, a)
        assert news(database, {a: 1}) == {a}

    def _take_and_fail(self, database: Database, subject: UUID) -> None:
        with database.transaction("test.news") as transaction:
            inbox.news(transaction, topic="t", revisions={subject: 1})
            raise ValueError("undone")

    def test_batches_handed_in_in_opposite_orders_do_not_deadlock(self, database: Database) -> None:
        revisions = dict.fromkeys(SUBJECTS, 1)
        backwards = dict.fromkeys(reversed(SUBJECTS), 2)
        outcomes: list[set[UUID]] = []
        threads = [threading.Thread(target=lambda batch=batch: outcomes.append(news(database, batch))) for batch in (revisions, backwards)]
        with database.transaction("test.hold") as holding:
            # Both batches come to a stop at the subject in the middle, each holding what it has taken before.
            inbox.news(holding, topic="t", revisions={SUBJECTS[20]: 0})
            for thread in threads:
                thread.start()
                thread.join(0.3)
        for thread in threads:
            thread.join(20)
        assert set(SUBJECTS) in outcomes
        assert len(outcomes) == 2

    def test_concurrent_batches_in_any_order_neither_deadlock_nor_take_twice(self, database: Database) -> None:
        taken: list[tuple[UUID, int]] = []
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            shuffled = random.Random(seed)
            try:
                for revision in range(1, 26):
                    order = shuffled.sample(SUBJECTS, len(SUBJECTS))
                    taken.extend((subject, revision) for subject in news(database, dict.fromkeys(order, revision)))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert len(taken) == len(set(taken))
        assert {revision for (revision,) in query(database, "SELECT DISTINCT revision FROM inbox_revision")} == {25}


TOPIC = UUID(int=99)


def begin(database: Database, count: int) -> list[Place]:
    places = [Place(topic_id=TOPIC, partition=number) for number in range(count)]
    with database.transaction("test.begin") as transaction:
        positions.begin(transaction, "c", {TOPIC: "t"}, dict.fromkeys(places, 0))
    return places


def advance(database: Database, moves: dict[Place, tuple[int, int]]) -> None:
    with database.transaction("test.advance") as transaction:
        positions.advance(
            transaction, "c", [Advance(place=place, expected=before, next_offset=after) for place, (before, after) in moves.items()]
        )


def read(database: Database) -> dict[Place, int]:
    with database.transaction("test.read") as transaction:
        return positions.read(transaction, "c", [TOPIC])


class TestAdvance:
    def test_moves_all_rows_or_names_those_that_stood_elsewhere(self, database: Database) -> None:
        a, b, c = begin(database, 3)
        advance(database, {a: (0, 5), b: (0, 7)})
        with pytest.raises(PartitionsLost) as lost:
            advance(database, {a: (5, 9), b: (0, 8), c: (0, 1)})
        assert lost.value.places == {b}
        assert read(database) == {a: 5, b: 7, c: 0}

    def test_counts_a_row_that_is_not_there_as_lost(self, database: Database) -> None:
        with pytest.raises(PartitionsLost):
            advance(database, {Place(topic_id=TOPIC, partition=0): (0, 1)})

    def test_a_row_once_begun_is_not_begun_again(self, database: Database) -> None:
        (place,) = begin(database, 1)
        advance(database, {place: (0, 5)})
        begin(database, 1)
        assert read(database) == {place: 5}

    def test_concurrent_batches_in_any_order_neither_deadlock_nor_advance_twice(self, database: Database) -> None:
        places = begin(database, 12)
        wins: list[Place] = []
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            shuffled = random.Random(seed)
            try:
                for _ in range(30):
                    now = read(database)
                    chosen = shuffled.sample(places, 6)
                    try:
                        advance(database, {place: (now[place], now[place] + 1) for place in chosen})
                        wins.extend(chosen)
                    except PartitionsLost:
                        continue
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert read(database) == {place: wins.count(place) for place in places}
