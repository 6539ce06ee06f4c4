"""One score, two views: letter and colour, and a held grade that does not flicker."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.grade import SCALE, ColourLabel, Grade, colour_of, grade_of, held_grade

scores = st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-2))


class TestGradeOf:
    @pytest.mark.parametrize(
        ("score", "grade"),
        [
            ("100", Grade.AAA), ("90.00", Grade.AAA), ("89.99", Grade.AA), ("80", Grade.AA), ("70", Grade.A), ("60", Grade.BBB),
            ("50", Grade.BB), ("40", Grade.B), ("30", Grade.CCC), ("20", Grade.CC), ("19.99", Grade.C), ("0", Grade.C),
        ],
    )  # fmt: skip
    def test_gives_the_better_grade_on_a_cut_off(self, score: str, grade: Grade) -> None:
        assert grade_of(Decimal(score), scale=SCALE) is grade

    @given(scores, scores)
    def test_never_falls_when_the_score_rises(self, one: Decimal, other: Decimal) -> None:
        low, high = sorted((one, other))
        order = list(Grade)
        assert order.index(grade_of(high, scale=SCALE)) <= order.index(grade_of(low, scale=SCALE))


class TestColour:
    def test_is_a_function_of_the_grade_in_the_order_of_the_grades(self) -> None:
        colours = [colour_of(grade) for grade in Grade]
        assert colours == sorted(colours, key=list(ColourLabel).index)
        assert set(colours) == set(ColourLabel)


class TestHeldGrade:
    def test_is_the_grade_of_the_score_when_nothing_was_held(self) -> None:
        assert held_grade(Decimal("69.50"), held=None, scale=SCALE) is Grade.BBB

    @pytest.mark.parametrize("score", ["69.01", "69.50", "75", "80", "80.99"])
    def test_holds_until_the_band_is_left_by_a_point(self, score: str) -> None:
        assert held_grade(Decimal(score), held=Grade.A, scale=SCALE) is Grade.A

    @pytest.mark.parametrize(("score", "grade"), [("69.00", Grade.BBB), ("81.00", Grade.AA), ("35", Grade.CCC), ("97", Grade.AAA)])
    def test_moves_to_the_grade_of_the_score_beyond(self, score: str, grade: Grade) -> None:
        assert held_grade(Decimal(score), held=Grade.A, scale=SCALE) is grade

    @given(scores, st.sampled_from(list(Grade)))
    def test_is_never_more_than_the_margin_away_from_its_band(self, score: Decimal, held: Grade) -> None:
        kept = held_grade(score, held=held, scale=SCALE)
        floors = dict(SCALE.floors)
        better = [floor for floor in floors.values() if floor > floors[kept]]
        assert score > floors[kept] - SCALE.margin
        assert not better or score < min(better) + SCALE.margin

    @given(st.sampled_from(list(Grade)), st.lists(st.integers(-90, 90), min_size=2, max_size=8))
    def test_does_not_flicker_around_a_cut_off(self, grade: Grade, hundredths: list[int]) -> None:
        cut_off = dict(SCALE.floors)[grade]
        if not 10 < cut_off < 95:
            return
        held = held_grade(cut_off + 5, held=None, scale=SCALE)
        for offset in hundredths:
            assert held_grade(cut_off + Decimal(offset).scaleb(-2), held=held, scale=SCALE) is held
