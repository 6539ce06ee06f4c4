"""Recomputes the worked examples that a method file carries, by the engine, against what is printed: to 1 kg, line by line.

The steps are written out as sums of plain numbers; each is evaluated too, so that a printed result, its sum and the engine agree.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from services.collector.domain.method import FactorGap, Formula, MethodPack, amount_tco2e
from services.collector.domain.pack_file import Example, Given, PackRefusedError, Placed
from services.collector.domain.pack_set import LinkedPack
from services.collector.domain.posting import Treatment
from services.common.civil_time import Period

ONE_KILOGRAM = Decimal("0.001")
_ZONE = "Asia/Shanghai"


def check_examples(linked: LinkedPack) -> None:
    """Recompute every example of a pack.

    Raises:
        PackRefusedError: a printed line, its sum or a total differs from what the engine computes by more than 1 kg.
    """
    if linked.pack.formulas and not linked.own_examples:
        raise PackRefusedError(linked.place, "no worked example")
    for example in linked.own_examples:
        _check(linked.pack, example)


def computed_lines(pack: MethodPack, example: Example) -> Iterator[tuple[Formula, Placed[Given], Decimal]]:
    """Compute the lines of an example.

    Raises:
        PackRefusedError: what is given fits no formula or has no factor.
    """
    period = Period(start=example.start, end=example.end, zone=_ZONE)
    for given in example.given:
        formulas = [formula for formula in pack.formulas if formula.activity.name == given.entry.activity]
        if not formulas:
            raise PackRefusedError(given.place, f"no formula computes {given.entry.activity}")
        for formula in formulas:
            one = given.entry
            if not formula.activity.matches(kind=formula.activity.kind, code=one.code, use=one.use):
                raise PackRefusedError(given.place, f"{one.code} {one.use} is none of {one.activity}")
            factors = pack.factors_for(formula, code=one.code, unit=one.unit, region=example.region, period=period, measured=one.measured)
            if isinstance(factors, FactorGap):
                raise PackRefusedError(given.place, f"{formula.name}: {factors.value}")
            yield formula, given, amount_tco2e(one.quantity, pack.coefficient(formula, factors=factors, measured=one.measured))


def sum_name(formula: Formula) -> str:
    """Name the sum that a line belongs to, as examples print it."""
    match formula.treatment:
        case Treatment.IN_TOTAL:
            return f"scope_{formula.scope}"
        case Treatment.BIOMASS:
            return "biomass"
        case Treatment.MARKET_BASED:
            return "scope_2_market"
        case Treatment.VALUE_CHAIN:
            return f"scope_3_category_{formula.category}"


def _check(pack: MethodPack, placed: Placed[Example]) -> None:
    example = placed.entry
    steps = {(step.entry.line, step.entry.code): step for step in example.steps}
    if len(steps) != len(example.steps):
        raise PackRefusedError(placed.place, f"example {example.title!r}: two steps are of one line")
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for formula, given, amount in computed_lines(pack, example):
        totals[sum_name(formula)] += amount
        step = steps.pop((formula.name, given.entry.code), None)
        if step is None:
            raise PackRefusedError(given.place, f"example {example.title!r}: no step of {formula.name} {given.entry.code}".rstrip())
        written_out = step.entry.written_out.exactly({})
        if abs(written_out - Fraction(step.entry.tco2e)) > Fraction(ONE_KILOGRAM):
            raise PackRefusedError(step.place, f"the sum is {float(written_out):.3f} t and {step.entry.tco2e} is printed")
        if abs(amount - step.entry.tco2e) > ONE_KILOGRAM:
            raise PackRefusedError(step.place, f"{formula.name} computes {amount:.3f} t and {step.entry.tco2e} is printed")
    for step in steps.values():
        raise PackRefusedError(step.place, f"nothing given makes the line {step.entry.line} {step.entry.code}".rstrip())
    if totals.keys() != example.totals.keys():
        named = ", ".join(sorted(totals.keys() ^ example.totals.keys()))
        raise PackRefusedError(placed.place, f"example {example.title!r}: printed and computed totals differ in {named}")
    for name, total in totals.items():
        if abs(total - example.totals[name]) > ONE_KILOGRAM:
            raise PackRefusedError(
                placed.place, f"example {example.title!r}: {name} is {total:.3f} t and {example.totals[name]} is printed"
            )
