"""Decides what one provider is told of a finding that rests on another's data too, and who answers for a datum.

Values are never told. Every text of a notice about an account goes through `told`; what the kinds allow is a versioned data file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from services.collector.domain.basis import Basis
from services.collector.domain.finding import AccountFinding
from services.collector.domain.kinds import Kind
from services.collector.domain.submission import Submission


class Disclosure(IntEnum):
    """How much of a datum another agency may learn, the least first."""

    NOTHING = 0
    THAT_IT_DIFFERS = 1
    IN_STEPS = 2


class PolicyRefusedError(Exception):
    """A disclosure file cannot be used; says where and why."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may be learnt of each kind. A kind that is not named: that it differs."""

    edition: str = "none"
    by_kind: Mapping[Kind, Disclosure] = field(default_factory=dict)
    steps_percent: tuple[int, ...] = ()

    def of(self, kind: Kind) -> Disclosure:
        return self.by_kind.get(kind, Disclosure.THAT_IT_DIFFERS)


# Where no file says more.
THAT_THEY_DIFFER = Policy()


def parse_policy(text: str, *, file_name: str) -> Policy:
    """Read a disclosure file.

    Raises:
        PolicyRefusedError: a kind or level that nobody knows, or steps that do not rise.
    """
    try:
        read = tomllib.loads(text)
        kinds = {Kind(kind): Disclosure[level.upper()] for kind, level in read["kinds"].items()}
        steps = tuple(int(step) for step in read["steps_percent"])
    except (tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise PolicyRefusedError(f"{file_name}: {error}") from error
    if steps != tuple(sorted(set(steps))):
        raise PolicyRefusedError(f"{file_name}: steps_percent do not rise")
    return Policy(edition=str(read.get("edition", "")), by_kind=kinds, steps_percent=steps)


def told(finding: AccountFinding, *, provider_code: str, policy: Policy) -> str | None:
    """Write what a provider is told of a finding that names a record of its own; None where the other's data forbid even that."""
    levels = {policy.of(one.kind) for one in finding.evidence if one.provider_code != provider_code}
    least = min(levels, default=Disclosure.THAT_IT_DIFFERS)
    if least is Disclosure.NOTHING:
        return None
    reached = [step for step in policy.steps_percent if finding.difference is not None and finding.difference * 100 >= step]
    if least is Disclosure.IN_STEPS and reached:
        return f"{finding.message}; by {reached[-1]} % or more"
    return finding.message


# ---- Who answers for a datum ----


class Accountable(Enum):
    """Who answers for a datum: whom a question about it goes to."""

    PROVIDER = "the provider"
    ENTERPRISE = "the enterprise that declared it"
    VERIFIER = "the verifier"


# What an enterprise says of itself, whoever passes it on.
_OWN_WORDS = frozenset(
    {
        Kind.EMISSIONS_INVENTORY,
        Kind.TRANSITION_PLAN,
        Kind.TRANSITION_INVESTMENT,
        Kind.MILESTONE_EVIDENCE,
        Kind.GREEN_TECHNOLOGY_SUPPLY,
        Kind.RESEARCH_AND_DEVELOPMENT,
        Kind.TAX_RETURN,
        Kind.FINANCIAL_RATIOS,
        Kind.QUALITY_CONTROL_PLAN,
    }
)
_VERIFIED = frozenset({Kind.VERIFIER_STATEMENT, Kind.ETS_VERIFIED_EMISSIONS})


def accountable(kind: Kind, basis: Basis | None) -> Accountable:
    """Tell who answers for a datum of this kind that is known in this way."""
    if kind in _VERIFIED or basis is Basis.VERIFIED:
        return Accountable.VERIFIER
    if kind in _OWN_WORDS or basis is Basis.DECLARED:
        return Accountable.ENTERPRISE
    return Accountable.PROVIDER


def accountable_for(submission: Submission) -> Accountable:
    """Tell who answers for what a submission states."""
    return accountable(submission.kind, getattr(submission.content, "basis", None))
