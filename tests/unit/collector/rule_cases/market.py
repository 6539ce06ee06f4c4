"""Planted cases of allowance.py and fiscal.py."""

from tests.unit.collector.market import ccer, holding, moved, verified
from tests.unit.collector.planted import Planted
from tests.unit.collector.submissions import Sent, electricity, month, tax_return

GRANTED: Sent = ("m", moved("GRANTED", "100"))

CASES = [
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
