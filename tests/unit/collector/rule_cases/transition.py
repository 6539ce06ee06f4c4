"""Planted cases of plausibility_transition.py."""

from __future__ import annotations

from carbonbureau.common.v1 import period_pb2

from tests.unit.collector.planted import NEVER, Planted, Sent, pair, say
from tests.unit.collector.submissions import days, investment, month, year


def _measure(
    saves: str, *, technology: str = "energy_management", costs: str = "9000000", start: int = 2023, end: int = 2026
) -> dict[str, object]:
    return {
        "measure_number": "M1",
        "technology_code": technology,
        "planned_investment_yuan": costs,
        "expected_reduction_tco2e_per_year": saves,
        "start_year": start,
        "end_year": end,
    }


def _target(of: int, percent: str, *, emissions: str = "") -> dict[str, object]:
    return {"year": of, "intensity_reduction_percent": percent, "emissions_tco2e": emissions}


def _plan(*measures: dict[str, object], targets: tuple[dict[str, object], ...] = (), done: str | None = None, base: str = "") -> Sent:
    milestone = {"milestone_number": "Z1", "due_date": "2025-01-01", "completed_date": done or "", "measure_number": "M1"}
    return say(
        "transition_plan",
        period=NEVER,
        adopted_date="2023-01-01",
        base_year=2022,
        measures=list(measures),
        yearly_targets=list(targets),
        milestones=[milestone],
        base_year_emissions_tco2e=base,
    )


def _evidence(milestone: str = "Z1", *, day: str = "2024-12-01", document: str = "", saved: str = "") -> Sent:
    content = {
        "milestone_number": milestone,
        "completed_date": day,
        "document_sha256": document,
        "achieved_reduction_tco2e_per_year": saved,
    }
    return say("milestone_evidence", period=NEVER, description="…", **content)


def _solar(mwh: str, *, of: period_pb2.Period | None = None, source: str = "SOLAR") -> Sent:
    return say("electricity_generation", period=of or year(2023), source=f"GENERATION_SOURCE_{source}", generated_mwh=mwh)


def _research(yuan: str, patents: int) -> Sent:
    return say("research_and_development", period=year(2024), expenditure_yuan=yuan, patents_granted=patents)


def _supply(yuan: str, recipients: int) -> Sent:
    return say("green_technology_supply", period=year(2024), technology_code="solar_pv", revenue_yuan=yuan, recipients=recipients)


