"""Planted cases of plausibility_verification.py."""

from __future__ import annotations

from tests.unit.collector.planted import FARM, NEVER, Planted, Sent, pair, say
from tests.unit.collector.submissions import code_of, electricity, fuel, month, reported, year

VERIFIER, AGENCY = code_of(801), code_of(802)
FULL_YEAR: list[Sent] = [
    FARM,
    ("a", reported("1000", "300", period=year(2024))),
    ("a", reported("70", "30", period=year(2023))),
    ("a", reported("", "9", period=month(2022, 2))),
]


def _inventory(scope1: str, *, compiled_by: str = "", **more: object) -> Sent:
    content = {"standard": "GB/T 32150", "scope1_tco2e": scope1, "compiled_by_code": compiled_by}
    return say("emissions_inventory", **{"period": year(2024), **content, **more})  # type: ignore[arg-type]


def _ets(verified: str, *, supplied: str = "", heat: str = "", verifier: str = VERIFIER, of: int = 2024) -> Sent:
    content = {
        "ets_year": of,
        "verified_tco2": verified,
        "output_supplied_mwh": supplied,
        "heat_supplied_gj": heat,
        "verifier_code": verifier,
    }
    return say("ets_verified_emissions", period=NEVER, **content)


def _statement(scope1: str = "", *, compiler: str = "", opinion: str = "UNQUALIFIED", exceptions: str = "", **more: object) -> Sent:
    content = {
        "statement_number": "V-1",
        "verifier_code": VERIFIER,
        "compiler_code": compiler,
        "opinion": f"VERIFICATION_OPINION_{opinion}",
        "assurance_level": "ASSURANCE_LEVEL_LIMITED",
        "scope1_tco2e": scope1,
        "issued_date": "2025-03-01",
        "exceptions": exceptions,
    }
    return say("verifier_statement", **{"period": year(2024), **content, **more})  # type: ignore[arg-type]


def _opinion(standing: str, association: str = VERIFIER) -> Sent:
    content = {"association_code": association, "standing": f"SECTOR_STANDING_{standing}", "reasoning": "…", "issued_date": "2025-03-01"}
    return say("sector_opinion", period=NEVER, **content)


def _recheck(outcome: str, number: str, *, kind: str = "FUEL_USE") -> Sent:
    content = {"finding_id": "f-1", "record_kind": kind, "record_number": number, "outcome": f"RECHECK_OUTCOME_{outcome}", "reason": "…"}
    return say("recheck_answer", period=NEVER, **content)


