"""The catalogue of rules: collects every rule of the modules of this package and applies them. Nothing is registered by hand.

What a rule looks at follows from its module's name: `form…` at a record as it was written, `held` at what is already held of it, every
other at an account.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from uuid import UUID

from services.collector.domain import rules
from services.collector.domain.account import AccountView
from services.collector.domain.finding import AccountFinding, RecordFinding, account_finding
from services.collector.domain.rules.context import AccountCheck, FormCheck, FormContext
from services.collector.domain.rules.held import HeldCheck
from services.collector.domain.rules.rule import Rule
from services.collector.domain.submission import Received

_FORM, _HELD = "form", "held"


def _modules() -> list[str]:
    return sorted(module.name for module in iter_modules(rules.__path__) if module.name != __name__.rpartition(".")[2])


def _rules_of(*modules: str) -> Iterator[Rule[Any]]:
    for name in modules:
        for value in vars(import_module(f"{rules.__name__}.{name}")).values():
            if isinstance(value, Rule):
                yield value


FORM_RULES: tuple[Rule[FormCheck], ...] = tuple(_rules_of(*(name for name in _modules() if name.startswith(_FORM))))
HELD_RULES: tuple[Rule[HeldCheck], ...] = tuple(_rules_of(_HELD))
ACCOUNT_RULES: tuple[Rule[AccountCheck], ...] = tuple(
    _rules_of(*(name for name in _modules() if name != _HELD and not name.startswith(_FORM)))
)
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
