"""Brings a plan up, watches it, and takes it down again.

One supervisor at a time works on a state directory: it holds a file lock that the kernel takes back however it dies. What it started
goes on without it; the next one finds the records and takes over. Nothing is ever restarted silently: a process that dies is
reported with the end of its log, and everything stops.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import FrameType

from deploy.local import processes, screen
from deploy.local.errors import CannotRunError
from deploy.local.plan import Context, Entry, Plan
from deploy.local.processes import Process
from deploy.local.state import ProcessRecord, State

SUPERVISOR = "supervisor"
WATCH_SECONDS = 0.25
# The longest a supervisor may need to stop everything, before `stop` does it in its place.
TAKEOVER_SECONDS = 120.0

Say = Callable[[str], None]


class Stay(Enum):
    """What a supervisor does when everything is ready."""

    WATCH = "watch until asked to stop"
    LEAVE = "leave everything running and return"
    STOP = "stop everything and return"


class _StopRequestedError(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM while the plan was being brought up."""


class Supervisor:
    """Follows one plan on one state directory."""

    def __init__(self, *, state: State, plan: Plan, say: Say) -> None:
        self._state = state
        self._plan = plan
        self._say = say
        self._stop_requested = threading.Event()
        self._running: list[Process] = []

    def run(self, stay: Stay) -> int:
        """Bring everything up, then do as `stay` says. Returns the exit code of the command.

        A second supervisor finds the first at work, shows its screen and returns 0.
        """
        with _lock(self._state) as held:
            if not held:
                self._say(f"already running (supervisor pid {_pid_of_supervisor(self._state)})")
                self._say(screen.table(self._state, self._plan))
                return 0
            with self._signals():
                _record_ourselves(self._state)
                try:
                    return self._run(stay)
                finally:
                    self._state.forget_process(SUPERVISOR)

    def _run(self, stay: Stay) -> int:
        try:
            # 1. End what an earlier supervisor left without a record. (killed here: the next one does it)
            for process in processes.end_strays(self._state):
                self._say(f"{process.name}: ended pid {process.pid}, left over from an earlier run")
            # 2. Bring up what is missing, in order. (killed here: what runs goes on, and the next one takes it over)
            for stage in self._plan:
                self._bring_up(stage)
            self._say(screen.table(self._state, self._plan))
            if stay is Stay.LEAVE:
                return 0
            # 3. Watch until asked to stop. (killed here: as in 2)
            dead = self._watch() if stay is Stay.WATCH else None
        except _StopRequestedError:
            dead = None
        except CannotRunError:
            self._take_down()
            if not self._stop_requested.is_set():
                raise
            # Ctrl-C reaches every process of the terminal, so a program we only waited for may have ended by it as well.
            return 0
        if dead is not None:
            self._say(self._obituary(dead))
        # 4. Take everything down, in reverse order. (killed here: `stop` or the next run goes on)
        self._take_down()
        return 1 if dead is not None else 0

    def _bring_up(self, stage: Sequence[Entry]) -> None:
        """Start the entries of a stage together and wait until each is ready."""
        context = Context(state=self._state, say=self._say, pause=self._pause)
        before = self._state.processes()
        begun_at = time.monotonic()
        begun: list[tuple[Entry, Process | None]] = []
        for entry in stage:
            self._pause(0)
            if entry.port_names and entry.name in before and not processes.alive(self._state, entry.name):
                self._say(f"{entry.name}: pid {before[entry.name].pid} ended without being stopped, starting it anew")
            begun.append((entry, entry.begin(context)))
        for entry, process in begun:
            entry.finish(process, context)
            stays = process is not None and bool(entry.port_names)
            if process is not None and stays:
                self._running.append(process)
            took_over = process is not None and before.get(entry.name) == process.record
            how = "taken over" if took_over else "ready" if stays else "done"
            self._say(f"{entry.name}: {how} ({time.monotonic() - begun_at:.1f} s)")

    def _watch(self) -> Process | None:
        """Wait for a request to stop, or for the first process that dies."""
        self._say("running; Ctrl-C stops everything")
        while not self._stop_requested.wait(WATCH_SECONDS):
            for process in self._running:
                if not process.alive():
                    return process
        return None

    def _obituary(self, process: Process) -> str:
        code = process.exit_code()
        how = "" if code is None else f" by signal {signal.Signals(-code).name}" if code < 0 else f" with exit code {code}"
        log_file = self._state.log_file(process.name)
        return f"{process.name} (pid {process.pid}) ended{how}; stopping everything. {log_file} ends with\n{processes.tail(log_file)}"

    def _take_down(self) -> None:
        # Our own handles first: they reap, and know an exit code.
        for process in reversed(self._running):
            _stop(self._state, process, self._say)
        take_down(self._state, self._say)

    def _pause(self, seconds: float) -> None:
        if self._stop_requested.wait(seconds):
            raise _StopRequestedError

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def request(number: int, frame: FrameType | None) -> None:
            self._stop_requested.set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, request) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def stop(state: State, say: Say) -> int:
    """Stop everything of a state directory, through its supervisor when it has one. Returns the exit code of the command."""
    with _lock(state) as held:
        if held:
            if not take_down(state, say):
                say("nothing is running")
            return 0
    record = state.process(SUPERVISOR)
    supervisor = None if record is None else Process(name=SUPERVISOR, record=record)
    if supervisor is not None and supervisor.alive():
        say(f"asking the supervisor (pid {supervisor.pid}) to stop everything")
        supervisor.signal(signal.SIGTERM)
        if not supervisor.wait(TAKEOVER_SECONDS):
            say("the supervisor does not react: ending it and stopping everything in its place")
            processes.kill(supervisor)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with _lock(state) as held:
            if held:
                take_down(state, say)
                return 0
        time.sleep(0.1)
    raise CannotRunError(f"another command holds {state.path / 'supervisor.lock'}: wait for it to end")


def take_down(state: State, say: Say) -> int:
    """Stop every recorded process, the last started first, then what no record names. Returns how many there were."""
    stopped = 0
    for name in reversed(list(state.processes())):
        if name != SUPERVISOR and (process := processes.adopt(state, name)) is not None:
            _stop(state, process, say)
            stopped += 1
    return stopped + len(processes.end_strays(state))


def _stop(state: State, process: Process, say: Say) -> None:
    if not process.alive():
        state.forget_process(process.name, process.record)
        return
    say(f"{process.name}: {'stopped' if processes.stop(state, process) else 'had to be killed'}")


def _record_ourselves(state: State) -> None:
    record = ProcessRecord(
        pid=os.getpid(),
        identity=processes.identity(os.getpid()) or "unknown",
        fingerprint="",
        stop_signal=signal.SIGTERM,
        stop_seconds_max=TAKEOVER_SECONDS,
    )
    state.record_process(SUPERVISOR, record)


def _pid_of_supervisor(state: State) -> str:
    record = state.process(SUPERVISOR)
    return str(record.pid) if record is not None else "unknown"


@contextlib.contextmanager
def _lock(state: State) -> Iterator[bool]:
    """Hold the supervisor's lock if nobody else does; tells which."""
    with (state.path / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
