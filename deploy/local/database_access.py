"""Applies `access.py` to a PostgreSQL server, our own or one from outside: a role and a schema per service. Idempotent.

A service's role owns the schema of its name and sees no other; nobody is given anything through PUBLIC.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from deploy.local.access import SERVICES
from deploy.local.errors import CannotRunError
from deploy.local.state import State

DATABASE = "carbonbureau"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where a PostgreSQL server is and how its administrator signs in: our own server or one from outside."""

    host: str
    port: int
    database: str
    admin_role: str
    admin_password_file: Path

    def url(self, *, role: str, database: str | None = None) -> str:
        """Give the URL of a role, without its password."""
        return f"postgresql://{role}@{self.host}:{self.port}/{database or self.database}"

    def connect_as_admin(self, *, database: str | None = None) -> psycopg.Connection:
        """Connect as the administrator, each statement its own transaction."""
        return psycopg.connect(
            self.url(role=self.admin_role, database=database),
            password=self.admin_password_file.read_text().strip(),
            connect_timeout=5,
            autocommit=True,
            application_name="deploy.local",
        )


def outside(admin_url: str, admin_password_file: Path) -> Connection:
    """Describe a server that others run. The roles and schemas go into the database that the URL names."""
    parts = conninfo_to_dict(admin_url)
    missing = [name for name in ("host", "user", "dbname") if not parts.get(name)]
    if missing:
        raise CannotRunError(f"CARBONBUREAU_POSTGRES_ADMIN_URL lacks {', '.join(missing)}: write postgresql://user@host:port/database")
    return Connection(
        host=str(parts["host"]),
        port=int(parts.get("port") or 5432),
        database=str(parts["dbname"]),
        admin_role=str(parts["user"]),
        admin_password_file=admin_password_file,
    )


def apply(state: State, connection: Connection) -> None:
    """Make a role with a schema for each service, which no other service can look into. Idempotent."""
    with connection.connect_as_admin() as admin:
        for service in SERVICES:
            _prepare_role(admin, service, state.password(service))
    prepare_database(connection, connection.database)


def prepare_database(connection: Connection, database: str) -> None:
    """Give each service its own schema in a database, and everyone else nothing. Idempotent."""
    name = sql.Identifier(database)
    with connection.connect_as_admin(database=database) as admin, admin.transaction():
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for service in SERVICES:
            role = sql.Identifier(service)
            # TEMPORARY: bulk loads COPY into a temporary table first.
            admin.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, role))
            admin.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(role, role))


def _prepare_role(admin: psycopg.Connection, service: str, password: str) -> None:
    """Make or renew the role of a service. The password is sent as a SCRAM verifier, so that no log can show it."""
    role = sql.Identifier(service)
    verifier = admin.pgconn.encrypt_password(password.encode(), service.encode(), b"scram-sha-256").decode()
    with admin.transaction():
        if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [service]).fetchone() is None:
            admin.execute(sql.SQL("CREATE ROLE {}").format(role))
        admin.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}").format(
                role, sql.Literal(verifier)
            )
        )
        admin.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, role))
        # A process that pauses inside a transaction must not hold its locks: nothing of ours waits for the network inside one.
        admin.execute(sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = '5s'").format(role))
