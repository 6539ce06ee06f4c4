"""The supervisor over small fake processes: everything about starting, taking over and stopping that needs no real server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import processes, supervisor
from deploy.local.state import State, accepts, open_state

SECONDS_MAX = 20.0


class Command:
    """A supervisor running as its own process."""

    def __init__(self, state: State, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.integration.deploy.fake_bureau", str(state.path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, text: str) -> str:
        assert self.process.stdout is not None
        seen = ""
        for line in self.process.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"ended without saying {text!r}:\n{seen}")

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=SECONDS_MAX)
        return self.process.returncode, output

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = open_state(tmp_path / "state")
    yield found
    supervisor.stop(found, lambda line: None)


@pytest.fixture
def command(state: State) -> Iterator[Callable[..., Command]]:
    begun: list[Command] = []

    def begin(*arguments: str) -> Command:
        begun.append(Command(state, *arguments))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.kill()
        assert each.process.stdout is not None
        each.process.stdout.close()


def pids(state: State) -> dict[str, int]:
    return {name: record.pid for name, record in state.processes().items() if name != supervisor.SUPERVISOR}


def marked_processes(state: State) -> list[str]:
    """Name every living process that carries the state directory's marker, children of children included."""
    marker = f"{processes.MARKER}={state.path}#".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes() and processes.identity(int(entry.name)) is not None:
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found


