"""Every account rule has a planted case that it finds. Whatever they find, nothing is rejected."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import pytest
from carbonbureau.intake.v1 import registry_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.domain import claims
from services.collector.domain.account import LINES_MAX, FormerOwner
from services.collector.domain.claims import History
from services.collector.domain.emissions import Book
from services.collector.domain.method import MethodPack
from services.collector.domain.rules import catalogue
from tests.unit.collector.market import ccer, holding, moved, verified
from tests.unit.collector.submissions import (
    DECLARED,
    INVOICED,
    METERED,
    Sent,
    accepted,
    code_of,
    days,
    electricity,
    entry,
    findings_of,
    fuel,
    investment,
    message,
    month,
    output,
    owned,
    reported,
    rule_ids,
    tax_return,
    the_book,
    view_of,
    year,
)

OTHER = UUID(int=2)
REGISTERED: Sent = ("ndrc-sx", entry())
STEEL: Sent = ("ndrc-sx", entry(industry="3120"))
GRANTED: Sent = ("m", moved("GRANTED", "100"))


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Submissions in which a rule must find something, and the same but for what it looks at, in which it must not."""

    rule_id: str
    sent: Sequence[Sent]
    harmless: Sequence[Sent]
    others: Sequence[History] = ()
    harmless_others: Sequence[History] = ()
    former_owners: Sequence[FormerOwner] = ()
    held_elsewhere: Set[UUID] = frozenset()
    book: Book | None = None
    what: str = ""


def _others(*owned_by_other: registry_pb2.FacilityOwnership) -> list[History]:
    return [claims.history(OTHER, "14", [accepted(entry(*owned_by_other), provider="ndrc-sx")])]


def ended(day: str) -> intake.Submission:
    change = registry_pb2.StructuralChange(effective_date=day, change=registry_pb2.STRUCTURAL_CHANGE_KIND_DEREGISTERED)
    return message(structural_change=change)


@dataclass(frozen=True)
class Sold:
    """Another subject that sold F1 on 2024-01-15 and under whose code January is still reported."""

    others: Sequence[History]
    former_owners: Sequence[FormerOwner]


def _sold() -> Sold:
    sent = [
        ("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-01-15"), code=code_of(2))),
        ("a", reported("1", code=code_of(2), facility_number="F1")),
    ]
    effective = [accepted(one, provider=provider) for provider, one in sent]
    history = claims.history(OTHER, "14", effective)
    return Sold(others=[history], former_owners=[FormerOwner(history=history, effective=effective)])


SOLD = _sold()


def _ids(provider: str, *sent: intake.Submission) -> Set[UUID]:
    return {accepted(one, provider=provider).submission_id for one in sent}


def _months(*amounts: str) -> list[Sent]:
    return [("ent-sx", electricity(amount, period=month(2024, number + 1))) for number, amount in enumerate(amounts)]


def _two_books(change: dict[str, object]) -> Book:
    """Add a changed copy of the power method to the book."""
    power = next(pack for pack in the_book().packs if pack.code == "fossil-power-generation")
    other = MethodPack(**{**vars(power), **change})
    return Book(packs=(*the_book().packs, other), recognised_everywhere=frozenset(), recognised_by_industry={})


def _doubled_factor_book() -> Book:
    packs = []
    for pack in the_book().packs:
        factors = (*pack.factors, *(factor for factor in pack.factors if factor.key == "diesel"))
        packs.append(MethodPack(**{**vars(pack), "factors": factors}))
    return Book(packs=tuple(packs), recognised_everywhere=frozenset(), recognised_by_industry=MappingProxyType({}))


def _wind(mwh: str, tonnes: str) -> list[Sent]:
    return [
        ("cer-au", entry(industry="4415")),
        ("cer-au", output(mwh, route="Wind", period=year(2024))),
        ("cer-au", reported(tonnes, "0", period=year(2024))),
    ]


