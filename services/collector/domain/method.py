"""Decides what an accounting method is and computes by it. A method is a data file: formulas are products of named terms.

A pack names its standard and edition, the industries and days it holds for, its formulas, and its factors with source. A
factor that is missing or that two entries give for the same day is an answer (`FactorGap`), never a silent choice.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

from services.collector.domain.kinds import Kind
from services.common.amounts import parse_amount, quantise
from services.common.civil_time import Period

# Wide enough that nothing is rounded before the one rounding of the posting.
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)
ANY_INDUSTRY = "*"
UNCERTAINTY_SCALE = 2


class PackRefusedError(Exception):
    """A method file cannot be used; the message names the file and the place in it."""


class MethodKind(Enum):
    """Where the figures of a method come from."""

    ACTIVITY = "activity"
    AS_REPORTED = "as-reported"


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number of nature or definition, as a fraction so that 44/12 stays exact."""

    numerator: Decimal
    denominator: Decimal


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Emissions as the product of terms: `quantity`, terms of a factor or measured by the provider, constants of the pack."""

    name: str
    kind: Kind
    scope: int
    terms: tuple[str, ...]
    equation: str


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Parameters of one fuel or of purchased electricity, for the days from `valid_from` until `valid_until`.

    `region` is the leading digits of a GB/T 2260 division, empty for everywhere. `quality_step` worsens the data quality of
    what is computed with it. The uncertainty is assumed by this bureau: no source states one.
    """

    code: str
    key: str
    unit: str
    region: str
    valid_from: date
    valid_until: date
    values: Mapping[str, Decimal]
    source: str
    confidence: str
    quality_step: int
    assumed_standard_uncertainty_percent: Decimal


class FactorGap(Enum):
    """Why there is no factor."""

    UNKNOWN_KEY = "the method knows no such fuel"
    OTHER_UNIT = "the method measures it in another unit"
    MISSING = "no factor holds for the whole period and region"
    AMBIGUOUS = "more than one factor holds for the period and region"


@dataclass(frozen=True, kw_only=True)
class MethodPack:
    """One method in one edition."""

    code: str
    edition: str
    kind: MethodKind
    title: str
    standard: str
    effective_from: date
    effective_until: date
    industry_codes: tuple[str, ...]
    formulas: tuple[Formula, ...]
    constants: Mapping[str, Constant]
    factors: tuple[Factor, ...]
    assumed_uncertainty_percent_by_quality: Mapping[int, Decimal]

    @property
    def method_code(self) -> str:
        """Name method and edition, as postings do."""
        return f"{self.code}/{self.edition}"

    def applies_to(self, industry_code: str, period: Period) -> bool:
        """Tell whether the method holds for this industry on every day of the period."""
        in_force = self.effective_from <= period.start and period.end <= self.effective_until
        return in_force and (ANY_INDUSTRY in self.industry_codes or industry_code in self.industry_codes)

    def formula(self, kind: Kind) -> Formula | None:
        """Find the formula for a kind of submission."""
        return next((formula for formula in self.formulas if formula.kind is kind), None)

    def factor(self, *, key: str, unit: str, region: str, period: Period) -> Factor | FactorGap:
        """Find the one factor that holds for the whole period in this region."""
        of_key = [factor for factor in self.factors if factor.key == key]
        if not of_key:
            return FactorGap.UNKNOWN_KEY
        of_unit = [factor for factor in of_key if factor.unit == unit]
        if not of_unit:
            return FactorGap.OTHER_UNIT
        holding = [
            factor
            for factor in of_unit
            if region.startswith(factor.region) and factor.valid_from <= period.start and period.end <= factor.valid_until
        ]
        if len(holding) != 1:
            return FactorGap.AMBIGUOUS if holding else FactorGap.MISSING
        return holding[0]

    def emissions_tco2e(self, formula: Formula, *, quantity: Decimal, factor: Factor, measured: Mapping[str, Decimal]) -> Decimal:
        """Multiply the terms of a formula; a measured value takes the place of the factor's default. Exact to 64 digits."""
        product, divisor = Decimal(1), Decimal(1)
        for term in formula.terms:
            if (constant := self.constants.get(term)) is not None:
                product = _EXACT.multiply(product, constant.numerator)
                divisor = _EXACT.multiply(divisor, constant.denominator)
            elif term == "quantity":
                product = _EXACT.multiply(product, quantity)
            else:
                product = _EXACT.multiply(product, measured[term] if term in measured else factor.values[term])
        return _EXACT.divide(product, divisor)

    def uncertainty_percent(self, *, data_quality: int, factor: Factor | None) -> Decimal:
        """Combine the assumed relative standard uncertainties of activity data and factor as independent ones (GUM 5.1.2)."""
        of_data = self.assumed_uncertainty_percent_by_quality[data_quality]
        of_factor = factor.assumed_standard_uncertainty_percent if factor is not None else Decimal(0)
        return quantise(_EXACT.sqrt(of_data * of_data + of_factor * of_factor), UNCERTAINTY_SCALE)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add without the rounding to 28 digits that Decimal's default context would do in between."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def parse_pack(text: str, *, file_name: str) -> MethodPack:
    """Read a method file.

    Raises:
        PackRefusedError: something is missing or malformed, a formula names a term that nothing gives, or two factors hold on one day.
    """
    try:
        raw = tomllib.loads(text)
        pack = _pack(raw)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PackRefusedError(f"{file_name}: {type(error).__name__}: {error}") from error
    problems = [*_unknown_terms(pack), *_overlapping_factors(pack.factors)]
    if problems:
        raise PackRefusedError(f"{file_name}: " + "; ".join(problems))
    return pack


