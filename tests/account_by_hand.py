"""Computes by hand what an account must say, from the exact bytes of a subject's effective submissions.

Written apart from the collector, after its README: the best data quality counts, of equals the smaller provider code; finer figures
take the place of a coarser one only when they tile it and are no worse; activities come before reported figures that they cover
wholly at no worse quality; a measured calorific value before the default; bought electricity by location, by market and upstream;
mine methane upstream of coal. Covers what the province and the replay of real records
send, not every case of the collector. Used by `checkers.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from carbonbureau.intake.v1 import basis_pb2, energy_pb2, submission_pb2

Days = tuple[date, date]

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SCALE = Decimal("0.000001")
_QUALITY = {"BASIS_VERIFIED": 1, "BASIS_METERED": 2, "BASIS_INVOICED": 3, "BASIS_DECLARED": 4, "BASIS_UNSPECIFIED": 4}

# Thermal power and combined heat and power (GB/T 4754-2017): their method knows fuels, and no market-based view.
_POWER_INDUSTRIES = ("4411", "4412")
# Steel, coking, wind and sun: of what the province sends about them, only bought electricity is computed.
_ELECTRICITY_INDUSTRIES = ("3120", "2521", "4415", "4416")
_COALS = ("coal",)


class _Fuel(NamedTuple):
    ncv_gj_per_unit: Decimal
    carbon_content_tc_per_gj: Decimal
    oxidation_rate: Decimal


# Defaults of the guideline for power generation, 2022 revision, per t; natural gas per 10^4 Nm3.
_FUELS = {
    "coal": _Fuel(Decimal("26.7"), Decimal("0.03085"), Decimal("0.99")),
    "diesel": _Fuel(Decimal("42.652"), Decimal("0.0202"), Decimal("0.98")),
    "natural_gas": _Fuel(Decimal("389.31"), Decimal("0.01532"), Decimal("0.99")),
}
# Shanxi's average grid factor of 2023, in force for that year and carried forward; fuel defaults are from 2023 on too.
_GRID_SHANXI = Decimal("0.6634")
# Beside the total: the residual mix; the footprint of electricity less the national average; 8.37 m3 of methane of 0.67 kg for each
# tonne of coal, times 28.
_RESIDUAL_MIX = Decimal("0.6096")
_ELECTRICITY_UPSTREAM = Decimal("0.6205") - Decimal("0.5306")
_COAL_UPSTREAM = Decimal("8.37") * Decimal("0.00067") * 28
_FACTORS_FROM = date(2023, 1, 1)


class Effective(NamedTuple):
    """An effective submission, decoded."""

    provider_code: str
    record_number: str
    sha256: bytes
    message: submission_pb2.Submission


class Line(NamedTuple):
    """Emissions of one facility, period, scope and carrier, t CO2e to the gram."""

    days: Days
    scope: int
    carrier: str
    amount: Decimal
    treatment: str = "IN_TOTAL"

    def __str__(self) -> str:
        of = f"{self.amount} t of carrier {self.carrier!r}, scope {self.scope}, {self.treatment}"
        return f"{of}, {self.days[0]} to {self.days[1]}"


class _Computed(NamedTuple):
    """A line computed from activity data, and the quality of these data."""

    line: Line
    quality: int


class _Figure(NamedTuple):
    """What one provider states of one quantity for one period."""

    quality: int
    provider_code: str
    days: Days
    messages: tuple[submission_pb2.Submission, ...]


def lines(submissions: Sequence[Effective]) -> Iterator[Line]:
    """Yield the lines of one subject's account; facilities are told apart by the number that providers give them."""
    entries = [one for one in submissions if one.message.HasField("registry_entry")]
    entries.sort(key=lambda one: (one.message.registry_entry.effective_date, one.provider_code, one.record_number))
    newest = entries[-1].message.registry_entry if entries else None
    for number in sorted({one.message.facility_number for one in submissions}):
        own = [one for one in submissions if one.message.facility_number == number]
        computed: list[_Computed] = []
        if newest is not None and newest.industry_code in _POWER_INDUSTRIES:
            computed += _fuel_lines(own)
            computed += _electricity_lines(own) if newest.city_code.startswith("14") else ()
        elif newest is not None and newest.industry_code in _ELECTRICITY_INDUSTRIES and newest.city_code.startswith("14"):
            computed += _electricity_lines(own)
            yield from _electricity_beside(own, _RESIDUAL_MIX, scope=2, treatment="MARKET_BASED")
        if newest is not None and newest.industry_code:
            yield from _electricity_beside(own, _ELECTRICITY_UPSTREAM, scope=3, treatment="VALUE_CHAIN")
            yield from _coal_upstream(own)
        for scope, field in ((1, "scope1_tco2e"), (2, "scope2_tco2e")):
            yield from _lines_of_scope(own, field, scope=scope, computed=[one for one in computed if one.line.scope == scope])


