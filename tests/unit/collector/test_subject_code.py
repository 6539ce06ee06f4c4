"""The unified social credit code: published codes are valid, every slip of one character is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain.subject_code import (
    ALPHABET,
    check_character,
    has_valid_check_character,
    is_well_formed,
    region,
)
from tests.unit.collector.submissions import code_of

# Codes of well-known enterprises, as they stand in their annual reports.
PUBLISHED = ("91350100M000100Y43", "9144030071526726XG", "91110000802100433B", "914403001922038216")


class TestPublishedCodes:
    @pytest.mark.parametrize("code", PUBLISHED)
    def test_are_valid(self, code: str) -> None:
        assert is_well_formed(code)
        assert has_valid_check_character(code)

    def test_name_the_region_of_the_registering_authority(self) -> None:
        assert region("914403001922038216") == "440300"


class TestForm:
    @pytest.mark.parametrize(
        "code",
        [
            pytest.param("", id="empty"),
            pytest.param("9144030019220382", id="short"),
            pytest.param("914403001922038216X", id="long"),
            pytest.param("91440300192203821I", id="letter I"),
            pytest.param("91440300192203821o", id="small letter"),
            pytest.param("91４403001922038216"[:18], id="full-width digit"),
            pytest.param("91A40300192203821X", id="letter in the region"),
        ],
    )
    def test_refuses_what_is_no_code(self, code: str) -> None:
        assert not is_well_formed(code)


class TestCheckCharacter:
    @settings(deadline=None)
    @given(number=st.integers(0, 999_999_999), place=st.integers(0, 17), other=st.sampled_from(ALPHABET))
    def test_finds_every_single_wrong_character(self, number: int, place: int, other: str) -> None:
        code = code_of(number)
        changed = code[:place] + other + code[place + 1 :]
        valid = is_well_formed(changed) and has_valid_check_character(changed)
        assert valid == (changed == code)

    @settings(deadline=None)
    @given(number=st.integers(0, 999_999_999), place=st.integers(8, 15))
    def test_finds_every_swap_of_neighbours(self, number: int, place: int) -> None:
        code = code_of(number)
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert has_valid_check_character(swapped) == (swapped == code)

    def test_counts_31_as_0(self) -> None:
        zero = next(f"91140400{n:09d}" for n in range(1000) if check_character(f"91140400{n:09d}") == "0")
        assert has_valid_check_character(zero + "0")
