"""Real servers for tests: one PostgreSQL and one Kafka broker per session, and a fresh migrated database per test.

Loaded as a plugin by `tests/conftest.py`. A session that was killed leaves servers behind; the next session on the machine ends them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from deploy.local import account, database_access, kafka, postgres, processes
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.state import open_state

PREFIX = "carbonbureau-tests-"
# Names, inside a state directory, the process whose end makes it rubbish.
SESSION = "session"

DatabaseUrl = Callable[[str], str]


def new_servers_dir() -> Path:
    """Make an empty state directory that the servers' account may enter, after ending what killed sessions left behind."""
    _end_killed_sessions()
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    path.chmod(0o711)
    (path / SESSION).write_text(processes.identity(os.getpid()) or "")
    return path


def remove_servers_dir(path: Path) -> None:
    """Remove a state directory whose servers have ended."""
    account.remove_outside(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """Give the state directory of the session's servers, removed at its end."""
    path = new_servers_dir()
    yield path
    remove_servers_dir(path)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Give an empty state directory for a test that needs servers of its own, to kill them for example; removed after the test.

    Where root runs the tests, pytest's `tmp_path` is closed to the servers' account, and each would get a folder elsewhere.
    """
    path = new_servers_dir()
    yield path
    remove_servers_dir(path)


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[PostgresServer]:
    """Run the session's PostgreSQL. Tests take `database_url` for a database of their own."""
    with postgres.running(servers_dir) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_broker(servers_dir: Path) -> Iterator[KafkaBroker]:
    """Run the session's broker. Tests that share it choose topic keys or topics of their own."""
    with kafka.running(servers_dir) as broker:
        yield broker


@pytest.fixture(scope="session")
def _templates(postgres_server: PostgresServer) -> Callable[[str], str]:
    """Give a function that names a migrated template database of a service, made on its first use."""
    made: dict[str, str] = {}

    def template(service: str) -> str:
        if service not in made:
            name = f"template_{service}"
            _create_database(postgres_server, name)
            database_access.prepare_database(postgres_server.connection, name)
            _migrate(postgres_server, service, name)
            made[service] = name
        return made[service]

    return template


@pytest.fixture
def database_url(postgres_server: PostgresServer, _templates: Callable[[str], str]) -> Iterator[DatabaseUrl]:
    """Give a function that makes a fresh migrated database for a service and returns the URL of its role, without the password.

    The password is in `postgres_server.password_file(service)`. Two calls give two databases; all are dropped after the test.
    """
    made: list[str] = []

    def fresh(service: str) -> str:
        name = f"test_{service}_{next(_numbers)}"
        _create_database(postgres_server, name, template=_templates(service))
        made.append(name)
        # CREATE DATABASE copies what is in the template but not the rights on the database itself.
        database_access.prepare_database(postgres_server.connection, name)
        return postgres_server.url(role=service, database=name)

    yield fresh
    with postgres_server.connect_as_admin() as admin:
        for name in made:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


_numbers = itertools.count(1)


def _create_database(server: PostgresServer, name: str, *, template: str = "template1") -> None:
    with server.connect_as_admin() as admin:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def _migrate(server: PostgresServer, service: str, database: str) -> None:
    from services.common.migrations import upgrade  # here, so that tests of the servers alone need no services

    upgrade(service, url=server.url(role=service, database=database), password_file=server.password_file(service))


def _end_killed_sessions() -> None:
    """End the servers of sessions whose process is gone and remove their directories."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        session = path / SESSION
        if path.stat().st_uid != os.geteuid() or not session.is_file():
            continue
        if processes.identity(int(path.name.removeprefix(PREFIX).partition("-")[0])) == session.read_text():
            continue
        state = open_state(path)
        for name in reversed(list(state.processes())):
            if (process := processes.adopt(state, name)) is not None:
                processes.kill(process)
        processes.end_strays(state)
        remove_servers_dir(path)
