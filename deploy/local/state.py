"""The state directory: everything the runtime remembers between two commands, and the only place that knows its layout.

`runtime.json` holds the chosen ports and the processes (pid and identity, so that a pid used again by a stranger is never taken for
ours). It is replaced atomically under a file lock; a crash leaves either the old text or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import CannotRunError

LOOPBACK = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_STATE = REPOSITORY / ".state"
# Programs fetched once for all state directories, those of tests included.
CACHE = REPOSITORY / ".state" / "cache"


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """A process we started, with all that is needed to recognise and end it by a command that knows no plan.

    `identity` tells it from a later process with the same pid (see processes.identity); `fingerprint` is a hash of its command and
    environment, so that a process started with other settings is not taken for the one wanted.
    """

    pid: int
    identity: str
    fingerprint: str
    stop_signal: int
    stop_seconds_max: float


@dataclass(frozen=True, kw_only=True)
class State:
    """One state directory. Make it with `open_state`."""

    path: Path

    @property
    def runtime_file(self) -> Path:
        return self.path / "runtime.json"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def tls(self) -> Path:
        return self.path / "tls"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    def log_file(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def password_file(self, principal: str) -> Path:
        """Give the file with the password of a principal, made on first use. Mode 0600; the text has no line end."""
        path = self.secrets / f"{principal}.password"
        if not path.exists():
            with self._locked():
                if not path.exists():
                    write_atomically(path, secrets.token_urlsafe(24), mode=0o600)
        return path

    def password(self, principal: str) -> str:
        return self.password_file(principal).read_text().strip()

    def port(self, name: str) -> int:
        """Give the port remembered under `name`, choosing a free one the first time."""
        with self._locked():
            runtime = self._read()
            ports = runtime.setdefault("ports", {})
            if name not in ports:
                ports[name] = free_port(taken=set(ports.values()))
                self._write(runtime)
            return int(ports[name])

    def ports(self) -> Mapping[str, int]:
        """Give the ports chosen so far, by name."""
        with self._locked():
            return dict(self._read().get("ports", {}))

    def forget_port(self, name: str) -> None:
        """Let the next `port(name)` choose anew, because somebody else listens on the remembered one."""
        with self._locked():
            runtime = self._read()
            runtime.get("ports", {}).pop(name, None)
            self._write(runtime)

    def processes(self) -> Mapping[str, ProcessRecord]:
        """Give the recorded processes by name, dead or alive, in the order they were started."""
        with self._locked():
            return {name: ProcessRecord(**record) for name, record in self._read().get("processes", {}).items()}

    def process(self, name: str) -> ProcessRecord | None:
        return self.processes().get(name)

    def record_process(self, name: str, record: ProcessRecord) -> None:
        with self._locked():
            runtime = self._read()
            processes = runtime.setdefault("processes", {})
            processes.pop(name, None)  # a restarted process moves to the end of the order
            processes[name] = asdict(record)
            self._write(runtime)

    def forget_process(self, name: str, record: ProcessRecord | None = None) -> None:
        """Remove the record of that name; when `record` is given, only if it is still that one."""
        with self._locked():
            runtime = self._read()
            recorded = runtime.get("processes", {}).get(name)
            if recorded is not None and (record is None or recorded == asdict(record)):
                del runtime["processes"][name]
                self._write(runtime)

    def finished_step(self, name: str) -> str | None:
        """Give the fingerprint with which a step last succeeded, if it was recorded."""
        with self._locked():
            fingerprint: str | None = self._read().get("finished_steps", {}).get(name)
        return fingerprint

    def record_finished_step(self, name: str, fingerprint: str) -> None:
        with self._locked():
            runtime = self._read()
            runtime.setdefault("finished_steps", {})[name] = fingerprint
            self._write(runtime)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.path / "runtime.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, Any]:
        try:
            runtime: dict[str, Any] = json.loads(self.runtime_file.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise CannotRunError(f"{self.runtime_file} is not JSON: it was edited; restore it or remove the state directory") from None
        return runtime

    def _write(self, runtime: dict[str, Any]) -> None:
        write_atomically(self.runtime_file, json.dumps(runtime, indent=2) + "\n", mode=0o644)


def open_state(state_dir: Path | str | None = None) -> State:
    """Open a state directory, making what is missing. The default is `.state` of the repository.

    The directory may be entered by other accounts (the servers run under one) but not listed; what is secret is closed by itself.
    """
    path = Path(state_dir or DEFAULT_STATE).resolve()
    for folder, mode in ((path, 0o711), (path / "secrets", 0o700), (path / "keys", 0o700), (path / "tls", 0o700), (path / "logs", 0o755)):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
    return State(path=path)


def free_port(*, taken: set[int]) -> int:
    """Choose a loopback port that nobody uses, below the range from which the kernel serves outgoing connections.

    Inside that range a client that reconnects to a stopped server can be given the server's own port as its source, connect to
    itself, and keep the server from coming back.
    """
    first, last = 20000, _first_outgoing_port()
    for _ in range(1000):
        port = random.SystemRandom().randrange(first, last)
        if port not in taken and is_free(port):
            return port
    raise CannotRunError(f"no free port found on {LOOPBACK} between {first} and {last}")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Tell whether something listens on a loopback port. Says nothing about whether it is ready."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def _first_outgoing_port() -> int:
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        low = 32768
    return low if low > 22000 else 32768


def write_atomically(path: Path, text: str, *, mode: int) -> None:
    """Replace a file so that a crash leaves the old text or the new one, and a link planted under its name is not followed."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, mode)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
