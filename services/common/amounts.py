"""Decides the one written form of an amount: `-?(0|[1-9][0-9]{0,14})(.[0-9]{1,9})?`, no exponent, no minus zero.

Amounts are Decimal inside, strings of this form on the wire and in everything hashed, NUMERIC in tables. Units and scales
belong to whoever holds the amount.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

INTEGER_DIGITS_MAX = 15
FRACTION_DIGITS_MAX = 9

# [0-9] and \Z, because \d takes other scripts' digits and $ lets a newline pass.
_FORM = re.compile(r"(-?)(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,9}))?\Z")
# Wide enough for any amount; the default context of 28 digits would round 15 + 9 digits after a multiplication silently.
_EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN)


class AmountError(ValueError):
    """The text or value is not an amount. `reason` says why, in words for the one who sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_amount(text: str) -> Decimal:
    """Read an amount; trailing zeros of the fraction are kept as written.

    Raises:
        AmountError: the text is not of the written form.
    """
    match = _FORM.match(text)
    if match is None:
        raise AmountError("not a decimal of at most 15 digits before and 9 after the point, without exponent or leading zeros")
    value = Decimal(text)
    if match.group(1) and value.is_zero():
        raise AmountError("minus zero")
    return value


def format_amount(value: Decimal) -> str:
    """Write an amount with the scale it has; `parse_amount` of the result equals `value`, digit for digit.

    Raises:
        AmountError: the value is not finite, is minus zero, or has more digits than an amount can have.
    """
    if not value.is_finite():
        raise AmountError("not a finite number")
    text = format_decimal(value)
    parse_amount(text)
    return text


def format_decimal(value: Decimal) -> str:
    """Write any decimal without exponent; what is not finite keeps its name (`NaN`, `Infinity`)."""
    return format(value, "f")


def quantise(value: Decimal, scale: int) -> Decimal:
    """Round to `scale` digits after the point, half to even (IEEE 754 roundTiesToEven), never to minus zero.

    Raises:
        AmountError: the value is not finite, or the scale is not one an amount can have.
    """
    if not 0 <= scale <= FRACTION_DIGITS_MAX:
        raise AmountError(f"scale {scale} is not between 0 and {FRACTION_DIGITS_MAX}")
    if not value.is_finite():
        raise AmountError("not a finite number")
    if value.adjusted() >= INTEGER_DIGITS_MAX:
        raise AmountError(f"more than {INTEGER_DIGITS_MAX} digits before the point")
    rounded = value.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    return rounded.copy_abs() if rounded.is_zero() else rounded
