"""Every account rule has a planted case that it alone finds, and a near-miss that it lets pass. Whatever they find, nothing is rejected."""

from collections import Counter
from decimal import Decimal
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import pytest

from services.collector.domain.rules import catalogue
from tests.unit.collector import rule_cases
from tests.unit.collector.planted import REGISTERED, Planted
from tests.unit.collector.rule_cases.account import wind
from tests.unit.collector.submissions import DECLARED, METERED, electricity, findings_of, fuel, month, output, reported, view_of

CASES: list[Planted] = [
    case for module in iter_modules(rule_cases.__path__) for case in import_module(f"{rule_cases.__name__}.{module.name}").CASES
]


@cache
def found(place: int) -> tuple[Counter[str], Counter[str]]:
    """Count by rule what is found in a planted case and in its near-miss."""
    case = CASES[place]
    return tuple(Counter(one.rule_id for one in findings_of(view)) for view in (case.planted_view(), case.harmless_view()))  # type: ignore[return-value]


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case.name() for case in CASES])
class TestAccountRules:
    def test_find_their_planted_case(self, place: int) -> None:
        assert found(place)[0][CASES[place].rule_id] == CASES[place].count

    def test_find_nothing_where_there_is_nothing(self, place: int) -> None:
        assert found(place)[1][CASES[place].rule_id] == 0

    def test_are_the_only_ones_to_find_it(self, place: int) -> None:
        planted, harmless = found(place)
        assert set(planted) - set(harmless) == {CASES[place].rule_id, *CASES[place].also}


# What published reports of pilots said, and the rule that must notice it.
CONTRADICTIONS = {
    "photovoltaics of 750 MWh a year that save 6 Mt": ("SAVING_ABOVE_ANY_GRID", "750 MWh that save 6 Mt"),
    "100 kt of sinks at 28 yuan, financed with 100 million": ("SINK_FINANCED_ABOVE_VALUE", "100 kt at 28 yuan, and 100 million raised"),
    "-25 % in all, of which the parts give -2.5 %": ("PLAN_PARTS_MISS_TOTAL", "25 % promised, 2.5 % made up of parts"),
    "0.8 kg of CO2 for a litre of fuel": ("REPORTED_FACTOR_IMPOSSIBLE", "0.8 kg for a litre of diesel, of 0.84 kg"),
    "45 or 46 of the same thing": ("STATED_DIFFERENTLY", "a return"),
    "45 or 46 of the same money": ("EXPENDITURE_STATED_DIFFERENTLY", ""),
}


@pytest.mark.parametrize("said", CONTRADICTIONS)
def test_published_contradictions_are_found_by_rule_and_reason(said: str) -> None:
    (case,) = (one for one in CASES if (one.rule_id, one.what) == CONTRADICTIONS[said])
    assert case.rule_id in {one.rule_id for one in findings_of(case.planted_view())}
    assert "published" in catalogue.RULES[case.rule_id].source


class TestCatalogue:
    def test_has_a_planted_case_for_every_account_rule(self) -> None:
        assert {case.rule_id for case in CASES} == {rule.rule_id for rule in catalogue.ACCOUNT_RULES}

    @pytest.mark.parametrize("rule", catalogue.ALL_RULES, ids=lambda rule: rule.rule_id)
    def test_says_why_from_where_and_what_else_it_could_be(self, rule: object) -> None:
        for field in ("rationale", "possible_harm", "source", "innocent_explanation", "what_to_do"):
            assert len(getattr(rule, field)) >= 7, field


class TestMessages:
    def test_show_no_figure_of_any_provider(self) -> None:
        sent = [
            ("a", electricity("98765.4321", basis=METERED)),
            ("b", electricity("12345.6789", basis=DECLARED)),
            ("a", reported("45678.91")),
        ]
        for finding in findings_of(view_of(sent)):
            assert not any(figure in finding.message for figure in ("98765", "12345", "45678"))

    def test_do_not_say_how_far_two_providers_are_apart(self) -> None:
        view = view_of([("a", electricity("100", basis=METERED)), ("b", electricity("134", basis=DECLARED))])
        (finding,) = (one for one in findings_of(view) if one.rule_id == "PROVIDERS_DIFFER")
        assert "more than 10 %" in finding.message
        assert "34" not in finding.message
        assert {submission.provider_code for submission in finding.evidence} == {"a", "b"}

    def test_do_not_say_how_far_a_report_is_from_the_activity_data_of_another(self) -> None:
        view = view_of([REGISTERED, ("a", fuel("1000")), ("b", reported("2000"))])
        (finding,) = (one for one in findings_of(view) if one.rule_id == "REPORTED_DIFFERS_FROM_ACTIVITY")
        assert finding.message == "scope 1 as reported differs by more than 10 % from what follows from activity data"


class TestFindingIds:
    def test_are_the_same_for_the_same_submissions(self) -> None:
        sent = [("a", electricity("100", basis=METERED)), ("b", electricity("134", basis=DECLARED))]
        assert [one.finding_id for one in findings_of(view_of(sent))] == [one.finding_id for one in findings_of(view_of(sent[::-1]))]

    def test_do_not_change_when_more_periods_arrive(self) -> None:
        first = [("a", reported("1", facility_number="F1"))]
        more = [*first, ("a", reported("1", facility_number="F1", period=month(2024, 2)))]
        ids = {one.rule_id: one.finding_id for one in findings_of(view_of(first))}
        later = {one.rule_id: one.finding_id for one in findings_of(view_of(more))}
        assert ids["FACILITY_NOT_REGISTERED"] == later["FACILITY_NOT_REGISTERED"]


def test_a_thousand_records_of_one_month_are_added_up_once() -> None:
    view = view_of([("a", output("1")) for _ in range(1000)] + [("a", electricity("1")) for _ in range(10)])
    findings_of(view)
    assert 0 < len(view.totals) < 20


def test_odd_figures_are_posted_all_the_same() -> None:
    view = view_of(wind("0", "24.5"))
    assert [posting.amount_tco2e for posting in view.postings if posting.scope == 1] == [Decimal("24.5")]
