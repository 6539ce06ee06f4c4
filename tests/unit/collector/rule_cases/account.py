"""Planted cases of posting.py, directory.py and plausibility.py."""

from __future__ import annotations

from collections.abc import Set
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from carbonbureau.intake.v1 import production_pb2, registry_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.domain import claims
from services.collector.domain.account import LINES_MAX
from services.collector.domain.claims import History
from services.collector.domain.emissions import Book
from services.collector.domain.method import MethodPack
from tests.unit.collector.planted import REGISTERED, STEEL, Planted, say
from tests.unit.collector.submissions import (
    DECLARED,
    INVOICED,
    METERED,
    Sent,
    accepted,
    days,
    electricity,
    entry,
    fuel,
    investment,
    message,
    month,
    output,
    owned,
    reported,
    the_book,
    view_of,
    year,
)

OTHER = UUID(int=2)


def _others(*owned_by_other: registry_pb2.FacilityOwnership) -> list[History]:
    return [claims.history(OTHER, "14", [accepted(entry(*owned_by_other), provider="ndrc-sx")])]


def _goods(tonnes: str, code: str) -> intake.Submission:
    bought = production_pb2.PurchasedGoods(goods_code=code, mass_t=tonnes, basis=INVOICED)
    return message(period=month(2024, 1), purchased_goods=bought)


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


def wind(mwh: str, tonnes: str) -> list[Sent]:
    return [
        ("cer-au", entry(industry="4415")),
        ("cer-au", output(mwh, route="Wind", period=year(2024))),
        ("cer-au", reported(tonnes, "0", period=year(2024))),
    ]


def _computed(tonnes: str) -> Decimal:
    """Ask the method what follows from coal."""
    postings = view_of([REGISTERED, ("a", fuel(tonnes))]).postings
    return sum((posting.amount_tco2e for posting in postings if posting.in_total()), Decimal(0))


# What else is to be said of a subject without entry whose coal ran only through the first year.
OF_SERIES = frozenset({"SUBJECT_NOT_IN_DIRECTORY", "INTENSITY_OUT_OF_RANGE", "OUTPUT_WITHOUT_ENERGY"})
SERIES: list[Sent] = [
    ("a", reported("4", carrier="coal", period=year(2023))),
    *(("a", output("1", period=month(2023, number))) for number in range(1, 17)),
]


def _coke_year(of: int) -> list[Sent]:
    return [("a", output("1000", product="coke", route="", period=month(of, number))) for number in range(1, 13)]


