"""Runs a service's Alembic history against its own schema so that it never blocks the running service for long.

Each migration is a transaction of its own with a short lock time-out; one that cannot get its lock is tried again after a
random wait. Over a direct connection only: a session's advisory lock makes concurrent runs take turns.
"""

import logging
import time
from pathlib import Path
from random import SystemRandom
from typing import Any

import sqlalchemy
from alembic import command, context
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common import database, mechanism_tables
from services.common.settings import PostgresSettings, SecretFile

_log = logging.getLogger(__name__)

LOCK_TIMEOUT_MS = 3_000
_ATTEMPTS_MAX = 10
_SERVICES = Path(__file__).resolve().parent.parent
_ONE_AT_A_TIME = text("SELECT pg_advisory_lock(hashtext(current_schema() || '/migrations'))")


def upgrade(service: str, *, url: str, password_file: Path, revision: str = "head", directory: Path | None = None) -> None:
    """Bring the schema of `service` to `revision`; what was applied before stays, so it may be run again at any time.

    `directory` is the Alembic folder, services/<service>/migrations unless given.

    Raises:
        DBAPIError: a migration failed, or did not get its lock in any of 10 attempts.
    """
    postgres = PostgresSettings(url=url, password_file=SecretFile(password_file), pool_size=1, lock_timeout_ms=LOCK_TIMEOUT_MS)
    engine = database.engine(postgres)
    try:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                _upgrade_once(engine, directory or _SERVICES / service / "migrations", revision)
                return
            except DBAPIError as error:
                if not database.is_conflict(error) or attempt == _ATTEMPTS_MAX:
                    raise
                wait_s = SystemRandom().uniform(0.1, 0.3) * attempt
                _log.warning("migration of %s is in another transaction's way, attempt %d, waiting %.1f s", service, attempt, wait_s)
                time.sleep(wait_s)
    finally:
        engine.dispose()


def _upgrade_once(engine: sqlalchemy.Engine, directory: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    with engine.connect() as connection:
        connection.execute(_ONE_AT_A_TIME)
        connection.commit()
        # The lock is the session's: closing the connection for good gives it back, whatever happened.
        try:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        finally:
            connection.invalidate()


def run_from_alembic() -> None:
    """Apply what Alembic asks for on the connection it was given; the whole body of a service's `migrations/env.py`."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations by `python -m services.<service> migrate`, not by the alembic command")
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def create_mechanism_tables(op: Any) -> None:
    """Create the tables of the mechanism, as the first migration of every service does. `op` is Alembic's."""
    for statement in mechanism_tables.CREATE_1:
        op.execute(statement)
