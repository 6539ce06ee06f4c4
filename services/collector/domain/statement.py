"""Decides what the statement of an account (账户报表) says: everything a reader of the account needs, in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from services.collector.domain import merkle
from services.collector.domain.account import AccountView
from services.collector.domain.allowance import EtsYear, Pledge
from services.collector.domain.annual import AnnualFigures
from services.collector.domain.comparison import WindowComparison
from services.collector.domain.contents.transition import TransitionPlan
from services.collector.domain.coverage import Coverage
from services.collector.domain.directory import Profile
from services.collector.domain.finding import AccountFinding
from services.collector.domain.fiscal import FiscalLine
from services.collector.domain.lines import InvestmentLine, OutputLine
from services.collector.domain.posting import Posting
from services.common.civil_time import Period

Line = TypeVar("Line")

FINDINGS_MAX = 300
# More stretches of incomplete days are told as one that holds them all: too much is called incomplete then, never too little.
STRETCHES_MAX = 200
# The rule by which a statement says that it leaves lines out; of all findings it is the last to be left out itself.
LIMITED_RULE = "STATEMENT_LIMITED"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """All net figures of a subject. Account revision and time are given when it is sealed, and are no part of the content."""

    profile: Profile | None
    lines: Sequence[Posting]
    beside_lines: Sequence[Posting]
    outputs: Sequence[OutputLine]
    plan: TransitionPlan | None
    investments: Sequence[InvestmentLine]
    findings: Sequence[AccountFinding]
    annual_figures: Sequence[AnnualFigures]
    ets_years: Sequence[EtsYear]
    pledges: Sequence[Pledge]
    offset_held_t: Decimal
    fiscal_lines: Sequence[FiscalLine]
    incomplete: Sequence[Period]
    comparisons: Sequence[WindowComparison]
    evidence_root: bytes
    evidence_count: int


def state(view: AccountView, findings: Sequence[AccountFinding], compared: Sequence[WindowComparison] = ()) -> Statement:
    """Make the statement of an account as drawn up; where it would outgrow its limits the oldest lines are left out.

    Annual figures and evidence are always of everything.
    """
    evidence = [*view.effective, *(use.submission for use in view.inherited)]
    # The gravest findings stay; among equals the newest.
    kept = sorted(findings, key=lambda finding: (finding.rule_id == LIMITED_RULE, finding.severity.value, finding.order()))[-FINDINGS_MAX:]
    return Statement(
        profile=view.profile,
        lines=_newest(view.in_total, view.lines_max),
        beside_lines=_newest([posting for posting in view.postings if not posting.in_total()], view.lines_max),
        outputs=_newest(view.outputs, view.lines_max),
        plan=view.plan,
        investments=_newest(view.investments, view.lines_max),
        findings=sorted(kept, key=AccountFinding.order),
        annual_figures=view.annual_figures,
        ets_years=view.allowances.years,
        pledges=_newest(view.allowances.pledges, view.lines_max),
        offset_held_t=view.allowances.offset_held_t,
        fiscal_lines=_newest(view.fiscal.lines, view.lines_max),
        incomplete=_stretches(view.incomplete),
        comparisons=compared,
        evidence_root=merkle.tree_hash(sorted(submission.sha256 for submission in evidence)),
        evidence_count=len(evidence),
    )


def _newest(lines: Sequence[Line], lines_max: int) -> Sequence[Line]:
    return lines[max(0, len(lines) - lines_max) :]


def _stretches(incomplete: Sequence[Period]) -> list[Period]:
    """Join periods to stretches of days. Their zone is that of the first: stretches are of days, whatever their zones."""
    if not incomplete:
        return []
    zone = min(period.zone for period in incomplete)
    found = Coverage(incomplete).stretches()
    if len(found) > STRETCHES_MAX:
        found = [(found[0][0], found[-1][1])]
    return [Period(start=start, end=end, zone=zone) for start, end in found]


def is_limited(view: AccountView) -> bool:
    """Tell whether the statement of this account leaves out its oldest lines."""
    in_total = len(view.in_total)
    counts = (
        *(in_total, len(view.postings) - in_total, len(view.outputs), len(view.investments)),
        *(len(view.allowances.pledges), len(view.fiscal.lines)),
    )
    return max(counts) > view.lines_max
