"""Makes the load of the freshness bench: a long history for many subjects, then live submissions that change their accounts.

The history has every kind that a dimension of the score needs, once each, and none of the mishaps. Pure but for the state of
`LiveLoad`, which remembers what it has handed out.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.common.amounts import quantise
from services.sandbox.domain.chance import Generator, Generators, between
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import Order, SubjectPlan, in_order
from services.sandbox.domain.reporting import ECO, ENT, GRID, STATS, TAX, Draft, originals, scaled
from services.sandbox.domain.sectors import Sector
from services.sandbox.domain.statements import Expected, Kind, PlannedSubmission, topic_of
from services.sandbox.domain.truth import province

SUBJECTS = 1122

# What accounts are made of, each quantity by one provider; the enterprise's fuel records for the heat that they alone know. What
# would only be compared with these is left out.
_HISTORY = {
    Sector.COAL_POWER: {(GRID, Kind.ELECTRICITY_USE), (TAX, Kind.FUEL_USE), (ENT, Kind.FUEL_USE), (STATS, Kind.OUTPUT)},
    Sector.STEEL: {(ECO, Kind.REPORTED_EMISSIONS), (STATS, Kind.OUTPUT)},
    Sector.COKING: {(ECO, Kind.REPORTED_EMISSIONS), (STATS, Kind.OUTPUT)},
    Sector.NEW_ENERGY: {(ENT, Kind.REPORTED_EMISSIONS), (STATS, Kind.OUTPUT)},
}
# Figures that count in the account, whatever other providers say.
_LIVE = {(STATS, Kind.OUTPUT), (TAX, Kind.FUEL_USE)}
_LIVE_MONTHS = 12


def bench_plans(generators: Generators, *, seed: int, subjects: int = SUBJECTS) -> list[SubjectPlan]:
    """Plan the history of the bench's subjects, 36 months each."""
    plans = []
    for truth in province(generators, seed=seed, subjects=subjects):
        drafts = originals(generators(f"{seed}/reporting/{truth.subject.index}"), truth)
        wanted = _HISTORY[truth.subject.route.sector]
        kept = tuple(draft for draft in drafts if draft.month is None or (draft.provider_code, draft.kind) in wanted)
        plans.append(SubjectPlan(truth=truth, falsification=None, drafts=kept))
    return plans


def history(plans: Iterable[SubjectPlan]) -> list[PlannedSubmission]:
    """Order the history for loading: subject by subject, so that each account is rebuilt a few times and not a hundred."""
    return in_order(plans, order=Order.BY_SUBJECT)


class LiveLoad:
    """Hands out live submissions: each corrects a figure of the last year of some subject's history, by up to a tenth.

    A subject is handed out at most once until it is released, so that the revision that follows belongs to the submission.
    """

    def __init__(self, generator: Generator, plans: Iterable[SubjectPlan]) -> None:
        self._generator = generator
        self._records: dict[str, list[Draft]] = {}
        for plan in plans:
            live = [draft for draft in plan.drafts if _may_be_corrected(draft)]
            if live:
                self._records[plan.truth.subject.code] = live
        self._free = list(self._records)
        self._busy: set[str] = set()
        self._revisions: dict[tuple[str, Kind, str], int] = {}
        self._handed_out = 0

    @property
    def free(self) -> int:
        """How many subjects could be handed out now."""
        return len(self._free)

    def take(self, *, compiled_time: datetime) -> PlannedSubmission | None:
        """Hand out the next submission, about a subject that has none in flight; None when all have."""
        if not self._free:
            return None
        place = self._generator.randrange(0, len(self._free))
        # The order of the free subjects carries no meaning: the last one fills the gap.
        self._free[place], self._free[-1] = self._free[-1], self._free[place]
        code = self._free.pop()
        self._busy.add(code)
        draft = self._generator.choice(self._records[code])
        planned = self._correction(draft, compiled_time)
        self._handed_out += 1
        return planned

    def release(self, subject_code: str) -> None:
        """Say that the effect of the subject's submission was seen.

        Raises:
            KeyError: the subject is not in flight.
        """
        self._busy.remove(subject_code)
        self._free.append(subject_code)

    def _correction(self, draft: Draft, compiled_time: datetime) -> PlannedSubmission:
        submission = draft.submission
        record = (draft.provider_code, draft.kind, submission.record_number)
        revision = self._revisions.get(record, 1) + 1
        self._revisions[record] = revision
        # Always from the original figure, so that a hundred corrections do not carry it away; down and up in turn, so that each
        # differs from the one before by 4 % at least.
        change = between(self._generator, low=0.02, high=0.10) * (-1 if revision % 2 == 0 else 1)
        factor = quantise(Decimal(repr(1 + change)), 6)
        return PlannedSubmission(
            send_order=self._handed_out,
            topic=topic_of(provider_code=draft.provider_code, kind=draft.kind),
            provider_code=draft.provider_code,
            key=draft.key,
            message=replace(submission, record_revision=revision, compiled_time=compiled_time, content=scaled(submission.content, factor)),
            expected=Expected.ACCEPTED,
            note="live_correction",
        )


def _may_be_corrected(draft: Draft) -> bool:
    return (draft.provider_code, draft.kind) in _LIVE and draft.month is not None and draft.month >= MONTHS - _LIVE_MONTHS
