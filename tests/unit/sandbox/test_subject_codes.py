"""Codes of subjects that do not exist are valid codes all the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.domain.subject_codes import (
    ALPHABET,
    check_character,
    organisation_check_character,
    subject_code,
    with_bad_check_character,
)

REGIONS = st.from_regex(r"[1-9][0-9]{5}", fullmatch=True)


class TestSubjectCode:
    @given(name=st.text(min_size=1, max_size=40), region=REGIONS)
    def test_has_the_form_and_the_check_characters_of_both_standards(self, name: str, region: str) -> None:
        code = subject_code(name=name, region_code=region)
        assert re.fullmatch(r"91[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}[0-9A-HJ-NPQRTUWXY]", code)
        assert code[2:8] == region
        # GB 32100-2015: the weighted sum over all 18 characters, the last with weight 1, is divisible by 31.
        assert (sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code[:17])) + ALPHABET.index(code[17])) % 31 == 0
        # GB 11714-1997: the weighted sum of the eight characters and the check value is divisible by 11.
        value = {"X": 10}.get(code[16]) or int(code[16])
        weights = (3, 7, 9, 10, 5, 8, 4, 2)
        assert (sum(int(c, 36) * w for c, w in zip(code[8:16], weights, strict=True)) + value) % 11 == 0

    def test_is_the_same_for_the_same_name_on_every_machine(self) -> None:
        assert subject_code(name="albany wind farm|WA", region_code="999000") == "919990008WK3YCGA6D"

    @given(first=st.text(max_size=20), second=st.text(max_size=20))
    def test_differs_when_the_name_differs(self, first: str, second: str) -> None:
        codes = {subject_code(name=name, region_code="140400") for name in (first, second)}
        assert len(codes) == len({first, second})

    @pytest.mark.parametrize("region", ["", "1404", "14040O", "１４０４００"])
    def test_refuses_a_region_that_is_not_six_digits(self, region: str) -> None:
        with pytest.raises(ValueError, match="six digits"):
            subject_code(name="x", region_code=region)


class TestCheckCharacter:
    def test_is_that_of_the_standard_s_example(self) -> None:
        assert check_character("91350100M000100Y4") == "3"

    def test_of_an_organisation_code_is_that_of_the_standard_s_example(self) -> None:
        assert organisation_check_character("D2143569") == "X"

    @given(name=st.text(max_size=20), region=REGIONS)
    def test_is_wrong_when_it_shall_be(self, name: str, region: str) -> None:
        bad = with_bad_check_character(subject_code(name=name, region_code=region))
        assert check_character(bad[:17]) != bad[17]
