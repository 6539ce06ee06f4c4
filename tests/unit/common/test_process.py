"""How a polling loop waits, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from services.common.process import Polling


def run_for(seconds: float, polling: Polling, during: Callable[[], None] = lambda: None) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=polling.run, args=(stop,))
    thread.start()
    during()
    time.sleep(seconds)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


class TestPolling:
    def test_runs_again_at_once_while_there_is_work(self) -> None:
        left = [200]

        def step() -> bool:
            left[0] -= 1
            return left[0] > 0

        run_for(0.3, Polling("t", step))
        assert left[0] <= 0

    def test_slows_down_when_there_is_none(self) -> None:
        steps: list[float] = []
        run_for(1.2, Polling("t", lambda: bool(steps.append(time.monotonic()))))
        assert 3 <= len(steps) <= 8

    def test_wakes_at_once(self) -> None:
        steps: list[float] = []
        polling = Polling("t", lambda: bool(steps.append(time.monotonic())))
        woken_at: list[float] = []

        def during() -> None:
            time.sleep(1.3)
            woken_at.append(time.monotonic())
            polling.wake()

        run_for(0.2, polling, during)
        delay = min(step - woken_at[0] for step in steps if step >= woken_at[0])
        assert delay < 0.05

    def test_does_not_forget_a_wake_during_a_step(self) -> None:
        steps: list[float] = []

        def step() -> bool:
            steps.append(time.monotonic())
            if len(steps) == 5:
                polling.wake()
            return False

        polling = Polling("t", step)
        run_for(2.2, polling)
        assert steps[5] - steps[4] < 0.05

    def test_waits_out_what_is_recoverable(self) -> None:
        attempts: list[float] = []

        def step() -> bool:
            attempts.append(time.monotonic())
            if len(attempts) < 3:
                raise psycopg.OperationalError("away")
            return False

        run_for(1.5, Polling("t", step))
        assert len(attempts) >= 3
        assert attempts[1] - attempts[0] > 0.05

    def test_ends_on_anything_else(self) -> None:
        def step() -> bool:
            raise AssertionError("cannot be")

        with pytest.raises(AssertionError, match="cannot be"):
            Polling("t", step).run(threading.Event())
