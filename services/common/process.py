"""Hides how a service runs its loops until it is told to stop, and how a loop waits without being slow or busy.

A signal sets an event and nothing else; every loop looks at it. A loop that raises stops the whole process: something
outside starts it again, from what the database holds.
"""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from random import SystemRandom

from services.common import metrics
from services.common.database import is_recoverable

_log = logging.getLogger(__name__)

Loop = Callable[[threading.Event], None]

_chance = SystemRandom()

_POLL_BUSY_S = 0.1
_POLL_IDLE_S = 0.5
_BACKOFF_MAX_S = 5.0


class Polling:
    """Runs a step again and again: at once while there is work, at once when woken, else after 0.1 to 0.5 s.

    `wake` may be handed to `Database.subscribe`, so that a commit of this process is followed without delay.
    """

    def __init__(self, name: str, step: Callable[[], bool], *, recoverable: Callable[[BaseException], bool] = is_recoverable) -> None:
        self._name = name
        self._step = step
        self._recoverable = recoverable
        self._woken = threading.Event()

    def wake(self) -> None:
        """Have the next step run now."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Run steps until `stop` is set. A step returns whether it found work.

        A recoverable error is logged and waited out; any other ends the loop, because a broken invariant is not repeated.
        """
        wait_s = _POLL_BUSY_S
        failures = 0
        while not stop.is_set():
            self._woken.clear()
            try:
                found = self._step()
            except Exception as error:
                if not self._recoverable(error):
                    raise
                failures += 1
                metrics.LOOP_ERRORS.add(1, {"loop": self._name})
                _log.warning("%s: %s, trying again", self._name, type(error).__name__, exc_info=failures == 1)
                stop.wait(_chance.uniform(0.5, 1) * min(_BACKOFF_MAX_S, 0.1 * 2 ** min(failures, 10)))
                continue
            failures = 0
            wait_s = _POLL_BUSY_S if found or self._woken.wait(wait_s) else min(_POLL_IDLE_S, wait_s * 1.5)


def run_until_stopped(loops: Mapping[str, Loop], on_stop: Callable[[], None] = lambda: None) -> int:
    """Run each loop in a thread of its own until SIGTERM or SIGINT, or until one of them ends.

    `on_stop` runs in the main thread as soon as stopping begins, while the loops finish what they have in hand: it stops
    the servers. A loop that raises is logged, and everything stops.

    Returns:
        The exit code: 0 when it was told to stop, 1 when a loop raised or ended by itself.
    """
    stop = threading.Event()
    broken: list[str] = []

    def guarded(name: str, loop: Loop) -> None:
        try:
            loop(stop)
            if not stop.is_set():
                broken.append(name)
                _log.error("loop %s ended by itself", name)
        except BaseException:
            broken.append(name)
            _log.exception("loop %s broke", name)
        finally:
            stop.set()

    def told(number: int, frame: object) -> None:
        stop.set()

    previous = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    threads = [threading.Thread(target=guarded, args=(name, loop), name=name) for name, loop in loops.items()]
    try:
        for thread in threads:
            thread.start()
        stop.wait()
        _log.info("stopping")
        on_stop()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 1 if broken else 0