CASES = [
    Planted(rule_id="SUBJECT_NOT_IN_DIRECTORY", sent=[("a", reported("1"))], harmless=[REGISTERED, ("a", reported("1"))]),
    Planted(
        rule_id="FACILITY_NOT_REGISTERED",
        sent=[REGISTERED, ("a", reported("1", facility_number="F1"))],
        harmless=[("ndrc-sx", entry(owned("F1"))), ("a", reported("1", facility_number="F1"))],
    ),
    Planted(
        rule_id="FACILITY_NUMBER_MISSING",
        sent=[("ndrc-sx", entry(owned("F1"), owned("F2"))), ("a", reported("1"))],
        harmless=[("ndrc-sx", entry(owned("F1"))), ("a", reported("1"))],
    ),
    Planted(
        rule_id="FACILITY_OF_ANOTHER_SUBJECT",
        sent=[REGISTERED, ("a", reported("1", facility_number="F1"))],
        others=_others(owned("F1")),
        harmless=[REGISTERED, ("a", reported("1", facility_number="F1"))],
        harmless_others=_others(owned("F1", "2010-01-01", "2020-01-01")),
    ),
    Planted(
        rule_id="FACILITY_PASSED_ON",
        sent=[("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-01-15"))), ("a", reported("1", facility_number="F1"))],
        others=_others(owned("F1", "2024-01-15")),
        harmless=[("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-02-01"))), ("a", reported("1", facility_number="F1"))],
        harmless_others=_others(owned("F1", "2024-02-01")),
    ),
    Planted(
        rule_id="REPORTED_BY_BOTH_OWNERS",
        sent=[("ndrc-sx", entry(owned("F1", "2024-01-15"))), ("a", reported("1", facility_number="F1"))],
        others=SOLD.others,
        former_owners=SOLD.former_owners,
        harmless=[("ndrc-sx", entry(owned("F1", "2024-01-15"))), ("b", reported("1", facility_number="F1"))],
        harmless_others=SOLD.others,
    ),
    Planted(
        rule_id="SUBJECT_ENDED",
        sent=[REGISTERED, ("ndrc-sx", ended("2024-03-01"))],
        harmless=[REGISTERED],
    ),
    Planted(
        rule_id="FIGURES_AFTER_THE_END",
        sent=[REGISTERED, ("ndrc-sx", ended("2024-01-01")), ("a", reported("1", facility_number="F1"))],
        harmless=[REGISTERED, ("ndrc-sx", ended("2024-02-01")), ("a", reported("1", facility_number="F1"))],
    ),
    Planted(
        rule_id="FACILITY_CONTESTED",
        sent=[("n", entry(owned("F1", "2020-01-01"))), ("a", reported("1", facility_number="F1"))],
        others=_others(owned("F1", "2020-01-01")),
        harmless=[("n", entry(owned("F1", "2020-01-01"))), ("a", reported("1", facility_number="F1"))],
        harmless_others=_others(owned("F1", "2019-01-01")),
    ),
    Planted(
        rule_id="FACILITY_CLAIMED_TWICE",
        sent=[("n", entry(owned("F1", "2020-01-01")))],
        others=_others(owned("F1", "2010-01-01", "2020-01-02")),
        harmless=[("n", entry(owned("F1", "2020-01-01")))],
        harmless_others=_others(owned("F1", "2010-01-01", "2020-01-01")),
    ),
    Planted(
        rule_id="FACILITY_OWNER_CHANGED",
        sent=[("n", entry(owned("F1", "2020-01-01")))],
        others=_others(owned("F1", "2010-01-01", "2020-01-01")),
        harmless=[("n", entry(owned("F1", "2020-01-01")))],
        harmless_others=_others(owned("F2")),
    ),
    Planted(
        rule_id="OPERATOR_CHANGED",
        sent=[("n", entry(name="ATCO PTY LTD")), ("n", entry(name="Edify Energy Pty Ltd", effective_date="2021-07-01"))],
        harmless=[("n", entry(name="EDIFY ENERGY PTY. LTD.")), ("n", entry(name="Edify Energy Pty Ltd", effective_date="2021-07-01"))],
    ),
    Planted(
        rule_id="CORRECTION_PARKED",
        sent=[("a", reported("1", record_number="7", record_revision=2))],
        harmless=[
            ("a", reported("1", record_number="7", record_revision=2)),
            ("a", reported("2", record_number="7", record_revision=1)),
        ],
    ),
    Planted(
        rule_id="CORRECTION_OF_ANOTHER_SUBJECT",
        sent=[("a", reported("1", record_number="7", record_revision=3))],
        held_elsewhere=_ids("a", reported("1", record_number="7")),
        harmless=[("a", reported("1", record_number="7", record_revision=3))],
    ),
    Planted(
        rule_id="FUEL_UNKNOWN", sent=[REGISTERED, ("a", fuel("1", fuel_code="peat"))], harmless=[STEEL, ("a", fuel("1", fuel_code="peat"))]
    ),
    Planted(
        rule_id="FUEL_UNIT",
        sent=[REGISTERED, ("a", fuel("1", fuel_code="natural_gas"))],
        harmless=[REGISTERED, ("a", fuel("", volume="1", fuel_code="natural_gas"))],
    ),
    Planted(
        rule_id="FACTOR_MISSING",
        sent=[REGISTERED, ("a", electricity("1", period=month(2020, 12)))],
        harmless=[REGISTERED, ("a", electricity("1", period=month(2021, 1)))],
    ),
    Planted(
        rule_id="FACTOR_AMBIGUOUS",
        sent=[REGISTERED, ("a", fuel("1", fuel_code="diesel"))],
        harmless=[REGISTERED, ("a", fuel("1", fuel_code="coal"))],
        book=_doubled_factor_book(),
    ),
    Planted(
        rule_id="METHODS_AMBIGUOUS",
        sent=[REGISTERED, ("a", fuel("1", period=month(2025, 1)))],
        harmless=[REGISTERED, ("a", fuel("1", period=month(2024, 12)))],
        book=_two_books({"edition": "2025", "effective_from": date(2025, 1, 1)}),
    ),
    Planted(
        rule_id="REPORTED_NOT_POSTED",
        sent=[REGISTERED, ("a", fuel("1000")), ("b", reported("2990"))],
        harmless=[STEEL, ("a", fuel("1000")), ("b", reported("2990"))],
    ),
    Planted(
        rule_id="ACTIVITY_NOT_POSTED",
        sent=[REGISTERED, ("a", fuel("1000")), ("b", reported("2990", period=year(2024)))],
        harmless=[REGISTERED, ("a", fuel("1000")), ("b", reported("2990"))],
    ),
    Planted(
        rule_id="OVERLAP_NOT_POSTED",
        sent=[("a", electricity("1", basis=METERED)), ("b", electricity("3", period=days("2024-01-15", "2024-02-15"), basis=DECLARED))],
        harmless=[("a", electricity("1", basis=METERED)), ("b", electricity("3", period=month(2024, 2), basis=DECLARED))],
    ),
    Planted(
        rule_id="TOTAL_NOT_POSTED",
        what="beside its parts",
        sent=[("a", reported("9")), ("a", reported("5", carrier="coal"))],
        harmless=[("a", reported("9", carrier="gas")), ("a", reported("5", carrier="coal"))],
    ),
    Planted(
        rule_id="TOTAL_NOT_POSTED",
        what="beside its facilities",
        sent=[("n", entry(owned("F1"), owned("F2"))), ("a", reported("9")), ("a", reported("5", facility_number="F1"))],
        harmless=[
            ("n", entry(owned("F1"), owned("F2"))),
            ("a", reported("9")),
            ("a", reported("5", facility_number="F1", period=month(2024, 2))),
        ],
    ),
    Planted(rule_id="FIGURE_BEYOND_LIMIT", sent=[("a", reported("10000000000.1"))], harmless=[("a", reported("10000000000"))]),
    Planted(
        rule_id="FIGURE_BEYOND_LIMIT",
        what="output under many record numbers",
        sent=[("a", output("600000000000")), ("a", output("400000000001"))],
        harmless=[("a", output("600000000000")), ("a", output("400000000000"))],
    ),
    Planted(
        rule_id="FIGURE_BEYOND_LIMIT",
        what="money under many record numbers",
        sent=[("a", investment("600000000000", "1")), ("a", investment("400000000001", "1"))],
        harmless=[("a", investment("600000000000", "1")), ("a", investment("400000000000", "1"))],
    ),
    Planted(
        rule_id="WINDOW_BEYOND_LIMIT",
        what="output of very many facilities",
        sent=[("a", output("1000000000000", facility_number=str(number))) for number in range(101)],
        harmless=[("a", output("1000000000000", facility_number=str(number))) for number in range(100)],
    ),
    Planted(
        rule_id="WINDOW_BEYOND_LIMIT",
        what="intensity",
        sent=[("a", output("0.000001", period=year(2024))), ("a", reported("1000000000", period=year(2024)))],
        harmless=[("a", output("0.00001", period=year(2024))), ("a", reported("1000000000", period=year(2024)))],
    ),
    Planted(
        rule_id="STATEMENT_LIMITED",
        sent=[("a", reported("1", facility_number=str(number))) for number in range(LINES_MAX + 1)],
        harmless=[("a", reported("1", facility_number=str(number))) for number in range(5)],
    ),
    Planted(
        rule_id="PROVIDERS_DIFFER",
        sent=[("a", electricity("100", basis=METERED)), ("b", electricity("111", basis=DECLARED))],
        harmless=[("a", electricity("100", basis=METERED)), ("b", electricity("110", basis=DECLARED))],
    ),
    Planted(
        rule_id="REPORTED_DIFFERS_FROM_ACTIVITY",
        sent=[REGISTERED, ("a", fuel("1000")), ("b", reported("2600"))],
        harmless=[REGISTERED, ("a", fuel("1000")), ("b", reported("2750"))],
    ),
    Planted(
        rule_id="OUTPUT_WITHOUT_ENERGY",
        sent=[("a", output("5")), ("a", reported("4", period=month(2024, 2)))],
        harmless=[("a", output("5")), ("a", reported("4"))],
    ),
    Planted(
        rule_id="EMISSIONS_WITHOUT_OUTPUT",
        sent=[("a", output("0", period=year(2024))), ("a", reported("4", period=year(2024)))],
        harmless=[("a", output("0", period=year(2024))), ("a", reported("0", period=year(2024)))],
    ),
    Planted(
        rule_id="SERIES_CEASED",
        sent=[
            ("a", reported("4", carrier="coal", period=year(2023))),
            *(("a", output("1", period=month(2023, number))) for number in range(1, 17)),
        ],
        harmless=[
            ("a", reported("4", carrier="coal", period=year(2023))),
            *(("a", output("1", period=month(2023, number))) for number in range(1, 16)),
        ],
    ),
    Planted(
        rule_id="EMISSIONS_WITHOUT_OUTPUT",
        what="a month that is still coming in",
        sent=[("a", reported("4", period=year(2024))), ("a", reported("4", period=month(2025, 1)))],
        harmless=[
            *(
                (source, submission)
                for number in range(1, 13)
                for source, submission in (("a", output("1", period=month(2024, number))), ("a", reported("4", period=month(2024, number))))
            ),
            ("a", reported("4", period=month(2025, 1))),
        ],
    ),
    Planted(rule_id="INTENSITY_OUT_OF_RANGE", what="wind above 0.3", sent=_wind("1000", "301"), harmless=_wind("1000", "300")),
    Planted(
        rule_id="INTENSITY_OUT_OF_RANGE",
        what="coal below any plant",
        sent=[STEEL, ("a", output("1000", period=year(2024))), ("a", reported("499", period=year(2024)))],
        harmless=[STEEL, ("a", output("1000", period=year(2024))), ("a", reported("500", period=year(2024)))],
    ),
    Planted(
        rule_id="INTENSITY_OUT_OF_RANGE",
        what="coke of any route",
        sent=[
            ("a", output("1000", product="coke", route="byproduct_recovery", period=year(2024))),
            ("a", reported("19", period=year(2024))),
        ],
        harmless=[
            ("a", output("1000", product="coke", route="byproduct_recovery", period=year(2024))),
            ("a", reported("20", period=year(2024))),
        ],
    ),
    Planted(
        rule_id="MEASURED_PARAMETER_OUT_OF_RANGE",
        what="kcal as GJ",
        sent=[REGISTERED, ("a", fuel("1", ncv="5500"))],
        harmless=[REGISTERED, ("a", fuel("1", ncv="23.02"))],
    ),
    Planted(
        rule_id="MEASURED_PARAMETER_OUT_OF_RANGE",
        what="carbon content",
        sent=[REGISTERED, ("a", fuel("1", carbon="0.26"))],
        harmless=[REGISTERED, ("a", fuel("1", carbon="0.026"))],
    ),
    Planted(rule_id="INVESTMENT_ABOVE_EXPENDITURE", sent=[("a", investment("11", "10"))], harmless=[("a", investment("10", "10"))]),
    Planted(
        rule_id="TECHNOLOGY_NOT_RECOGNISED",
        sent=[REGISTERED, ("a", investment("1", "10", technology="flue_gas_desulphurisation"))],
        harmless=[REGISTERED, ("a", investment("1", "10", technology="turbine_retrofit"))],
    ),
    Planted(
        rule_id="PERIOD_ENDS_ON_LAST_DAY",
        sent=[("a", electricity("1", period=days("2024-01-01", "2024-01-31")))],
        harmless=[
            ("a", electricity("1", period=month(2024, 1))),
            ("a", electricity("1", period=days("2024-02-15", "2024-02-29"))),
        ],
    ),
    Planted(rule_id="FIGURE_REPEATED", sent=_months("512.75", "512.75", "512.75"), harmless=_months("512.75", "512.75", "512.76")),
    Planted(
        rule_id="ROUND_NUMBERS",
        sent=_months("51000", "52000", "49000", "53000", "50000", "48123"),
        harmless=_months("51000", "52000", "49000", "53001", "50000", "48123"),
    ),
    Planted(
        rule_id="QUANTITY_STATED_TWICE",
        sent=[("tax-sx", electricity("5.5", basis=INVOICED)), ("tax-sx", electricity("5.5", basis=INVOICED))],
        harmless=[("tax-sx", electricity("5.5", basis=INVOICED)), ("tax-sx", electricity("5.6", basis=INVOICED))],
    ),
    Planted(
        rule_id="ALLOWANCE_DOUBLE_PLEDGE",
        sent=[
            GRANTED,
            ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")),
            ("m", moved("PLEDGED", "41", on="2024-04-02", pledge="P2")),
        ],
        harmless=[
            GRANTED,
            ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")),
            ("m", moved("PLEDGED", "40", on="2024-04-02", pledge="P2")),
        ],
    ),
    Planted(
        rule_id="ALLOWANCE_ENCUMBERED_USED",
        what="sold",
        sent=[GRANTED, ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")), ("m", moved("SOLD", "41", on="2024-04-02"))],
        harmless=[GRANTED, ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")), ("m", moved("SOLD", "40", on="2024-04-02"))],
    ),
    Planted(
        rule_id="ALLOWANCE_ENCUMBERED_USED",
        what="surrendered while frozen",
        sent=[GRANTED, ("m", moved("FROZEN", "60", on="2024-04-01")), ("m", moved("SURRENDERED", "41", on="2024-04-02"))],
        harmless=[
            GRANTED,
            ("m", moved("FROZEN", "60", on="2024-04-01")),
            ("m", moved("UNFROZEN", "1", on="2024-04-02")),
            ("m", moved("SURRENDERED", "41", on="2024-04-02")),
        ],
    ),
    Planted(
        rule_id="ALLOWANCE_OVERDRAWN",
        sent=[GRANTED, ("m", moved("SOLD", "101", on="2024-04-01"))],
        harmless=[GRANTED, ("m", moved("SOLD", "100", on="2024-04-01"))],
    ),
    Planted(
        rule_id="ALLOWANCE_HOLDINGS_UNKNOWN",
        sent=[("m", moved("SOLD", "1", on="2024-04-01"))],
        harmless=[("m", holding("1", on="2024-03-31")), ("m", moved("SOLD", "1", on="2024-04-01"))],
    ),
    Planted(rule_id="ALLOWANCE_OVERDRAFT_STATED", sent=[("m", holding("0", overdrawn="7"))], harmless=[("m", holding("0", overdrawn="0"))]),
    Planted(
        rule_id="ALLOWANCE_RELEASE_WITHOUT_PLEDGE",
        sent=[
            GRANTED,
            ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")),
            ("m", moved("RELEASED", "60", on="2024-05-01", pledge="P2")),
        ],
        harmless=[
            GRANTED,
            ("m", moved("PLEDGED", "60", on="2024-04-01", pledge="P1")),
            ("m", moved("RELEASED", "60", on="2024-05-01", pledge="P1")),
        ],
    ),
    Planted(
        rule_id="ALLOWANCE_RETURN_WITHOUT_ORIGIN",
        sent=[GRANTED, ("m", moved("BORROWED", "5")), ("m", moved("BORROWING_RETURNED", "6", on="2024-05-01"))],
        harmless=[GRANTED, ("m", moved("BORROWED", "5")), ("m", moved("BORROWING_RETURNED", "5", on="2024-05-01"))],
    ),
    Planted(rule_id="ALLOWANCE_HOLDING_CONTRADICTS", sent=[GRANTED, ("m", holding("99"))], harmless=[GRANTED, ("m", holding("100"))]),
    Planted(
        rule_id="MARKET_TRANSACTION_DIFFERS",
        sent=[("m", moved("GRANTED", "100", number="T1")), ("n", moved("GRANTED", "90", number="T1"))],
        harmless=[("m", moved("GRANTED", "100", number="T1")), ("n", moved("GRANTED", "100", number="T1"))],
    ),
    Planted(
        rule_id="MARKET_TRANSACTION_DIFFERS",
        what="of reductions",
        sent=[("m", ccer("BOUGHT", "100", number="T1")), ("n", ccer("BOUGHT", "90", number="T1"))],
        harmless=[("m", ccer("BOUGHT", "100", number="T1")), ("n", ccer("BOUGHT", "90", number="T2"))],
    ),
    Planted(
        rule_id="ETS_VERIFIED_EMISSIONS_DIFFER",
        sent=[("m", verified("100")), ("n", verified("90"))],
        harmless=[("m", verified("100", facility_number="F1")), ("n", verified("90", facility_number="F2"))],
    ),
    Planted(
        rule_id="CCER_BEYOND_LIMIT",
        sent=[("m", verified("100")), ("m", ccer("RETIRED", "5.000001"))],
        harmless=[("m", verified("100")), ("m", ccer("RETIRED", "5"))],
    ),
    Planted(
        rule_id="CCER_OVERDRAWN",
        sent=[("m", ccer("BOUGHT", "4")), ("m", ccer("RETIRED", "5"))],
        harmless=[("m", ccer("BOUGHT", "5")), ("m", ccer("RETIRED", "5"))],
    ),
    Planted(
        rule_id="SURRENDER_OVERDUE",
        sent=[("m", verified("100")), ("m", moved("SURRENDERED", "99.9", on="2024-12-01")), ("a", electricity("1", period=month(2025, 1)))],
        harmless=[
            ("m", verified("100")),
            ("m", moved("SURRENDERED", "100", on="2024-12-01")),
            ("a", electricity("1", period=month(2025, 1))),
        ],
    ),
    Planted(
        rule_id="ALLOWANCES_BEYOND_LIMIT",
        sent=[("m", moved("GRANTED", "100000000000.1"))],
        harmless=[("m", moved("GRANTED", "100000000000"))],
    ),
    Planted(
        rule_id="TAX_RETURN_BEYOND_LIMIT",
        sent=[("tax-sx", tax_return("600000000000")), ("tax-sx", tax_return("400000000001"))],
        harmless=[("tax-sx", tax_return("600000000000")), ("tax-sx", tax_return("400000000000"))],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule_id} {case.what}".strip() for case in CASES])
class TestAccountRules:
    def test_find_their_planted_case(self, case: Planted) -> None:
        assert case.rule_id in rule_ids(
            view_of(case.sent, others=case.others, former_owners=case.former_owners, held_elsewhere=case.held_elsewhere, by=case.book)
        )

    def test_find_nothing_where_there_is_nothing(self, case: Planted) -> None:
        assert case.rule_id not in rule_ids(
            view_of(case.harmless, others=case.harmless_others, former_owners=case.former_owners, by=case.book)
        )


class TestCatalogue:
    def test_has_a_planted_case_for_every_account_rule(self) -> None:
        assert {case.rule_id for case in CASES} == {rule.rule_id for rule in catalogue.ACCOUNT_RULES}

    @pytest.mark.parametrize("rule", catalogue.ALL_RULES, ids=lambda rule: rule.rule_id)
    def test_says_why_from_where_and_what_else_it_could_be(self, rule: object) -> None:
        for field in ("rationale", "source", "innocent_explanation", "what_to_do"):
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


def test_odd_figures_are_posted_all_the_same() -> None:
    view = view_of(_wind("0", "24.5"))
    assert [posting.amount_tco2e for posting in view.postings if posting.scope == 1] == [Decimal("24.5")]
