"""Decides what an accounting method is and computes by it. A method is a data file: formulas over named terms, factors, balances.

A pack names its standard and edition, the industries and days it holds for, the activity data it needs, its formulas, and its
factors with source. A factor that is missing or that two entries give for the same day is an answer (`FactorGap`), never a silent
choice. Reading the files is pack_file.py's, putting packs together and checking them pack_set.py's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum, StrEnum
from fractions import Fraction

from services.collector.domain.expression import Expression
from services.collector.domain.kinds import Kind
from services.collector.domain.posting import Treatment
from services.common.amounts import quantise
from services.common.civil_time import Period

# Wide enough that nothing is rounded before the one rounding of the posting.
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)
ANY_INDUSTRY = "*"
UNCERTAINTY_SCALE = 2
DATA_QUALITY_WORST = 5
# In the place of a key: the code that the submission names.
CODE_OF_ACTIVITY = "{code}"


class MethodKind(StrEnum):
    """What a pack is for."""

    ACTIVITY = "activity"  # the method of a sector, from activity data
    AS_REPORTED = "as-reported"  # takes reported figures over
    VALUE_CHAIN = "value-chain"  # scope 3, beside the method of every sector
    LIBRARY = "library"  # formulas and factors for other packs to include


class MethodStatus(StrEnum):
    """Whose method it is."""

    NATIONAL = "national"
    PROVISIONAL = "provisional"


# The kinds of submission that state activity data.
ACTIVITY_KINDS = frozenset(
    {
        Kind.ELECTRICITY_USE,
        Kind.ELECTRICITY_SALE,
        Kind.ELECTRICITY_GENERATION,
        Kind.GREEN_POWER_CERTIFICATE,
        Kind.HEAT_USE,
        Kind.HEAT_SALE,
        Kind.FUEL_USE,
        Kind.OUTPUT,
        Kind.MATERIAL_USE,
        Kind.MINE_METHANE,
        Kind.PURCHASED_GOODS,
        Kind.FREIGHT_TRANSPORT,
    }
)

# What a provider may measure of the thing itself, and in which unit; it takes the place of the factor's default.
MEASURED_TERM_UNITS = {
    Kind.FUEL_USE: {"ncv_gj_per_unit": "GJ/{unit}", "carbon_content_tc_per_gj": "tC/GJ"},
    Kind.MATERIAL_USE: {"carbon_content_percent": "percent·tC/t"},
}


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number of nature, definition or standard, as a fraction so that 44/12 stays exact."""

    name: str
    value: Fraction
    unit: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A quantity that a method needs: of this kind, of these codes and uses (purpose, route, source), in one of these units.

    No codes means whatever code has a factor; no uses means every use.
    """

    name: str
    kind: Kind
    codes: frozenset[str]
    uses: frozenset[str]
    units: tuple[str, ...]

    def matches(self, *, kind: Kind, code: str, use: str) -> bool:
        """Tell whether a stated quantity is one of these."""
        return self.kind is kind and (not self.codes or code in self.codes) and (not self.uses or use in self.uses)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One signed line for each quantity of an activity: emissions, or what is taken off them.

    `factors` names what must be looked up: each entry is a key or, in order, the keys that stand in for it. Where the provider
    measured every term of `measured_expression` that can be measured, it holds instead of `expression`.
    """

    name: str
    activity: Activity
    scope: int
    category: int
    treatment: Treatment
    gas: str
    carrier: str
    expression: Expression
    measured_expression: Expression | None
    factors: tuple[tuple[str, ...], ...]
    balance: str

    def expressions(self) -> tuple[Expression, ...]:
        """List the ways it may be computed."""
        return (self.expression,) if self.measured_expression is None else (self.expression, self.measured_expression)

    def has_term(self, name: str) -> bool:
        """Tell whether a term stands in it."""
        return any(name in expression.names for expression in self.expressions())

    def measurable(self) -> frozenset[str]:
        """Name the terms that a provider may measure."""
        return frozenset(MEASURED_TERM_UNITS.get(self.activity.kind, {}))


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Lines that only stand together: on days for which every required activity is known."""

    name: str
    requires: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Parameters of one fuel, material or purchased energy, for the days from `valid_from` until `valid_until`.

    `region` is the leading digits of a GB/T 2260 division, empty for everywhere. `quality_step` worsens the data quality of what is
    computed with it, `quality_at_best` bounds it. The uncertainty is assumed by this bureau: no source states one.
    """

    code: str
    key: str
    unit: str
    region: str
    year: int
    valid_from: date
    valid_until: date
    values: Mapping[str, Fraction]
    source: str
    confidence: str
    quality_step: int
    quality_at_best: int
    assumed_standard_uncertainty_percent: Decimal

    def holds(self, *, region: str, period: Period) -> bool:
        """Tell whether it holds on every day of a period in a region."""
        return region.startswith(self.region) and self.valid_from <= period.start and period.end <= self.valid_until