CASES: list[Planted] = [
    pair(
        "REPORTED_FACTOR_IMPOSSIBLE",
        "0.8 kg for a litre of diesel, of 0.84 kg",
        before=[FARM, ("a", fuel("84", fuel_code="diesel"))],
        finds=("a", reported("80", carrier="diesel")),
        passes=[("a", reported("210", carrier="diesel")), ("a", reported("5", carrier="coal")), ("a", reported("", "9", carrier="diesel"))],
    ),
    pair(
        "REPORTED_FACTOR_IMPOSSIBLE",
        "too much",
        before=[FARM, ("a", fuel("100", fuel_code="diesel")), ("a", fuel("100", fuel_code="straw"))],
        finds=("a", reported("360.1", carrier="diesel")),
        passes=[("a", reported("360", carrier="diesel")), ("a", reported("1", carrier="straw"))],
    ),
    pair(
        "SCOPE2_FACTOR_IMPOSSIBLE",
        before=[FARM, ("a", electricity("100")), ("a", electricity("100", period=month(2024, 2)))],
        finds=("a", reported("1", "130.1")),
        passes=[
            ("a", reported("1", "130")),
            # Bought heat is in it; nothing is said of scope 2; nothing was bought.
            ("a", reported("1", "500", period=month(2024, 2))),
            say("heat_use", purchased_gj="9", period=month(2024, 2)),
            ("a", reported("1", "", carrier="gas", period=month(2024, 1))),
            ("a", reported("1", "500", period=month(2024, 3))),
        ],
    ),
    pair("ETS_INTENSITY_IMPOSSIBLE", "too low", finds=_ets("299.9", supplied="1000"), passes=[_ets("300", supplied="1000"), _ets("1")]),
    pair(
        "ETS_INTENSITY_IMPOSSIBLE",
        "too high; with heat it may be",
        finds=_ets("2000.1", supplied="1000"),
        passes=[_ets("2000", supplied="1000"), _ets("9000", supplied="1000", heat="5", of=2023)],
    ),
    pair(
        "INVENTORY_DIFFERS_FROM_ACCOUNT",
        before=FULL_YEAR,
        finds=_inventory("1100.1"),
        passes=[_inventory("1100"), _inventory("7", period=month(2022, 2))],
    ),
    pair(
        "VERIFIED_DIFFERS_FROM_ACCOUNT", "by the scheme", before=FULL_YEAR, finds=_ets("1100.1"), passes=[_ets("1100"), _ets("7", of=2021)]
    ),
    pair(
        "VERIFIED_DIFFERS_FROM_ACCOUNT",
        "by a verifier",
        before=FULL_YEAR,
        finds=_statement("1100.1"),
        passes=[
            _statement("1100"),
            _statement(),
            _statement("7", period=month(2022, 3)),
        ],
    ),
    pair(
        "ETS_DIFFERS_FROM_INVENTORY",
        before=[_inventory("1000")],
        finds=_ets("1100.1"),
        passes=[_ets("1100"), _ets("9", of=2023), _inventory("1000", period=month(2024, 1)), _inventory("9", period=month(2024, 12))],
    ),
    pair(
        "VERIFIED_WITHOUT_INVENTORY",
        "no report",
        finds=_statement(),
        passes=[_statement(), _inventory("5")],
    ),
    pair(
        "VERIFIED_WITHOUT_INVENTORY",
        "a report of other days",
        before=[_statement()],
        finds=("a", reported("5")),
        passes=[("a", reported("5", period=month(2024, number))) for number in range(1, 13)],
    ),
    pair(
        "VERIFIER_COMPILED_DATA",
        "the inventory",
        before=[_inventory("1000")],
        finds=[_ets("1000"), _inventory("5", compiled_by=VERIFIER, period=year(2021))],
        passes=[_ets("1000"), _inventory("5", compiled_by=AGENCY, period=year(2021))],
    ),
    pair(
        "VERIFIER_COMPILED_DATA",
        "what it verified itself",
        before=[_inventory("1000")],
        finds=_statement(compiler=VERIFIER),
        passes=_statement(compiler=AGENCY),
    ),
    pair("VERIFIER_OPINION_ADVERSE", "adverse", finds=_statement(opinion="ADVERSE"), passes=_statement()),
    pair(
        "VERIFIER_OPINION_ADVERSE",
        "none",
        finds=_statement(opinion="DISCLAIMED"),
        passes=_statement(opinion="QUALIFIED", exceptions="scope 2"),
    ),
    pair(
        "QUALIFIED_WITHOUT_EXCEPTIONS",
        finds=_statement(opinion="QUALIFIED"),
        passes=[_statement(opinion="QUALIFIED", exceptions="scope 2"), _statement()],
    ),
    pair(
        "SECTOR_OPINIONS_APART", before=[_opinion("LAGGING")], finds=_opinion("LEADING", AGENCY), passes=_opinion("ABOVE_AVERAGE", AGENCY)
    ),
    pair(
        "SECTOR_OPINIONS_APART",
        "the other way",
        before=[_opinion("LEADING")],
        finds=_opinion("LAGGING", AGENCY),
        passes=_opinion("AVERAGE", AGENCY),
    ),
    pair(
        "RECHECK_CORRECTED_NOTHING",
        before=[("a", fuel("1", record_number="7")), ("a", fuel("3", record_number="8"))],
        finds=_recheck("CORRECTED", "7"),
        passes=[
            _recheck("CONFIRMED", "7"),
            _recheck("CORRECTED", "8"),
            ("a", fuel("2", record_number="8", record_revision=2)),
            _recheck("CORRECTED", "9"),
        ],
    ),
    pair(
        "RECORD_CORRECTED_OFTEN",
        before=[("a", reported("1", record_number="7", record_revision=revision)) for revision in range(1, 6)],
        finds=("a", reported("1", record_number="7", record_revision=6)),
        passes=("a", reported("1", record_number="8")),
    ),
]
