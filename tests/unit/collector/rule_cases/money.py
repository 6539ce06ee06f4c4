"""Planted cases of plausibility_money.py."""

from __future__ import annotations

from tests.unit.collector.planted import NEVER, REGISTERED, Planted, Sent, pair, say
from tests.unit.collector.submissions import electricity, month, output, year


def _bill(mwh: str, yuan: str, **more: object) -> Sent:
    return say("invoiced_energy", energy_code="electricity", electricity_mwh=mwh, amount_yuan=yuan, **more)  # type: ignore[arg-type]


def _heat_bill(gj: str, **more: object) -> Sent:
    return say("invoiced_energy", energy_code="heat", heat_gj=gj, amount_yuan=gj + "0", **more)  # type: ignore[arg-type]


def _tax(revenue: str, *, added: str = "", paid: str = "0", **more: object) -> Sent:
    content = {"revenue_yuan": revenue, "value_added_yuan": added, "tax_paid_yuan": paid}
    return say("tax_return", **{"period": year(2024), **content, **more})  # type: ignore[arg-type]


def _ratios(*, debt: str = "60", returns: str = "5") -> Sent:
    content = {"debt_ratio_percent": debt, "current_ratio_percent": "120", "return_on_assets_percent": returns}
    return say("financial_ratios", **content)


def _sink(tonnes: str, yuan: str, *, financed: str = "") -> Sent:
    content = {"quantity_t": tonnes, "amount_yuan": yuan, "project_number": "S", "financed_yuan": financed}
    return say("sink_trade", period=NEVER, movement="CREDIT_MOVEMENT_SOLD", executed_date="2024-05-01", **content)


def _allowance(tonnes: str, yuan: str = "", *, movement: str = "BOUGHT", number: str = "T-1") -> Sent:
    content = {"quantity_t": tonnes, "amount_yuan": yuan, "transaction_number": number, "ets_year": 2024}
    return say("allowance_transaction", period=NEVER, movement=f"ALLOWANCE_MOVEMENT_{movement}", executed_date="2024-05-01", **content)


def _ccer(tonnes: str, yuan: str = "", *, movement: str = "BOUGHT", number: str = "T-1", project: str = "C") -> Sent:
    content = {"quantity_t": tonnes, "amount_yuan": yuan, "transaction_number": number, "project_number": project, "ets_year": 2024}
    return say("ccer_transaction", period=NEVER, movement=f"CREDIT_MOVEMENT_{movement}", executed_date="2024-05-01", **content)


def _holding(held: str, *, pledged: str = "", frozen: str = "") -> Sent:
    content = {"as_of_date": "2024-06-30", "ets_year": 2024, "held_t": held, "pledged_t": pledged, "frozen_t": frozen}
    return say("allowance_holding", period=NEVER, **content)


def _loan(yuan: str, *, number: str = "L-1", rate: str = "", due: str = "", measure: str = "") -> Sent:
    content = {"loan_number": number, "amount_yuan": yuan, "annual_rate_percent": rate, "measure_number": measure, "maturity_date": due}
    return say("loan_drawing", period=NEVER, loan_kind="LOAN_KIND_GREEN", drawn_date="2024-01-10", **content)


def _use(yuan: str, *, number: str = "L-1", technology: str = "solar_pv") -> Sent:
    return say("use_of_proceeds", loan_number=number, amount_yuan=yuan, technology_code=technology, purpose="…")


def _plan(*investments: str) -> Sent:
    measures = [
        {
            "measure_number": f"M{number}",
            "technology_code": "turbine_retrofit",
            "planned_investment_yuan": yuan,
            "expected_reduction_tco2e_per_year": "1",
            "start_year": 2024,
            "end_year": 2026,
        }
        for number, yuan in enumerate(investments)
    ]
    return say("transition_plan", period=NEVER, adopted_date="2023-01-01", base_year=2022, measures=measures)


