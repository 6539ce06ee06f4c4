"""The one written form of an amount."""

from __future__ import annotations

import contextlib
import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.amounts import AmountError, format_amount, format_decimal, parse_amount, quantise

FORM = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)
# Everything a Decimal can be: both zeros at any exponent, subnormal, beyond every exponent, NaN with and without signal and payload.
anything = st.one_of(
    st.builds(
        lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), max_size=40).map(tuple),
        st.one_of(st.integers(-40, 40), st.integers(-(10**17), 10**17)),
    ),
    st.sampled_from(["0E+28", "-0E+28", "0E-400", "NaN", "-NaN", "sNaN", "NaN123", "Infinity", "-Infinity", "9" * 16]).map(Decimal),
)
amount_texts = st.from_regex(FORM, fullmatch=True).filter(lambda text: not (text.startswith("-") and Decimal(text).is_zero()))


class TestParse:
    @given(amount_texts)
    def test_and_format_are_each_others_inverse(self, text: str) -> None:
        assert format_amount(parse_amount(text)) == text

    @given(st.text(max_size=30))
    def test_accepts_nothing_that_is_not_of_the_form(self, text: str) -> None:
        with contextlib.suppress(AmountError):
            parse_amount(text)
            assert FORM.fullmatch(text)

    def test_says_why(self) -> None:
        with pytest.raises(AmountError) as refused:
            parse_amount("-0.00")
        assert refused.value.reason == "minus zero"

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "-", ".", "1.", ".5", "+1", "01", "00", "-01", "1e3", "1E3", "1e308", "NaN", "nan", "sNaN", "Infinity", "-inf",
            "-0", "-0.0", "-0.000000000", "1_000", "1,000", "1 ", " 1", "1\n", "0x10", "１", "١", "½", "1.0000000000",
            "1234567890123456", "-1234567890123456", "1" * 400,
        ],
    )  # fmt: skip
    def test_refuses(self, text: str) -> None:
        with pytest.raises(AmountError):
            parse_amount(text)

    @pytest.mark.parametrize("text", ["0", "0.0", "-0.000000001", "123456789012345", "999999999999999.999999999", "-1.10"])
    def test_accepts(self, text: str) -> None:
        assert parse_amount(text) == Decimal(text)


class TestFormat:
    @pytest.mark.parametrize(
        "value", ["NaN", "sNaN", "Infinity", "-Infinity", "-0", "-0.00", "1E+15", "1E-10", "1234567890123456", "0.0000000001"]
    )
    def test_refuses_what_is_no_amount(self, value: str) -> None:
        with pytest.raises(AmountError):
            format_amount(Decimal(value))

    @pytest.mark.parametrize(("value", "text"), [("1E+3", "1000"), ("1E-7", "0.0000001"), ("0E-9", "0.000000000"), ("1.50", "1.50")])
    def test_writes_no_exponent_and_keeps_the_scale(self, value: str, text: str) -> None:
        assert format_amount(Decimal(value)) == text

    @given(anything)
    def test_writes_an_amount_that_reads_back_the_same_or_refuses(self, value: Decimal) -> None:
        with contextlib.suppress(AmountError):
            assert parse_amount(format_amount(value)) == value

    @pytest.mark.parametrize("value", ["1E+999999999", "1E-999999999", "0E-999999999", "-9E+64"])
    def test_does_not_write_out_a_gigabyte_of_zeros(self, value: str) -> None:
        for write in (format_amount, format_decimal):
            with pytest.raises(AmountError):
                write(Decimal(value))


class TestQuantise:
    @given(anything, st.integers(-1, 10))
    def test_gives_an_amount_of_the_scale_or_refuses(self, value: Decimal, scale: int) -> None:
        try:
            rounded = quantise(value, scale)
        except AmountError:
            too_large = value.is_finite() and abs(value) >= Decimal("999999999999999.5")
            assert too_large or not value.is_finite() or not 0 <= scale <= 9
        else:
            assert rounded.as_tuple().exponent == -scale
            assert parse_amount(format_amount(rounded)) == rounded
            assert quantise(rounded, scale).compare_total(rounded) == 0

    @pytest.mark.parametrize("value", ["0E+28", "-0E+28", "-0", "0E-400", "-1E-400", "0E+999999999999"])
    def test_gives_zero_at_the_scale_for_every_zero(self, value: str) -> None:
        assert str(quantise(Decimal(value), 2)) == "0.00"

    @given(amount_texts, st.integers(0, 9))
    def test_gives_the_scale_and_is_never_further_than_half_a_unit(self, text: str, scale: int) -> None:
        value = Decimal(text)
        rounded = quantise(value, scale)
        assert rounded.as_tuple().exponent == -scale
        assert abs(rounded - value) <= Decimal(1).scaleb(-scale) / 2
        assert not (rounded.is_zero() and rounded.is_signed())

    @pytest.mark.parametrize(
        ("value", "scale", "text"),
        [("0.5", 0, "0"), ("1.5", 0, "2"), ("2.5", 0, "2"), ("-0.5", 0, "0"), ("-0.4", 0, "0"), ("2.675", 2, "2.68"), ("1", 3, "1.000")],
    )
    def test_rounds_half_to_even_and_never_to_minus_zero(self, value: str, scale: int, text: str) -> None:
        assert str(quantise(Decimal(value), scale)) == text

    def test_does_not_depend_on_the_callers_context(self) -> None:
        with localcontext() as context:
            context.prec = 4
            context.rounding = "ROUND_UP"
            assert str(quantise(Decimal("123456789012345.1234567895"), 9)) == "123456789012345.123456790"
        assert Decimal("0.125").quantize(Decimal("0.01"), ROUND_HALF_EVEN) == quantise(Decimal("0.125"), 2)

    @pytest.mark.parametrize(("value", "scale"), [
            ("NaN", 2), ("sNaN", 2), ("-Infinity", 0), ("1", -1), ("1", 10), ("1E+15", 0), ("1E+308", 0), ("1E+999999999", 9),
            ("999999999999999.5", 0), ("-999999999999999.9999999999", 9),
        ])  # fmt: skip
    def test_refuses_what_cannot_become_an_amount(self, value: str, scale: int) -> None:
        with pytest.raises(AmountError):
            quantise(Decimal(value), scale)
