"""Writes stored assessments for people at a terminal: one in full, and how all of them depend on the published weights."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from carbonbureau.common.v1 import grade_pb2
from carbonbureau.scoring.v1 import assessment_pb2

from services.scoring.domain.grade import Scale, grade_of
from services.scoring.domain.parameters import SCORED_DIMENSIONS, Dimension, TransitionStage
from services.scoring.domain.sensitivity import moved, total

MOVED_BY = (Decimal("0.05"), Decimal("-0.05"))


def explain(content: bytes) -> Iterator[str]:
    """Yield the lines that tell how an assessment came about."""
    message = assessment_pb2.Assessment.FromString(content)
    yield f"assessment {message.assessment_id}"
    yield f"  account revision {message.account_revision}, statement {message.statement_sha256[:16]}…"
    yield f"  model {message.model_version} {message.model_sha256[:16]}…, weights {message.weights_version}, scale {message.scale_version}"
    yield f"  assessed on {message.assessed_on_date}, previous {message.previous_assessment_id or 'none'}"
    if message.WhichOneof("outcome") == "not_rated":
        yield "not rated"
        for cause in message.not_rated.reasons:
            yield f"  {cause.code}: {cause.text_en} {cause.text_zh}"
        return
    rated = message.rated
    stage = grade_pb2.TransitionStage.Name(rated.transition_stage).removeprefix("TRANSITION_STAGE_")
    grades = [grade_pb2.Grade.Name(one).removeprefix("GRADE_") for one in (rated.model_grade, rated.held_grade, rated.final_grade)]
    colour = grade_pb2.ColourLabel.Name(rated.colour_label).removeprefix("COLOUR_LABEL_")
    yield f"score {rated.score}: model grade {grades[0]}, held {grades[1]}, final {grades[2]}, {colour}"
    yield f"stage {stage}, maturity {rated.maturity}; probability that intensity falls within a year {rated.reduction_probability}"
    yield f"{'':2}{'dimension, index':<38}{'value':>8}{'weight':>10}{'points':>8}  figure"
    for dimension in rated.dimensions:
        name = grade_pb2.Dimension.Name(dimension.dimension).removeprefix("DIMENSION_")
        points = Decimal(dimension.score) * Decimal(dimension.weight)
        yield f"{'':2}{name:<38}{dimension.score:>8}{dimension.weight:>10}{points:>8.2f}  coverage {dimension.coverage}"
        for index in dimension.indices:
            yield f"{'':4}{index.index_code:<36}{index.value:>8}{index.weight:>10}{'':8}  {index.figure or 'no evidence'}"
    for reason in rated.reason_codes:
        yield f"  {reason.code} {reason.points:>7}  {reason.text_en} {reason.text_zh}"


def sensitivity(contents: Sequence[bytes], *, scale: Scale) -> Iterator[str]:
    """Yield a table: by stage and dimension, how scores move when a weight moves by 0.05 either way and the others give way."""
    yield f"{'stage':<8}{'dimension':<22}{'moved':>7}{'subjects':>10}{'mean':>8}{'largest':>9}{'grade changes':>15}"
    rated = [message.rated for message in map(assessment_pb2.Assessment.FromString, contents) if message.WhichOneof("outcome") == "rated"]
    for stage in TransitionStage:
        number = grade_pb2.TransitionStage.Value(f"TRANSITION_STAGE_{stage.value}")
        members = [one for one in rated if one.transition_stage == number]
        if members:
            yield from _stage_lines(stage, members, scale)


def _stage_lines(stage: TransitionStage, members: Iterable[assessment_pb2.Rated], scale: Scale) -> Iterator[str]:
    known = [
        (
            {_dimension(one): Decimal(one.score) for one in member.dimensions},
            {_dimension(one): Decimal(one.weight) for one in member.dimensions},
        )
        for member in members
    ]
    for dimension in SCORED_DIMENSIONS:
        for by in MOVED_BY:
            before = [total(scores, weights) for scores, weights in known]
            after = [total(scores, moved(weights, dimension=dimension, by=by)) for scores, weights in known]
            moves = [later - earlier for earlier, later in zip(before, after, strict=True)]
            changed = sum(grade_of(a, scale=scale) is not grade_of(b, scale=scale) for a, b in zip(before, after, strict=True))
            mean, largest = sum(moves, Decimal(0)) / len(moves), max(moves, key=abs)
            share = Decimal(100) * changed / len(moves)
            yield f"{stage.value:<8}{dimension.value:<22}{by:>+7}{len(moves):>10}{mean:>+8.2f}{largest:>+9.2f}{share:>13.1f} %"


def _dimension(message: assessment_pb2.DimensionScore) -> Dimension:
    return Dimension(grade_pb2.Dimension.Name(message.dimension).removeprefix("DIMENSION_"))
