"""Events that could not be taken, kept beside the stream that went on."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.common import refused_events
from services.common.consumer import Record
from services.common.database import Database
from tests.integration.common.mechanism import query


def record(offset: int, value: bytes | None = b"junk") -> Record:
    return Record(
        topic="t", topic_id=UUID(int=1), partition=0, offset=offset, key=b"k", value=value, headers={}, timestamp_ms=1_795_219_200_000
    )


def keep(database: Database, *refused: tuple[Record, str]) -> None:
    with database.transaction("test.keep") as transaction:
        refused_events.keep(transaction, refused)


class TestKeep:
    def test_keeps_place_reason_and_the_first_bytes(self, database: Database) -> None:
        big = b"x" * (refused_events.VALUE_BYTES_MAX + 1)
        keep(database, (record(8, big), "r" * 1_000), (record(7, None), "empty"))
        first, second = query(database, 'SELECT "offset", reason, value, value_bytes FROM refused_event ORDER BY "offset"')
        assert tuple(first) == (7, "empty", None, 0)
        assert tuple(second) == (8, "r" * 500, big[:-1], len(big))

    def test_of_a_record_read_again_keeps_what_was_kept(self, database: Database) -> None:
        keep(database, (record(7), "first"))
        keep(database, (record(7), "again"), (record(8), "new"))
        assert [row[0] for row in query(database, 'SELECT reason FROM refused_event ORDER BY "offset"')] == ["first", "new"]
        with database.transaction("test.count") as transaction:
            assert refused_events.count(transaction) == 2

    def test_keeps_no_more_values_when_there_are_too_many(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refused_events, "ROWS_WITH_VALUE_MAX", 2)
        for offset in range(3):
            keep(database, (record(offset), "why"))
        assert [row[0] for row in query(database, 'SELECT value FROM refused_event ORDER BY "offset"')] == [b"junk", b"junk", None]

    def test_of_nothing_does_nothing(self, database: Database) -> None:
        keep(database)
        assert query(database, "SELECT 1 FROM refused_event") == []
