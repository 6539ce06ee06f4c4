"""Kills each service at each of its crash points while the province publishes and a bank inquires, then runs the checkers.

The points are enumerated from the code, so that a new commit or publish is killed on both sides without anyone remembering to.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from deploy.local.state import REPOSITORY
from services.common import crash
from services.sandbox import truth_file
from services.sandbox.bank import BankRefused
from tests.stack import SERVICES, Stack, running_stack

SEED = 20261121
SUBJECTS = 12
# How long an armed service may run before its point counts as not reached.
REACH_SECONDS_MAX = 25.0
MATRIX_SECONDS_MAX = 420.0

# Points that this traffic cannot reach, and why. A point that is reached after all fails the test, so that the list stays true.
UNREACHED: dict[str, str] = {}


def points_of(service: str) -> list[str]:
    """List what can kill a service: its own points and those of the mechanism it runs."""
    return crash.enumerate_points([REPOSITORY / "services" / "common", REPOSITORY / "services" / service])


@dataclass
class Schedule:
    """The points of one service still to be tried, one process after the other."""

    service: str
    todo: list[str]
    armed: str | None = None
    armed_at: float = 0.0
    killed: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as stack:
        yield stack


class TestCrashPoints:
    @pytest.mark.timeout(900)
    def test_lose_nothing_and_double_nothing(self, stack: Stack, tmp_path: Path) -> None:
        truth = tmp_path / "truth.jsonl"
        schedules = [Schedule(service=service, todo=points_of(service)) for service in SERVICES]
        inquiries = _Inquiries(stack, truth)
        with _province(stack, truth, tmp_path / "province.log") as province:
            inquiries.start()
            deadline = time.monotonic() + MATRIX_SECONDS_MAX
            while any(schedule.todo or schedule.armed for schedule in schedules):
                assert time.monotonic() < deadline, f"the matrix is not through: {schedules}"
                for schedule in schedules:
                    _advance(stack, schedule)
                time.sleep(0.05)
            assert province.wait(timeout=120) == 0, (tmp_path / "province.log").read_text()[-3000:]
        for service in SERVICES:
            if stack.process(service).poll() is not None:
                stack.start(service)
        stack.wait_settled(seconds=180)
        answered = inquiries.stop()

        unreached = {f"{schedule.service}:{point}" for schedule in schedules for point in schedule.unreached}
        assert unreached == set(UNREACHED), {"unreached": unreached, "expected": set(UNREACHED)}
        assert all(schedule.killed for schedule in schedules)
        assert answered, "the bank got no answer at all"
        assert stack.problems(truth) == []
        recorded = {str(row["request_id"]) for row in stack.rows("SELECT request_id FROM gateway.inquiry")}
        assert {str(request_id) for request_id in answered} <= recorded


def _advance(stack: Stack, schedule: Schedule) -> None:
    """Take one step with a service: note its death, give up on a point that is not reached, arm the next."""
    if schedule.armed is not None:
        if stack.wait_killed(schedule.service, seconds=0.001):
            schedule.killed.append(schedule.armed)
        elif time.monotonic() - schedule.armed_at > REACH_SECONDS_MAX:
            stack.stop(schedule.service)
            schedule.unreached.append(schedule.armed)
        else:
            return
        schedule.armed = None
    if schedule.todo:
        schedule.armed, schedule.armed_at = schedule.todo.pop(0), time.monotonic()
        stack.start(schedule.service, crash_points={schedule.service: schedule.armed})
    elif schedule.service not in stack.running():
        stack.start(schedule.service)


class _Inquiries:
    """A bank that asks for grades all the while; it repeats a call that failed with the same request_id, as banks do."""

    def __init__(self, stack: Stack, truth: Path) -> None:
        self._stack, self._truth = stack, truth
        self._stopping = threading.Event()
        self._answered: list[uuid.UUID] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[uuid.UUID]:
        """End the bank and give the request ids that were answered."""
        self._stopping.set()
        self._thread.join(timeout=30)
        return self._answered

    def _run(self) -> None:
        codes: list[str] = []
        while not self._stopping.wait(0.2):
            codes = codes or self._codes()
            if not codes:
                continue
            code = codes[len(self._answered) % len(codes)]
            request_id = uuid.uuid4()
            while not self._stopping.is_set():
                try:
                    with self._stack.bank() as bank:
                        bank.grade(code, request_id=request_id)
                    self._answered.append(request_id)
                    break
                except BankRefused as refused:
                    if refused.code is grpc.StatusCode.NOT_FOUND:  # asked before the first report; recorded all the same
                        self._answered.append(request_id)
                        break
                    self._stopping.wait(0.3)

    def _codes(self) -> list[str]:
        return truth_file.subject_codes(self._truth) if self._truth.exists() else []


class _province:  # noqa: N801 - reads as what it is at the call
    """The sandbox province publishing in a process of its own, slowly enough to be there all the while."""

    def __init__(self, stack: Stack, truth: Path, log: Path) -> None:
        self._stack, self._truth, self._log = stack, truth, log

    def __enter__(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "services.sandbox", "province", "--subjects", str(SUBJECTS), "--seed", str(SEED)]
        command += ["--truth", str(self._truth), "--rate", "20"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=self._stack.sandbox_environment(), stdout=log, stderr=log)
        return self._process

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
