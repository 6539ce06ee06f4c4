"""A scoring database with a released model, and the parts of the service around it, driven by hand at any day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import text

from deploy.local.postgres import PostgresServer
from services.common.consumer import Record
from services.common.database import Database
from services.common.settings import PostgresSettings, Profile, SecretFile
from services.scoring import artefact, store
from services.scoring.assessment import Assessing
from services.scoring.consumer import AccountConsumer
from services.scoring.domain.grade import SCALE
from services.scoring.model import Model, load
from services.scoring.panel import read_panel
from services.scoring.releases import NoModelError
from services.scoring.training import train
from services.scoring.wire import ACCOUNT_REVISED_TOPIC
from tests.unit.scoring.subjects import PARAMETERS, write_panel

TOPIC_ID = UUID("00000000-0000-4000-8000-0000000000ab")


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class LoadedModels:
    """Gives a model that was loaded once for all tests; tests of releases use the service's own way."""

    _loaded: ClassVar[dict[str, Model]] = {}

    def __init__(self) -> None:
        self.model: Model | None = None

    def get(self) -> Model:
        if self.model is None:
            raise NoModelError("no model yet")
        return self.model

    def take_up(self, content: bytes) -> Model:
        sha256 = artefact.sha256_of(content)
        if sha256 not in self._loaded:
            self._loaded[sha256] = load(content, sha256=sha256, profile=Profile.SANDBOX)
        self.model = self._loaded[sha256]
        return self.model


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """The service's own parts on a real database: what Kafka and the loops would do, a test does."""

    database: Database
    url: str
    password_file: Path
    models: LoadedModels
    assessing: Assessing
    clock: SetClock = field(default_factory=SetClock)

    def take(self, *messages: Any) -> None:
        """Handle one batch, as the consumer's transaction would."""
        handler = AccountConsumer(assessing=self.assessing)
        with self.database.transaction("test.batch") as transaction:
            handler.handle(transaction, [record(message, offset=offset) for offset, message in enumerate(messages)])
        handler.after_commit()

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.transaction("test.read") as transaction:
            return [dict(row._mapping) for row in transaction.execute(text(query), parameters)]

    def assessments(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM assessment ORDER BY subject_id, assessment_number")

    def events(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM outbox_event ORDER BY id")


def record(message: Any, *, offset: int = 0, partition: int = 0) -> Record:
    """Wrap a message, or bytes that are none, in a record."""
    return Record(
        topic=ACCOUNT_REVISED_TOPIC,
        topic_id=TOPIC_ID,
        partition=partition,
        offset=offset,
        key=b"key",
        value=message if isinstance(message, bytes) else message.SerializeToString(),
        headers={},
        timestamp_ms=1_795_219_200_000,
    )


@pytest.fixture(scope="session")
def panel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel(tmp_path_factory.mktemp("scoring") / "panel.csv", subjects=200)


@pytest.fixture(scope="session")
def artefacts(panel_file: Path) -> tuple[bytes, bytes]:
    """Two artefacts of the same panel, by two seeds."""
    panel = read_panel(panel_file)
    first, second = (train(panel, parameters=PARAMETERS, seed=seed, profile=Profile.SANDBOX) for seed in (1, 2))
    return first, second


@pytest.fixture
def scoring_without_model(postgres_server: PostgresServer, database_url: Callable[[str], str]) -> Iterator[Scoring]:
    made = assemble(database_url("scoring"), postgres_server.password_file("scoring"))
    yield made
    made.database.dispose()


@pytest.fixture
def scoring(scoring_without_model: Scoring, artefacts: tuple[bytes, bytes]) -> Scoring:
    use(scoring_without_model, artefacts[0])
    return scoring_without_model


def assemble(url: str, password_file: Path) -> Scoring:
    """Put the parts together as `__main__` does, on a clock that a test sets."""
    clock = SetClock()
    database = Database(PostgresSettings(url=url, password_file=SecretFile(password_file)), clock)
    models = LoadedModels()
    assessing = Assessing(clock=clock, parameters=PARAMETERS, scale=SCALE, models=models, province="shanxi")
    return Scoring(database=database, url=url, password_file=password_file, models=models, assessing=assessing, clock=clock)


def use(scoring: Scoring, content: bytes) -> str:
    """Release an artefact that is known to be good, and have it used from now on."""
    model = scoring.models.take_up(content)
    scoring.clock.at += timedelta(seconds=1)
    with scoring.database.transaction("test.release") as transaction:
        card = artefact.read(content).card
        store.add_release(transaction, model_sha256=model.sha256, artefact=content, card=card, trained_at=scoring.clock.now())
        store.point_to(transaction, model_sha256=model.sha256, valid_from=scoring.clock.now())
    return model.sha256
