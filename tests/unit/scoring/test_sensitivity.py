"""What a score owes to one weight."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.scoring import explanation, wire
from services.scoring.domain.assessment import Assessment, rate
from services.scoring.domain.grade import SCALE
from services.scoring.domain.not_rated import NotRated, NotRatedCode, NotRatedReason
from services.scoring.domain.parameters import SCORED_DIMENSIONS, Dimension
from services.scoring.domain.sensitivity import moved, total
from services.scoring.domain.transition_stage import weights_at
from tests.unit.scoring.subjects import PARAMETERS, observed, prediction, statement
from tests.unit.scoring.test_assessment_pins import PINS


class TestMoved:
    @given(
        st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-4)),
        st.sampled_from(SCORED_DIMENSIONS),
        st.sampled_from([Decimal("0.05"), Decimal("-0.05")]),
    )
    def test_keeps_the_sum_and_moves_one(self, maturity: Decimal, dimension: Dimension, by: Decimal) -> None:
        before = weights_at(maturity, parameters=PARAMETERS)
        after = moved(before, dimension=dimension, by=by)
        assert abs(sum(after.values()) - 1) < Decimal("1e-20")
        assert after[dimension] == max(before[dimension] + by, Decimal(0))

    def test_moves_no_score_whose_dimensions_are_alike(self) -> None:
        scores = dict.fromkeys(SCORED_DIMENSIONS, Decimal("61.50"))
        weights = moved(weights_at(Decimal(0), parameters=PARAMETERS), dimension=Dimension.LEADERSHIP, by=Decimal("0.05"))
        assert total(scores, weights) == Decimal("61.50")


def stored(outcome: object) -> bytes:
    return wire.assessment_message(Assessment(number=1, pins=PINS, outcome=outcome)).SerializeToString()  # type: ignore[arg-type]


RATED = stored(rate(observed(statement()), prediction=prediction(), parameters=PARAMETERS, scale=SCALE, held=None))
NOT_RATED = stored(NotRated(reasons=(NotRatedReason(code=NotRatedCode.NO_OUTPUT),)))


class TestExplanation:
    def test_tells_how_an_assessment_came_about(self) -> None:
        text = "\n".join(explanation.explain(RATED))
        assert "investment_share" in text
        assert "no evidence" in text
        assert "R411" in text
        assert "final" in text

    def test_tells_why_a_subject_is_not_rated(self) -> None:
        assert "NO_OUTPUT" in "\n".join(explanation.explain(NOT_RATED))

    def test_shows_the_sensitivity_of_each_weight_both_ways(self) -> None:
        lines = list(explanation.sensitivity([RATED, NOT_RATED], scale=SCALE))
        assert len(lines) == 1 + 2 * len(SCORED_DIMENSIONS)
