"""Planted cases of plausibility_energy.py."""

from __future__ import annotations

from tests.unit.collector.planted import Planted, Sent, pair, say
from tests.unit.collector.submissions import METERED, days, electricity, fuel, month, output, year


def _generated(mwh: str, *, mw: str = "", source: str = "SOLAR", own: str = "", **more: object) -> Sent:
    content = {"source": f"GENERATION_SOURCE_{source}", "generated_mwh": mwh, "capacity_mw": mw, "own_use_mwh": own}
    return say("electricity_generation", **content, **more)  # type: ignore[arg-type]


def _stock(opening: str, closing: str, *, number: int = 1, code: str = "coal", provider: str = "a", **more: object) -> Sent:
    content = {"fuel_code": code, "opening_t": opening, "closing_t": closing}
    return say("fuel_stock", period=month(2024, number), provider=provider, **content, **more)  # type: ignore[arg-type]


def _bought(tonnes: str, *, code: str = "coal", **more: object) -> Sent:
    return say("fuel_purchase", fuel_code=code, mass_t=tonnes, **more)  # type: ignore[arg-type]


def _certificates(mwh: str, *, first: str = "", generated: str = "2024-01", **more: object) -> Sent:
    content = {
        "certificate_mwh": mwh,
        "first_certificate_number": first or f"G-{mwh}",
        "last_certificate_number": "G-9",
        "generation_year_month": generated,
    }
    return say("green_power_certificate", **content, **more)  # type: ignore[arg-type]


_73_DAYS = days("2023-01-01", "2023-03-15")
_183_DAYS = days("2023-01-01", "2023-07-03")

