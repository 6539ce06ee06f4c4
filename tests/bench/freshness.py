"""`make bench-freshness`: from a submission handed to Kafka to the bank that sees the new grade.

Open loop: submissions leave at a fixed rate whether or not the earlier ones were seen, so a stall shows in every figure it
delays. Each corrects a figure of a subject with 36 months of history; no subject has two in flight, so the next report revision
that GetCreditGrade names is the answer to it. What the bank's polling adds is in the figures; what it never saw counts as infinite.
"""

from __future__ import annotations

import argparse
import heapq
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf, isfinite

from services.sandbox.bank import BankRefused
from services.sandbox.domain.bench_load import SUBJECTS, LiveLoad, bench_plans, history
from services.sandbox.domain.statements import PlannedSubmission
from services.sandbox.province import generator_of
from services.sandbox.publisher import InFlight, Publisher
from tests.bench.closing import Goal, close, cpu_seconds, percentile
from tests.stack import SERVICES, Stack, running_stack

SEED = 20261121
FIRST_LOOK_S = 0.25
NEXT_LOOK_S = 0.2
GIVE_UP_S = 30.0
BANK_THREADS = 4
SLICE_S = 10


@dataclass(order=True)
class _Look:
    """The next time the bank looks at a subject whose submission is in flight."""

    at: float
    subject_code: str = field(compare=False)
    sent_at: float = field(compare=False)
    revision_before: int = field(compare=False)


class _Watch:
    """The bank: asks for each subject in flight until its report revision has risen."""

    def __init__(self, stack: Stack, load: LiveLoad, revisions: dict[str, int]) -> None:
        self._stack, self._load, self._revisions = stack, load, revisions
        self._looks: list[_Look] = []
        self._changed = threading.Condition()
        self._open = 0
        self._closing = False
        self.started = time.monotonic()
        # (second of the run in which the submission left, seconds until it was seen)
        self.seen: list[tuple[float, float]] = []
        self.unseen: list[str] = []
        self.calls = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(BANK_THREADS)]

    def __enter__(self) -> _Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def expect(self, subject_code: str, sent_at: float) -> None:
        with self._changed:
            self._open += 1
            look = _Look(sent_at + FIRST_LOOK_S, subject_code, sent_at, self._revisions[subject_code])
            heapq.heappush(self._looks, look)
            self._changed.notify()

    def wait_until_all_seen(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0, timeout=GIVE_UP_S + 10)

    def take(self) -> PlannedSubmission | None:
        with self._changed:
            return self._load.take(compiled_time=datetime.now(UTC))

    def _next(self) -> _Look | None:
        with self._changed:
            while not self._closing:
                if self._looks and self._looks[0].at <= time.monotonic():
                    return heapq.heappop(self._looks)
                self._changed.wait(self._looks[0].at - time.monotonic() if self._looks else None)
        return None

    def _run(self) -> None:
        with self._stack.bank() as bank:
            while (look := self._next()) is not None:
                try:
                    revision = bank.grade(look.subject_code).report_revision_number
                except BankRefused as refused:
                    revision = look.revision_before
                    print(f"  the bank was refused: {refused}", flush=True)
                self._judge(look, revision, time.monotonic())

    def _judge(self, look: _Look, revision: int, now: float) -> None:
        with self._changed:
            self.calls += 1
            if revision <= look.revision_before and now - look.sent_at <= GIVE_UP_S:
                look.at = now + NEXT_LOOK_S
                heapq.heappush(self._looks, look)
                self._changed.notify()
                return
            if revision > look.revision_before:
                self.seen.append((look.sent_at - self.started, now - look.sent_at))
                self._revisions[look.subject_code] = revision
                self._load.release(look.subject_code)
            else:
                self.unseen.append(look.subject_code)
            self._open -= 1
            self._changed.notify_all()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--rate", type=float, default=20.0, help="submissions per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(arguments)
    with running_stack() as stack:
        stack.start(*SERVICES)
        plans = bench_plans(generator_of, seed=SEED, subjects=options.subjects)
        with stack.publisher() as publisher:
            _load_history(stack, publisher, history(plans))
            before = cpu_seconds(_processes(stack))
            watch = _measure(stack, publisher, LiveLoad(generator_of(f"{SEED}/live"), plans), options.rate, options.seconds)
            used = {name: seconds - before[name] for name, seconds in cpu_seconds(_processes(stack)).items()}
        return _report(watch, used, options)


