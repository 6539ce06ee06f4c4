"""Planted cases of plausibility_production.py."""

from __future__ import annotations

from tests.unit.collector.planted import FARM, NEVER, Planted, Sent, pair, say
from tests.unit.collector.submissions import days, month, output, reported, year

JANUARY_1 = days("2024-01-01", "2024-01-02")
JANUARY_2 = days("2024-01-02", "2024-01-03")


def _hours(hours: str, *, unit: str = "U1", load: str = "", **more: object) -> Sent:
    return say("operating_hours", unit_number=unit, hours=hours, load_rate_percent=load, **more)  # type: ignore[arg-type]


def _stack(co2_t: str, *readings: tuple[int, str, str], valid: int = 24, operating: int = 24, stack: str = "S1", **more: object) -> Sent:
    hours = [
        {"date": "2024-01-01", "hour": hour, "co2_t": reading, "state": f"MONITOR_STATUS_{state}"} for hour, reading, state in readings
    ]
    content = {"stack_number": stack, "co2_t": co2_t, "valid_hours": valid, "operating_hours": operating, "hours": hours}
    return say("stack_monitor_summary", **{"period": JANUARY_1, **content, **more})  # type: ignore[arg-type]


def _readings(*amounts: str, state: str = "VALID") -> list[tuple[int, str, str]]:
    return [(hour, amount, state) for hour, amount in enumerate(amounts)]


def _methane(drained: str, *, utilised: str = "", flared: str = "") -> Sent:
    amounts = {"drained": drained, "ventilated": "5", "utilised": utilised, "flared": flared}
    return say("mine_methane", **{f"{name}_ten_thousand_nm3": amount for name, amount in amounts.items()})


