"""The catalogue of rules: collects every rule of the rule modules and applies them. Nothing is registered by hand."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID

from services.collector.domain.account import AccountView
from services.collector.domain.finding import AccountFinding, RecordFinding, account_finding
from services.collector.domain.rules import allowance, directory, fiscal, form, form_signature, form_time, held, plausibility, posting
from services.collector.domain.rules.context import AccountCheck, FormCheck, FormContext
from services.collector.domain.rules.held import HeldCheck
from services.collector.domain.rules.rule import Rule
from services.collector.domain.submission import Received


def _rules_of(*modules: ModuleType) -> Iterator[Rule[Any]]:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Rule):
                yield value


FORM_RULES: tuple[Rule[FormCheck], ...] = tuple(_rules_of(form, form_time, form_signature))
HELD_RULES: tuple[Rule[HeldCheck], ...] = tuple(_rules_of(held))
ACCOUNT_RULES: tuple[Rule[AccountCheck], ...] = tuple(_rules_of(posting, directory, plausibility, allowance, fiscal))
ALL_RULES: list[Rule[Any]] = [*FORM_RULES, *HELD_RULES, *ACCOUNT_RULES]
RULES = {rule.rule_id: rule for rule in ALL_RULES}
assert len(RULES) == len(ALL_RULES), "two rules share an id"


def form_findings(received: Received, context: FormContext) -> list[RecordFinding]:
    """Apply every form rule; an empty list means that the record is accepted as far as its form goes."""
    found = []
    for rule in FORM_RULES:
        if (message := rule.check(received, context)) is not None:
            found.append(RecordFinding(rule_id=rule.rule_id, severity=rule.severity, message=message))
    return found


def held_findings(*, arrived_sha256: bytes, held_sha256: bytes) -> list[RecordFinding]:
    """Apply the rules about what is already held of the record."""
    found = []
    for rule in HELD_RULES:
        if (message := rule.check(arrived_sha256, held_sha256)) is not None:
            found.append(RecordFinding(rule_id=rule.rule_id, severity=rule.severity, message=message))
    return found


def account_findings(view: AccountView, subject_id: UUID) -> list[AccountFinding]:
    """Apply every rule about accounts, each finding once, in the order of a statement."""
    found = {}
    for rule in ACCOUNT_RULES:
        for suspicion in rule.check(view):
            finding = account_finding(suspicion, rule_id=rule.rule_id, severity=rule.severity, subject_id=subject_id)
            found[finding.finding_id] = finding
    return sorted(found.values(), key=AccountFinding.order)
