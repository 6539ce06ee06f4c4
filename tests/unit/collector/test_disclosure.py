"""What one provider is told of another's data: never a value, and no more than the policy of the kind allows."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

import pytest

from services.collector.__main__ import disclosure_policy
from services.collector.domain.basis import Basis
from services.collector.domain.disclosure import Accountable, Disclosure, Policy, PolicyRefusedError, accountable, parse_policy, told
from services.collector.domain.finding import AccountFinding
from services.collector.domain.kinds import Kind
from tests.unit.collector.planted import Planted, say
from tests.unit.collector.submissions import DECLARED, METERED, Sent, electricity, findings_of, view_of, year
from tests.unit.collector.test_account_rules import CASES

CANARY = "98765.4321"


def _policy(level: Disclosure, *steps: int) -> Policy:
    return Policy(by_kind=dict.fromkeys(Kind, level), steps_percent=steps)


def _differing() -> AccountFinding:
    view = view_of([("a", electricity("100", basis=METERED)), ("b", electricity("134", basis=DECLARED))])
    (finding,) = (one for one in findings_of(view) if one.rule_id == "PROVIDERS_DIFFER")
    return finding


class TestTold:
    def test_is_nothing_where_the_other_kind_allows_nothing(self) -> None:
        assert told(_differing(), provider_code="a", policy=_policy(Disclosure.NOTHING)) is None

    def test_is_that_it_differs_by_default(self) -> None:
        message = told(_differing(), provider_code="a", policy=Policy(steps_percent=(10, 25)))
        assert message == "electricity use: two authorised providers differ by more than 10 %"

    def test_is_rounded_down_to_a_step_where_the_kind_allows_steps(self) -> None:
        message = told(_differing(), provider_code="b", policy=_policy(Disclosure.IN_STEPS, 10, 25, 50))
        assert message == "electricity use: two authorised providers differ by more than 10 %; by 25 % or more"

    def test_shows_no_step_that_is_not_reached(self) -> None:
        message = told(_differing(), provider_code="b", policy=_policy(Disclosure.IN_STEPS, 50, 100))
        assert message is not None
        assert message.endswith("more than 10 %")

    def test_follows_the_strictest_of_several_kinds(self) -> None:
        strict = Policy(by_kind={Kind.TAX_RETURN: Disclosure.NOTHING, Kind.GREEN_TECHNOLOGY_SUPPLY: Disclosure.IN_STEPS})
        sent = [
            say("tax_return", provider="tax", period=year(2024), revenue_yuan="1", tax_paid_yuan="0"),
            say("green_technology_supply", provider="ent", period=year(2024), technology_code="x", revenue_yuan="9", recipients=1),
        ]
        (finding,) = (one for one in findings_of(view_of(sent)) if one.rule_id == "GREEN_REVENUE_ABOVE_REVENUE")
        assert told(finding, provider_code="ent", policy=strict) is None
        assert told(finding, provider_code="tax", policy=strict) == finding.message

    @pytest.mark.parametrize("case", CASES, ids=[case.name() for case in CASES])
    def test_holds_no_value_of_another_provider_for_any_planted_case(self, case: Planted) -> None:
        """Every second record is another provider's, so that each rule speaks to somebody who did not send the rest."""
        if len(case.sent) > 200:
            return
        sent: list[Sent] = [(f"{provider}{place % 2}", one) for place, (provider, one) in enumerate(case.sent)]
        shipped = disclosure_policy()
        for finding in findings_of(view_of(sent, others=case.others, former_owners=case.former_owners, by=case.book)):
            for provider in {one.provider_code for one in finding.evidence}:
                message = told(finding, provider_code=provider, policy=shipped) or ""
                others = [one.content for one in finding.evidence if one.provider_code != provider]
                assert not [value for value in _values(others) if value in message]

    def test_holds_no_canary(self) -> None:
        sent = [("a", electricity(CANARY, basis=METERED)), ("b", electricity("12345.6789", basis=DECLARED))]
        for finding in findings_of(view_of(sent)):
            assert CANARY not in (told(finding, provider_code="b", policy=disclosure_policy()) or "")


def _values(content: Any) -> Iterator[str]:
    """Give every amount within a content that is long enough to be told from a number of the rule's own."""
    if isinstance(content, Decimal):
        if len(str(content)) >= 5:
            yield str(content)
    elif isinstance(content, list | tuple):
        for one in content:
            yield from _values(one)
    elif is_dataclass(content):
        for one in fields(content):
            yield from _values(getattr(content, one.name))


class TestThePolicyFile:
    def test_as_shipped_names_its_edition_and_keeps_tax_and_bank_secrets(self) -> None:
        policy = disclosure_policy()
        assert policy.edition
        assert {policy.of(kind) for kind in (Kind.TAX_RETURN, Kind.FINANCIAL_RATIOS, Kind.LOAN_DRAWING)} == {Disclosure.NOTHING}

    @pytest.mark.parametrize(
        "text",
        [
            "steps_percent = [10]\n[kinds]\nNO_KIND = 'nothing'",
            "steps_percent = [10]\n[kinds]\nFUEL_USE = 'its_value'",
            "steps_percent = [20, 10]\n[kinds]\n",
            "steps_percent = [10]",
            "= 5",
        ],
    )
    def test_is_refused_with_its_name_where_it_cannot_be_used(self, text: str) -> None:
        with pytest.raises(PolicyRefusedError, match=r"^policy\.toml: "):
            parse_policy(text, file_name="policy.toml")


class TestAccountable:
    @pytest.mark.parametrize(
        ("kind", "basis", "who"),
        [
            (Kind.FUEL_USE, Basis.METERED, Accountable.PROVIDER),
            (Kind.FUEL_USE, Basis.INVOICED, Accountable.PROVIDER),
            (Kind.FUEL_USE, Basis.DECLARED, Accountable.ENTERPRISE),
            (Kind.REPORTED_EMISSIONS, Basis.VERIFIED, Accountable.VERIFIER),
            (Kind.ETS_VERIFIED_EMISSIONS, None, Accountable.VERIFIER),
            (Kind.TRANSITION_PLAN, None, Accountable.ENTERPRISE),
            (Kind.PENALTY, None, Accountable.PROVIDER),
            (Kind.TAX_RETURN, None, Accountable.ENTERPRISE),
        ],
    )
    def test_follows_from_kind_and_basis(self, kind: Kind, basis: Basis | None, who: Accountable) -> None:
        assert accountable(kind, basis) is who
