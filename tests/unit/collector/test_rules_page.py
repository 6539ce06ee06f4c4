"""The page of rules is what the catalogue says, and false alarms stay as rare as was measured."""

from decimal import Decimal

import pytest

from deploy.local.state import REPOSITORY
from services.collector import rules_page
from services.collector.__main__ import main
from services.collector.domain.finding import Severity
from services.collector.domain.rules import catalogue
from tests.honest_province import judged
from tests.measure_rules import rates

# Findings of one warning or severe rule per 1,000 subject-months on honest data; and of all of them together.
ALARMS_OF_A_RULE_MAX = Decimal(5)
ALARMS_MAX = Decimal(10)


class TestThePage:
    def test_is_up_to_date(self) -> None:
        assert (REPOSITORY / "docs" / "rules.md").read_text(encoding="utf-8") == rules_page.markdown(), "run 'make docs'"

    def test_has_every_rule_with_everything_that_is_to_be_said_of_it(self) -> None:
        page = rules_page.markdown()
        for rule in catalogue.ALL_RULES:
            for text in (
                f"### {rule.rule_id}",
                rule.rationale,
                rule.possible_harm,
                rule.source,
                rule.innocent_explanation,
                rule.what_to_do,
            ):
                assert text in page

    def test_shows_a_measured_rate_for_every_account_rule(self) -> None:
        assert rules_page.measured_rates().keys() == {rule.rule_id for rule in catalogue.ACCOUNT_RULES}

    def test_is_printed_by_a_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["rules"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(catalogue.ALL_RULES)


class TestFalseAlarms:
    def test_of_honest_subjects_stay_rare(self) -> None:
        honest, _ = rates(judged(seed=7, subjects=24))
        loud = {rule.rule_id: honest[rule.rule_id] for rule in catalogue.ACCOUNT_RULES if rule.severity is not Severity.NOTICE}
        assert {rule_id: rate for rule_id, rate in loud.items() if rate > ALARMS_OF_A_RULE_MAX} == {}
        assert sum(loud.values()) <= ALARMS_MAX

    def test_as_committed_keep_the_same_limits(self) -> None:
        committed = {rule_id: Decimal(honest) for rule_id, (honest, _) in rules_page.measured_rates().items()}
        loud = [committed[rule.rule_id] for rule in catalogue.ACCOUNT_RULES if rule.severity is not Severity.NOTICE]
        assert max(loud) <= ALARMS_OF_A_RULE_MAX
        assert sum(loud) <= ALARMS_MAX
