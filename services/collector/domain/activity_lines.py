"""Computes the lines that a method makes of one figure: every formula that fits, with its factors and what the provider measured.

Amounts are rounded once, here, to the scale of postings. Whether a line stands is decided in stand_off.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from services.collector.domain.contents.energy import FuelUse
from services.collector.domain.contents.production import MaterialUse
from services.collector.domain.kinds import Kind
from services.collector.domain.method import (
    CODE_OF_ACTIVITY,
    MEASURED_TERM_UNITS,
    Balance,
    Factor,
    FactorGap,
    Formula,
    MethodPack,
    amount_tco2e,
    exact_sum,
)
from services.collector.domain.posting import AMOUNT_SCALE, Posting, Treatment
from services.collector.domain.quantity import Figure, Measure, ProviderFigure, Quantity, Resolution
from services.common.amounts import quantise

# A quarter of the world's yearly emissions: more than this on one line is never a fact about one subject.
POSTED_TCO2E_MAX = Decimal(10) ** 10
KIND_OF_ACTIVITY = {
    Measure.ELECTRICITY_USE: Kind.ELECTRICITY_USE,
    Measure.ELECTRICITY_SALE: Kind.ELECTRICITY_SALE,
    Measure.ELECTRICITY_GENERATION: Kind.ELECTRICITY_GENERATION,
    Measure.GREEN_POWER: Kind.GREEN_POWER_CERTIFICATE,
    Measure.HEAT_USE: Kind.HEAT_USE,
    Measure.HEAT_SALE: Kind.HEAT_SALE,
    Measure.FUEL_USE: Kind.FUEL_USE,
    Measure.OUTPUT: Kind.OUTPUT,
    Measure.MATERIAL_USE: Kind.MATERIAL_USE,
    Measure.MINE_METHANE: Kind.MINE_METHANE,
    Measure.PURCHASED_GOODS: Kind.PURCHASED_GOODS,
    Measure.FREIGHT: Kind.FREIGHT_TRANSPORT,
}
# What an industry's method has formulas for, but none that fits, is told; other kinds serve other purposes too.
_ALWAYS_ACCOUNTED = frozenset({Kind.FUEL_USE})
_MEASURED = frozenset(MEASURED_TERM_UNITS)
_Days = tuple[date, date]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputedLine:
    """What one formula makes of one figure, to be posted if it stands."""

    posting: Posting
    formula: Formula
    balance: Balance | None
    figure: ProviderFigure
    quantity: Quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class Hindrance:
    """Why a formula made no line of a figure: no factor, or None where the line is larger than any account can hold."""

    gap: FactorGap | None
    scope: int
    treatment: Treatment
    balance: str


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What a method makes of one figure. `fits` tells whether it has any formula for it."""

    fits: bool
    lines: Sequence[ComputedLine]
    hindrances: Sequence[Hindrance]


_NOTHING = Lines(fits=False, lines=(), hindrances=())


