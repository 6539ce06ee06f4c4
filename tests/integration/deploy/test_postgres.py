"""The private PostgreSQL: who may see what, and what a kill leaves."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from deploy.local import account, postgres, processes
from deploy.local.access import SERVICES
from deploy.local.postgres import PostgresServer
from deploy.local.state import open_state


def connect(server: PostgresServer, role: str, *, password: str | None = None) -> psycopg.Connection:
    return psycopg.connect(server.url(role=role), password=password or server.password_file(role).read_text(), autocommit=True)


class TestServiceRoles:
    @pytest.mark.parametrize("service", SERVICES)
    def test_own_the_schema_of_their_name_and_work_there(self, postgres_server, service):
        with connect(postgres_server, service) as connection, connection.transaction(force_rollback=True):
            connection.execute("CREATE TABLE mine (a int)")
            assert connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'").fetchone() == (service,)

    @pytest.mark.parametrize("service", SERVICES)
    def test_cannot_look_into_any_other_schema(self, postgres_server, service):
        for other in {*SERVICES, "public"} - {service}:
            with connect(postgres_server, service) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied for schema {other}"):
                    connection.execute(f"SELECT * FROM {other}.anything")
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied for schema {other}"):
                    connection.execute(f"CREATE TABLE {other}.mine (a int)")

    def test_cannot_take_another_role_or_make_one(self, postgres_server):
        with connect(postgres_server, "collector") as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SET ROLE scoring")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE ROLE intruder")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE SCHEMA intruder")

    def test_are_refused_with_a_wrong_password(self, postgres_server):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(postgres_server, "collector", password="wrong")

    def test_lose_a_transaction_that_idles(self, postgres_server):
        with connect(postgres_server, "collector") as connection:
            assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("5s",)

    def test_may_load_through_a_temporary_table(self, postgres_server):
        with connect(postgres_server, "collector") as connection:
            connection.execute("CREATE TEMPORARY TABLE bulk (a int)")


class TestServer:
    def test_listens_on_the_loopback_address_only(self, postgres_server):
        with postgres_server.connect_as_admin() as admin:
            assert admin.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
            assert admin.execute("SHOW unix_socket_directories").fetchone() == ("",)

    def test_is_durable(self, postgres_server):
        with postgres_server.connect_as_admin() as admin:
            assert [admin.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")] == [("on",), ("on",)]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
    def test_does_not_run_as_root(self, postgres_server):
        assert postgres_server.process is not None
        assert Path(f"/proc/{postgres_server.process.pid}").stat().st_uid == account.of_servers().uid != 0

    def test_keeps_committed_data_over_a_kill_and_comes_back_on_its_port(self, state_dir):
        with postgres.running(state_dir) as server:
            with connect(server, "collector") as connection:
                connection.execute("CREATE TABLE kept (a int)")
                connection.execute("INSERT INTO kept VALUES (1)")
            open_transaction = connect(server, "collector")
            open_transaction.autocommit = False
            open_transaction.execute("INSERT INTO kept VALUES (2)")
            port = server.port

            server.kill()
            server.start()

            assert server.port == port
            with connect(server, "collector") as connection:
                assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
            open_transaction.close()

    def test_starts_over_a_pid_file_whose_pid_a_stranger_has_by_now(self, state_dir):
        with postgres.running(state_dir) as server:
            pid_file = server.home / "data" / "postmaster.pid"
            server.kill()
            lines = pid_file.read_text().splitlines()
            pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

            server.start()

            with connect(server, "collector") as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_begins_again_where_its_first_start_was_killed(self, state_dir):
        found = postgres.server(open_state(state_dir))
        (found.home / "data.unfinished").mkdir()
        (found.home / "data.unfinished" / "PG_VERSION").write_text("18\n")

        with postgres.running(state_dir) as server, connect(server, "scoring") as connection:
            assert connection.execute("SELECT current_schema").fetchone() == ("scoring",)

    def test_ends_with_its_context(self, state_dir):
        with postgres.running(state_dir) as server:
            assert server.process is not None
            pid = server.process.pid
            os.kill(pid, signal.SIGCONT)
        assert processes.identity(pid) is None
        assert not server.state.processes()

    @pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's servers reach all that the user reaches")
    def test_runs_below_a_folder_that_only_root_may_enter(self, state_dir):
        closed = state_dir / "closed"
        closed.mkdir(mode=0o700)
        with postgres.running(closed / "state") as server, connect(server, "reports") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert not server.home.is_relative_to(state_dir)
        account.remove_outside(closed / "state")
        assert not server.home.exists()