@dataclass(frozen=True, kw_only=True)
class DeclaredGap:
    """Days without a factor of a key, as the pack itself says: figures of these days are a finding and post nothing."""

    key: str
    valid_from: date
    valid_until: date
    reason: str


class FactorGap(Enum):
    """Why there is no factor."""

    UNKNOWN_KEY = "the method knows no such fuel"
    OTHER_UNIT = "the method measures it in another unit"
    MISSING = "no factor holds for the whole period and region"
    AMBIGUOUS = "more than one factor holds for the period and region"


@dataclass(frozen=True, kw_only=True)
class MethodPack:
    """One method in one edition, with what it includes. `region` is where its factors are complete."""

    code: str
    edition: str
    kind: MethodKind
    title: str
    status: MethodStatus
    reasoning: str
    standard: str
    standard_edition: str
    effective_from: date
    effective_until: date
    region: str
    industry_codes: tuple[str, ...]
    data_quality_rule: str
    includes: tuple[str, ...]
    warming_potentials: str
    formulas: tuple[Formula, ...]
    balances: Mapping[str, Balance]
    constants: Mapping[str, Constant]
    term_units: Mapping[str, str]
    factors: tuple[Factor, ...]
    gaps: tuple[DeclaredGap, ...]
    assumed_uncertainty_percent_by_quality: Mapping[int, Decimal]

    @property
    def method_code(self) -> str:
        """Name method and edition, as postings do."""
        return f"{self.code}/{self.edition}"

    def in_force(self, period: Period) -> bool:
        """Tell whether the method holds on every day of the period."""
        return self.effective_from <= period.start and period.end <= self.effective_until

    def holds_for(self, industry_code: str) -> bool:
        """Tell whether the method holds for an industry; its codes are leading digits. None is no industry but every one's."""
        of_any = any(code == ANY_INDUSTRY for code in self.industry_codes)
        return of_any or (industry_code != "" and any(industry_code.startswith(code) for code in self.industry_codes))

    def formulas_for(self, *, kind: Kind, code: str, use: str) -> tuple[Formula, ...]:
        """Find the formulas for a stated quantity."""
        return tuple(formula for formula in self.formulas if formula.activity.matches(kind=kind, code=code, use=use))

    def counts_in_total(self, kind: Kind) -> bool:
        """Tell whether some quantity of this kind counts in the total."""
        return any(one.activity.kind is kind and one.treatment is Treatment.IN_TOTAL for one in self.formulas)

    def open_terms(self, expression: Expression, formula: Formula) -> frozenset[str]:
        """Name the terms that a factor, or the provider, must give."""
        return expression.names - {formula.activity.name} - self.constants.keys()

    def factors_for(
        self, formula: Formula, *, code: str, unit: str, region: str, period: Period, measured: Mapping[str, Decimal]
    ) -> tuple[Factor, ...] | FactorGap:
        """Find the factors of a formula that hold for the whole period in this region."""
        expression = self._expression(formula, measured)
        needed = self.open_terms(expression, formula)
        if not needed - measured.keys() and expression is formula.measured_expression:
            return () if unit in formula.activity.units else FactorGap.OTHER_UNIT
        found: list[Factor] = []
        for keys in formula.factors:
            one = self._first_of(keys, code=code, unit=unit, region=region, period=period, needed=needed)
            if isinstance(one, FactorGap):
                return one
            found.append(one)
        return tuple(found) if unit in formula.activity.units else FactorGap.OTHER_UNIT

    def _first_of(
        self, keys: tuple[str, ...], *, code: str, unit: str, region: str, period: Period, needed: frozenset[str]
    ) -> Factor | FactorGap:
        first_gap: FactorGap | None = None
        for written in keys:
            one = self.factor(key=written.replace(CODE_OF_ACTIVITY, code), unit=unit, region=region, period=period, needed=needed)
            if not isinstance(one, FactorGap) or one is FactorGap.AMBIGUOUS:
                return one
            first_gap = first_gap or one
        return first_gap or FactorGap.UNKNOWN_KEY

    def factor(self, *, key: str, unit: str, region: str, period: Period, needed: frozenset[str]) -> Factor | FactorGap:
        """Find the one factor of a key that holds for the whole period in this region and gives some of the needed terms."""
        of_key = [factor for factor in self.factors if factor.key == key and not needed.isdisjoint(factor.values)]
        if not of_key:
            return FactorGap.UNKNOWN_KEY
        of_unit = [factor for factor in of_key if factor.unit == unit]
        if not of_unit:
            return FactorGap.OTHER_UNIT
        holding = [factor for factor in of_unit if factor.holds(region=region, period=period)]
        if len(holding) != 1:
            return FactorGap.AMBIGUOUS if holding else FactorGap.MISSING
        return holding[0]

    def coefficient(self, formula: Formula, *, factors: Iterable[Factor], measured: Mapping[str, Decimal]) -> Fraction:
        """Compute tCO2e for one unit of the quantity, exactly; a measured value takes the place of a factor's default."""
        values = {name: constant.value for name, constant in self.constants.items()}
        for factor in factors:
            values.update(factor.values)
        values.update({name: Fraction(value) for name, value in measured.items()})
        values[formula.activity.name] = Fraction(1)
        return self._expression(formula, measured).exactly(values)

    def _expression(self, formula: Formula, measured: Mapping[str, Decimal]) -> Expression:
        instead = formula.measured_expression
        if instead is not None and formula.measurable() & instead.names <= measured.keys():
            return instead
        return formula.expression

    def data_quality(self, of_data: int, factors: Iterable[Factor]) -> int:
        """Give the data quality of a line: that of its data, worsened by its factors, never better than they allow."""
        used = tuple(factors)
        steps = max((factor.quality_step for factor in used), default=0)
        at_best = max((factor.quality_at_best for factor in used), default=1)
        return min(DATA_QUALITY_WORST, max(of_data + steps, at_best))

    def uncertainty_percent(self, *, data_quality: int, factors: Iterable[Factor]) -> Decimal:
        """Combine the assumed relative standard uncertainties of activity data and factors as independent ones (GUM 5.1.2)."""
        variance = self.assumed_uncertainty_percent_by_quality[data_quality] ** 2
        for factor in factors:
            variance += factor.assumed_standard_uncertainty_percent**2
        return quantise(_EXACT.sqrt(variance), UNCERTAINTY_SCALE)


def amount_tco2e(quantity: Decimal, coefficient: Fraction) -> Decimal:
    """Multiply a quantity by its coefficient, to 64 digits."""
    product = _EXACT.multiply(quantity, Decimal(coefficient.numerator))
    return _EXACT.divide(product, Decimal(coefficient.denominator))


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add without the rounding to 28 digits that Decimal's default context would do in between."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total