CASES: list[Planted] = [
    pair(
        "SAVING_ABOVE_ANY_GRID",
        "750 MWh that save 6 Mt",
        before=[_solar("750")],
        finds=_plan(_measure("6000000", technology="solar_pv", costs="90000000")),
        passes=_plan(_measure("975", technology="solar_pv", costs="90000000")),
    ),
    pair(
        "SAVING_ABOVE_ANY_GRID",
        "as evidence shows it, in the best year; a part of a year says nothing",
        before=[_plan(_measure("1", technology="wind_power")), _solar("500", source="WIND"), _solar("9999")],
        finds=[_solar("1000", source="WIND", of=days("2022-01-01", "2022-12-01")), _evidence(saved="1300.1")],
        passes=[
            _solar("1000", source="WIND", of=days("2022-01-01", "2022-12-01")),
            _evidence(saved="1300"),
            _evidence("Z9"),
            _evidence(),
        ],
    ),
    pair(
        "SAVING_ABOVE_ANY_GRID",
        "months add up to a year",
        before=[_solar("10", of=month(2023, number)) for number in range(1, 12)],
        finds=_plan(_measure("143.1", technology="solar_pv")),
        passes=[_plan(_measure("143", technology="solar_pv"))],
    ),
    pair(
        "SAVING_ABOVE_ANY_GRID",
        "ten months are no year; nothing is said of a technology without a source",
        before=[_solar("10", of=month(2023, number)) for number in range(1, 11)],
        finds=[_solar("10", of=month(2023, 11)), _plan(_measure("500", technology="solar_pv"))],
        passes=[_solar("10", of=month(2024, 11)), _plan(_measure("500", technology="solar_pv"), _measure("800"))],
    ),
    pair("REDUCTION_TOO_CHEAP", finds=_plan(_measure("100", costs="499.9")), passes=_plan(_measure("100", costs="500"))),
    pair(
        "REDUCTION_ABOVE_EMISSIONS",
        finds=_plan(_measure("60"), _measure("40.1"), base="100"),
        passes=[_plan(_measure("60"), _measure("40"), base="100"), _plan(_measure("60"))],
    ),
    pair(
        "PLAN_PARTS_MISS_TOTAL",
        "25 % promised, 2.5 % made up of parts",
        finds=_plan(_measure("25"), targets=(_target(2025, "25", emissions="750"),), base="1000"),
        passes=[
            _plan(_measure("62.5"), targets=(_target(2025, "25", emissions="750"), _target(2026, "26")), base="1000"),
            _plan(_measure("25"), targets=(_target(2025, "25", emissions="750"),)),
            _plan(targets=(_target(2025, "25", emissions="750"),), base="1000"),
        ],
    ),
    pair(
        "PLAN_PARTS_MISS_TOTAL",
        "parts above the total",
        finds=_plan(_measure("40.1"), targets=(_target(2025, "1", emissions="990"),), base="1000"),
        passes=_plan(_measure("40"), targets=(_target(2025, "1", emissions="990"),), base="1000"),
    ),
    pair(
        "PLAN_PARTS_MISS_TOTAL",
        "a measure that begins after the target",
        finds=_plan(_measure("100", start=2026), targets=(_target(2025, "10", emissions="900"),), base="1000"),
        passes=_plan(_measure("100", start=2025), targets=(_target(2025, "10", emissions="900"),), base="1000"),
    ),
    pair(
        "TARGET_CONTRADICTS_BASE",
        finds=_plan(targets=(_target(2022, "5"),)),
        passes=_plan(targets=(_target(2022, "0"), _target(2023, "5"))),
    ),
    pair(
        "TARGETS_FALL_BACK",
        finds=_plan(targets=(_target(2026, "9.9"), _target(2025, "10"), _target(2024, "5"))),
        passes=_plan(targets=(_target(2026, "10"), _target(2025, "10"), _target(2024, "5"))),
    ),
    pair("MEASURE_ENDS_BEFORE_START", finds=_plan(_measure("1", start=2025, end=2024)), passes=_plan(_measure("1", start=2025, end=2025))),
    pair("MILESTONE_WITHOUT_EVIDENCE", finds=_plan(done="2024-12-01"), passes=[_plan(done="2024-12-01"), _evidence()]),
    pair("MILESTONE_WITHOUT_EVIDENCE", "an open one needs none", finds=_plan(done="2024-12-01"), passes=_plan()),
    pair(
        "MILESTONE_DATES_APART",
        before=[_plan(done="2024-12-01")],
        finds=_evidence(day="2025-01-02"),
        passes=_evidence(day="2025-01-01"),
    ),
    pair(
        "MILESTONE_DATES_APART",
        "too early; an open one and one of no plan have no day",
        before=[_evidence("Z9")],
        finds=[_plan(done="2024-12-01"), _evidence(day="2024-10-30")],
        passes=[_plan(), _evidence(day="2024-10-30")],
    ),
    pair("EVIDENCE_OF_NO_MILESTONE", before=[_plan()], finds=_evidence("Z2"), passes=_evidence()),
    pair(
        "DOCUMENT_SHOWN_TWICE",
        before=[_evidence("Z1", document="AB" * 32), _evidence("Z3"), _evidence("Z4")],
        finds=_evidence("Z2", document="ab" * 32),
        passes=[_evidence("Z2", document="cd" * 32), _evidence("Z1", document="ab" * 32)],
    ),
    pair(
        "EXPENDITURE_STATED_DIFFERENTLY",
        before=[("a", investment("5", "45"))],
        finds=("a", investment("5", "46", technology="solar_pv")),
        passes=[("a", investment("5", "45", technology="solar_pv")), ("a", investment("5", "46", period=year(2023)))],
    ),
    pair(
        "INVESTMENT_FAR_ABOVE_REVENUE",
        before=[say("tax_return", period=year(2024), revenue_yuan="100", tax_paid_yuan="1")],
        finds=("a", investment("500.1", "900")),
        passes=[("a", investment("500", "900")), ("a", investment("900", "900", period=year(2023)))],
    ),
    pair("PATENTS_WITHOUT_SPENDING", finds=_research("0", 1), passes=[_research("0.1", 1), _research("0", 0)]),
    pair("SUPPLY_TO_NOBODY", finds=_supply("0.1", 0), passes=[_supply("0", 0), _supply("0.1", 1)]),
    pair(
        "SAVING_ABOVE_ANY_GRID",
        "eleven months are a year",
        before=[_plan(_measure("500", technology="solar_pv"))],
        finds=_solar("1", of=days("2022-01-01", "2022-12-01")),
        passes=_solar("1", of=days("2022-01-01", "2022-11-30")),
    ),
]
