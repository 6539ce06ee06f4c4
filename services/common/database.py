"""Hides the connection pool, the time-outs and the retry rules of PostgreSQL behind one unit of work: `transaction`.

A transaction is short and never spans a network wait to anything else. Both sides of every commit are crash points. What
must wake up when something was committed subscribes to a signal, so that no caller can forget to wake it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, TypeVar, cast

import psycopg
import sqlalchemy
from psycopg import sql
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.common import metrics
from services.common.clock import Clock
from services.common.crash import crash_point
from services.common.settings import PostgresSettings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# serialization_failure, deadlock_detected, lock_not_available: another transaction was in the way; the same unit may pass next time.
_CONFLICTS = frozenset({"40001", "40P01", "55P03"})
# Class 08 connection, 53 resources, 57P shutdown, 57014 statement time-out, 25P03/25P04 idle or too long in transaction.
_AWAY_CLASSES = ("08", "53", "57P")
_AWAY_STATES = frozenset({"57014", "25P03", "25P04"})
_ATTEMPTS_MAX = 8
_BACKOFF_FIRST_S = 0.02
_BACKOFF_MAX_S = 1.0

_chance = SystemRandom()
_RETURNED_AT = "carbonbureau.returned_at"
_ALIVE_S = 1.0

_NOW = text("SELECT clock_timestamp()")


class Transaction:
    """One open transaction. Not to be kept beyond its `with` block."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self.connection = connection
        self._signals: set[str] = set()

    def execute(self, statement: Executable, params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> CursorResult[Any]:
        """Run one statement; a sequence of parameters runs it once for each."""
        return self.connection.execute(statement, params)

    def copy_into(self, table_name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Load rows by COPY and return how many; for more than a few dozen rows it is several times faster than INSERT.

        COPY knows no ON CONFLICT: copy into a temporary table and INSERT … SELECT … ORDER BY the conflict key from it.
        """
        cursor = cast("psycopg.Cursor[Any]", self.connection.connection.cursor())
        command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table_name), sql.SQL(", ").join(map(sql.Identifier, columns)))
        count = 0
        try:
            with cursor.copy(command) as copy:
                for row in rows:
                    copy.write_row(row)
                    count += 1
        finally:
            cursor.close()
        return count

    def now(self) -> datetime:
        """Return the database's clock at this moment, which all processes share; it moves during the transaction."""
        instant: datetime = self.execute(_NOW).scalar_one()
        return instant.astimezone(UTC)

    def announce(self, signal: str) -> None:
        """Call the subscribers of `signal` once this transaction has been committed; never if it is rolled back."""
        self._signals.add(signal)


class Database:
    """The database of one service, used by all its threads."""

    def __init__(self, settings: PostgresSettings, clock: Clock) -> None:
        self._clock = clock
        self._engine = engine(settings)
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._subscribers_lock = threading.Lock()

    @contextmanager
    def transaction(self, name: str) -> Iterator[Transaction]:
        """Open a transaction, commit it when the block ends, roll it back when the block raises.

        `name` is a literal: it names the crash points `<name>.before_commit` and `<name>.after_commit` and labels metrics.
        """
        started = time.monotonic()
        with self._engine.connect() as connection:
            # Begun here, because a COPY alone would not make SQLAlchemy begin, and so not commit. Leaving by any exception closes
            # the connection, which rolls back.
            begun = connection.begin()
            transaction = Transaction(connection)
            yield transaction
            crash_point(f"{name}.before_commit")
            begun.commit()
        crash_point(f"{name}.after_commit")
        metrics.TRANSACTION_DURATION.record(time.monotonic() - started, {"transaction": name})
        self._notify(transaction._signals)

    def retrying(self, unit: Callable[[], _T]) -> _T:
        """Run a whole unit of work, its reads included, and again when another transaction was in its way.

        Waits a little longer, by chance, before each of at most 8 attempts. `unit` opens its own transactions and must be
        safe to run again from its beginning.

        Raises:
            DBAPIError: the last attempt's conflict, or any other failure of any attempt.
        """
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return unit()
            except DBAPIError as error:
                if not is_conflict(error) or attempt == _ATTEMPTS_MAX:
                    raise
                metrics.TRANSACTION_CONFLICTS.add(1, {"sqlstate": sqlstate(error) or "none"})
                time.sleep(_chance.uniform(0, min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2**attempt)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def subscribe(self, signal: str, callback: Callable[[], None]) -> None:
        """Call `callback` in the committing thread after each commit that announced `signal`; it must return at once."""
        with self._subscribers_lock:
            self._subscribers = {**self._subscribers, signal: [*self._subscribers.get(signal, []), callback]}

    def ping(self) -> None:
        """Make one round trip, and compare the clocks of both sides on the way.

        Raises:
            DBAPIError: the database cannot be reached.
        """
        with self._engine.connect() as connection:
            theirs = connection.execute(_NOW).scalar_one()
        metrics.CLOCK_SKEW.set(abs((self._clock.now() - theirs).total_seconds()))

    def dispose(self) -> None:
        """Close all idle connections."""
        self._engine.dispose()

    def _notify(self, signals: Iterable[str]) -> None:
        for signal in signals:
            for callback in self._subscribers.get(signal, ()):
                callback()


def engine(settings: PostgresSettings) -> sqlalchemy.Engine:
    """Make a pool of connections that carry the time-outs of `settings` and speak UTC."""
    options = {
        "statement_timeout": settings.statement_timeout_ms,
        "lock_timeout": settings.lock_timeout_ms,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_ms,
        "TimeZone": "UTC",
    }
    url = sqlalchemy.make_url(settings.url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    made = sqlalchemy.create_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=10,
        # Parameters are subject codes and figures of providers: no error text may carry them into a log.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 5,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )

    @sqlalchemy.event.listens_for(made, "do_connect")
    def hand_in_password(dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        # At each connect, so that a rotated password is taken up without a restart.
        parameters["password"] = settings.password_file.read()

    @sqlalchemy.event.listens_for(made, "checkin")
    def note_return(connection: Any, record: Any) -> None:
        record.info[_RETURNED_AT] = time.monotonic()

    @sqlalchemy.event.listens_for(made, "checkout")
    def ping_what_lay_idle(connection: Any, record: Any, proxy: Any) -> None:
        # After a restart of the server every pooled connection would fail once. What was used just now is taken as alive: a ping
        # per transaction was a round trip of every one, and a connection that dies in between fails as it may at any other moment.
        if time.monotonic() - record.info.get(_RETURNED_AT, time.monotonic()) < _ALIVE_S:
            return
        try:
            alive = made.dialect.do_ping(connection)
        except psycopg.Error:
            alive = False
        if not alive:
            raise DisconnectionError

    return made


def unreachable(error: BaseException) -> str | None:
    """Say in one line, for who ran a command, that the database cannot be used now and why; None when that is not what is wrong.

    Names no parameter and no value, as no error text of ours does.
    """
    if not is_recoverable(error) or is_conflict(error):
        return None
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = sqlstate(error)
    if state is not None:
        return f"the database cannot be used now: {type(cause).__name__} (SQLSTATE {state})"
    # libpq names host, port, role and reason in its first line; advice and further addresses follow.
    reason = str(cause).partition("\n")[0].removeprefix("connection failed: ").strip()
    return f"the database cannot be reached: {reason or type(cause).__name__}"


def sqlstate(error: BaseException) -> str | None:
    """Return the five-character SQLSTATE of a database error, if the server gave one."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def is_conflict(error: BaseException) -> bool:
    """Tell whether another transaction was in the way, so that the whole unit may simply be run again."""
    return sqlstate(error) in _CONFLICTS


def is_recoverable(error: BaseException) -> bool:
    """Tell whether the fault lies with the database or the way to it, and not with what was asked: wait and try again."""
    if isinstance(error, PoolTimeoutError) or is_conflict(error):
        return True
    state = sqlstate(error)
    if state is not None:
        return state in _AWAY_STATES or state.startswith(_AWAY_CLASSES)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
