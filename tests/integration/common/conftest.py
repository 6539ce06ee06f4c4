"""A database with only the mechanism's tables, and topics of a test's own, on the session's real servers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from psycopg import sql

from deploy.local import database_access
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from services.common import kafka, migrations
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile
from tests.integration.common.mechanism import settings_for

# The role is one that the servers know; which of the four plays no part here.
ROLE = "collector"
_TEMPLATE = "template_common"

_ENV = "from services.common.migrations import run_from_alembic\n\nrun_from_alembic()\n"
_FIRST = """
from alembic import op
from services.common.migrations import create_mechanism_tables
revision = "0001"
down_revision = None
def upgrade() -> None:
    create_mechanism_tables(op)
"""
_SCRATCH = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade() -> None:
    op.execute("CREATE TABLE taken (topic text, partition integer, \\"offset\\" bigint, key bytea, value bytea)")
"""


def migrations_dir(path: Path, **files: str) -> Path:
    """Write an Alembic folder with the mechanism's first migration, a scratch table and further version files."""
    versions = path / "versions"
    versions.mkdir(parents=True)
    (path / "env.py").write_text(_ENV)
    for name, text in {"first": _FIRST, "scratch": _SCRATCH, **files}.items():
        (versions / f"{name}.py").write_text(text)
    return path


def create_database(server: PostgresServer, name: str, *, template: str = "template1") -> None:
    with server.connect_as_admin() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    database_access.prepare_database(server.connection, name)


@pytest.fixture(scope="session")
def common_template(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    create_database(postgres_server, _TEMPLATE)
    migrations.upgrade(
        "common",
        url=postgres_server.url(role=ROLE, database=_TEMPLATE),
        password_file=postgres_server.password_file(ROLE),
        directory=migrations_dir(tmp_path_factory.mktemp("common") / "migrations"),
    )
    return _TEMPLATE


@pytest.fixture
def postgres_settings(postgres_server: PostgresServer, common_template: str) -> Iterator[PostgresSettings]:
    """Settings of a fresh database with the mechanism's tables and one scratch table `taken`."""
    name = f"common_{uuid.uuid4().hex[:12]}"
    create_database(postgres_server, name, template=common_template)
    yield PostgresSettings(url=postgres_server.url(role=ROLE, database=name), password_file=SecretFile(postgres_server.password_file(ROLE)))
    with postgres_server.connect_as_admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(postgres_settings: PostgresSettings) -> Iterator[Database]:
    database = Database(postgres_settings, SystemClock())
    yield database
    database.dispose()


@pytest.fixture
def kafka_settings(kafka_broker: KafkaBroker) -> KafkaSettings:
    return settings_for(kafka_broker)


@pytest.fixture(scope="session")
def kafka_admin(kafka_broker: KafkaBroker) -> Iterator[KafkaAdminClient]:
    admin = kafka_broker.admin()
    yield admin
    admin.close()


MakeTopic = Callable[..., str]


@pytest.fixture
def make_topic(kafka_admin: KafkaAdminClient) -> MakeTopic:
    """Give a function that creates a topic; without a name, one nobody has used."""

    def make(name: str | None = None, *, partitions: int = 1, **configs: str) -> str:
        name = name or f"common.test.{uuid.uuid4().hex}"
        options = {"num_partitions": partitions, "replication_factor": 1, "configs": {k.replace("_", "."): v for k, v in configs.items()}}
        kafka_admin.create_topics({name: options}, wait_for_metadata=True)
        return name

    return make


@pytest.fixture
def producer(kafka_settings: KafkaSettings) -> Iterator[KafkaProducer]:
    made = kafka.producer(kafka_settings, client_id="test")
    yield made
    made.close(timeout=5)
