"""Kills each service at each of its crash points while the province publishes and a bank inquires, then runs the checkers.

The points are enumerated from the code, so that a new commit or publish is killed on both sides without anyone remembering to.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from deploy.local.environment import published_keys_file, signing_key_file
from deploy.local.plan import PROVIDERS_FILE
from deploy.local.state import REPOSITORY
from services.common import crash
from services.sandbox.bank import BankRefused
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import Order
from services.sandbox.domain.statements import PlannedSubmission
from services.sandbox.province import plan_province, write_truth
from tests.stack import SERVICES, Stack, StackError, running_stack

SEED = 20261121
SUBJECTS = 10
# Records per second while services die; the rest follows at full speed when the last point was tried.
RATE = 10.0
# How long an armed service may run before its point counts as not reached.
REACH_SECONDS_MAX = 30.0
MATRIX_SECONDS_MAX = 420.0

# Transactions that `serve` under this traffic does not come to, and why. What is written here must exist in the code.
NOT_IN_SERVE = {
    "collector": {
        "accounts.evidence": "the command explain",
        "accounts.known_on": "read by nothing that serves yet",
        "accounts.newest": "the command explain",
        "accounts.give_back": "only after a rebuild failed",
        "accounts.release": "only after the database went away in the middle of a claim",
        "closing.": "the command close, killed in tests/integration/collector/test_closing.py",
        "evidence.": "the commands trace and fsck",
        "methods.": "the commands methods, killed nowhere yet: a run moves whole batches and the same command goes on",
        "peers.": "the commands close and peers close; a run that was killed is run again, tests/integration/collector/test_peers.py",
        "providers.apply": "the command providers apply, killed in TestCommands",
        "providers.read": "the command providers apply, killed in TestCommands",
        "providers.show": "the command providers show",
        "redrive.batch": "the command redrive, killed in tests/integration/collector/test_redrive.py",
        "scorecard.read": "the command scorecard",
        "skip.advance": "the command skip, killed in tests/integration/collector/test_redrive.py",
        "summary.read": "the command summary",
    },
    "scoring": {
        "explain.read": "the command explain",
        "models.read": "the command models",
        "reassess.wave": "the command reassess",
        "release.save": "the command train, killed in TestCommands",
        "summary.read": "the command summary",
    },
    "reports": {
        "reproduce.page": "the command reproduce",
        "fsck.chain": "the command fsck",
        "fsck.count": "the command fsck",
        "fsck.page": "the command fsck",
        "fsck.tail": "the command fsck",
        "issuance.give_back": "only after signing failed",
        "summary.read": "the command summary",
    },
    "gateway": {
        "inquiries.read": "the command inquiries",
        "portal.record": "the portal, which no bank calls; killed in tests/integration/gateway/test_service.py",
        "summary.read": "the command summary",
        "outbox.": "the gateway publishes nothing yet",
    },
}
# Of the mechanism: a round of publishing that outlasts a third of its lease.
NOT_IN_ANY = {"outbox.renew": "only in a round of publishing that outlasts its lease's renewal"}


def points_of(service: str) -> list[str]:
    """List what can kill a serving process: its own points and those of the mechanism it runs."""
    found = crash.enumerate_points([REPOSITORY / "services" / "common", REPOSITORY / "services" / service])
    left_out = tuple(NOT_IN_SERVE[service]) + tuple(NOT_IN_ANY)
    for prefix in left_out:
        assert any(point.startswith(prefix) for point in found), f"{service} has no crash point {prefix}: remove it from the list"
    return [point for point in found if not point.startswith(left_out)]


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
        province = plan_province(seed=SEED, subjects=SUBJECTS, months=MONTHS, order=Order.BY_TIME)
        write_truth(province, truth, seed=SEED, months=MONTHS, order=Order.BY_TIME)
        schedules = [Schedule(service=service, todo=points_of(service)) for service in SERVICES]
        traffic = _Traffic(stack, province.submissions)
        inquiries = _Inquiries(stack, sorted({one.key for one in province.submissions if one.expected.value == "accepted"}))
        with traffic, inquiries:
            deadline = time.monotonic() + MATRIX_SECONDS_MAX
            while any(schedule.todo or schedule.armed for schedule in schedules):
                assert time.monotonic() < deadline, f"the matrix is not through: {schedules}"
                for schedule in schedules:
                    _advance(stack, schedule)
                time.sleep(0.05)
            for service in sorted(set(SERVICES) - stack.running()):
                stack.start(service)
            traffic.finish()
            stack.wait_settled(seconds=240)

        assert {schedule.service: schedule.unreached for schedule in schedules if schedule.unreached} == {}
        assert stack.problems(truth) == []
        recorded = {str(row["request_id"]) for row in stack.rows("SELECT request_id FROM gateway.inquiry")}
        assert inquiries.answered, "the bank got no answer at all"
        assert {str(request_id) for request_id in inquiries.answered} <= recorded


class TestCommands:
    """Commands that write may be killed too; run again, they finish what they began."""

    @pytest.mark.parametrize("side", ["before_commit", "after_commit"])
    def test_applying_the_provider_directory_can_be_repeated(self, stack: Stack, side: str) -> None:
        arguments = ("providers", "apply", str(PROVIDERS_FILE), "--secrets-dir", str(stack.state.secrets))
        _kill_then_repeat(stack, "collector", arguments, f"providers.apply.{side}", kafka_principal="admin")
        assert stack.value("SELECT count(*) FROM collector.provider WHERE withdrawn_at IS NULL") >= 7

    @pytest.mark.parametrize("side", ["before_commit", "after_commit"])
    def test_training_can_be_repeated_and_gives_the_same_model(self, stack: Stack, side: str) -> None:
        arguments = ("train", "--panel", str(stack.state.path / "panel.csv"))
        _kill_then_repeat(stack, "scoring", arguments, f"release.save.{side}")
        assert stack.value("SELECT count(*) FROM scoring.model_release") == 1

    def test_making_keys_again_keeps_the_key_that_is_there(self, stack: Stack) -> None:
        key, published = signing_key_file(stack.state), published_keys_file(stack.state)
        before = key.read_bytes()
        stack.command("reports", "keys", "create", "--out", str(key), "--published", str(published))
        assert key.read_bytes() == before


def _kill_then_repeat(stack: Stack, service: str, arguments: Sequence[str], point: str, *, kafka_principal: str | None = None) -> None:
    with pytest.raises(StackError, match="ended with -9"):
        stack.command(service, *arguments, kafka_principal=kafka_principal, crash_point=point)
    stack.command(service, *arguments, kafka_principal=kafka_principal)


def _advance(stack: Stack, schedule: Schedule) -> None:
    """Take one step with a service: note its death, give up on a point that is not reached, arm the next."""
    if schedule.armed is not None:
        if stack.wait_killed(schedule.service, seconds=0.001):
            schedule.killed.append(schedule.armed)
        elif time.monotonic() - schedule.armed_at > _patience(schedule.armed):
            # Some points lie on the way out of the process: they count when it dies there on SIGTERM.
            reached = not stack.terminate(schedule.service)
            (schedule.killed if reached else schedule.unreached).append(schedule.armed)
        else:
            return
        schedule.armed = None
    if schedule.todo:
        schedule.armed, schedule.armed_at = schedule.todo.pop(0), time.monotonic()
        stack.start(schedule.service, crash_points={schedule.service: schedule.armed})
    elif schedule.service not in stack.running():
        stack.start(schedule.service)


def _patience(point: str) -> float:
    """How long to wait for a point; what lies on the way out of the process needs no longer than its way in."""
    return 8.0 if point.startswith("outbox.release") else REACH_SECONDS_MAX


class _Traffic:
    """The province, publishing slowly until `finish`, then as fast as it can."""

    def __init__(self, stack: Stack, records: Sequence[PlannedSubmission]) -> None:
        self._stack, self._records = stack, records
        self._hurry = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._hurry.set()
        self._thread.join(timeout=60)

    def finish(self) -> None:
        """Send the rest and see every record acknowledged."""
        self._hurry.set()
        self._thread.join(timeout=120)
        if self._failed is not None:
            raise self._failed
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._stack.publisher() as publisher:
                publisher.publish(self._paced())
        except BaseException as error:
            self._failed = error

    def _paced(self) -> Iterator[PlannedSubmission]:
        for record in self._records:
            self._hurry.wait(1 / RATE)
            yield record


class _Inquiries:
    """A bank that asks for grades all the while; it repeats a call that failed under the same request_id, as banks do."""

    def __init__(self, stack: Stack, codes: Sequence[str]) -> None:
        self._stack, self._codes = stack, codes
        self._stopping = threading.Event()
        self.answered: list[uuid.UUID] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            code = self._codes[len(self.answered) % len(self._codes)]
            request_id = uuid.uuid4()
            while not self._stopping.is_set():
                try:
                    with self._stack.bank() as bank:
                        bank.grade(code, request_id=request_id)
                    self.answered.append(request_id)
                    break
                except BankRefused as refused:
                    if refused.code is grpc.StatusCode.NOT_FOUND:  # asked before the first report; recorded all the same
                        self.answered.append(request_id)
                        break
                    self._stopping.wait(0.3)