def _fuel_lines(submissions: Sequence[Effective]) -> Iterator[_Computed]:
    by_fuel: dict[str, list[Effective]] = defaultdict(list)
    for one in submissions:
        if one.message.HasField("fuel_use"):
            by_fuel[one.message.fuel_use.fuel_code].append(one)
    for code in sorted(by_fuel.keys() & _FUELS.keys()):
        chosen, passed = _chosen(by_fuel[code], "fuel_use")
        # What another provider measured of the same fuel; the first in order of quality, hence the last to be written.
        elsewhere = {one.days: one.messages[0].fuel_use for one in reversed(passed) if len(one.messages) == 1 and _measures(one)}
        for figure in chosen:
            assert figure.days[0] >= _FACTORS_FROM, "defaults of earlier years are not known here"
            total = Decimal(0)
            for message in figure.messages:
                total = _EXACT.add(total, _emissions(message.fuel_use, elsewhere.get(figure.days), _FUELS[code]))
            yield _Computed(Line(figure.days, 1, code, total.quantize(_SCALE, context=_EXACT)), figure.quality)


def _measures(figure: _Figure) -> bool:
    use = figure.messages[0].fuel_use
    return bool(use.ncv_gj_per_unit or use.carbon_content_tc_per_gj)


def _emissions(use: energy_pb2.FuelUse, elsewhere: energy_pb2.FuelUse | None, fuel: _Fuel) -> Decimal:
    other = energy_pb2.FuelUse() if elsewhere is None else elsewhere
    factors = (
        Decimal(use.mass_t or use.volume_ten_thousand_nm3),
        Decimal(use.ncv_gj_per_unit or other.ncv_gj_per_unit or fuel.ncv_gj_per_unit),
        Decimal(use.carbon_content_tc_per_gj or other.carbon_content_tc_per_gj or fuel.carbon_content_tc_per_gj),
        fuel.oxidation_rate,
    )
    product = Decimal(44)
    for factor in factors:
        product = _EXACT.multiply(product, factor)
    return _EXACT.divide(product, Decimal(12))


def _electricity_lines(submissions: Sequence[Effective]) -> Iterator[_Computed]:
    for figure in _chosen([one for one in submissions if one.message.HasField("electricity_use")], "electricity_use")[0]:
        assert figure.days[0] >= _FACTORS_FROM, "grid factors of earlier years are not known here"
        bought = sum((Decimal(message.electricity_use.purchased_mwh) for message in figure.messages), Decimal(0))
        line = Line(figure.days, 2, "electricity", _EXACT.multiply(bought, _GRID_SHANXI).quantize(_SCALE, context=_EXACT))
        yield _Computed(line, figure.quality)


def _electricity_beside(submissions: Sequence[Effective], factor: Decimal, *, scope: int, treatment: str) -> Iterator[Line]:
    for figure in _chosen([one for one in submissions if one.message.HasField("electricity_use")], "electricity_use")[0]:
        bought = sum((Decimal(message.electricity_use.purchased_mwh) for message in figure.messages), Decimal(0))
        yield Line(figure.days, scope, "electricity", _EXACT.multiply(bought, factor).quantize(_SCALE, context=_EXACT), treatment)