def _pack(raw: Mapping[str, Any]) -> MethodPack:
    return MethodPack(
        code=_text(raw, "code"),
        edition=_text(raw, "edition"),
        kind=MethodKind(raw["kind"]),
        title=_text(raw, "title"),
        standard=_text(raw, "standard"),
        effective_from=_day(raw, "effective_from"),
        effective_until=_day(raw, "effective_until"),
        industry_codes=tuple(str(code) for code in raw["industry_codes"]),
        formulas=tuple(
            Formula(
                name=_text(one, "name"),
                kind=Kind(one["kind"]),
                scope=int(one["scope"]),
                terms=tuple(str(term) for term in one["terms"]),
                equation=_text(one, "equation"),
            )
            for one in raw.get("formula", ())
        ),
        constants=MappingProxyType(
            {
                name: Constant(numerator=parse_amount(one["numerator"]), denominator=parse_amount(one["denominator"]))
                for name, one in raw.get("constants", {}).items()
            }
        ),
        factors=tuple(_factor(one) for one in raw.get("factor", ())),
        assumed_uncertainty_percent_by_quality=MappingProxyType(
            {int(quality): parse_amount(text) for quality, text in raw["assumed_uncertainty_percent_by_quality"].items()}
        ),
    )


def _factor(raw: Mapping[str, Any]) -> Factor:
    made = Factor(
        code=_text(raw, "code"),
        key=_text(raw, "key"),
        unit=_text(raw, "unit"),
        region=str(raw["region"]),
        valid_from=_day(raw, "valid_from"),
        valid_until=_day(raw, "valid_until"),
        values=MappingProxyType({name: parse_amount(text) for name, text in raw["values"].items()}),
        source=_text(raw, "source"),
        confidence=_text(raw, "confidence"),
        quality_step=int(raw["quality_step"]),
        assumed_standard_uncertainty_percent=parse_amount(raw["assumed_standard_uncertainty_percent"]),
    )
    if made.valid_from >= made.valid_until:
        raise ValueError(f"factor {made.code} ends before it begins")
    return made


def _unknown_terms(pack: MethodPack) -> list[str]:
    """Every term must be the quantity, a constant, or a value of every factor that the formula may meet."""
    problems = []
    for formula in pack.formulas:
        open_terms = [term for term in formula.terms if term != "quantity" and term not in pack.constants]
        if not any(all(term in factor.values for term in open_terms) for factor in pack.factors):
            problems.append(f"formula {formula.name}: no factor gives {', '.join(open_terms)}")
    return problems


def _overlapping_factors(factors: Sequence[Factor]) -> Iterable[str]:
    for place, one in enumerate(factors):
        for other in factors[place + 1 :]:
            same = one.key == other.key and one.unit == other.unit
            somewhere_both = one.region.startswith(other.region) or other.region.startswith(one.region)
            some_day_both = one.valid_from < other.valid_until and other.valid_from < one.valid_until
            if same and somewhere_both and some_day_both:
                yield f"factors {one.code} and {other.code} both hold on {max(one.valid_from, other.valid_from)}"


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is not a text")
    return value


def _day(raw: Mapping[str, Any], name: str) -> date:
    value = raw[name]
    if type(value) is not date:
        raise ValueError(f"{name} is not a date")
    return value
