"""Decides what the certified emission reductions (CCER) of a subject come to: how many it holds, and retired for which ETS year."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.collector.domain.contents.market import CcerTransaction, CreditMovement
from services.collector.domain.submission import Submission
from services.common.amounts import quantise

OFFSET_SCALE = 6
_INFLOWS = frozenset({CreditMovement.ISSUED, CreditMovement.BOUGHT})


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetLimit:
    """The share of an obligation for which reductions count."""

    percent: Decimal

    def counted(self, retired: Decimal, *, obligation: Decimal) -> Decimal:
        """Give how many of the retired reductions count, t."""
        return min(retired, quantise(obligation * self.percent / 100, OFFSET_SCALE))


class Credits:
    """The reductions of a subject. Each registry transaction counts once; where records differ the smaller provider code counts."""

    def __init__(self, effective: Iterable[Submission]) -> None:
        self.retired: dict[int, list[Submission]] = {}
        self.differing: list[tuple[int, tuple[Submission, Submission]]] = []
        self.overdrawn_by: tuple[Submission, ...] = ()
        self._held = Decimal(0)
        first: dict[tuple[str, CreditMovement, int], Submission] = {}
        moved = [one for one in effective if isinstance(one.content, CcerTransaction)]
        for submission in sorted(moved, key=lambda one: (one.provider_code, one.record_number)):
            content = _content(submission)
            counted = first.setdefault((content.transaction_number, content.movement, content.ets_year), submission)
            if _content(counted).quantity_t != content.quantity_t:
                self.differing.append((content.ets_year, (counted, submission)))
        for submission in sorted(first.values(), key=_moment):
            content = _content(submission)
            self._held += content.quantity_t if content.movement in _INFLOWS else -content.quantity_t
            if self._held < 0 and not self.overdrawn_by:
                self.overdrawn_by = (submission,)
            if content.movement is CreditMovement.RETIRED:
                self.retired.setdefault(content.ets_year, []).append(submission)
        self._any = bool(first)

    def __bool__(self) -> bool:
        return self._any

    def held_t(self) -> Decimal:
        """Give what is held in the end, t; below 0 is more than was issued or bought."""
        return self._held

    def retired_t(self, ets_year: int) -> Decimal:
        """Give what was retired for the obligation of an ETS year, t."""
        return sum((_content(one).quantity_t for one in self.retired.get(ets_year, ())), Decimal(0))


def _moment(submission: Submission) -> tuple[date, bool, str, str]:
    content = _content(submission)
    return (content.executed_date, content.movement not in _INFLOWS, content.transaction_number, submission.provider_code)


def _content(submission: Submission) -> CcerTransaction:
    assert isinstance(submission.content, CcerTransaction)
    return submission.content
