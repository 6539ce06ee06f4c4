"""Puts what all providers send into one order, from which the run, the truth file and the checkers all start. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from services.sandbox.domain.chance import Generators
from services.sandbox.domain.falsification import Falsification, falsified, planted
from services.sandbox.domain.mishaps import with_mishaps
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.reporting import Draft, originals
from services.sandbox.domain.statements import PlannedSubmission, topic_of
from services.sandbox.domain.truth import SubjectTruth, province


class Order(Enum):
    """In which order records are sent. A subject's own records are in order of time either way."""

    # As in life: everything that was compiled in January before everything of February.
    BY_TIME = "time"
    # One subject's whole history after the other, so that the first grades come at once.
    BY_SUBJECT = "subject"


@dataclass(frozen=True, kw_only=True)
class SubjectPlan:
    """What is true of one subject and what is sent about it."""

    truth: SubjectTruth
    falsification: Falsification | None
    drafts: tuple[Draft, ...]


def province_plans(generators: Generators, *, seed: int, subjects: int, months: int = MONTHS) -> Iterator[SubjectPlan]:
    """Yield the plan of each subject; monthly figures of the last `months` months only.

    Raises:
        ValueError: `months` is not between 1 and the length of the history.
    """
    if not 1 <= months <= MONTHS:
        raise ValueError(f"months is between 1 and {MONTHS}, not {months}")
    for truth in province(generators, seed=seed, subjects=subjects):
        # One generator for reports and one for mishaps: neither draws for the other.
        reporting = generators(f"{seed}/reporting/{truth.subject.index}")
        falsification = planted(reporting, truth)
        drafts = falsified(falsification, originals(reporting, truth))
        drafts = with_mishaps(generators(f"{seed}/mishaps/{truth.subject.index}"), truth, drafts)
        kept = (draft for draft in drafts if draft.month is None or draft.month >= MONTHS - months)
        yield SubjectPlan(truth=truth, falsification=falsification, drafts=tuple(kept))


def in_order(plans: Iterable[SubjectPlan], *, order: Order) -> list[PlannedSubmission]:
    """Give every record its place among all."""
    drafts: list[tuple[int, Draft]] = []
    for plan in plans:
        # Sorting is stable: records of one subject at one instant stay as they were planned.
        drafts += [(plan.truth.subject.index, draft) for draft in sorted(plan.drafts, key=lambda draft: draft.sent_time)]
    if order is Order.BY_TIME:
        drafts.sort(key=lambda pair: (pair[1].sent_time, pair[0]))
    return [_placed(draft, place) for place, (_, draft) in enumerate(drafts)]


def _placed(draft: Draft, place: int) -> PlannedSubmission:
    return PlannedSubmission(
        send_order=place,
        topic=topic_of(provider_code=draft.provider_code, kind=draft.kind),
        provider_code=draft.provider_code,
        key=draft.key,
        message=draft.message,
        expected=draft.expected,
        note=draft.note,
        falsification=draft.falsification,
    )
