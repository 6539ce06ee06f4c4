"""Planted cases of plausibility_history.py."""

from __future__ import annotations

from tests.unit.collector.planted import FARM, NEVER, Planted, Sent, pair, say
from tests.unit.collector.submissions import code_of, electricity, investment, month, output, reported, year


def _months(*amounts: str, of: int = 2024, provider: str = "a") -> list[Sent]:
    return [(provider, electricity(amount, period=month(of, number))) for number, amount in enumerate(amounts, 1) if amount]


def _year(emissions: str, made: str, of: int, *, product: str = "tiles", route: str = "") -> list[Sent]:
    return [("a", reported(emissions, period=year(of))), ("a", output(made, product=product, route=route, period=year(of)))]


def _capacity(tonnes: str, *, route: str = "", provider: str = "a", of: int = 2024) -> Sent:
    return say("capacity", period=year(of), provider=provider, product_code="coke", process_route=route, mass_t_per_year=tonnes)


def _tax(revenue: str, **more: object) -> Sent:
    return say("tax_return", **{"period": year(2024), "revenue_yuan": revenue, "tax_paid_yuan": "1", **more})  # type: ignore[arg-type]


def _ets(verified: str, *, of: int = 2024) -> Sent:
    return say("ets_verified_emissions", period=NEVER, ets_year=of, verified_tco2=verified, verifier_code=code_of(801))


USUAL = ("101.5", "99.25", "100", "102.75")
HUNDREDTHS = ("99.1", "99.2", "99.3", "99.4", "99.5", "99.9")
HALF = ("101.5", "109.25", "100", "102.75", "108.5", "107.125")

