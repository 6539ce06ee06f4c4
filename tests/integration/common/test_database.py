"""Transactions, retries and signals against a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from deploy.local import postgres as local_postgres
from services.common import log_lines
from services.common.clock import SystemClock
from services.common.database import Database, is_conflict, is_recoverable, sqlstate
from services.common.settings import PostgresSettings, SecretFile
from tests.integration.common.conftest import ROLE
from tests.integration.common.mechanism import eventually, execute, query

ROOT = Path(__file__).resolve().parents[3]
_INSERT = text("INSERT INTO taken (topic) VALUES (:topic)")


def topics(database: Database) -> list[str]:
    return [topic for (topic,) in query(database, "SELECT topic FROM taken ORDER BY topic")]


class TestTransaction:
    def test_commits_at_the_end_of_the_block(self, database: Database) -> None:
        with database.transaction("test.write") as transaction:
            transaction.execute(_INSERT, {"topic": "a"})
            transaction.execute(_INSERT, [{"topic": "b"}, {"topic": "c"}])
        assert topics(database) == ["a", "b", "c"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
    def test_rolls_back_on_any_exception(self, database: Database, error: type[BaseException]) -> None:
        with suppress(error), database.transaction("test.write") as transaction:
            transaction.execute(_INSERT, {"topic": "a"})
            raise error
        assert topics(database) == []

    def test_leaves_no_connection_behind(self, postgres_settings: PostgresSettings) -> None:
        database = Database(dataclasses.replace(postgres_settings, pool_size=1), SystemClock())
        for number in range(3):
            with suppress(ValueError), database.transaction("test.write") as transaction:
                transaction.execute(_INSERT, {"topic": str(number)})
                raise ValueError
        assert topics(database) == []
        database.dispose()

    def test_tells_the_time_of_the_database_as_it_moves(self, database: Database) -> None:
        with database.transaction("test.now") as transaction:
            first = transaction.now()
            time.sleep(0.01)
            second = transaction.now()
        assert first.tzinfo is UTC
        assert timedelta(milliseconds=10) <= second - first
        assert abs(datetime.now(UTC) - second) < timedelta(seconds=5)

    def test_ends_a_transaction_that_idles(self, postgres_settings: PostgresSettings) -> None:
        database = Database(dataclasses.replace(postgres_settings, idle_in_transaction_timeout_ms=200), SystemClock())

        def idle() -> None:
            with database.transaction("test.idle") as transaction:
                transaction.execute(_INSERT, {"topic": "a"})
                time.sleep(0.6)
                transaction.execute(_INSERT, {"topic": "b"})

        with pytest.raises(DBAPIError) as caught:
            idle()
        assert is_recoverable(caught.value)
        assert topics(database) == []
        database.dispose()

    @pytest.mark.parametrize("armed", ["test.chaos.before_commit", "test.chaos.after_commit"])
    def test_has_a_crash_point_on_either_side_of_its_commit(
        self, armed: str, postgres_settings: PostgresSettings, database: Database
    ) -> None:
        script = (
            "import sys; from pathlib import Path; from sqlalchemy import text\n"
            "from services.common import crash; from services.common.clock import SystemClock\n"
            "from services.common.database import Database; from services.common.settings import PostgresSettings, SecretFile\n"
            "database = Database(PostgresSettings(url=sys.argv[1], password_file=SecretFile(Path(sys.argv[2]))), SystemClock())\n"
            "crash.arm(sys.argv[3], True)\n"
            "with database.transaction('test.chaos') as transaction:\n"
            "    transaction.execute(text(\"INSERT INTO taken (topic) VALUES ('a')\"))\n"
            "print('alive')\n"
        )
        arguments = [postgres_settings.url, str(postgres_settings.password_file.path), armed]
        done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, timeout=30)
        assert done.returncode == -9, done.stderr
        assert topics(database) == (["a"] if armed.endswith("after_commit") else [])


class TestCopyInto:
    def test_loads_rows_of_every_type_in_use(self, database: Database) -> None:
        rows = [("t\tab", 1, 2, b"\x00\xff\\", None), ("new\nline", 3, 4, b"", b"v")]
        with database.transaction("test.copy") as transaction:
            count = transaction.copy_into("taken", ["topic", "partition", "offset", "key", "value"], iter(rows))
        assert count == 2
        assert query(database, 'SELECT topic, partition, "offset", key, value FROM taken ORDER BY partition') == rows

    def test_is_part_of_the_transaction(self, database: Database) -> None:
        with suppress(ValueError), database.transaction("test.copy") as transaction:
            transaction.copy_into("taken", ["topic"], [("a",)])
            raise ValueError
        assert topics(database) == []

    def test_keeps_decimals_instants_and_arrays(self, database: Database) -> None:
        execute(database, "CREATE TABLE typed (amount numeric, at timestamptz, names text[])")
        row = (Decimal("123456789012345.000000001"), datetime(2026, 2, 28, 16, 0, 0, 1, UTC), ["a", 'b"c'])
        with database.transaction("test.copy") as transaction:
            transaction.copy_into("typed", ["amount", "at", "names"], [row])
        assert query(database, "SELECT amount, at, names FROM typed") == [row]


CANARY = "91140400MA0CANARY7"


class TestErrors:
    """What the server says of a fault, as it stands on a log line: which rule was broken where, and not by what."""

    @pytest.mark.parametrize(
        ("statement", "told"),
        [
            (
                f"INSERT INTO one_code VALUES ('{CANARY}'), ('{CANARY}')",
                "SQLSTATE 23505, constraint one_code_pkey, table one_code",
            ),
            ("INSERT INTO one_code VALUES (:code || 'x')", "SQLSTATE 23514, constraint short, table one_code"),
            ("INSERT INTO one_code VALUES (NULL)", "SQLSTATE 23502, table one_code, column code"),
            ("SELECT CAST(:code AS integer)", "SQLSTATE 22P02"),
            ("SELECT jsonb('{' || :code)", "SQLSTATE 22P02"),
            (f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING DETAIL = '{CANARY}', HINT = '{CANARY}'; END $$", "SQLSTATE P0001"),
        ],
    )
    def test_are_told_without_what_was_submitted(self, database: Database, statement: str, told: str) -> None:
        execute(database, "CREATE TABLE IF NOT EXISTS one_code (code text PRIMARY KEY CONSTRAINT short CHECK (length(code) < 19))")
        with pytest.raises(DBAPIError) as caught:
            execute(database, statement, **({"code": CANARY} if ":code" in statement else {}))
        description = log_lines.described(caught.value)
        assert f"[{told}]" in description.splitlines()[0]
        assert CANARY not in description

    def test_of_a_copy_are_told_likewise(self, database: Database) -> None:
        with pytest.raises(psycopg.Error) as caught, database.transaction("test.copy") as transaction:
            transaction.copy_into("taken", ["topic", "partition"], [("t", CANARY)])
        description = log_lines.described(caught.value)
        assert description.startswith("psycopg.errors.InvalidTextRepresentation [SQLSTATE 22P02]")
        assert CANARY not in description

    def test_of_a_connection_name_the_cause(self, postgres_settings: PostgresSettings, tmp_path: Path) -> None:
        (tmp_path / "password").write_text(CANARY)
        for url, told in (
            (postgres_settings.url, "password authentication failed"),
            (postgres_settings.url.replace(f":{make_url(postgres_settings.url).port}/", ":1/"), "Connection refused"),
        ):
            database = Database(PostgresSettings(url=url, password_file=SecretFile(tmp_path / "password")), SystemClock())
            with pytest.raises(DBAPIError) as caught:
                database.ping()
            assert log_lines.summary(caught.value) == f"sqlalchemy.exc.OperationalError [{told}]"
            assert CANARY not in log_lines.described(caught.value)
            database.dispose()


class TestRetrying:
    def test_runs_both_of_two_deadlocked_units_to_their_end(self, database: Database) -> None:
        execute(database, "CREATE TABLE counter (name text PRIMARY KEY, number integer)")
        execute(database, "INSERT INTO counter VALUES ('a', 0), ('b', 0)")
        both_hold_one = threading.Barrier(2)
        attempts: list[str] = []

        def unit(first: str, second: str) -> None:
            attempts.append(first)
            with database.transaction("test.unit") as transaction:
                add = text("UPDATE counter SET number = number + 1 WHERE name = :name")
                transaction.execute(add, {"name": first})
                with suppress(threading.BrokenBarrierError):
                    both_hold_one.wait(timeout=2)
                transaction.execute(add, {"name": second})

        threads = [
            threading.Thread(target=lambda names=names: database.retrying(lambda: unit(*names))) for names in (("a", "b"), ("b", "a"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert query(database, "SELECT number FROM counter") == [(2,), (2,)]
        assert len(attempts) == 3

    def test_gives_up_after_eight_attempts(self, database: Database) -> None:
        attempts: list[int] = []

        def unit() -> None:
            attempts.append(1)
            with database.transaction("test.unit") as transaction:
                transaction.execute(text("DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END $$"))

        with pytest.raises(DBAPIError) as caught:
            database.retrying(unit)
        assert sqlstate(caught.value) == "40001"
        assert is_conflict(caught.value)
        assert len(attempts) == 8

    @pytest.mark.parametrize(("state", "attempts_expected"), [("55P03", 8), ("40P01", 8), ("23505", 1), ("22012", 1)])
    def test_repeats_only_what_another_transaction_caused(self, database: Database, state: str, attempts_expected: int) -> None:
        attempts: list[int] = []

        def unit() -> None:
            attempts.append(1)
            with database.transaction("test.unit") as transaction:
                transaction.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))

        with pytest.raises(DBAPIError):
            database.retrying(unit)
        assert len(attempts) == attempts_expected


class TestSignals:
    def test_are_given_after_the_commit_and_only_then(self, database: Database) -> None:
        seen: list[list[str]] = []
        database.subscribe("s", lambda: seen.append(topics(database)))

        def write(topic: str, *, announce: str) -> None:
            with database.transaction("test.write") as transaction:
                transaction.execute(_INSERT, {"topic": topic})
                transaction.announce(announce)
                transaction.announce(announce)

        write("a", announce="s")
        write("b", announce="other")
        with suppress(ValueError), database.transaction("test.write") as transaction:
            transaction.announce("s")
            raise ValueError
        assert seen == [["a"]]


class TestPassword:
    def test_rotated_is_taken_up_by_the_next_connection(self, postgres_settings: PostgresSettings, tmp_path: Path) -> None:
        path = tmp_path / "password"
        path.write_text("wrong")
        database = Database(dataclasses.replace(postgres_settings, password_file=SecretFile(path)), SystemClock())
        assert not _pings(database)
        path.write_text(postgres_settings.password_file.read() + "\n")
        assert _pings(database)
        database.dispose()


class TestIsRecoverable:
    def test_says_yes_while_the_server_is_away_and_works_again_when_it_is_back(self, state_dir: Path) -> None:
        with local_postgres.running(state_dir) as server:
            settings = PostgresSettings(url=server.url(role=ROLE), password_file=SecretFile(server.password_file(ROLE)))
            database = Database(settings, SystemClock())
            database.ping()

            def work_while_it_goes() -> None:
                with database.transaction("test.away") as transaction:
                    transaction.now()
                    server.kill()
                    transaction.now()

            with pytest.raises(DBAPIError) as caught:
                work_while_it_goes()
            assert is_recoverable(caught.value)
            with pytest.raises(DBAPIError) as caught:
                database.ping()
            assert is_recoverable(caught.value)
            server.start()
            eventually(lambda: _pings(database))
            database.dispose()

    def test_says_no_to_faults_of_our_own(self, database: Database) -> None:
        for statement in ("SELECT 1/0", "SELECT nonsense", "INSERT INTO lease (name) VALUES (NULL)"):
            with pytest.raises(DBAPIError) as caught, database.transaction("test.fault") as transaction:
                transaction.execute(text(statement))
            assert not is_recoverable(caught.value)
        assert not is_recoverable(ValueError())

    def test_says_yes_to_a_lock_or_statement_that_took_too_long(self, postgres_settings: PostgresSettings, database: Database) -> None:
        short = Database(dataclasses.replace(postgres_settings, statement_timeout_ms=300, lock_timeout_ms=100), SystemClock())
        with pytest.raises(DBAPIError) as caught, short.transaction("test.slow") as transaction:
            transaction.execute(text("SELECT pg_sleep(2)"))
        assert sqlstate(caught.value) == "57014"
        assert is_recoverable(caught.value)
        with database.transaction("test.lock") as holding:
            holding.execute(text("LOCK TABLE taken"))
            with pytest.raises(DBAPIError) as caught, short.transaction("test.slow") as transaction:
                transaction.execute(_INSERT, {"topic": "a"})
        assert sqlstate(caught.value) == "55P03"
        short.dispose()


def _pings(database: Database) -> bool:
    try:
        database.ping()
    except DBAPIError:
        return False
    return True
