"""Unified social credit codes: the check character of GB 32100-2015 and the region."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.subject_code import is_subject_code, region_of
from tests.unit.gateway.examples import BEIJING, CHANGZHI, DATONG, OUTSIDE

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


class TestIsSubjectCode:
    # The last is of another kind of body: 12, a public institution.
    @pytest.mark.parametrize("code", [CHANGZHI, DATONG, OUTSIDE, BEIJING, "12100000400002259P"])
    def test_takes_a_code_with_its_check_character(self, code: str) -> None:
        assert is_subject_code(code)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            CHANGZHI[:-1],
            CHANGZHI + "0",
            CHANGZHI.lower(),
            " " + CHANGZHI[1:],
            CHANGZHI[:-1] + "I",
            "9" * 18,
            "９1140400DEBBPY1YXR",
            "\x00" * 18,
        ],
    )
    def test_refuses_another_form(self, text: str) -> None:
        assert not is_subject_code(text)

    @given(st.integers(min_value=0, max_value=17), st.sampled_from(ALPHABET))
    def test_refuses_any_single_wrong_character(self, position: int, character: str) -> None:
        spelled = CHANGZHI[:position] + character + CHANGZHI[position + 1 :]
        assert is_subject_code(spelled) == (spelled == CHANGZHI)

    @given(st.text(max_size=40))
    def test_never_raises(self, text: str) -> None:
        is_subject_code(text)

    def test_refuses_letters_where_the_region_stands(self) -> None:
        for last in ALPHABET:
            assert not is_subject_code("911404A0DEBBPY1YX" + last)


class TestRegionOf:
    def test_is_digits_three_to_eight(self) -> None:
        assert region_of(CHANGZHI) == "140400"
        assert region_of(OUTSIDE) == "999000"