CASES: list[Planted] = [
    pair(
        "UNIT_SLIP",
        "kWh for MWh",
        before=_months(*USUAL),
        finds=_months(*[""] * 4, "101.5", "50750"),
        passes=_months(*[""] * 4, "101.5", "50749"),
    ),
    pair(
        "UNIT_SLIP",
        "t for kg",
        before=_months("100", "100.5", "99.5", "0"),
        finds=_months(*[""] * 4, "100", "0.2"),
        passes=_months(*[""] * 4, "100", "0.201"),
    ),
    pair(
        "UNIT_SLIP",
        "four months are no history; money may grow",
        before=[
            *_months(*USUAL, provider="b"),
            *(
                ("a", investment(amount, "9000", period=month(2024, number)))
                for number, amount in enumerate(["1", "1", "1", "1", "1", "9000"], 1)
            ),
        ],
        finds=("b", electricity("90000", period=month(2024, 5))),
        passes=("b", electricity("90000", period=month(2024, 4))),
    ),
    pair(
        "INTENSITY_JUMPED",
        "down",
        before=[FARM, *_year("100", "100", 2023)],
        finds=_year("49.9", "100", 2024),
        passes=_year("50", "100", 2024),
    ),
    pair(
        "INTENSITY_JUMPED",
        "up",
        before=[FARM, *_year("100", "100", 2023)],
        finds=_year("150.1", "100", 2024),
        passes=_year("150", "100", 2024),
    ),
    pair(
        "INTENSITY_JUMPED",
        "another product, or nothing emitted, is no jump",
        before=[FARM, *_year("100", "100", 2023)],
        finds=_year("10", "100", 2024),
        passes=_year("10", "100", 2024, product="bricks"),
    ),
    pair(
        "INTENSITY_JUMPED",
        "another route",
        before=[FARM, *_year("100", "100", 2023)],
        finds=_year("10", "100", 2024),
        passes=_year("10", "100", 2024, route="kiln"),
    ),
    pair("MONTH_LEFT_OUT", before=_months(*HALF), finds=_months(*[""] * 7, "98"), passes=_months(*[""] * 6, "98")),
    pair(
        "MONTH_LEFT_OUT",
        "five months before are no half year",
        before=_months("", *HALF[1:]),
        finds=_months("77", *[""] * 7, "98"),
        passes=_months(*[""] * 7, "98"),
    ),
    pair(
        "YEAR_COPIED",
        before=[*_months(*HALF, of=2023), *_months(*HALF[:5], "", "104.5", "105.5")],
        finds=("a", electricity(HALF[5], period=month(2024, 6))),
        passes=("a", electricity("107.5", period=month(2024, 6))),
    ),
    pair(
        "YEAR_SCALED",
        before=[
            *_months(*(f"{200 + 7 * number}" for number in range(6)), of=2023),
            *_months(*(f"{(200 + 7 * number) * 9}.0" for number in range(5))),
        ],
        finds=("a", electricity("2115", period=month(2024, 6))),
        passes=("a", electricity("2116", period=month(2024, 6))),
    ),
    pair(
        "STATED_DIFFERENTLY",
        "a return",
        before=[_tax("45")],
        finds=_tax("46"),
        passes=[_tax("45"), _tax("46", period=year(2023)), _tax("46", provider="b")],
    ),
    pair(
        "STATED_DIFFERENTLY",
        "a capacity",
        before=[_capacity("45")],
        finds=_capacity("46"),
        passes=[_capacity("45"), _capacity("46", route="x"), _capacity("46", of=2023)],
    ),
    pair("STATED_DIFFERENTLY", "a verified year", before=[_ets("45")], finds=_ets("46"), passes=[_ets("45"), _ets("46", of=2023)]),
    pair("UNIT_SLIP", "of small amounts", before=_months(*["0.5"] * 5), finds=_months(*[""] * 5, "250"), passes=_months(*[""] * 5, "249")),
    pair(
        "UNIT_SLIP",
        "a year is no month",
        before=[("a", electricity("100", period=month(2020, number))) for number in range(1, 6)],
        finds=("a", electricity("90000", period=month(2021, 1))),
        passes=("a", electricity("90000", period=year(2021))),
    ),
    pair(
        "INTENSITY_JUMPED",
        "a year without emissions has no intensity to jump from",
        before=[FARM, *_year("100", "100", 2022)],
        finds=_year("10", "100", 2023),
        passes=[*_year("0", "100", 2023), *_year("70", "100", 2024)],
    ),
    pair(
        "MONTH_LEFT_OUT",
        "short runs between holes",
        before=[*_months("77", "", "78", "79", "80", "81"), *_months(*HALF, of=2025, provider="b")],
        finds=[*_months(*[""] * 6, "82"), ("b", electricity("1", period=month(2025, 8)))],
        passes=[*_months(*[""] * 6, "82"), *_months(*[""] * 8, "83")],
    ),
    pair(
        "YEAR_COPIED",
        "two figures in turn; always the same one is another pattern, and small ones may repeat",
        before=_months(*["101", "102"] * 3, of=2023) + _months(*["101", "102"] * 2),
        finds=_months(*[""] * 4, "101", "102"),
        passes=[
            *_months(*["500"] * 6, of=2021, provider="b"),
            *_months(*["500"] * 6, of=2022, provider="b"),
            *_months(*HUNDREDTHS, of=2021, provider="c"),
            *_months(*HUNDREDTHS, of=2022, provider="c"),
        ],
    ),
    pair(
        "YEAR_SCALED",
        "from 100 on; copies are another pattern",
        before=_months(*(f"{100 + number}" for number in range(6)), of=2023),
        finds=_months(*(f"{(100 + number) * 2}" for number in range(6))),
        passes=[
            *_months(*(f"{100 + number}" for number in range(6))),
            *_months(*HUNDREDTHS, of=2021, provider="c"),
            *_months("198.2", "198.4", "198.6", "198.8", "199", "199.8", of=2022, provider="c"),
        ],
    ),
    pair(
        "UNIT_SLIP", "next to nothing", before=_months(*["1"] * 5), finds=_months(*[""] * 5, "0.002"), passes=_months(*[""] * 5, "0.0021")
    ),
]
