"""A reports database, a signing key, and the parts of the service around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from deploy.local.postgres import PostgresServer
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import PostgresSettings, SecretFile
from services.reports import signing
from services.reports.consumer import AssessmentConsumer
from services.reports.domain.report import Issuer, KeyProfile
from services.reports.issuance import Issuance
from services.reports.signing import Signer
from tests.integration.reports.records import record

ISSUER = Issuer(name="Bureau", province="shanxi")


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The files of a signing key and of the published keys."""

    key_file: Path
    published_file: Path

    def signer(self) -> Signer:
        return signing.load(key_file=self.key_file, published_file=self.published_file, production=False)


@dataclass(frozen=True, kw_only=True)
class Reports:
    """The service's own parts on a real database, driven by hand: what Kafka and the loops would do, a test does."""

    database: Database
    url: str
    password_file: Path
    keys: Keys

    def take(self, *messages: Any) -> None:
        """Handle one batch, as the consumer's transaction would."""
        handler = AssessmentConsumer(clock=SystemClock(), issuer=ISSUER, key_profile=KeyProfile.SANDBOX)
        with self.database.transaction("test.batch") as transaction:
            handler.handle(transaction, [record(message, offset=offset) for offset, message in enumerate(messages)])

    def issuance(self, *, lease_s: float = 0.2) -> Issuance:
        return Issuance(
            database=self.database, signer=self.keys.signer(), clock=SystemClock(), province="shanxi", holder="test", lease_s=lease_s
        )

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.transaction("test.read") as transaction:
            return [dict(row._mapping) for row in transaction.execute(text(query), parameters)]

    def revisions(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM report_revision ORDER BY subject_id, revision_number")

    def events(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM outbox_event ORDER BY id")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(key_file=tmp_path / "signing.pem", published_file=tmp_path / "published-keys.json")
    signing.create(key_file=made.key_file, published_file=made.published_file, sandbox=True, now=SystemClock().now())
    return made


@pytest.fixture
def reports(postgres_server: PostgresServer, database_url: Callable[[str], str], keys: Keys) -> Iterator[Reports]:
    url, password_file = database_url("reports"), postgres_server.password_file("reports")
    database = Database(PostgresSettings(url=url, password_file=SecretFile(password_file)), SystemClock())
    yield Reports(database=database, url=url, password_file=password_file, keys=keys)
    database.dispose()