class ActivityLines:
    """Computes the lines of one subject; what was looked up once is kept."""

    def __init__(self, *, region: str) -> None:
        self._region = region
        # Packs are known by their identity, which outlives this object: the book holds them.
        self._formulas: dict[tuple[int, Kind, str, str], tuple[Formula, ...]] = {}
        self._factors: dict[tuple[int, str, str, str, date, date, frozenset[str]], tuple[Factor, ...] | FactorGap] = {}
        self._coefficients: dict[tuple[int, str, tuple[str, ...]], Fraction] = {}
        self._uncertainties: dict[tuple[int, int, tuple[str, ...]], Decimal] = {}
        self._kinds: dict[int, frozenset[Kind]] = {}
        self._elsewhere: tuple[Resolution | None, Mapping[_Days, Figure]] = (None, {})

    def of(self, pack: MethodPack, resolution: Resolution, figure: ProviderFigure) -> Lines:
        """Compute what a method makes of a figure, formula by formula."""
        quantity = resolution.quantity
        kind = KIND_OF_ACTIVITY[quantity.measure]
        if kind not in self._kinds_of(pack):
            return _NOTHING
        elsewhere = self._measured_elsewhere(resolution).get((figure.period.start, figure.period.end)) if kind in _MEASURED else None
        lines: list[ComputedLine] = []
        hindrances: list[Hindrance] = []
        fits = False
        for use, figures in _by_use(quantity, figure).items():
            formulas = self._formulas_for(pack, kind, quantity.code, use)
            fits = fits or bool(formulas)
            made = [self._line(pack, formula, quantity, figure, figures, elsewhere) for formula in formulas]
            lines += [one for one in made if isinstance(one, ComputedLine)]
            hindrances += _told([one for one in made if isinstance(one, Hindrance)], computed=len(made))
            if not formulas and kind in _ALWAYS_ACCOUNTED and pack.counts_in_total(kind):
                hindrances.append(Hindrance(gap=FactorGap.UNKNOWN_KEY, scope=1, treatment=Treatment.IN_TOTAL, balance=""))
        return Lines(fits=fits or bool(hindrances), lines=lines, hindrances=hindrances)

    def _kinds_of(self, pack: MethodPack) -> frozenset[Kind]:
        if (found := self._kinds.get(id(pack))) is None:
            found = self._kinds[id(pack)] = frozenset(formula.activity.kind for formula in pack.formulas)
        return found

    def _measured_elsewhere(self, resolution: Resolution) -> Mapping[_Days, Figure]:
        """Find what providers that were passed over measured of the thing itself; figures come resolution by resolution."""
        if self._elsewhere[0] is not resolution:
            self._elsewhere = (resolution, _measured_by_days(resolution))
        return self._elsewhere[1]

    def _formulas_for(self, pack: MethodPack, kind: Kind, code: str, use: str) -> tuple[Formula, ...]:
        known = (id(pack), kind, code, use)
        if (found := self._formulas.get(known)) is None:
            found = self._formulas[known] = pack.formulas_for(kind=kind, code=code, use=use)
        return found

    def _line(
        self,
        pack: MethodPack,
        formula: Formula,
        quantity: Quantity,
        figure: ProviderFigure,
        figures: Sequence[Figure],
        elsewhere: Figure | None,
    ) -> ComputedLine | Hindrance:
        used: dict[str, Factor] = {}
        parts, evidence = [], {one.submission.submission_id for one in figures}
        for one in figures:
            measured = _measured(one, formula)
            if elsewhere is not None and (more := {**_measured(elsewhere, formula), **measured}) != measured:
                measured = more
                evidence.add(elsewhere.submission.submission_id)
            factors = self._factors_for(pack, formula, quantity, figure, measured)
            if isinstance(factors, FactorGap):
                return Hindrance(gap=factors, scope=formula.scope, treatment=formula.treatment, balance=formula.balance)
            used.update({factor.code: factor for factor in factors})
            parts.append(amount_tco2e(one.amount, self._coefficient(pack, formula, factors, measured)))
        amount = exact_sum(parts)
        if abs(amount) > POSTED_TCO2E_MAX:
            return Hindrance(gap=None, scope=formula.scope, treatment=formula.treatment, balance=formula.balance)
        quality = figure.data_quality if len(figures) == len(figure.figures) else max(one.data_quality for one in figures)
        posting = Posting(
            facility_id=quantity.facility_id,
            period=figure.period,
            scope=formula.scope,
            treatment=formula.treatment,
            category=formula.category,
            gas=formula.gas,
            energy_carrier=formula.carrier.replace(CODE_OF_ACTIVITY, quantity.code) or quantity.code,
            amount_tco2e=quantise(amount, AMOUNT_SCALE),
            method_code=pack.method_code,
            factor_codes=tuple(used),
            evidence=tuple(sorted(evidence)),
            data_quality=pack.data_quality(quality, used.values()),
            standard_uncertainty_percent=self._uncertainty(pack, quality, used),
        )
        balance = pack.balances.get(formula.balance)
        return ComputedLine(posting=posting, formula=formula, balance=balance, figure=figure, quantity=quantity)

    def _factors_for(
        self, pack: MethodPack, formula: Formula, quantity: Quantity, figure: ProviderFigure, measured: Mapping[str, Decimal]
    ) -> tuple[Factor, ...] | FactorGap:
        start, end = figure.period.start, figure.period.end
        known = (id(pack), formula.name, quantity.code, quantity.unit, start, end, frozenset(measured))
        if (found := self._factors.get(known)) is None:
            found = self._factors[known] = pack.factors_for(
                formula, code=quantity.code, unit=quantity.unit, region=self._region, period=figure.period, measured=measured
            )
        return found

    def _coefficient(self, pack: MethodPack, formula: Formula, factors: Iterable[Factor], measured: Mapping[str, Decimal]) -> Fraction:
        if measured:
            return pack.coefficient(formula, factors=factors, measured=measured)
        known = (id(pack), formula.name, tuple(factor.code for factor in factors))
        if (found := self._coefficients.get(known)) is None:
            found = self._coefficients[known] = pack.coefficient(formula, factors=factors, measured={})
        return found

    def _uncertainty(self, pack: MethodPack, data_quality: int, used: Mapping[str, Factor]) -> Decimal:
        known = (id(pack), data_quality, tuple(used))
        if (found := self._uncertainties.get(known)) is None:
            found = self._uncertainties[known] = pack.uncertainty_percent(data_quality=data_quality, factors=used.values())
        return found