def gone_soon(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS_MAX
    while processes.identity(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class TestRun:
    def test_starts_in_order_and_shows_where_everything_is(self, state, command):
        shown = command("run").read_until("Ctrl-C")

        assert shown.index("first: ready") < shown.index("counted") < shown.index("count: done") < shown.index("second: ready")
        for name, pid in pids(state).items():
            assert f"{state.port(name)}" in shown
            assert f"{pid}" in shown
            assert str(state.log_file(name)) in shown
        assert set(pids(state)) == {"first", "second"}

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stops_all_in_reverse_order_on_a_signal(self, state, command, number):
        running = command("run")
        running.read_until("Ctrl-C")

        running.process.send_signal(number)
        code, output = running.end()

        assert code == 0
        assert output.index("second: stopped") < output.index("first: stopped")
        assert not marked_processes(state)
        assert not state.processes()

    def test_stops_while_it_still_starts(self, state, command):
        running = command("run")
        running.read_until("first: ready")

        running.process.send_signal(signal.SIGINT)
        code, _ = running.end()

        assert code == 0
        assert not marked_processes(state)

    def test_reports_a_process_that_dies_and_stops_everything(self, state, command):
        running = command("run")
        running.read_until("Ctrl-C")

        os.kill(pids(state)["first"], signal.SIGKILL)
        code, output = running.end()

        assert code == 1
        assert "first" in output
        assert "SIGKILL" in output
        assert "listening as generation 1" in output  # the end of its log
        assert not marked_processes(state)

    def test_run_twice_says_so_and_changes_nothing(self, state, command):
        command("run").read_until("Ctrl-C")
        before = pids(state)

        code, output = command("run").end()

        assert code == 0
        assert "already running" in output
        assert str(before["second"]) in output
        assert pids(state) == before

    def test_two_state_directories_run_side_by_side(self, state, command, tmp_path):
        other = open_state(tmp_path / "other")
        command("run").read_until("Ctrl-C")
        beside = Command(other, "run")
        try:
            beside.read_until("Ctrl-C")
            assert accepts(state.port("first"))
            assert accepts(other.port("first"))
            assert state.port("first") != other.port("first")
            supervisor.stop(other, lambda line: None)
            assert accepts(state.port("first"))
        finally:
            beside.kill()
            supervisor.stop(other, lambda line: None)

    def test_reports_a_step_that_fails_and_stops_everything(self, state, command):
        (state.path / "fail").touch()

        code, output = command("run").end()

        assert code == 1
        assert "count ended with exit code 7" in output
        assert "second" not in output
        assert not marked_processes(state)

    def test_repeats_steps_but_for_those_that_need_it_once(self, state, command):
        for generation in ("1", "1", "2"):
            assert command("up", generation).end()[0] == 0
            assert command("stop").end()[0] == 0

        assert (state.path / "count.result").read_text() == "1\n1\n1\n"
        assert (state.path / "count-once.result").read_text() == "1\n2\n"


class TestRunAfterKill:
    def test_repeats_a_step_that_was_under_way(self, state, command):
        (state.path / "hang").touch()
        killed = command("run")
        killed.read_until("counting")
        left_over = pids(state)["count"]
        killed.kill()
        assert processes.identity(left_over) is not None

        again = command("run")
        assert gone_soon(left_over)
        (state.path / "hang").unlink()
        again.read_until("Ctrl-C")

        assert (state.path / "count.result").read_text() == "1\n"

    def test_says_which_process_had_died_meanwhile(self, state, command):
        killed = command("run")
        killed.read_until("Ctrl-C")
        died = pids(state)["second"]
        killed.kill()
        os.kill(died, signal.SIGKILL)

        shown = command("run").read_until("Ctrl-C")

        assert f"second: pid {died} ended without being stopped, starting it anew" in shown
        assert "first: taken over" in shown

    def test_takes_over_what_still_runs(self, state, command):
        killed = command("run")
        killed.read_until("Ctrl-C")
        before = pids(state)
        killed.kill()

        again = command("run")
        shown = again.read_until("Ctrl-C")

        assert "first: taken over" in shown
        assert "second: taken over" in shown
        assert pids(state) == before
        again.process.send_signal(signal.SIGINT)
        assert again.end()[0] == 0
        assert all(gone_soon(pid) for pid in before.values())

    def test_starts_anew_what_runs_with_other_settings(self, state, command):
        killed = command("run", "1")
        killed.read_until("Ctrl-C")
        before = pids(state)
        killed.kill()

        shown = command("run", "2").read_until("Ctrl-C")

        assert "first: runs with other settings" in shown
        assert set(pids(state).values()).isdisjoint(before.values())
        assert all(gone_soon(pid) for pid in before.values())

    def test_ends_what_was_started_but_not_recorded(self, state, command):
        killed = command("run")
        killed.read_until("Ctrl-C")
        unrecorded = pids(state)["second"]
        killed.kill()
        state.forget_process("second")

        shown = command("run").read_until("Ctrl-C")

        assert f"ended pid {unrecorded}" in shown
        assert pids(state)["second"] != unrecorded
        assert gone_soon(unrecorded)

    def test_never_takes_a_stranger_with_a_remembered_pid_for_ours(self, state, command):
        stranger = subprocess.Popen(["/bin/sleep", "1000"])
        try:
            killed = command("up")
            assert killed.end()[0] == 0
            record = state.process("first")
            supervisor.stop(state, lambda line: None)
            state.record_process("first", type(record)(**{**vars(record), "pid": stranger.pid}))

            assert command("up").end()[0] == 0
            assert pids(state)["first"] != stranger.pid
            supervisor.stop(state, lambda line: None)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


class TestStop:
    def test_stops_a_running_supervisor_and_all_it_started(self, state, command):
        running = command("run")
        running.read_until("Ctrl-C")

        assert command("stop").end()[0] == 0

        assert running.end()[0] == 0
        assert not marked_processes(state)

    def test_stops_what_up_left_running(self, state, command):
        assert command("up").end()[0] == 0
        assert marked_processes(state)

        code, output = command("stop").end()

        assert code == 0
        assert output.index("second: stopped") < output.index("first: stopped")
        assert not marked_processes(state)

    def test_ends_children_of_a_process_that_was_killed(self, state, command):
        command("up").end()
        for pid in pids(state).values():
            os.kill(pid, signal.SIGKILL)
        assert marked_processes(state)  # the /bin/sleep of each

        command("stop").end()

        assert not marked_processes(state)

    def test_says_that_nothing_runs(self, state, command):
        assert command("stop").end() == (0, "nothing is running\n")
