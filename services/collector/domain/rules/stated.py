"""What account rules have in common: how they look up what was stated, where and for which days, and how they speak of it.

Totals follow the account's own choice between providers (quantity.py): the best basis counts, a tie goes to the smaller provider
code, and only what covers exactly the days asked for is a total. Nothing here is a rule.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Generic, TypeVar, cast
from uuid import UUID

from services.collector.domain.account import AccountView, Use
from services.collector.domain.basis import Basis
from services.collector.domain.coverage import lies_within
from services.collector.domain.finding import Suspicion
from services.collector.domain.kinds import Content
from services.collector.domain.quantity import DATA_QUALITY_OF_BASIS, cover_exactly
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

C = TypeVar("C")
HOURS_A_DAY = 24
NOTHING = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated(Generic[C]):
    """What one submission states of one facility and period."""

    submission: Submission
    content: C
    period: Period
    facility_id: UUID

    def hours(self) -> int:
        """Count the hours of the period; a change of the clock is within an hour of it."""
        return self.period.days() * HOURS_A_DAY

    def suspicion(self, message: str, *, about: str = "", beside: Sequence[Submission] = ()) -> Suspicion:
        """Say something of it, with what else shows it."""
        evidence = tuple({one.submission_id: one for one in (self.submission, *beside)}.values())
        return Suspicion(message=message, evidence=evidence, period=self.period, facility_id=self.facility_id, about=about)


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """What one provider states in all for some days, and its records."""

    amount: Decimal
    evidence: tuple[Submission, ...]


def contents(view: AccountView, of: type[C]) -> Iterator[tuple[Submission, C]]:
    """Give everything of one content that counts, in record order."""
    for submission in view.by_content.get(cast(type[Content], of), ()):
        yield submission, cast(C, submission.content)


def stated(view: AccountView, of: type[C]) -> Iterator[Stated[C]]:
    """Give everything of one content with a period that belongs to the subject's facilities, facility by facility."""
    for content_type, facility_id in view.uses_by_place:
        if content_type is of:
            yield from at(view, of, facility_id)


def at(view: AccountView, of: type[C], facility_id: UUID) -> Iterator[Stated[C]]:
    """Give everything of one content at one facility."""
    for use in view.uses_by_place.get((cast(type[Content], of), facility_id), ()):
        yield _stated(use)


def beginning_in(view: AccountView, of: type[C], facility_id: UUID, days: Period) -> Iterator[Stated[C]]:
    """Give everything of one content at one facility whose period begins on one of these days."""
    uses = view.uses_by_place.get((cast(type[Content], of), facility_id), ())
    for place in range(bisect_left(uses, days.start, key=Use.begins), len(uses)):
        if uses[place].begins() >= days.end:
            return
        yield _stated(uses[place])


def _stated(use: Use) -> Stated[C]:
    period = use.submission.period
    assert period is not None
    return Stated(submission=use.submission, content=cast(C, use.submission.content), period=period, facility_id=use.facility.facility_id)


def total(
    view: AccountView,
    of: type[C],
    amount: str | Callable[[C], Decimal],
    *,
    days: Period,
    facility_id: UUID,
    code: str = "",
) -> Total | None:
    """Add up what is stated of one facility for exactly these days; None where nobody states all of them.

    `amount` is a field of the content, or what to compute of it; `code` takes what is stated of one fuel or product alone. Each
    total is computed once: a thousand records of one month ask for the same ones a thousand times.
    """
    key = (of, amount, days, facility_id, code)
    if key not in view.totals:
        view.totals[key] = _total(beginning_in(view, of, facility_id, days), amount, days, code)
    return cast(Total | None, view.totals[key])


def _total(ones: Iterable[Stated[C]], amount: str | Callable[[C], Decimal], days: Period, code: str) -> Total | None:
    by_provider: dict[str, list[tuple[Stated[C], Decimal]]] = defaultdict(list)
    for one in ones:
        value = getattr(one.content, amount) if isinstance(amount, str) else amount(one.content)
        if lies_within(one.period, days) and code in ("", _code(one.content)) and value is not None:
            by_provider[one.submission.provider_code].append((one, value))
    found = []
    for provider_code, given in by_provider.items():
        whole = [(one, value) for one, value in given if one.period.days() == days.days()] or given
        if _follow_each_other([one.period for one, _ in whole], days):
            quality = max(DATA_QUALITY_OF_BASIS[getattr(one.content, "basis", Basis.DECLARED)] for one, _ in whole)
            found.append((quality, provider_code, whole))
    if not found:
        return None
    _, _, best = min(found, key=lambda one: one[:2])
    return Total(amount=sum((value for _, value in best), NOTHING), evidence=tuple(one.submission for one, _ in best))


def _code(content: object) -> str:
    """Name the fuel or product that a content is about."""
    return str(getattr(content, "fuel_code", "") or getattr(content, "product_code", ""))


def same_place_and_days(ones: Iterator[Stated[C]], key: Callable[[C], str]) -> dict[tuple[UUID, Period, str], list[Stated[C]]]:
    """Gather what is stated of the same thing, place and days."""
    groups: dict[tuple[UUID, Period, str], list[Stated[C]]] = defaultdict(list)
    for one in ones:
        groups[one.facility_id, one.period, key(one.content)].append(one)
    return groups


def _follow_each_other(stated_for: Iterable[Period], days: Period) -> bool:
    """Tell whether the periods cover these days and none overlaps another but those that are the same."""
    periods = sorted({(period.start, period.end): period for period in stated_for}.values(), key=lambda period: period.start)
    return all(one.end <= after.start for one, after in pairwise(periods)) and cover_exactly(periods, days)
