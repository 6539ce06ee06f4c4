"""Planted cases of plausibility_environment.py."""

from __future__ import annotations

from carbonbureau.intake.v1 import registry_pb2

from tests.unit.collector.planted import NEVER, Planted, Sent, pair, say
from tests.unit.collector.submissions import entry, fuel, month, output


def _penalty(number: str = "P-1", *, day: str = "2024-03-01", ground: str = "POLLUTION", fine: str = "0") -> Sent:
    content = {"decision_number": number, "decided_date": day, "ground": f"PENALTY_GROUND_{ground}", "legal_basis": "…", "fine_yuan": fine}
    return say("penalty", period=NEVER, **content)


def _repair(number: str = "P-1", *, day: str = "2024-09-01") -> Sent:
    return say("penalty_repair", period=NEVER, decision_number=number, repaired_date=day)


def _permit(*, until: str = "", state: str = "GRANTED", since: str = "2020-01-01") -> Sent:
    content = {"permit_kind": "pollutant_discharge", "valid_from_date": since, "valid_until_date": until, "state": f"PERMIT_STATE_{state}"}
    return say("permit", period=NEVER, permit_number="X", **content)


def _notice(quota: str, consumed: str) -> Sent:
    return say("energy_over_consumption_notice", notice_number="N", quota_tce=quota, consumed_tce=consumed)


def _class(credit: str, *, day: str = "2025-01-10") -> Sent:
    return say("environmental_credit_class", credit_class=f"ENVIRONMENTAL_CREDIT_{credit}", decided_date=day)


def _control(*, day: str = "2024-01-31", ncv: bool = True, carbon: bool = True) -> Sent:
    content = {"plan_edition": "1", "filed_date": day, "measures_ncv": ncv, "measures_carbon_content": carbon}
    return say("quality_control_plan", period=NEVER, **content)


def _status(state: str, *, day: str = "") -> Sent:
    return say("ultra_low_emission_status", period=NEVER, state=f"ULTRA_LOW_EMISSION_STATE_{state}", published_date=day)


def _entry(state: str) -> Sent:
    sent = entry(effective_date="2024-01-01")
    sent.registry_entry.state = registry_pb2.EnterpriseState.Value(f"ENTERPRISE_STATE_{state}")
    return "ndrc-sx", sent


def _listing(*, removed: str = "", kind: str = "INSOLVENCY") -> Sent:
    content = {"list": f"COURT_LIST_KIND_{kind}", "case_number": "C-1", "listed_date": "2024-01-01", "removed_date": removed}
    return say("court_listing", period=NEVER, **content)


MEASURED: Sent = ("a", fuel("1", ncv="25", carbon="0.026"))
AGAIN: Sent = ("a", fuel("2", ncv="25", carbon="0.026", period=month(2024, 2)))

CASES: list[Planted] = [
    pair("PENALTY_FOR_FALSIFICATION", finds=_penalty(ground="FALSIFIED_CARBON_DATA"), passes=_penalty()),
    pair("REPAIR_WITHOUT_PENALTY", before=[_penalty()], finds=_repair("P-2"), passes=_repair()),
    pair(
        "REPAIR_BEFORE_PENALTY",
        before=[_penalty()],
        finds=_repair(day="2024-02-29"),
        passes=[_repair(day="2024-03-01"), _repair("P-9", day="2010-01-01")],
    ),
    pair(
        "OUTPUT_WITHOUT_PERMIT",
        "ended",
        before=[("a", output("0.5")), ("a", output("0", period=month(2024, 2)))],
        finds=_permit(until="2024-01-01"),
        passes=[_permit(until="2024-01-02"), _permit(state="REVOKED")],
    ),
    pair(
        "OUTPUT_WITHOUT_PERMIT",
        "taken; one that begins later may have had others before",
        before=[("a", output("5"))],
        finds=[_permit(state="REVOKED"), _permit(since="2024-01-01", until="2024-09-01", state="SUSPENDED")],
        passes=[_permit(state="REVOKED"), _permit(since="2024-01-02", until="2024-09-01", state="SUSPENDED")],
    ),
    pair("OUTPUT_WITHOUT_PERMIT", "who has none may need none", before=[("a", output("5"))], finds=_permit(state="EXPIRED"), passes=[]),
    pair("OVER_CONSUMPTION_WITHIN_QUOTA", finds=_notice("100", "100"), passes=_notice("100", "100.1")),
    pair("MEASURED_WITHOUT_PLAN", "none filed in time", before=[MEASURED], finds=_control(day="2024-02-01"), passes=_control()),
    pair("MEASURED_WITHOUT_PLAN", "calorific value", before=[MEASURED, AGAIN], finds=_control(ncv=False), passes=_control()),
    pair("MEASURED_WITHOUT_PLAN", "carbon content", before=[MEASURED], finds=_control(carbon=False), passes=_control()),
    pair("MEASURED_WITHOUT_PLAN", "defaults need none", finds=("a", fuel("1", ncv="25")), passes=("a", fuel("1"))),
    pair("MEASURED_WITHOUT_PLAN", "defaults need none, the other", finds=("a", fuel("1", carbon="0.026")), passes=("a", fuel("1"))),
    pair(
        "CREDIT_CLASS_CONTRADICTORY",
        before=[_class("BLUE"), _class("RED", day="2024-01-10")],
        finds=_class("YELLOW"),
        passes=_class("BLUE"),
    ),
    pair(
        "CREDIT_CLASS_DESPITE_PENALTY",
        "a year before",
        before=[_class("GREEN"), _class("RED", day="2025-01-09")],
        finds=_penalty(day="2024-01-10", fine="200000"),
        passes=[_penalty(day="2024-01-09", fine="200000"), _penalty("P-2", fine="199999.9")],
    ),
    pair(
        "CREDIT_CLASS_DESPITE_PENALTY",
        "on the day; not after it, not when repaired",
        before=[_class("GREEN")],
        finds=_penalty(day="2025-01-10", fine="200000"),
        passes=[_penalty(day="2025-01-11", fine="200000"), _penalty("P-2", fine="900000"), _repair("P-2")],
    ),
    pair(
        "ULTRA_LOW_WITHOUT_PUBLICATION", finds=_status("PUBLISHED"), passes=[_status("PUBLISHED", day="2024-01-01"), _status("UNDER_WAY")]
    ),
    pair("ULTRA_LOW_WITHOUT_PUBLICATION", "in part", finds=_status("PARTLY_PUBLISHED"), passes=_status("NOT_BEGUN")),
    pair(
        "OUTPUT_AFTER_DEREGISTRATION",
        "struck off",
        before=[("a", output("0.5")), ("a", output("5", period=month(2023, 12))), ("a", output("0", route="gas"))],
        finds=_entry("DEREGISTERED"),
        passes=_entry("OPERATING"),
    ),
    pair("OUTPUT_AFTER_DEREGISTRATION", "licence taken", before=[("a", output("5"))], finds=_entry("REVOKED"), passes=_entry("SUSPENDED")),
    pair(
        "OUTPUT_AFTER_DEREGISTRATION",
        "nobody knows of an end",
        before=[("a", output("5"))],
        finds=_entry("REVOKED"),
        passes=[],
        also=set(),
    ),
    pair("LISTED_AS_INSOLVENT", finds=_listing(), passes=[_listing(removed="2024-05-01"), _listing(kind="DISHONEST_DEBTOR")]),
]
