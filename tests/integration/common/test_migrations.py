"""Migrations against a real schema that is in use."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common import mechanism_tables, migrations
from services.common.database import Database
from services.common.settings import PostgresSettings
from tests.integration.common.conftest import migrations_dir
from tests.integration.common.mechanism import query

_ADD_COLUMN = """
from alembic import op
revision = "0003"
down_revision = "0002"
def upgrade() -> None:
    op.execute("ALTER TABLE taken ADD COLUMN added text")
"""
_BROKEN = """
from alembic import op
revision = "0004"
down_revision = "0003"
def upgrade() -> None:
    op.execute("CREATE TABLE half (id integer)")
    op.execute("SELECT 1/0")
"""


def upgrade(settings: PostgresSettings, directory: Path, revision: str = "head") -> None:
    migrations.upgrade("common", url=settings.url, password_file=settings.password_file.path, directory=directory, revision=revision)


def columns(database: Database, table: str) -> list[str]:
    return [
        name
        for (name,) in query(
            database,
            "SELECT column_name FROM information_schema.columns WHERE table_name = :t AND table_schema = current_schema() ORDER BY 1",
            t=table,
        )
    ]


class TestUpgrade:
    def test_has_made_the_mechanism_tables_in_the_roles_own_schema(self, database: Database) -> None:
        tables = {name for (name,) in query(database, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
        assert tables == {*mechanism_tables.NAMES, "alembic_version", "taken"}
        assert query(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []

    def test_may_be_run_again(self, postgres_settings: PostgresSettings, database: Database, tmp_path: Path) -> None:
        directory = migrations_dir(tmp_path / "m", third=_ADD_COLUMN)
        upgrade(postgres_settings, directory)
        upgrade(postgres_settings, directory)
        assert "added" in columns(database, "taken")

    def test_keeps_what_was_applied_before_a_migration_that_fails(
        self, postgres_settings: PostgresSettings, database: Database, tmp_path: Path
    ) -> None:
        with pytest.raises(DBAPIError, match="division by zero"):
            upgrade(postgres_settings, migrations_dir(tmp_path / "m", third=_ADD_COLUMN, fourth=_BROKEN))
        assert "added" in columns(database, "taken")
        assert columns(database, "half") == []
        assert query(database, "SELECT version_num FROM alembic_version") == [("0003",)]

    def test_gives_way_to_a_transaction_that_holds_the_table_and_tries_again(
        self, postgres_settings: PostgresSettings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 200)
        directory = migrations_dir(tmp_path / "m", third=_ADD_COLUMN)
        thread = threading.Thread(target=upgrade, args=(postgres_settings, directory))
        with database.transaction("test.hold") as holding:
            holding.execute(text("SELECT * FROM taken"))
            thread.start()
            time.sleep(1.0)
            assert thread.is_alive()
            # Between two attempts nobody waits behind the migration's lock.
            holding.execute(text("SELECT * FROM taken"))
        thread.join(20)
        assert "added" in columns(database, "taken")

    def test_two_at_once_take_turns(self, postgres_settings: PostgresSettings, database: Database, tmp_path: Path) -> None:
        directory = migrations_dir(tmp_path / "m", third=_ADD_COLUMN)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                upgrade(postgres_settings, directory)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
        assert "added" in columns(database, "taken")

    def test_refuses_to_run_without_a_connection_of_ours(self, tmp_path: Path) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(migrations_dir(tmp_path / "m")))
        with pytest.raises(RuntimeError, match="migrate"):
            command.upgrade(config, "head")
