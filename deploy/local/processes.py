"""Starts, recognises and ends processes that outlive the command that started them.

Every process gets a session of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then stops the others in
order. The record is written right after the start; what a kill between the two leaves behind carries the name of its state
directory in its environment, and `strays` finds it by that.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.account import Account
from deploy.local.errors import CannotRunError
from deploy.local.state import ProcessRecord, State

MARKER = "CARBONBUREAU_LOCAL_PROCESS"
LOG_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What to start: a command with exactly this environment (plus the marker), logging to the file of its name."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds_max: float = 20.0

    @property
    def fingerprint(self) -> str:
        words = [*self.command, *(f"{name}={value}" for name, value in sorted(self.environment.items()))]
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running process: one we started (`child` is set, and is reaped by us) or one adopted from an earlier command.

    `log_offset` is where in the log file its output begins.
    """

    name: str
    record: ProcessRecord
    child: subprocess.Popen[bytes] | None = None
    log_offset: int = 0

    @property
    def pid(self) -> int:
        return self.record.pid

    def alive(self) -> bool:
        if self.child is not None and self.child.poll() is not None:
            return False
        return identity(self.record.pid) == self.record.identity

    def signal(self, number: int) -> None:
        """Send a signal, unless the process is gone; its pid may be a stranger's by then."""
        if self.alive():
            os.kill(self.record.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait until the process is gone; tell whether it is."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def exit_code(self) -> int | None:
        """Give the exit code of a dead child; None for an adopted process, whose exit only its parent could learn."""
        return self.child.poll() if self.child is not None else None


def start(state: State, launch: Launch) -> Process:
    """Start a process and record it. It goes on when we die; `adopt` finds it again."""
    log_file = state.log_file(launch.name)
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES_MAX:
        log_file.replace(log_file.with_suffix(".log.1"))
    options: dict[str, object] = launch.account.popen_arguments() if launch.account is not None else {}
    with log_file.open("ab") as log:
        offset = log.seek(0, os.SEEK_END)
        try:
            child: subprocess.Popen[bytes] = subprocess.Popen(
                list(launch.command),
                cwd=launch.directory,
                env={**launch.environment, MARKER: marker(state, launch.name)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )
        except OSError as error:
            raise CannotRunError(f"{launch.name}: cannot start {launch.command[0]}: {error.strerror}") from error
    record = ProcessRecord(
        pid=child.pid,
        identity=identity(child.pid) or "gone",
        fingerprint=launch.fingerprint,
        stop_signal=launch.stop_signal,
        stop_seconds_max=launch.stop_seconds_max,
    )
    state.record_process(launch.name, record)
    return Process(name=launch.name, record=record, child=child, log_offset=offset)


def adopt(state: State, name: str) -> Process | None:
    """Give the recorded process of that name if it still runs; otherwise forget it."""
    record = state.process(name)
    if record is None:
        return None
    process = Process(name=name, record=record)
    if process.alive():
        return process
    state.forget_process(name, record)
    return None


def alive(state: State, name: str) -> bool:
    """Tell whether the recorded process of that name runs; changes nothing."""
    record = state.process(name)
    return record is not None and Process(name=name, record=record).alive()


def stop(state: State, process: Process) -> bool:
    """Ask a process to end and wait; end it by force when it takes too long. Tells whether it went by itself."""
    process.signal(process.record.stop_signal)
    by_itself = process.wait(process.record.stop_seconds_max)
    if not by_itself:
        kill(process)
    state.forget_process(process.name, process.record)
    return by_itself


def kill(process: Process) -> None:
    """End a process with SIGKILL and wait until it is gone."""
    process.signal(signal.SIGKILL)
    if not process.wait(10.0):
        raise CannotRunError(f"{process.name} (pid {process.pid}) does not end even when killed: the machine's storage may hang")


def end_strays(state: State) -> list[Process]:
    """End what no record names, and give what was found."""
    found = strays(state)
    for process in found:
        stop(state, process)
    return found


def identity(pid: int) -> str | None:
    """Tell a process from every other that had or will have its pid: the machine's boot and the tick of its start.

    Returns None when there is no such process or it is only waiting to be reaped. Wall-clock start times are refused where the
    kernel tells ticks, for they move when the clock is set.
    """
    try:
        # The command's name stands in brackets and may hold anything, so the fields are counted from the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _identity_by_ps(pid)
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def marker(state: State, name: str) -> str:
    """Give the value of the marker variable of a process."""
    return f"{state.path}#{name}"


def strays(state: State) -> list[Process]:
    """Find processes of this state directory that no record names.

    Their starter was killed between the start and the record, or they are children of a process that was killed. Found by the marker
    in `/proc`; elsewhere the kernel does not tell, and none is found.
    """
    recorded = {record.pid for record in state.processes().values() if identity(record.pid) == record.identity}
    marked: dict[int, str] = {}
    parents: dict[int, int] = {}
    prefix = f"{MARKER}={state.path}#".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if (mark := next((variable for variable in variables if variable.startswith(prefix)), None)) is not None:
            marked[pid] = mark[len(prefix) :].decode()

    def belongs_to_another(pid: int) -> bool:
        """Tell whether an ancestor is recorded or itself a stray: ending that one ends this one too."""
        while (pid := parents.get(pid, 0)) > 1:
            if pid in recorded or pid in marked:
                return True
        return False

    return [
        Process(
            name=name,
            record=ProcessRecord(pid=pid, identity=who, fingerprint="", stop_signal=signal.SIGTERM, stop_seconds_max=10.0),
        )
        for pid, name in marked.items()
        if pid not in recorded and pid != os.getpid() and not belongs_to_another(pid) and (who := identity(pid)) is not None
    ]


def tail(path: Path, *, lines: int = 15) -> str:
    """Give the last lines of a log, for the report of a process that died."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _identity_by_ps(pid: int) -> str | None:
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return None if not shown or shown[0].startswith("Z") else " ".join(shown[1:])
