"""Does assessments that no account revision asks for: the wave after a new model or table, and what time alone changes.

Both work through stored accounts in small transactions, so that live account revisions pass in between. Killed at any point, the
rest is found again: a wave asks which subjects are behind, the daily round which are due.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from services.common.database import Database
from services.scoring import assessment, store
from services.scoring.assessment import Assessing, Result

CHUNK = 20


@dataclass(frozen=True, kw_only=True)
class WaveCounts:
    """How many subjects a wave gave a new assessment, and for how many there was nothing new."""

    made: int
    unchanged: int


class DueRound:
    """Re-assesses subjects whose outcome may have changed because a civil day (Asia/Shanghai) began."""

    def __init__(self, *, database: Database, assessing: Assessing) -> None:
        self._database = database
        self._assessing = assessing
        # The last day on which nothing was left due: an assessment made meanwhile is due on a later day at the earliest.
        self._done_for: date | None = None

    def step(self) -> bool:
        """Re-assess one chunk of what is due today.

        Returns:
            False: the pause before the next step is what limits the rate of the round.
        """
        today = self._assessing.today()
        if self._done_for == today:
            return False
        # (crash before commit: the chunk is still due; after: it is done)
        with self._database.transaction("reassess.due") as transaction:
            due = store.subjects_due(transaction, today=today, limit=CHUNK)
            result = self._assessing.assess_again(transaction, due, cause="due") if due else Result(made=(), unchanged=0)
        assessment.tell(result.made)
        if not due:
            self._done_for = today
        return False


def wave(
    *, database: Database, assessing: Assessing, rate_per_s: float, stop: threading.Event, progress: Callable[[int], None]
) -> WaveCounts:
    """Re-assess every subject that is not assessed by the model, weights and scale in use, at most `rate_per_s` a second.

    `progress` is told the number of subjects done so far. Stops early when `stop` is set; running it again goes on.
    """
    made = unchanged = 0
    after: UUID | None = None
    started = time.monotonic()
    limit = max(1, min(CHUNK, int(rate_per_s)))
    while not stop.is_set():
        subject_ids, result = database.retrying(partial(_wave_chunk, database, assessing, after=after, limit=limit))
        if not subject_ids:
            break
        assessment.tell(result.made)
        after = subject_ids[-1]
        made, unchanged = made + len(result.made), unchanged + result.unchanged
        progress(made + unchanged)
        stop.wait(max(0.0, (made + unchanged) / rate_per_s - (time.monotonic() - started)))
    return WaveCounts(made=made, unchanged=unchanged)


def _wave_chunk(database: Database, assessing: Assessing, *, after: UUID | None, limit: int) -> tuple[list[UUID], Result]:
    # (crash before commit: the chunk is still behind; after: it is done)
    with database.transaction("reassess.wave") as transaction:
        behind = store.subjects_behind(
            transaction,
            model_sha256=assessing.model().sha256,
            weights_version=assessing.parameters.version,
            scale_version=assessing.scale.version,
            after=after,
            limit=limit,
        )
        return behind, assessing.assess_again(transaction, behind, cause="wave")
