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
# Written out, 1E+999999999 is a gigabyte of zeros.
_PLACES_MAX = 64
_TOO_LARGE = f"more than {INTEGER_DIGITS_MAX} digits before the point"


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
    text = format_decimal(value)
    parse_amount(text)
    return text


def format_decimal(value: Decimal) -> str:
    """Write a decimal without exponent, digit for digit.

    Raises:
        AmountError: the value is not finite, or has more than 64 places on either side of the point.
    """
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise AmountError("not a finite number")
    if exponent < -_PLACES_MAX or (not value.is_zero() and value.adjusted() >= _PLACES_MAX):
        raise AmountError(f"more than {_PLACES_MAX} places on one side of the point")
    return format(value, "f")


def quantise(value: Decimal, scale: int) -> Decimal:
    """Round to `scale` digits after the point, half to even (IEEE 754 roundTiesToEven), never to minus zero.

    Raises:
        AmountError: the value is not finite, has too many digits before the point, or the scale is not one an amount can have.
    """
    if not 0 <= scale <= FRACTION_DIGITS_MAX:
        raise AmountError(f"scale {scale} is not between 0 and {FRACTION_DIGITS_MAX}")
    if not value.is_finite():
        raise AmountError("not a finite number")
    zero = Decimal((0, (0,), -scale))
    if value.is_zero():
        # Apart, because 0E+28 has a magnitude without having digits.
        return zero
    if value.adjusted() >= INTEGER_DIGITS_MAX:
        raise AmountError(_TOO_LARGE)
    rounded = value.quantize(zero, context=_EXACT)
    if rounded.adjusted() >= INTEGER_DIGITS_MAX:
        # 999999999999999.9 rounds up into a sixteenth digit.
        raise AmountError(_TOO_LARGE)
    return zero if rounded.is_zero() else rounded
