"""Decides what a formula of a method pack may say: named terms and numbers, joined by + − × ÷, linear in its activity quantity.

The text is read by Python's own parser and everything but these four operations is refused, so a pack can compute nothing else.
Whoever evaluates gives the arithmetic: rational numbers for figures, units for the dimensional analysis.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Protocol, Self, TypeVar


class ExpressionError(ValueError):
    """The text is not a formula that a pack may hold."""


class Arithmetic(Protocol):
    """What can be added, subtracted, multiplied and divided."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...
    def __truediv__(self, other: Self, /) -> Self: ...


Value = TypeVar("Value", bound=Arithmetic)


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A formula as written, and the names of its terms."""

    text: str
    names: frozenset[str]

    def value(self, *, term: Callable[[str], Value], number: Callable[[Fraction], Value]) -> Value:
        """Evaluate in the arithmetic of what `term` and `number` give."""
        return _evaluated(_parsed(self.text), term, number)

    def exactly(self, values: Mapping[str, Fraction]) -> Fraction:
        """Evaluate with rational numbers, so that nothing is rounded."""
        return self.value(term=values.__getitem__, number=lambda value: value)


def parse_expression(text: str) -> Expression:
    """Read a formula.

    Raises:
        ExpressionError: it holds anything but names, numbers, + - * / and parentheses.
    """
    node = _parsed(text)
    names: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Name():
                names.add(one.id)
            case ast.Constant() | ast.Load() | ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.USub():
                pass
            case ast.BinOp() | ast.UnaryOp():
                pass
            case _:
                raise ExpressionError(f"{text!r}: only names, numbers and + - * / may stand in a formula")
    _numbers_are_written_out(text, node)
    return Expression(text=text, names=frozenset(names))


def degrees(expression: Expression, quantity: str) -> frozenset[int]:
    """Give the powers in which the activity quantity appears in the terms of the sum; a linear formula has {1} and nothing else.

    Raises:
        ExpressionError: it is divided by the quantity.
    """
    powers = expression.value(
        term=lambda name: _Powers(frozenset({1 if name == quantity else 0})),
        number=lambda _: _Powers(frozenset({0})),
    )
    return powers.of


@dataclass(frozen=True)
class _Powers:
    """The powers of the quantity in the terms of a sum."""

    of: frozenset[int]

    def __add__(self, other: "_Powers") -> "_Powers":
        return _Powers(self.of | other.of)

    def __sub__(self, other: "_Powers") -> "_Powers":
        return _Powers(self.of | other.of)

    def __mul__(self, other: "_Powers") -> "_Powers":
        return _Powers(frozenset(one + two for one in self.of for two in other.of))

    def __truediv__(self, other: "_Powers") -> "_Powers":
        if other.of != {0}:
            raise ExpressionError("it is divided by the activity quantity")
        return self


@cache
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ExpressionError(f"{text!r} cannot be read") from error


def _numbers_are_written_out(text: str, node: ast.expr) -> None:
    """Refuse 1e3, True and 0x10: a number in a formula is what a reader would write."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant):
            written = ast.get_source_segment(text, one) or ""
            if not written.replace(".", "", 1).isdecimal():
                raise ExpressionError(f"{written} is not a plain number")


def _evaluated(node: ast.expr, term: Callable[[str], Value], number: Callable[[Fraction], Value]) -> Value:
    match node:
        case ast.Name(id=name):
            return term(name)
        case ast.Constant(value=int() | float() as value):
            # repr gives back the shortest text, which is the one in the file up to trailing zeros.
            return number(Fraction(Decimal(repr(value))))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return number(Fraction(-1)) * _evaluated(operand, term, number)
        case ast.BinOp(left=left, op=operation, right=right):
            one, two = _evaluated(left, term, number), _evaluated(right, term, number)
            match operation:
                case ast.Add():
                    return one + two
                case ast.Sub():
                    return one - two
                case ast.Mult():
                    return one * two
                case ast.Div():
                    return one / two
    raise ExpressionError(f"{ast.dump(node)} has no place in a formula")
