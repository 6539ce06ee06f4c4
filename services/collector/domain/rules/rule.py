"""Decides what a rule is: one small function and its entry in the catalogue, written together so that neither drifts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.collector.domain.finding import Severity

Check = TypeVar("Check", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Check]):
    """A rule. `source` is who says so: a standard, a law, the contract, or us; `innocent_explanation` is never left out.

    `possible_harm` is what a wrong record of this sort does to the subject or to a bank that relies on it.

    What rests on absence (no output, no entry) may end by itself with the next record: providers are told of it at the monthly
    close, of everything else at once.
    """

    rule_id: str
    severity: Severity
    rationale: str
    possible_harm: str
    source: str
    innocent_explanation: str
    what_to_do: str
    check: Check
    rests_on_absence: bool = False


def rule(
    *,
    rule_id: str,
    severity: Severity,
    rationale: str,
    possible_harm: str,
    source: str,
    innocent_explanation: str,
    what_to_do: str,
    rests_on_absence: bool = False,
) -> Callable[[Check], Rule[Check]]:
    """Turn the decorated function into a rule of the catalogue."""

    def decorate(check: Check) -> Rule[Check]:
        return Rule(
            rule_id=rule_id,
            severity=severity,
            rationale=rationale,
            possible_harm=possible_harm,
            source=source,
            innocent_explanation=innocent_explanation,
            what_to_do=what_to_do,
            check=check,
            rests_on_absence=rests_on_absence,
        )

    return decorate