CASES: list[Planted] = [
    pair("ENERGY_PRICE_ABSURD", "too cheap", finds=_bill("10", "499.9"), passes=_bill("10", "500")),
    pair("ENERGY_PRICE_ABSURD", "too dear", finds=_bill("10", "30000.1"), passes=_bill("10", "30000")),
    pair(
        "ENERGY_PRICE_ABSURD",
        "of a purchase",
        finds=say("fuel_purchase", fuel_code="coal", mass_t="10", amount_yuan="499.9"),
        passes=[
            say("fuel_purchase", fuel_code="coal", mass_t="10", amount_yuan="500"),
            say("fuel_purchase", fuel_code="coal", mass_t="11"),
            say("fuel_purchase", fuel_code="peat", mass_t="10", amount_yuan="1"),
        ],
    ),
    pair(
        "INVOICED_DIFFERS_FROM_USE",
        "electricity",
        before=[("a", electricity("120")), _bill("40", "30000")],
        finds=_bill("59.9", "30000"),
        passes=[_bill("60", "30000"), _bill("7", "3000", period=month(2024, 2)), _heat_bill("70")],
    ),
    pair(
        "INVOICED_DIFFERS_FROM_USE",
        "heat",
        before=[say("heat_use", purchased_gj="80"), _bill("7", "3000")],
        finds=_heat_bill("101"),
        passes=[
            _heat_bill("100"),
            say("invoiced_energy", energy_code="coal", mass_t="5", amount_yuan="5000"),
            ("a", electricity("8", period=month(2024, 2))),
            say("invoiced_energy", energy_code="coal", mass_t="5", amount_yuan="5000", period=month(2024, 2)),
        ],
    ),
    pair("VALUE_ADDED_ABOVE_REVENUE", finds=_tax("100", added="100.1"), passes=[_tax("100", added="100"), _tax("5", period=year(2023))]),
    pair("TAX_ABOVE_REVENUE", finds=_tax("100", paid="100.1"), passes=_tax("100", paid="100")),
    pair(
        "OUTPUT_WITHOUT_REVENUE",
        before=[
            ("a", output("0.5", period=year(2024))),
            ("a", output("0", period=year(2023))),
            _tax("0", period=year(2023)),
            _tax("0", period=year(2022)),
        ],
        finds=_tax("0"),
        passes=[_tax("0.1"), ("a", output("5", period=month(2021, 1))), _tax("0", period=month(2021, 1))],
    ),
    pair("RATIOS_IMPOSSIBLE", "profit", finds=_ratios(returns="100.1"), passes=_ratios(returns="100")),
    pair("RATIOS_IMPOSSIBLE", "loss", finds=_ratios(returns="-100.1"), passes=_ratios(returns="-100")),
    pair("RATIOS_IMPOSSIBLE", "debt", finds=_ratios(debt="1000.1"), passes=_ratios(debt="1000")),
    pair(
        "GREEN_REVENUE_ABOVE_REVENUE",
        before=[_tax("100")],
        finds=say("green_technology_supply", period=year(2024), technology_code="solar_pv", revenue_yuan="100.1", recipients=1),
        passes=[
            say("green_technology_supply", period=year(2024), technology_code="solar_pv", revenue_yuan="100", recipients=1),
            say("green_technology_supply", period=year(2023), technology_code="solar_pv", revenue_yuan="900", recipients=1),
        ],
    ),
    pair("CARBON_PRICE_ABSURD", "sinks too cheap", finds=_sink("100", "99.9"), passes=_sink("100", "100")),
    pair("CARBON_PRICE_ABSURD", "sinks too dear", finds=_sink("100", "50000.1"), passes=_sink("100", "50000")),
    pair(
        "CARBON_PRICE_ABSURD",
        "allowances; a pledge states the loan",
        finds=_allowance("100", "99.9"),
        passes=[_allowance("100", "100"), _allowance("100", "9000000", movement="PLEDGED"), _allowance("5", number="T-2")],
    ),
    pair(
        "CARBON_PRICE_ABSURD",
        "credits sold",
        before=[_ccer("100", "100", number="T-0")],
        finds=_ccer("100", "50000.1", movement="SOLD"),
        passes=_ccer("100", "50000", movement="SOLD"),
    ),
    pair(
        "SINK_FINANCED_ABOVE_VALUE",
        "100 kt at 28 yuan, and 100 million raised",
        finds=_sink("100000", "2800000", financed="100000000"),
        passes=[_sink("100000", "2800000", financed="5600000"), _sink("100", "2800")],
    ),
    pair(
        "HOLDING_PARTS_ABOVE_HELD",
        finds=_holding("100", pledged="60", frozen="40.1"),
        passes=[_holding("100", pledged="60", frozen="40"), _holding("100", pledged="100"), _holding("100", frozen="100")],
    ),
    pair(
        "TRANSACTION_NUMBER_TWICE",
        before=[_allowance("5")],
        finds=_allowance("5"),
        passes=[_allowance("5", number="T-2"), _allowance("5", movement="SURRENDERED"), _ccer("5")],
    ),
    pair(
        "CREDIT_SOLD_NOT_HELD",
        before=[_ccer("60", movement="ISSUED", number="T-0"), _ccer("40", number="T-2")],
        finds=_ccer("100.1", movement="SOLD"),
        passes=_ccer("100", movement="SOLD"),
    ),
    pair(
        "CREDIT_SOLD_NOT_HELD",
        "of another project",
        before=[_ccer("5", movement="RETIRED")],
        finds=_ccer("9", project="D", number="T-2"),
        passes=_ccer("5", number="T-2"),
    ),
    pair(
        "PROCEEDS_ABOVE_DRAWING",
        before=[_loan("60"), _loan("40"), _use("90")],
        finds=_use("10.1"),
        passes=[_use("10"), _use("900", number="L-9")],
    ),
    pair("PROCEEDS_OF_UNKNOWN_LOAN", before=[_loan("60")], finds=_use("1", number="L-2"), passes=_use("1")),
    pair(
        "PROCEEDS_NOT_RECOGNISED",
        before=[REGISTERED, _loan("60")],
        finds=_use("1", technology="flue_gas_desulphurisation"),
        passes=_use("1", technology="turbine_retrofit"),
    ),
    pair("PROCEEDS_NOT_RECOGNISED", "no industry", before=[_loan("60")], finds=_use("1", technology=""), passes=_use("1")),
    pair("LOAN_DUE_BEFORE_DRAWN", finds=_loan("5", due="2024-01-10"), passes=[_loan("5", due="2024-01-11"), _loan("6")]),
    pair("LOAN_RATE_ABSURD", finds=_loan("5", rate="24.1"), passes=[_loan("5", rate="24"), _loan("6")]),
    pair(
        "LOAN_ABOVE_MEASURE",
        before=[_plan("1000", "500"), _loan("600", measure="M0"), _loan("9000", measure="M9")],
        finds=_loan("400.1", measure="M0"),
        passes=_loan("400", measure="M0"),
    ),
    pair("SINK_FINANCED_ABOVE_VALUE", "twice", finds=_sink("100", "2800", financed="5600.1"), passes=_sink("100", "2800", financed="5600")),
]