def _coal_upstream(submissions: Sequence[Effective]) -> Iterator[Line]:
    for code in _COALS:
        used = [one for one in submissions if one.message.HasField("fuel_use") and one.message.fuel_use.fuel_code == code]
        for figure in _chosen(used, "fuel_use")[0]:
            tonnes = sum((Decimal(message.fuel_use.mass_t) for message in figure.messages), Decimal(0))
            yield Line(figure.days, 3, code, _EXACT.multiply(tonnes, _COAL_UPSTREAM).quantize(_SCALE, context=_EXACT), "VALUE_CHAIN")


def _lines_of_scope(submissions: Sequence[Effective], field: str, *, scope: int, computed: Sequence[_Computed]) -> Iterator[Line]:
    stated = [one for one in submissions if one.message.HasField("reported_emissions") and getattr(one.message.reported_emissions, field)]
    reported = _chosen(stated, "reported_emissions")[0]
    posted: list[_Figure] = []
    standing = list(computed)
    # A computed line that yields to one report is missing beside the next, so begin anew after each.
    while (report := next((one for one in reported if one not in posted and not _outdone(one, computed, standing)), None)) is not None:
        posted.append(report)
        standing = [one for one in standing if not _overlap(one.line.days, report.days)]
    yield from (one.line for one in standing)
    for figure in posted:
        by_carrier: dict[str, Decimal] = defaultdict(Decimal)
        for message in figure.messages:
            by_carrier[message.reported_emissions.energy_carrier] += Decimal(getattr(message.reported_emissions, field))
        for carrier, amount in by_carrier.items():
            # A total beside its parts does not count.
            if carrier or len(by_carrier) == 1:
                yield Line(figure.days, scope, carrier, amount.quantize(_SCALE, context=_EXACT))


def _chosen(submissions: Iterable[Effective], kind: str) -> tuple[list[_Figure], list[_Figure]]:
    """Split what providers state of one quantity into what counts and what is passed over, each best quality first."""
    gathered: dict[tuple[str, Days], list[submission_pb2.Submission]] = defaultdict(list)
    for one in sorted(submissions, key=lambda one: (one.provider_code, one.record_number)):
        period = one.message.period
        days = (date.fromisoformat(period.start_date), date.fromisoformat(period.end_date))
        gathered[one.provider_code, days].append(one.message)
    figures = []
    for (provider_code, days), messages in gathered.items():
        quality = max(_QUALITY[basis_pb2.Basis.Name(getattr(message, kind).basis)] for message in messages)
        figures.append(_Figure(quality, provider_code, days, tuple(messages)))
    figures.sort(key=lambda one: one[:3])
    best = {one.days: one for one in reversed(figures)}
    counted = _tiling(list(best.values()))
    chosen = [one for one in figures if any(one is other for other in counted)]
    return chosen, [one for one in figures if not any(one is other for other in counted)]


def _tiling(figures: list[_Figure]) -> list[_Figure]:
    """Take the longest figures, each unless others within it that are no worse add up to exactly its days."""
    taken: list[_Figure] = []
    for figure in sorted(figures, key=lambda one: (one.days[0] - one.days[1], *one[:3])):
        if any(_overlap(figure.days, one.days) for one in taken):
            continue
        within = [one for one in figures if one is not figure and one[:2] <= figure[:2] and _inside(one.days, figure.days)]
        parts = _tiling(within)
        taken += parts if _length(parts) == (figure.days[1] - figure.days[0]).days else [figure]
    return taken


def _outdone(report: _Figure, computed: Sequence[_Computed], standing: Sequence[_Computed]) -> bool:
    """Tell whether activity data say something of each of a report's days, are no worse, and have not yielded to another report."""
    beside = [one for one in computed if _overlap(one.line.days, report.days)]
    day = report.days[0]
    for start, end in sorted(one.line.days for one in beside):
        day = max(day, end) if start <= day else day
    return bool(beside) and day >= report.days[1] and all(one.quality <= report.quality and one in standing for one in beside)


def _length(figures: Iterable[_Figure]) -> int:
    return sum((one.days[1] - one.days[0]).days for one in figures)


def _inside(one: Days, other: Days) -> bool:
    return other[0] <= one[0] and one[1] <= other[1]


def _overlap(one: Days, other: Days) -> bool:
    return one[0] < other[1] and other[0] < one[1]
