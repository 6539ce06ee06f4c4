"""No part of a rule can be changed unnoticed: for every mutant of every rule some planted case or near-miss comes out otherwise."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import pytest

from services.collector.domain import rules
from services.collector.domain.account import AccountView
from services.collector.domain.rules.rule import Rule
from tests.unit.collector import test_account_rules, test_form_rules
from tests.unit.collector.mutants import Mutant, mutants


def _is_rule_module(module: ModuleType) -> bool:
    return any(isinstance(value, Rule) for value in vars(module).values())


_ALL = [import_module(f"{rules.__name__}.{found.name}") for found in iter_modules(rules.__path__)]
MODULES = [module for module in _ALL if _is_rule_module(module)]
# Mutants that are no other rule: why no case can tell them apart. Everything else is a gap in the cases.
EQUIVALENT: dict[str, str] = {
    "plausibility_history.year_copied: year - 1: Sub → Add": "the same pairs of months, found from the earlier one",
    "form_time.period_in_the_future: period is None or period.end <= context.received_at.date(): without part 2": "a way to be quick",
    "form_time.period_in_the_future: period.end <= context.received_at.date(): LtE → Lt": "a way to be quick",
    "form_time.day_in_the_future: if not days:\n    return None: condition → False": "a way to be quick",
}


@cache
def views() -> dict[str, list[tuple[AccountView, int]]]:
    """Draw up every planted case and near-miss once: by rule, each with the number of findings due."""
    due: dict[str, list[tuple[AccountView, int]]] = {}
    for case in test_account_rules.CASES:
        due.setdefault(case.rule_id, []).extend([(case.planted_view(), case.count), (case.harmless_view(), 0)])
    return due


@cache
def records() -> list[tuple[str, Any, Any]]:
    """Read every planted record and every sound one once: the rule that is due, what was read, and how it arrived."""
    planted = [(rule_id, *test_form_rules.arrival(case)) for rule_id, _, case in test_form_rules.CASES]
    sound = [*(test_form_rules.Case(sent=sent) for sent in test_form_rules.SOUND), *test_form_rules.SOUND_ARRIVALS]
    return planted + [("", *test_form_rules.arrival(case)) for case in sound]


def as_due(rule_id: str, check: Callable[..., Any]) -> bool:
    """Tell whether a check finds in every case what is due."""
    try:
        if rule_id in views():
            return all(len(list(check(view))) == count for view, count in views()[rule_id])
        if rule_id == "FORM_KEY_CONFLICT":
            return check(b"b", b"a") is not None and check(b"b", b"b") is None
        return all((check(received, context) is not None) == (due == rule_id) for due, received, context in records())
    except Exception:
        return False


def survives(mutant: Mutant) -> bool:
    return all(as_due(rule_id, check) for rule_id, check in mutant.checks.items())


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
class TestRules:
    def test_are_held_in_every_part_by_their_cases(self, module: ModuleType) -> None:
        survivors = {mutant.name for mutant in mutants(module) if mutant.checks and survives(mutant)}
        assert survivors - EQUIVALENT.keys() == set()

    def test_pass_unchanged(self, module: ModuleType) -> None:
        rules_of_module = [value for value in vars(module).values() if isinstance(value, Rule)]
        assert [rule.rule_id for rule in rules_of_module if not as_due(rule.rule_id, rule.check)] == []