CASES: list[Planted] = [
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
        rule_id="FACILITY_OF_ANOTHER_SUBJECT",
        what="contested is another's",
        sent=[
            ("n", entry(owned("F2", "2020-01-01"))),
            ("a", reported("1", facility_number="F1")),
            ("a", reported("1", facility_number="F2")),
        ],
        others=_others(owned("F1", "2019-01-01"), owned("F2", "2020-01-01")),
        harmless=[("n", entry(owned("F2", "2020-01-01"))), ("a", reported("1", facility_number="F2"))],
        harmless_others=_others(owned("F1", "2019-01-01"), owned("F2", "2020-01-01")),
    ),
    Planted(
        rule_id="FACILITY_CONTESTED",
        what="one of another is not contested",
        sent=[
            ("n", entry(owned("F2", "2020-01-01"))),
            ("a", reported("1", facility_number="F1")),
            ("a", reported("1", facility_number="F2")),
        ],
        others=_others(owned("F1", "2019-01-01"), owned("F2", "2020-01-01")),
        harmless=[("n", entry(owned("F2", "2021-01-01"))), ("a", reported("1", facility_number="F1"))],
        harmless_others=_others(owned("F1", "2019-01-01"), owned("F2", "2020-01-01")),
    ),
    Planted(
        rule_id="FACILITY_CLAIMED_TWICE",
        what="one of two stretches is enough",
        sent=[("n", entry(owned("F1", "2020-01-01", "2021-01-01"), owned("F1", "2022-01-01")))],
        others=_others(owned("F1", "2010-01-01", "2020-01-02")),
        harmless=[("n", entry(owned("F1", "2020-01-01", "2021-01-01"), owned("F1", "2022-01-01")))],
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
        rule_id="FUEL_UNKNOWN",
        sent=[REGISTERED, ("a", fuel("1", fuel_code="peat"))],
        harmless=[REGISTERED, ("a", fuel("1", fuel_code="coal"))],
    ),
    Planted(
        rule_id="BALANCE_INCOMPLETE",
        also={"OUTPUT_WITHOUT_ENERGY"},
        sent=[STEEL, ("a", output("9", product="crude_steel", route="bf_bof"))],
        harmless=[STEEL, ("a", output("9", product="crude_steel", route="bf_bof")), ("a", fuel("1", fuel_code="coke"))],
    ),
    Planted(
        rule_id="DIRECT_EMISSIONS_NEGATIVE",
        sent=[STEEL, ("a", output("900", product="crude_steel", route="bf_bof")), ("a", fuel("1", fuel_code="coke"))],
        harmless=[STEEL, ("a", output("90", product="crude_steel", route="bf_bof")), ("a", fuel("1", fuel_code="coke"))],
    ),
    Planted(
        rule_id="DIRECT_EMISSIONS_NEGATIVE",
        what="and not nothing",
        also={"ENERGY_BELOW_PHYSICAL_MINIMUM"},
        sent=[STEEL, ("a", output("2", product="crude_steel", route="bf_bof")), ("a", fuel("0", fuel_code="coke"))],
        harmless=[STEEL, ("a", output("0", product="crude_steel", route="bf_bof")), ("a", fuel("0", fuel_code="coke"))],
    ),
    Planted(
        rule_id="VALUE_CHAIN_FACTOR_MISSING",
        sent=[REGISTERED, ("a", _goods("1", "paper"))],
        harmless=[REGISTERED, ("a", _goods("1", "lime"))],
    ),
    Planted(
        rule_id="FUEL_UNIT",
        sent=[REGISTERED, ("a", fuel("1", fuel_code="natural_gas"))],
        harmless=[REGISTERED, ("a", fuel("", volume="1", fuel_code="natural_gas"))],
    ),
    Planted(
        rule_id="FUEL_UNKNOWN",
        what="a known one in another unit",
        sent=[REGISTERED, ("a", fuel("1", fuel_code="peat")), ("a", fuel("1", fuel_code="natural_gas"))],
        harmless=[REGISTERED, ("a", fuel("1", fuel_code="natural_gas"))],
    ),
    Planted(
        rule_id="OVERLAP_NOT_POSTED",
        what="the same days are compared",
        sent=[("a", electricity("1", basis=METERED)), ("b", electricity("3", period=days("2024-01-15", "2024-02-15"), basis=DECLARED))],
        harmless=[("a", electricity("1", basis=METERED)), ("b", electricity("3", basis=DECLARED))],
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
        rule_id="PROVIDERS_DIFFER",
        what="figures of other days are not compared",
        sent=[("a", electricity("100", basis=METERED)), ("b", electricity("111", basis=DECLARED))],
        harmless=[("a", electricity("1", basis=METERED)), ("b", electricity("3", period=days("2024-01-15", "2024-02-15"), basis=DECLARED))],
    ),
    Planted(
        rule_id="REPORTED_DIFFERS_FROM_ACTIVITY",
        what="by 10 % and a little",
        sent=[REGISTERED, ("a", fuel("1000")), ("b", reported(f"{_computed('1000') * Decimal('1.1') + Decimal('0.000001')}"))],
        harmless=[REGISTERED, ("a", fuel("1000")), ("b", reported(f"{_computed('1000') * Decimal('1.1')}"))],
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
        count=2,
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
    Planted(rule_id="INTENSITY_OUT_OF_RANGE", what="wind above 0.3", sent=wind("1000", "301"), harmless=wind("1000", "300")),
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
        rule_id="OUTPUT_WITHOUT_ENERGY",
        what="little output; none needs none",
        sent=[("a", output("0.5"))],
        harmless=[("a", output("0"))],
    ),
    Planted(rule_id="SERIES_CEASED", what="nothing to cease", sent=SERIES, harmless=[REGISTERED], also=OF_SERIES),
    Planted(
        rule_id="EMISSIONS_WITHOUT_OUTPUT",
        what="indirect ones, and little",
        sent=[("a", output("0", period=year(2024))), ("a", reported("0", "0.5", period=year(2024)))],
        harmless=[("a", output("0", period=year(2024))), ("a", reported("0", "0", period=year(2024)))],
    ),
    Planted(
        rule_id="INTENSITY_OUT_OF_RANGE",
        what="a product without limits, and a year without intensity",
        sent=wind("1000", "301"),
        harmless=[
            ("a", output("1000", product="tiles", route="", period=year(2024))),
            ("a", reported("9000", period=year(2024))),
            ("a", output("1000", product="coke", route="", period=year(2022))),
        ],
    ),
    Planted(
        rule_id="INTENSITY_OUT_OF_RANGE",
        what="a year whose emissions are not whole",
        sent=[*_coke_year(2024), *(("a", reported("0.1", period=month(2024, number))) for number in range(1, 13))],
        harmless=[*_coke_year(2024), *(("a", reported("0.1", period=month(2024, number))) for number in (1, 12))],
    ),
    Planted(
        rule_id="MEASURED_PARAMETER_OUT_OF_RANGE",
        what="on the limit",
        sent=[REGISTERED, ("a", fuel("1", ncv="33.01"))],
        harmless=[
            REGISTERED,
            ("a", fuel("1", ncv="33")),
            ("a", fuel("1", ncv="10", period=month(2024, 2))),
            ("a", fuel("1", ncv="500", fuel_code="peat")),
        ],
    ),
    Planted(
        rule_id="TECHNOLOGY_NOT_RECOGNISED",
        what="of which industry is not known",
        sent=[REGISTERED, ("a", investment("1", "10", technology="flue_gas_desulphurisation"))],
        harmless=[("a", investment("1", "10", technology="flue_gas_desulphurisation"))],
    ),
    Planted(
        rule_id="PERIOD_ENDS_ON_LAST_DAY",
        what="what has no period ends on no day",
        sent=[REGISTERED, ("a", electricity("1", period=days("2024-01-01", "2024-01-31")))],
        harmless=[REGISTERED, ("a", electricity("1"))],
    ),
    Planted(rule_id="FIGURE_REPEATED", what="from 100 on", sent=_months("100", "100", "100"), harmless=_months("99.9", "99.9", "99.9")),
    Planted(
        rule_id="ROUND_NUMBERS",
        what="four of five, from 10,000 on",
        sent=_months("10000", "11000", "12000", "13000", "14000", "15000", "16000", "17000", "18123", "19123"),
        harmless=[
            *_months("10000", "11000", "12000", "13000", "14000", "9000", "8000", "5001", "9999"),
            *(("a", investment("50000", "60000", period=month(2024, number))) for number in range(1, 8)),
        ],
    ),
    Planted(
        rule_id="ROUND_NUMBERS",
        what="small ones do not count among the large",
        sent=_months("20000", "21000", "22000", "23000", "24000", "25000", "5001", "5002", "5003", "5004"),
        harmless=_months("20000", "21000", "22000", "23000", "24001", "25001", "1000", "2000", "3000", "4000"),
    ),
    Planted(
        rule_id="QUANTITY_STATED_TWICE",
        what="little; nothing may be said twice",
        sent=[("a", electricity("0.5")), ("a", electricity("0.5"))],
        harmless=[("a", electricity("0")), ("a", electricity("0"))],
    ),
    Planted(
        rule_id="ROUND_NUMBERS",
        what="seven of nine are fewer than four of five",
        sent=_months("10000", "11000", "12000", "13000", "14000", "15000", "16000", "17000", "18123", "19123"),
        harmless=_months("10000", "11000", "12000", "13000", "14000", "15000", "16000", "18123", "19123"),
    ),
    Planted(
        rule_id="FACILITY_NUMBER_MISSING",
        what="a return is of the enterprise",
        sent=[("ndrc-sx", entry(owned("F1"), owned("F2"))), ("a", electricity("1"))],
        also={"EMISSIONS_WITHOUT_OUTPUT"},
        harmless=[("ndrc-sx", entry(owned("F1"), owned("F2"))), say("tax_return", revenue_yuan="5", tax_paid_yuan="1")],
    ),
]