def _by_use(quantity: Quantity, figure: ProviderFigure) -> dict[str, list[Figure]]:
    """Split a figure by what decides its formula: the route of a product, else the quantity's own use."""
    by_use: dict[str, list[Figure]] = {}
    for one in figure.figures:
        by_use.setdefault(one.part if quantity.measure is Measure.OUTPUT else quantity.use, []).append(one)
    return by_use


def _told(hindrances: Sequence[Hindrance], *, computed: int) -> list[Hindrance]:
    """Leave out that a formula does not know the code or unit where another one does: wood is no fossil fuel."""
    another_does = computed > len(hindrances)
    return [one for one in hindrances if not (another_does and one.gap in (FactorGap.UNKNOWN_KEY, FactorGap.OTHER_UNIT))]


def _measured(figure: Figure, formula: Formula) -> dict[str, Decimal]:
    """Give the parameters that the provider measured, by the name of their term, where the formula has such a term."""
    content = figure.submission.content
    match content:
        case FuelUse():
            stated = {"ncv_gj_per_unit": content.ncv_gj_per_unit, "carbon_content_tc_per_gj": content.carbon_content_tc_per_gj}
        case MaterialUse():
            stated = {"carbon_content_percent": content.carbon_content_percent}
        case _:
            return {}
    return {name: value for name, value in stated.items() if value is not None and formula.has_term(name)}


def _measures_something(figure: Figure) -> bool:
    content = figure.submission.content
    match content:
        case FuelUse():
            return content.ncv_gj_per_unit is not None or content.carbon_content_tc_per_gj is not None
        case MaterialUse():
            return content.carbon_content_percent is not None
        case _:
            return False


def _measured_by_days(resolution: Resolution) -> dict[_Days, Figure]:
    """Find what providers that were passed over measured of the thing itself: an invoice knows the tonnes, the plant the heat.

    Only single records count: several records of one period may speak of different loads.
    """
    found: dict[_Days, Figure] = {}
    for passed in resolution.passed_over:
        figure = passed.figure
        if len(figure.figures) == 1 and _measures_something(figure.figures[0]):
            found.setdefault((figure.period.start, figure.period.end), figure.figures[0])
    return found
