"""Checks the units of every formula when method files are loaded: tonnes of carbon are not tonnes of CO2, nor t of coal GJ.

Uses a units library with a registry of our own: each substance is a dimension, so that 44/12, a calorific value or a warming
potential that was forgotten leaves a unit behind. A formula must come out as tCO2e, or tCO2 where its gas is CO2, with no factor of
ten or thousand left over. Lives outside `domain`, which knows the standard library only.
"""

import re
from fractions import Fraction
from functools import cache
from typing import Any

import pint

from services.collector.domain.expression import Expression
from services.collector.domain.method import MEASURED_TERM_UNITS, Formula, MethodPack
from services.collector.domain.pack_file import PackRefusedError
from services.collector.domain.pack_set import LinkedPack

# Substances of which a tonne is a unit of its own.
_SUBSTANCES = ("C", "CO2", "CO2e", "CH4", "N2O", "CF4", "C2F6", "SF6")
# Tonnes without a substance are of a fuel, material or product.
_NAMES = {"10^4Nm3": "ten_thousand_nm3", "10^4yuan": "ten_thousand_yuan", "1": ""}
_SEPARATOR = re.compile(r"([·/])")
# Prefixes and thousands are exact; the conversion goes through floats.
_TOLERANCE = 1e-9


class UnknownUnitError(ValueError):
    """A unit is written that no formula can hold."""


@cache
def _registry() -> "pint.UnitRegistry[Any]":
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None)
    for substance in _SUBSTANCES:
        registry.define(f"t{substance} = [mass_of_{substance}]")
        registry.define(f"kg{substance} = 0.001 t{substance}")
    for line in (
        "t = [mass_of_material]",
        "kg = 0.001 t",
        "tce = [coal_equivalent]",
        "GJ = [heat]",
        "MWh = [electricity]",
        "Nm3 = [normal_volume]",
        "ten_thousand_nm3 = 10000 Nm3",
        "m3 = [volume]",
        "tkm = [transport]",
        "yuan = [money]",
        "ten_thousand_yuan = 10000 yuan",
        "percent = 0.01",
    ):
        registry.define(line)
    return registry


@cache
def _unit(written: str) -> "pint.Quantity[Any]":
    """Read a unit such as `tC/GJ` or `percent·tC/t`, from left to right."""
    registry = _registry()
    quantity = registry.Quantity(1.0, "")
    operation = "·"
    for part in _SEPARATOR.split(written):
        if part in ("·", "/"):
            operation = part
            continue
        name = _NAMES.get(part, part)
        try:
            one = registry.Quantity(1.0, name)
        except (pint.UndefinedUnitError, ValueError, AttributeError) as error:
            raise UnknownUnitError(f"unit {written!r}: {part!r} is not known") from error
        quantity = quantity * one if operation == "·" else quantity / one
    return quantity


class _OfUnit:
    """A value of which only the unit matters."""

    def __init__(self, quantity: "pint.Quantity[Any]") -> None:
        self.quantity = quantity

    def __mul__(self, other: "_OfUnit") -> "_OfUnit":
        return _OfUnit(self.quantity * other.quantity)

    def __truediv__(self, other: "_OfUnit") -> "_OfUnit":
        return _OfUnit(self.quantity / other.quantity)

    def __add__(self, other: "_OfUnit") -> "_OfUnit":
        if not same_unit(self.quantity, other.quantity):
            raise UnknownUnitError(f"{shown(self.quantity)} is added to or taken from {shown(other.quantity)}")
        return self

    __sub__ = __add__


def same_unit(one: "pint.Quantity[Any]", other: "pint.Quantity[Any]") -> bool:
    """Tell whether a number in the one unit is the same number in the other."""
    return bool(one.is_compatible_with(other)) and abs((one / other).to("").magnitude - 1) < _TOLERANCE


def shown(quantity: "pint.Quantity[Any]") -> str:
    """Write a unit for a reader."""
    return f"{quantity.units:~C}".replace("ten_thousand_nm3", "10^4Nm3").replace("ten_thousand_yuan", "10^4yuan").replace("**", "^") or "1"


def check_units(linked: LinkedPack) -> None:
    """Analyse every formula of a pack, for every unit of its quantity.

    Raises:
        PackRefusedError: with file, line and the unit that is left.
    """
    for formula in linked.pack.formulas:
        for unit in formula.activity.units:
            for expression in formula.expressions():
                try:
                    _check(linked.pack, formula, expression, unit)
                except UnknownUnitError as error:
                    raise PackRefusedError(linked.formula_places[formula.name], f"formula {formula.name}: {error}") from error


def _check(pack: MethodPack, formula: Formula, expression: Expression, unit: str) -> None:
    measured = MEASURED_TERM_UNITS.get(formula.activity.kind, {})

    def term(name: str) -> _OfUnit:
        if name == formula.activity.name:
            return _OfUnit(_unit(unit))
        if (constant := pack.constants.get(name)) is not None:
            return _OfUnit(_unit(constant.unit))
        written = pack.term_units.get(name) or measured.get(name)
        if written is None:
            raise UnknownUnitError(f"no unit of {name} under [terms]")
        if name in measured and not same_unit(_unit(written.replace("{unit}", unit)), _unit(measured[name].replace("{unit}", unit))):
            raise UnknownUnitError(f"{name} is measured in {measured[name]}, not {written}")
        return _OfUnit(_unit(written.replace("{unit}", unit)))

    def number(_: Fraction) -> _OfUnit:
        return _OfUnit(_unit("1"))

    result = expression.value(term=term, number=number).quantity
    wanted = ("tCO2e", "tCO2") if formula.gas == "CO2" else ("tCO2e",)
    if not any(same_unit(result, _unit(one)) for one in wanted):
        raise UnknownUnitError(f"{expression.text} comes out in {shown(result)}, not {' or '.join(wanted)}")
