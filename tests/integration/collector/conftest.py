"""A collector's database with a provider directory, and the parts of the service around it, driven by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.intake.v1 import notice_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from sqlalchemy import text

from deploy.local.plan import PROVIDERS_FILE
from deploy.local.postgres import PostgresServer
from services.collector.accounts import AccountWorker
from services.collector.consumer import Intake
from services.collector.providers import parse_directory
from services.collector.store import directory, totals
from services.common.clock import SystemClock
from services.common.consumer import Record
from services.common.database import Database
from services.common.settings import PostgresSettings, SecretFile
from tests.unit.collector.submissions import PROVINCE, the_book, topic_of

_TOPIC_IDS = UUID("00000000-0000-4000-8000-0000000000aa")


@dataclass(frozen=True, kw_only=True)
class Collector:
    """The service's own parts on a real database: what Kafka and the loops would do, a test does."""

    database: Database
    url: str
    password_file: Path
    offsets: dict[str, Iterator[int]] = field(default_factory=dict)

    def record(
        self,
        provider: str,
        sent: intake.Submission | bytes | None,
        *,
        topic: str | None = None,
        key: bytes | None = b"",
        headers: Mapping[str, bytes] | None = None,
        topic_id: UUID | None = None,
    ) -> Record:
        """Make the next record of a topic; what is not given is as the provider should send it."""
        value = sent.SerializeToString(deterministic=True) if isinstance(sent, intake.Submission) else sent
        if topic is None:
            topic = topic_of(sent, provider) if isinstance(sent, intake.Submission) else f"intake.energy.v1.{provider}"
        if key == b"":
            key = sent.subject_code.encode() if isinstance(sent, intake.Submission) else b"key"
        return Record(
            topic=topic,
            topic_id=topic_id or uuid5(_TOPIC_IDS, topic),
            partition=0,
            offset=next(self.offsets.setdefault(f"{topic}/{topic_id}", itertools.count())),
            key=key,
            value=value,
            headers=headers or {},
            timestamp=datetime(2026, 11, 21, tzinfo=UTC),
        )

    def take(self, *records: Record) -> None:
        """Handle one batch, as the consumer's transaction would."""
        with self.database.transaction("test.batch") as transaction:
            Intake(province=PROVINCE).handle(transaction, records)

    def send(self, *sent: tuple[str, intake.Submission]) -> None:
        """Take in what providers sent as one batch."""
        self.take(*(self.record(provider, one) for provider, one in sent))

    def worker(self, *, holder: str = "test", lease_s: float = 30.0) -> AccountWorker:
        return AccountWorker(database=self.database, book=the_book(), province=PROVINCE, holder=holder, lease_s=lease_s)

    def make_due(self) -> None:
        """Let the time pass for which marks wait for more."""
        self.run("UPDATE work_item SET due_at = clock_timestamp() WHERE leased_until IS NULL OR leased_until < clock_timestamp()")

    def rebuild(self) -> None:
        """Rebuild everything that is dirty."""
        worker = self.worker()
        self.make_due()
        while worker.step():
            self.make_due()

    def run(self, statement: str, **parameters: Any) -> None:
        with self.database.transaction("test.write") as transaction:
            transaction.execute(text(statement), parameters)

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.transaction("test.read") as transaction:
            return [dict(row._mapping) for row in transaction.execute(text(query), parameters)]

    def counts(self) -> dict[str, Any]:
        with self.database.transaction("test.read") as transaction:
            return totals.counts(transaction)

    def events(self, topic: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM outbox_event WHERE topic = :topic ORDER BY id", topic=topic)

    def receipts(self, provider: str) -> list[notice_pb2.Receipt]:
        return [notice.receipt for notice in self.notices(provider) if notice.HasField("receipt")]

    def findings(self, provider: str) -> list[notice_pb2.FindingNotice]:
        return [notice.finding for notice in self.notices(provider) if notice.HasField("finding")]

    def notices(self, provider: str) -> list[notice_pb2.ProviderNotice]:
        return [notice_pb2.ProviderNotice.FromString(row["value"]) for row in self.events(f"provider.notices.v1.{provider}")]

    def statements(self) -> list[account_pb2.AccountStatement]:
        """Read every sealed statement, in the order of sealing."""
        rows = self.rows("SELECT statement FROM account_revision ORDER BY known_at, account_revision")
        return [account_pb2.AccountStatement.FromString(row["statement"]) for row in rows]

    def net(self) -> list[tuple[str, str]]:
        """Sum postings and reversals by period and scope; what is zero is left out."""
        rows = self.rows("""
            SELECT period_start::text || ' scope ' || scope AS line, sum(amount_tco2e)::text AS amount FROM posting
            GROUP BY 1 HAVING sum(amount_tco2e) <> 0 ORDER BY 1
        """)
        return [(row["line"], row["amount"]) for row in rows]


@contextmanager
def fresh_collector(server: PostgresServer, url: str) -> Iterator[Collector]:
    """Open a collector on a fresh database, with the shipped provider directory."""
    password_file = server.password_file("collector")
    database = Database(PostgresSettings(url=url, password_file=SecretFile(password_file), pool_size=8), SystemClock())
    entries = parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))
    with database.transaction("test.directory") as transaction:
        directory.replace_directory(transaction, entries, at=datetime(2026, 11, 21, tzinfo=UTC))
    yield Collector(database=database, url=url, password_file=password_file)
    database.dispose()


@pytest.fixture
def collector(postgres_server: PostgresServer, database_url: Callable[[str], str]) -> Iterator[Collector]:
    with fresh_collector(postgres_server, database_url("collector")) as made:
        yield made


@pytest.fixture
def another_collector(postgres_server: PostgresServer, database_url: Callable[[str], str]) -> Iterator[Collector]:
    with fresh_collector(postgres_server, database_url("collector")) as made:
        yield made


def outcomes(receipts: Sequence[notice_pb2.Receipt]) -> list[str]:
    """List the outcome of every record of receipts, in offset order."""
    return [notice_pb2.Outcome.Name(one.outcome).removeprefix("OUTCOME_") for receipt in receipts for one in receipt.outcomes]