def _processes(stack: Stack) -> dict[str, int]:
    servers = {"kafka": stack.kafka.process, "postgres": stack.postgres.process}
    return {
        **{service: stack.process(service).pid for service in SERVICES},
        **{name: process.pid for name, process in servers.items() if process is not None},
        "bench": os.getpid(),
    }


def _load_history(stack: Stack, publisher: Publisher, records: Sequence[PlannedSubmission]) -> None:
    begun = time.monotonic()
    count = publisher.publish(records, say=lambda done: print(f"  history: {done:,} of {len(records):,} published", flush=True))
    next_word = 0.0

    def settled() -> bool:
        nonlocal next_word
        waiting = {name: number for name, number in stack.backlog().items() if number}
        if waiting and time.monotonic() > next_word:
            print(f"  under way: {waiting}", flush=True)
            next_word = time.monotonic() + 5
        return not waiting

    stack.wait_until("the history to be graded", settled, seconds=1800, every=0.5)
    print(f"history of {count:,} submissions graded in {time.monotonic() - begun:.0f} s", flush=True)


def _measure(stack: Stack, publisher: Publisher, load: LiveLoad, rate: float, seconds: float) -> _Watch:
    revisions = {
        row["subject_code"]: row["revision_number"] for row in stack.rows("SELECT subject_code, revision_number FROM gateway.credit_grade")
    }
    in_flight: list[InFlight] = []
    with _Watch(stack, load, revisions) as watch:
        started = time.monotonic()
        for number in range(int(rate * seconds)):
            if (early := started + number / rate - time.monotonic()) > 0:
                time.sleep(early)
            planned = watch.take()
            if planned is None:
                raise RuntimeError(f"every subject has a submission in flight after {number} submissions: the stack has stalled")
            sent_at = time.monotonic()
            in_flight.append(publisher.send(planned))
            watch.expect(planned.key, sent_at)
        watch.wait_until_all_seen()
    for each in in_flight:
        each.outcome()  # raises when the broker did not take one
    return watch


def _report(watch: _Watch, used: dict[str, float], options: argparse.Namespace) -> int:
    latencies = [latency for _, latency in watch.seen] + [inf] * len(watch.unseen)
    figures = {share: percentile(latencies, share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)}
    print(f"{options.rate:.0f} submissions/s for {options.seconds:.0f} s over {options.subjects} subjects, {watch.calls} inquiries")
    print(f"the bank looks {FIRST_LOOK_S} s after a submission left, then every {NEXT_LOOK_S} s: no figure is finer than that")
    print(f"seen {len(watch.seen)}, not seen within {GIVE_UP_S:.0f} s: {len(watch.unseen)}")
    for share, value in figures.items():
        print(f"  p{share * 100:<5.0f} {value:6.2f} s")
    for begin in range(0, int(options.seconds), SLICE_S):
        of_slice = [latency for second, latency in watch.seen if begin <= second < begin + SLICE_S]
        print(f"  sent in seconds {begin:>3} to {begin + SLICE_S:>3}: p95 {percentile(of_slice, 0.95):6.2f} s" if of_slice else "")
    for name, seconds in used.items():
        print(f"  CPU of {name:<10} {seconds:6.1f} s, {1000 * seconds / max(1, len(latencies)):5.1f} ms per submission")
    close(
        "freshness",
        [Goal(name="freshness-p50-s", value=figures[0.5], goal="<=1.0"), Goal(name="freshness-p95-s", value=figures[0.95], goal="<=2.0")],
        {
            "latencies_s": {str(share): value if isfinite(value) else None for share, value in figures.items()},
            "unseen": len(watch.unseen),
            "cpu_s": used,
            "options": vars(options),
        },
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
