"""Decides what the statement of an account (账户报表) says: everything a reader of the account needs, in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.collector.domain import merkle
from services.collector.domain.account import AccountView
from services.collector.domain.annual import AnnualFigures
from services.collector.domain.contents.transition import TransitionPlan
from services.collector.domain.directory import Profile
from services.collector.domain.finding import AccountFinding
from services.collector.domain.lines import InvestmentLine, OutputLine
from services.collector.domain.posting import Posting

Line = TypeVar("Line")

FINDINGS_MAX = 300
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
    evidence_root: bytes
    evidence_count: int


def state(view: AccountView, findings: Sequence[AccountFinding]) -> Statement:
    """Make the statement of an account as drawn up; where it would outgrow its limits the oldest lines are left out.

    Annual figures and evidence are always of everything.
    """
    evidence = [*view.effective, *(use.submission for use in view.inherited)]
    # The gravest findings stay; among equals the newest.
    kept = sorted(findings, key=lambda finding: (finding.rule_id == LIMITED_RULE, finding.severity.value, finding.order()))[-FINDINGS_MAX:]
    return Statement(
        profile=view.profile,
        lines=_newest([posting for posting in view.postings if posting.in_total()], view.lines_max),
        beside_lines=_newest([posting for posting in view.postings if not posting.in_total()], view.lines_max),
        outputs=_newest(view.outputs, view.lines_max),
        plan=view.plan,
        investments=_newest(view.investments, view.lines_max),
        findings=sorted(kept, key=AccountFinding.order),
        annual_figures=view.annual_figures,
        evidence_root=merkle.tree_hash(sorted(submission.sha256 for submission in evidence)),
        evidence_count=len(evidence),
    )


def _newest(lines: Sequence[Line], lines_max: int) -> Sequence[Line]:
    return lines[max(0, len(lines) - lines_max) :]


def is_limited(view: AccountView) -> bool:
    """Tell whether the statement of this account leaves out its oldest lines."""
    in_total = sum(1 for posting in view.postings if posting.in_total())
    return max(in_total, len(view.postings) - in_total, len(view.outputs), len(view.investments)) > view.lines_max
