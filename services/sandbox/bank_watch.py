"""Watches as a bank for the first grade of each subject and prints it as it comes, with the time since its records were sent.

Polls, because the gateway's stream comes with a later issue. Each poll is an inquiry that the gateway records, so the pace is
bounded; a subject that has its answer is not asked again.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
from carbonbureau.bureau.v1 import inquiry_service_pb2
from carbonbureau.common.v1 import grade_pb2

from services.common.clock import Clock
from services.sandbox.bank import Bank, BankRefused

Say = Callable[[str], None]

RATED = inquiry_service_pb2.RATING_STATE_RATED

# Polls a second over all subjects together.
_PACE_PER_SECOND = 40.0
# What a bank waits through: a gateway that is starting or busy.
_PASSING = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a watch has seen: subjects graded, subjects answered without a grade, subjects without an answer."""

    graded: int
    not_rated: int
    unanswered: int


class Journal:
    """Follows the journal of a publishing run: when the last record of each subject was sent. Without a file it knows nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._position = 0
        self._sent_at: dict[str, datetime] = {}

    def last_sent_at(self, subject_code: str, *, before: datetime) -> datetime | None:
        """Give when the subject's newest record that was sent before `before` left."""
        self._read_on()
        sent_at = self._sent_at.get(subject_code)
        return sent_at if sent_at is not None and sent_at <= before else None

    def _read_on(self) -> None:
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            complete, end, _ = file.read().rpartition(b"\n")
        self._position += len(complete) + len(end)
        for line in complete.splitlines():
            noted = json.loads(line)
            self._sent_at[noted["key"]] = datetime.fromisoformat(noted["sent_at"])


def watch(
    bank: Bank, subject_codes: Sequence[str], *, until_count: int, timeout_s: float, journal: Journal, clock: Clock, say: Say
) -> Watched:
    """Ask for each subject until `until_count` of them are graded, or the time is over.

    Raises:
        BankRefused: for a reason that waiting does not mend.
    """
    deadline = time.monotonic() + timeout_s
    waiting = deque(dict.fromkeys(subject_codes))
    graded: set[str] = set()
    not_rated: set[str] = set()
    while waiting and len(graded) < until_count and time.monotonic() < deadline:
        due = time.monotonic() + 1 / _PACE_PER_SECOND
        code = waiting.popleft()
        answer = _ask(bank, code)
        if answer is not None and answer.rating_state == RATED:
            graded.add(code)
            not_rated.discard(code)
            say(_line(answer, journal, now=clock.now()))
        else:
            # Not rated is for now: more of its records may be under way.
            if answer is not None:
                not_rated.add(code)
            waiting.append(code)
        time.sleep(max(0.0, due - time.monotonic()))
    return Watched(graded=len(graded), not_rated=len(not_rated), unanswered=len(set(waiting) - not_rated))


def _ask(bank: Bank, subject_code: str) -> inquiry_service_pb2.CreditGrade | None:
    try:
        return bank.grade(subject_code, case_reference="sandbox watch")
    except BankRefused as refused:
        if refused.reason == "SUBJECT_UNKNOWN" or refused.code in _PASSING:
            return None
        raise


def _line(answer: inquiry_service_pb2.CreditGrade, journal: Journal, *, now: datetime) -> str:
    issued = answer.issued_time.ToDatetime(tzinfo=now.tzinfo)
    sent_at = journal.last_sent_at(answer.subject_code, before=issued)
    latency = "" if sent_at is None else f", {(now - sent_at).total_seconds():.2f} s after its latest record was sent"
    return (
        f"{grade_pb2.Grade.Name(answer.final_grade).removeprefix('GRADE_'):<3}  score {answer.score:>6}  "
        f"{grade_pb2.ColourLabel.Name(answer.colour_label).removeprefix('COLOUR_LABEL_').lower():<11}  {answer.subject_code}  "
        f"report revision {answer.report_revision_number}{latency}"
    )