CASES: list[Planted] = [
    pair(
        "OUTPUT_ABOVE_CAPACITY",
        "tonnes a year",
        before=[say("capacity", product_code="coke", mass_t_per_year="36500", period=year(2024))],
        # 31 days of 100 t, and a fifth.
        finds=("a", output("3720.1", product="coke", route="")),
        passes=[
            ("a", output("3720", product="coke", route="")),
            ("a", output("9999", product="tar", route="")),
        ],
    ),
    pair(
        "OUTPUT_ABOVE_CAPACITY",
        "megawatts; two units, two routes",
        before=[say("capacity", product_code="electricity", power_mw="4", period=year(2024)) for _ in range(2)]
        + [("a", output("5142.4", route="gas"))],
        finds=("a", output("2000.1")),
        passes=[("a", output("2000")), ("a", output("99999", period=month(2023, 1)))],
        count=2,
    ),
    pair("OPERATING_HOURS_ABOVE_PERIOD", finds=_hours("744.1"), passes=_hours("744")),
    pair("LOAD_RATE_ABOVE_FULL", finds=_hours("7", load="110.1"), passes=[_hours("7", load="110"), _hours("7")]),
    pair(
        "OUTPUT_WITHOUT_HOURS",
        before=[_hours("0"), ("a", output("5", period=month(2024, 2)))],
        finds=("a", output("0.1")),
        passes=[
            _hours("0.1", unit="U2"),
            ("a", output("0.1")),
            _hours("0", period=month(2024, 3)),
            ("a", output("0", period=month(2024, 3))),
        ],
    ),
    pair(
        "SHARE_ABOVE_WHOLE",
        "carbon",
        finds=say("material_use", material_code="scrap", mass_t="1", carbon_content_percent="100.1"),
        passes=[
            say("material_use", material_code="scrap", mass_t="1", carbon_content_percent="100"),
            say("material_use", material_code="scrap", mass_t="1"),
        ],
    ),
    pair(
        "SHARE_ABOVE_WHOLE",
        "target",
        finds=say(
            "transition_plan",
            period=NEVER,
            adopted_date="2023-01-01",
            base_year=2022,
            yearly_targets=[{"year": 2025, "intensity_reduction_percent": "5"}, {"year": 2030, "intensity_reduction_percent": "100.1"}],
        ),
        passes=say(
            "transition_plan",
            period=NEVER,
            adopted_date="2023-01-01",
            base_year=2022,
            yearly_targets=[{"year": 2025, "intensity_reduction_percent": "5"}, {"year": 2030, "intensity_reduction_percent": "100"}],
        ),
    ),
    pair(
        "METHANE_ABOVE_DRAINED",
        finds=_methane("100", utilised="60", flared="40.1"),
        passes=[_methane("100", utilised="60", flared="40"), _methane("100", utilised="100"), _methane("100", flared="100")],
    ),
    pair("METHANE_ABOVE_DRAINED", "flared alone", finds=_methane("100", flared="100.1"), passes=_methane("100")),
    pair("MONITOR_HOURS_ABOVE_PERIOD", "valid", finds=_stack("5", valid=25), passes=_stack("5")),
    pair("MONITOR_HOURS_ABOVE_PERIOD", "operating", finds=_stack("5", operating=25), passes=_stack("5")),
    pair("MONITOR_MOSTLY_INVALID", finds=_stack("5", valid=17), passes=_stack("5", valid=18)),
    pair(
        "MONITOR_SUM_OFF",
        "below",
        finds=_stack("100", *_readings("50", "48.9")),
        passes=[_stack("100", *_readings("50", "49")), _stack("100", stack="S2")],
    ),
    pair("MONITOR_SUM_OFF", "above", finds=_stack("100", *_readings("50", "51.1")), passes=_stack("100", *_readings("50", "51"))),
    pair(
        "MONITOR_FROZEN",
        finds=_stack("3", *_readings("0.5", "0.5", "0.5", "0.5", "0.5", "0.5")),
        passes=[
            _stack("31", *_readings("5", "5", "5", "6", "5", "5")),
            _stack("25", *_readings("5", "5", "5", "5", "5"), stack="S2"),
            _stack("30", *_readings("5", "5", "5", "5", "5", "5", state="FAULTY"), stack="S3"),
            _stack("0", *_readings("0", "0", "0", "0", "0", "0"), stack="S4"),
        ],
    ),
    pair(
        "MONITOR_FROZEN",
        "over midnight, in any order",
        finds=say(
            "stack_monitor_summary",
            period=days("2024-01-01", "2024-01-03"),
            stack_number="S1",
            co2_t="30",
            valid_hours=6,
            operating_hours=6,
            hours=[
                {"date": f"2024-01-0{day}", "hour": hour, "co2_t": "5", "state": "MONITOR_STATUS_VALID"}
                for day, hour in ((2, 0), (1, 21), (1, 22), (2, 1), (1, 23), (2, 2))
            ],
        ),
        passes=say(
            "stack_monitor_summary",
            period=days("2024-01-01", "2024-01-03"),
            stack_number="S1",
            co2_t="31",
            valid_hours=6,
            operating_hours=6,
            hours=[
                {"date": f"2024-01-0{day}", "hour": hour, "co2_t": amount, "state": "MONITOR_STATUS_VALID"}
                for day, hour, amount in ((2, 0, "6"), (1, 21, "5"), (1, 22, "5"), (2, 1, "5"), (1, 23, "5"), (2, 2, "5"))
            ],
        ),
    ),
    pair(
        "MONITOR_HOUR_TWICE",
        finds=_stack("9", (0, "4", "VALID"), (0, "5", "VALID")),
        passes=_stack("9", (0, "4", "VALID"), (1, "5", "VALID")),
    ),
    pair(
        "MONITOR_HOUR_OUTSIDE_PERIOD",
        "before",
        finds=_stack("9", (0, "4", "VALID"), (1, "5", "VALID"), period=JANUARY_2),
        passes=_stack("9", (0, "4", "VALID"), (1, "5", "VALID")),
    ),
    pair(
        "MONITOR_HOUR_OUTSIDE_PERIOD",
        "after",
        finds=_stack("4", (0, "4", "VALID"), period=days("2023-12-31", "2024-01-01")),
        passes=_stack("4", (0, "4", "VALID"), period=days("2023-12-31", "2024-01-02"), operating=48, valid=48),
    ),
    pair(
        "MONITOR_DIFFERS_FROM_ACCOUNT",
        "above",
        before=[FARM, ("a", reported("1000", "500")), _stack("700", stack="S2", period=month(2024, 1))],
        finds=_stack("500.1", period=month(2024, 1)),
        passes=[_stack("500", period=month(2024, 1)), _stack("5", period=month(2024, 2))],
    ),
    pair(
        "MONITOR_DIFFERS_FROM_ACCOUNT",
        "below, coal and gas",
        before=[FARM, ("a", reported("600", carrier="coal")), ("a", reported("400", carrier="gas"))],
        finds=_stack("799.9", period=month(2024, 1)),
        passes=_stack("800", period=month(2024, 1)),
    ),
    pair(
        "MONITOR_HOUR_OUTSIDE_PERIOD",
        "one of two",
        finds=say(
            "stack_monitor_summary",
            period=JANUARY_2,
            stack_number="S1",
            co2_t="9",
            hours=[{"date": f"2024-01-0{day}", "co2_t": "4.5", "state": "MONITOR_STATUS_VALID"} for day in (1, 2)],
        ),
        passes=_stack("4", (0, "4", "VALID")),
    ),
]