CASES: list[Planted] = [
    pair(
        "GENERATION_ABOVE_CAPACITY",
        finds=_generated("7812.1", mw="10", source="FOSSIL"),
        passes=[_generated("7812", mw="10", source="FOSSIL"), _generated("9999", source="FOSSIL")],
    ),
    pair(
        "FULL_LOAD_HOURS_IMPOSSIBLE",
        "in a year",
        finds=_generated("2400.1", mw="1", period=year(2023)),
        passes=[_generated("2400", mw="1", period=year(2023)), _generated("9", period=month(2024, 1))],
    ),
    pair(
        "FULL_LOAD_HOURS_IMPOSSIBLE",
        "in the best months",
        finds=_generated("720.1", mw="1", period=_73_DAYS),
        passes=_generated("720", mw="1", period=_73_DAYS),
    ),
    pair(
        "FULL_LOAD_HOURS_IMPOSSIBLE",
        "in half a year; what passes every hour is another rule's",
        finds=_generated("1839.6", mw="1", period=_73_DAYS),
        passes=[_generated("1500", mw="1", period=_183_DAYS), _generated("1839.7", mw="1", period=_73_DAYS)],
    ),
    pair(
        "FULL_LOAD_HOURS_IMPOSSIBLE",
        "wind; coal may",
        finds=_generated("5200.1", mw="1", source="WIND", period=year(2023)),
        passes=[
            _generated("5200", mw="1", source="WIND", period=year(2023)),
            _generated("8000", mw="1", source="FOSSIL", period=year(2023)),
        ],
    ),
    pair(
        "FULL_LOAD_HOURS_IMPOSSIBLE",
        "a day more than half a year has no best months",
        finds=_generated("1500", mw="1", period=days("2023-01-01", "2023-07-04")),
        passes=_generated("1500", mw="1", period=_183_DAYS),
    ),
    pair(
        "OWN_USE_ABOVE_GENERATION",
        finds=_generated("100", own="100.1"),
        passes=[_generated("100", own="100"), _generated("100", period=month(2024, 2))],
    ),
    pair(
        "ELECTRICITY_SOLD_ABOVE_SUPPLY",
        "of output",
        before=[("a", output("1000")), ("a", electricity("100"))],
        finds=say("electricity_sale", sold_mwh="1122.1"),
        passes=say("electricity_sale", sold_mwh="1122"),
    ),
    pair(
        "ELECTRICITY_SOLD_ABOVE_SUPPLY",
        "of what was generated",
        before=[_generated("1000"), ("a", electricity("100")), ("a", electricity("1", period=month(2024, 2)))],
        finds=say("electricity_sale", sold_mwh="1122.1"),
        passes=[
            say("electricity_sale", sold_mwh="1122"),
            # Of these months not both sides are known.
            say("electricity_sale", sold_mwh="9000", period=month(2024, 2)),
            _generated("1", period=month(2024, 3)),
            say("electricity_sale", sold_mwh="9000", period=month(2024, 3)),
        ],
    ),
    pair(
        "HEAT_SOLD_ABOVE_SUPPLY",
        before=[say("output", product_code="heat", heat_gj="1000"), say("heat_use", purchased_gj="100")],
        finds=say("heat_sale", sold_gj="1100.1"),
        passes=[say("heat_sale", sold_gj="1100"), say("heat_sale", sold_gj="5", period=month(2024, 2))],
    ),
    pair(
        "ENERGY_BELOW_PHYSICAL_MINIMUM",
        "coal power",
        before=[("a", output("1000")), ("a", electricity("100", basis=METERED))],
        # 188 t of 30 GJ and 100 MWh are 6,000 GJ; without a measured value 33 GJ are taken.
        finds=("a", fuel("187.9", ncv="30")),
        passes=("a", fuel("188", ncv="30")),
    ),
    pair(
        "ENERGY_BELOW_PHYSICAL_MINIMUM",
        "not measured; bought heat counts too",
        before=[("a", output("990")), say("heat_use", purchased_gj="660")],
        finds=("a", fuel("159.9")),
        passes=[("a", fuel("160")), ("a", output("7", period=month(2024, 2)))],
    ),
    pair(
        "ENERGY_BELOW_PHYSICAL_MINIMUM",
        "a gas that we have no range for",
        before=[("a", output("900", route="gas"))],
        finds=("a", fuel("", fuel_code="coke_oven_gas", volume="10.9")),
        passes=("a", fuel("", fuel_code="coke_oven_gas", volume="11")),
    ),
    pair(
        "ENERGY_BELOW_PHYSICAL_MINIMUM",
        "electrolysis; two products share energy",
        finds=[("a", output("36", product="aluminium", route="prebaked")), ("a", electricity("214.9"))],
        passes=[
            ("a", output("36", product="aluminium", route="prebaked")),
            ("a", electricity("215")),
            ("a", output("36", product="aluminium", route="", period=month(2024, 2))),
            ("a", output("1", product="alumina", route="", period=month(2024, 2))),
            ("a", electricity("1", period=month(2024, 2))),
        ],
    ),
    pair(
        "STOCK_BALANCE_OFF",
        "coal that vanished",
        before=[_bought("1000"), ("a", fuel("900"))],
        finds=_stock("200", "239.9"),
        passes=_stock("200", "240"),
    ),
    pair(
        "STOCK_BALANCE_OFF",
        "coal from nowhere",
        before=[_bought("1000"), ("a", fuel("900"))],
        finds=_stock("200", "360.1"),
        passes=[
            _stock("200", "360"),
            _stock("360", "9", number=2, provider="b"),
            _stock("9", "9", number=3, provider="b"),
            ("a", fuel("900", period=month(2024, 3))),
            say("fuel_purchase", fuel_code="coal", mass_t="1", period=month(2024, 2)),
        ],
    ),
    pair(
        "STOCK_BALANCE_OFF",
        "more burnt than there was; another fuel",
        before=[_bought("100"), _bought("7", code="lignite"), ("a", fuel("1000")), ("a", fuel("5", fuel_code="lignite"))],
        finds=_stock("850", "0.1"),
        passes=_stock("850", "0"),
    ),
    pair(
        "STOCK_NOT_CARRIED_OVER",
        finds=[_stock("10", "1000"), _stock("989.9", "5", number=2)],
        passes=[_stock("10", "1000"), _stock("990", "5", number=2), _stock("700", "5", number=4), _stock("1", "1", number=2, provider="b")],
    ),
    pair(
        "STOCK_NOT_CARRIED_OVER",
        "upwards",
        finds=[_stock("989.9", "5", number=2), _stock("10", "979", number=1), _stock("5", "7", number=3)],
        passes=[_stock("979", "5", number=2), _stock("10", "979", number=1), _stock("5", "7", number=3)],
    ),
    pair(
        "FUEL_NOT_BOUGHT",
        before=[
            _bought("100"),
            _stock("5", "5", code="lignite"),
            ("a", fuel("90", period=month(2024, 2))),
            ("a", fuel("3", fuel_code="lignite")),
        ],
        finds=[("a", fuel("0.5", fuel_code="diesel")), _stock("1", "1", code="diesel", number=3)],
        passes=[("a", fuel("90")), ("a", fuel("0", fuel_code="diesel")), ("a", fuel("7", fuel_code="diesel", period=month(2024, 2)))],
    ),
    pair(
        "CERTIFICATES_ABOVE_CONSUMPTION",
        before=[("a", electricity("100")), _certificates("60")],
        finds=_certificates("40.1"),
        passes=[_certificates("40"), _certificates("7", period=month(2024, 2))],
    ),
    pair(
        "CERTIFICATE_MONTH_AFTER_USE",
        finds=_certificates("5", generated="2024-02"),
        passes=_certificates("5", generated="2024-01"),
    ),
    pair(
        "CERTIFICATE_NUMBER_TWICE",
        before=[_certificates("5", first="G-1"), _certificates("6")],
        finds=_certificates("5", first="G-1"),
        passes=_certificates("5", first="G-2"),
    ),
]
