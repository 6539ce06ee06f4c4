"""What was known on D is the same bytes today as then, and every revision follows from the submissions that had come by then.

Histories of all kinds come in any order, cut into batches anywhere, over one or two consumers, with rebuilds at any moment.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from carbonbureau.accounts.v1 import account_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.plan import PROVIDERS_FILE
from services.collector import accounts
from services.collector.accounts import statement_as_known_on
from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Kind
from services.collector.providers import parse_directory
from services.collector.store import accounts as store
from services.collector.store import directory
from services.common.errors import Refused
from tests.integration.collector.conftest import Collector
from tests.unit.collector.histories import PROVIDERS, histories
from tests.unit.collector.submissions import Sent, code_of, subject_id_of

# Every example has subjects of its own, so that one database serves all of them.
_pairs = itertools.count(500, 2)
STAND_INS = (code_of(1), code_of(2))


@pytest.fixture
def open_to_all(collector: Collector, another_collector: Collector) -> tuple[Collector, Collector]:
    """Two collectors whose directory lets two providers report every kind."""
    first = parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))[0]
    rights = replace(first.provider, kinds=frozenset(Kind), bases=frozenset(Basis))
    entries = [replace(first, provider=replace(rights, code=code)) for code in PROVIDERS]
    for one in (collector, another_collector):
        with one.database.transaction("test.directory") as transaction:
            directory.replace_directory(transaction, entries, at=datetime(2026, 11, 21, tzinfo=UTC))
    return collector, another_collector


def of_subjects(sent: list[Sent], pair: int) -> list[Sent]:
    """Give a history the codes and facilities of this example: numbers are of the whole province."""
    codes = dict(zip(STAND_INS, (code_of(pair), code_of(pair + 1)), strict=True))
    made = []
    for provider, one in sent:
        one = type(one).FromString(one.SerializeToString())
        one.subject_code = codes[one.subject_code]
        one.record_number = f"{one.record_number}/{pair}"
        if one.facility_number:
            one.facility_number = f"{one.facility_number}/{pair}"
        for facility in one.registry_entry.facilities if one.HasField("registry_entry") else ():
            facility.facility_number = f"{facility.facility_number}/{pair}"
        made.append((provider, one))
    return made


def take_in_pieces(collector: Collector, sent: list[Sent], seed: int, between: Callable[[], None]) -> None:
    """Let the records come shuffled, in batches cut anywhere; each batch is taken by whichever consumer has the partition."""
    chance = random.Random(seed)
    left = sent[:]
    chance.shuffle(left)
    while left:
        size = chance.randrange(1, 5)
        collector.send(*left[:size])
        del left[:size]
        if chance.random() < 0.5:
            collector.rebuild()
            between()
    collector.rebuild()
    between()


def final(collector: Collector, pair: int) -> list[tuple[str, bytes | None]]:
    rows = collector.rows(
        "SELECT first_code, content_sha256 FROM subject WHERE first_code = ANY(:codes) ORDER BY first_code",
        codes=[code_of(pair), code_of(pair + 1)],
    )
    return [(row["first_code"], row["content_sha256"]) for row in rows]


def content(statement: bytes) -> bytes:
    """Give a sealed statement without its number and time."""
    message = account_pb2.AccountStatement.FromString(statement)
    message.account_revision = 0
    message.ClearField("known_time")
    return message.SerializeToString(deterministic=True)


class TestHistories:
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(drawn=histories(codes=STAND_INS), seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
    def test_replay_for_every_instant_whatever_came_when(
        self, open_to_all: tuple[Collector, Collector], drawn: list[Sent], seeds: tuple[int, int]
    ) -> None:
        collector, other = open_to_all
        pair = next(_pairs)
        sent = of_subjects(drawn, pair)
        codes = (code_of(pair), code_of(pair + 1))
        then: list[tuple[str, datetime, bytes | None]] = []

        def remember() -> None:
            at = collector.rows("SELECT clock_timestamp() AS now")[0]["now"]
            then.extend((code, at, self.known(collector, code, at)) for code in codes)

        take_in_pieces(collector, sent, seeds[0], remember)
        # 1. As known on D: the same bytes now as then.
        assert [(code, at, self.known(collector, code, at)) for code, at, _ in then] == then
        # 2. The end depends on neither order, batches nor the moments of rebuilding.
        take_in_pieces(other, sent, seeds[1], lambda: None)
        assert final(other, pair) == final(collector, pair)
        # 3. Every revision follows from the submissions that had been taken in by then.
        for code in codes:
            self.redraw_every_revision(collector, code)

    def known(self, collector: Collector, code: str, at: datetime) -> bytes | None:
        try:
            return statement_as_known_on(collector.database, code=code, at=at).statement
        except Refused as refused:
            if refused.reason not in ("SUBJECT_NOT_FOUND", "NOTHING_KNOWN_THEN"):
                raise
            return None

    def redraw_every_revision(self, collector: Collector, code: str) -> None:
        """Draw the account up again from the rows as they stood at each seal; those of a later batch are put out of sight."""
        subject_id = subject_id_of(code)
        revisions = collector.rows(
            "SELECT known_at, statement FROM account_revision WHERE subject_id = :subject_id ORDER BY account_revision",
            subject_id=subject_id,
        )
        for revision in revisions:
            with collector.database.transaction("test.redraw") as transaction:
                # In this transaction alone the tables hold what had come by then. Naming the temporary schema makes plans anew.
                transaction.connection.exec_driver_sql("SET LOCAL search_path = pg_temp, collector")
                for table in ("submission", "facility_claim"):
                    transaction.connection.exec_driver_sql(
                        f"CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS SELECT {table}.* FROM collector.{table} "
                        + ("" if table == "submission" else "JOIN collector.submission USING (submission_id) ")
                        + f"WHERE {'submission' if table == 'facility_claim' else table}.received_at <= %s",
                        (revision["known_at"],),
                    )
                subject = store.subject_for_update(transaction, subject_id)
                assert subject is not None
                view = collector.worker()._drawn_up(transaction, subject)
                message = accounts.state(view, code=subject.code).message
            assert message.SerializeToString(deterministic=True) == content(revision["statement"])


class TestConsumers:
    def test_that_share_the_partitions_make_the_same_accounts(self, open_to_all: tuple[Collector, Collector]) -> None:
        """Two consumers take the partitions of two providers in turns; which of them saw a record leaves no trace."""
        collector, other = open_to_all
        drawn = list(_many())
        collector.send(*drawn)
        by_provider = {code: [one for one in drawn if one[0] == code] for code in PROVIDERS}
        for one, two in itertools.zip_longest(by_provider[PROVIDERS[0]], by_provider[PROVIDERS[1]]):
            for taken in (two, one):
                if taken is not None:
                    other.send(taken)
        collector.rebuild()
        other.rebuild()
        query = "SELECT first_code, content_sha256 FROM subject ORDER BY first_code"
        assert collector.rows(query) == other.rows(query)
        assert len(collector.rows("SELECT DISTINCT kind FROM submission")) > 10


def _many() -> list[Sent]:
    found: list[Sent] = []

    @settings(max_examples=25, database=None)
    @given(histories(codes=STAND_INS))
    def gather(drawn: list[Sent]) -> None:
        found.extend(of_subjects(drawn, next(_pairs)))

    gather()
    return found
