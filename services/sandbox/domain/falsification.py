"""Plants falsifications into what the enterprise declares, and remembers them. Pure.

Two patterns: fuel or emissions understated for months on end, and a month's figures copied into the following ones. The other
providers go on reporting what they see, so cross-validation has a chance. Which subjects falsify is fixed by their index, so
that every province of a dozen subjects has both patterns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from services.common.amounts import quantise
from services.common.civil_time import Period
from services.sandbox.domain.chance import Generator, between
from services.sandbox.domain.months import MONTHS, all_months
from services.sandbox.domain.reporting import ENT, Draft, scaled
from services.sandbox.domain.sectors import Sector
from services.sandbox.domain.statements import Kind
from services.sandbox.domain.truth import SubjectTruth

_CYCLE = 16
_UNDERSTATES = 2
_COPIES = 10


class Pattern(Enum):
    """How figures are falsified."""

    UNDERSTATED = "understated"
    COPIED_MONTHS = "copied_months"


@dataclass(frozen=True, kw_only=True)
class Falsification:
    """A planted falsification: which figures of which months, and by how much they are wrong. `factor` is of UNDERSTATED only."""

    falsification_id: str
    subject_code: str
    pattern: Pattern
    provider_code: str
    kind: Kind
    first_month: int
    months: int
    factor: Decimal | None

    @property
    def first_period(self) -> Period:
        return all_months()[self.first_month]


def planted(generator: Generator, truth: SubjectTruth) -> Falsification | None:
    """Decide whether and how this subject falsifies; the figures it falsifies are its own declarations."""
    match truth.subject.index % _CYCLE:
        case index if index == _UNDERSTATES:
            pattern, months = Pattern.UNDERSTATED, generator.randrange(6, 13)
        case index if index == _COPIES:
            pattern, months = Pattern.COPIED_MONTHS, generator.randrange(4, 7)
        case _:
            return None
    return Falsification(
        falsification_id=f"F-{truth.subject.key}-{pattern.value}",
        subject_code=truth.subject.code,
        pattern=pattern,
        provider_code=ENT,
        kind=Kind.FUEL_USE if truth.subject.route.sector is Sector.COAL_POWER else Kind.REPORTED_EMISSIONS,
        first_month=MONTHS - months - generator.randrange(0, 4),
        months=months,
        factor=quantise(Decimal(repr(between(generator, low=0.6, high=0.85))), 3) if pattern is Pattern.UNDERSTATED else None,
    )


def falsified(falsification: Falsification | None, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts with the falsification in them, each touched one labelled."""
    if falsification is None:
        return list(drafts)
    copied: dict[str, Draft] = {}
    result = []
    for draft in drafts:
        if draft.provider_code != falsification.provider_code or draft.kind is not falsification.kind or draft.month is None:
            result.append(draft)
            continue
        submission = draft.submission
        offset = draft.month - falsification.first_month
        if offset == 0:
            copied[submission.facility_number] = draft
        if not 0 <= offset < falsification.months:
            result.append(draft)
            continue
        match falsification.pattern:
            case Pattern.UNDERSTATED:
                assert falsification.factor is not None
                content = scaled(submission.content, falsification.factor)
            case Pattern.COPIED_MONTHS:
                content = copied[submission.facility_number].submission.content
        result.append(
            replace(draft, message=replace(submission, content=content), falsification=falsification.falsification_id, note="falsified")
        )
    return result
