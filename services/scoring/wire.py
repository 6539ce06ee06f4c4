"""Translates between bytes and domain values: AccountRevised in, AssessmentMade out. Decides nothing.

What cannot be read is refused as a whole with a reason; nothing is assessed on half a statement.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import envelope_pb2, grade_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.amounts import AmountError, format_amount, parse_amount, quantise
from services.common.identifiers import derived_id
from services.common.outbox import OutgoingEvent
from services.scoring.domain.assessment import Assessment, Rated
from services.scoring.domain.not_rated import NotRated
from services.scoring.domain.score import SUB_WEIGHT_SCALE, DimensionScore
from services.scoring.domain.statement import AnnualFigures, Investment, Milestone, Plan, Statement, Target

ACCOUNT_REVISED_TOPIC = "bureau.account-revised.v1"
ASSESSMENT_MADE_TOPIC = "bureau.assessment-made.v1"
EVENT_TYPE = assessment_pb2.AssessmentMade.DESCRIPTOR.full_name

_STATEMENT_FIELD = account_pb2.AccountRevised.STATEMENT_FIELD_NUMBER
_LENGTH_DELIMITED = 2
_SUBJECT_CODE_CHARACTERS = 18


class UnreadableEventError(ValueError):
    """The bytes are not an event that can be assessed; `reason` says why, without showing what they hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account revision as scoring keeps it.

    `condensed` is the statement message without lines and outputs, which scoring does not read; `statement_sha256` is of the
    statement's exact bytes as they came, lines and outputs included.
    """

    statement: Statement
    condensed: bytes
    statement_sha256: str
    event_id: UUID


def account_revised(value: bytes | None) -> Account:
    """Read an AccountRevised.

    Raises:
        UnreadableEventError: the bytes are no AccountRevised, or a part that scoring needs is missing or malformed.
    """
    if not value:
        raise UnreadableEventError("no value")
    try:
        message = account_pb2.AccountRevised.FromString(value)
    except DecodeError as error:
        raise UnreadableEventError("not a protobuf AccountRevised") from error
    exact = _only_field(value, _STATEMENT_FIELD)
    try:
        statement = _statement(message.statement)
        if _uuid(message.envelope.subject_id, "envelope.subject_id") != statement.subject_id:
            raise UnreadableEventError("envelope and statement are about different subjects")
        if message.envelope.subject_revision != statement.account_revision:
            raise UnreadableEventError("envelope.subject_revision is not the account revision")
        message.statement.ClearField("lines")
        message.statement.ClearField("outputs")
        return Account(
            statement=statement,
            condensed=message.statement.SerializeToString(deterministic=True),
            statement_sha256=hashlib.sha256(exact).hexdigest(),
            event_id=_uuid(message.envelope.event_id, "envelope.event_id"),
        )
    except UnreadableEventError:
        raise
    except (AmountError, ValueError) as error:
        raise UnreadableEventError(str(error)) from error


def stored_account(*, condensed: bytes, statement_sha256: str, event_id: UUID) -> Account:
    """Read an account again as it was kept."""
    message = account_pb2.AccountStatement.FromString(condensed)
    return Account(statement=_statement(message), condensed=condensed, statement_sha256=statement_sha256, event_id=event_id)


def assessment_message(assessment: Assessment) -> assessment_pb2.Assessment:
    """Write an assessment as the message that is stored and published."""
    pins = assessment.pins
    message = assessment_pb2.Assessment(
        assessment_id=str(assessment.assessment_id),
        subject_id=str(pins.subject_id),
        account_revision=pins.account_revision,
        statement_sha256=pins.statement_sha256,
        model_sha256=pins.model_sha256,
        model_version=pins.model_version,
        weights_version=pins.weights_version,
        scale_version=pins.scale_version,
        previous_assessment_id=str(pins.previous_assessment_id or ""),
        assessed_on_date=pins.assessed_on.isoformat(),
    )
    match assessment.outcome:
        case Rated() as rated:
            message.rated.CopyFrom(_rated(rated))
        case NotRated() as not_rated:
            message.not_rated.CopyFrom(_not_rated(not_rated))
    return message


def outcome_sha256(message: assessment_pb2.Assessment) -> str:
    """Hash the outcome of an assessment without its pins: equal when a new run found nothing new."""
    outcome = message.rated if message.WhichOneof("outcome") == "rated" else message.not_rated
    return hashlib.sha256(outcome.SerializeToString(deterministic=True)).hexdigest()


def assessment_made(
    assessment: Assessment, *, message: assessment_pb2.Assessment, account: Account, known_at: datetime, province: str
) -> OutgoingEvent:
    """Make the event that tells of an assessment. Its id is derived, so that an assessment is told once."""
    subject_id = str(assessment.pins.subject_id)
    event_id = derived_id("assessment-made", assessment_id=assessment.assessment_id)
    event = assessment_pb2.AssessmentMade(
        envelope=envelope_pb2.Envelope(
            event_id=str(event_id),
            event_type=EVENT_TYPE,
            schema_version=1,
            subject_id=subject_id,
            subject_revision=assessment.number,
            causation_ids=[str(account.event_id)],
            known_time=_timestamp(known_at),
            province=province,
        ),
        assessment=message,
        account=_extract(account.condensed),
    )
    return OutgoingEvent(
        topic=ASSESSMENT_MADE_TOPIC,
        key=subject_id.encode("ascii"),
        value=event.SerializeToString(deterministic=True),
        event_id=event_id,
        event_type=EVENT_TYPE,
        subject=subject_id,
    )


def _extract(condensed: bytes) -> assessment_pb2.AccountExtract:
    statement = account_pb2.AccountStatement.FromString(condensed)
    extract = assessment_pb2.AccountExtract(
        subject_code=statement.subject_code,
        annual_figures=statement.annual_figures,
        findings=statement.findings,
        known_time=statement.known_time,
        evidence_root=statement.evidence_root,
        evidence_count=statement.evidence_count,
    )
    if statement.HasField("profile"):
        extract.profile.CopyFrom(statement.profile)
    return extract


# -- reading a statement ------------------------------------------------------------------------------------------------------------


def _statement(message: account_pb2.AccountStatement) -> Statement:
    if message.account_revision < 1:
        raise ValueError("account_revision is below 1")
    if len(message.subject_code) != _SUBJECT_CODE_CHARACTERS or not (message.subject_code.isascii() and message.subject_code.isalnum()):
        raise ValueError("subject_code is not of the form of GB 32100-2015")
    return Statement(
        subject_id=_uuid(message.subject_id, "statement.subject_id"),
        subject_code=message.subject_code,
        account_revision=message.account_revision,
        industry_code=(message.profile.industry_code or None) if message.HasField("profile") else None,
        annual_figures=tuple(_annual_figures(one) for one in message.annual_figures),
        plan=_plan(message.plan) if message.HasField("plan") else None,
        investments=tuple(_investment(one) for one in message.investments),
    )


def _annual_figures(message: account_pb2.AnnualFigures) -> AnnualFigures:
    return AnnualFigures(
        start=_date(message.period.start_date, "annual_figures.period"),
        end=_date(message.period.end_date, "annual_figures.period"),
        scope1_tco2e=_amount_or_nothing(message.scope1_tco2e, "annual_figures.scope1_tco2e"),
        scope2_tco2e=_amount_or_nothing(message.scope2_tco2e, "annual_figures.scope2_tco2e"),
        product_code=message.product_code,
        output_unit=message.output_unit,
        output_amount=_amount_or_nothing(message.output_amount, "annual_figures.output_amount"),
        months_covered=message.months_covered,
        data_quality=message.data_quality,
        process_route=message.process_route,
        output_complete=message.output_complete,
    )


def _plan(message: account_pb2.PlanSummary) -> Plan:
    return Plan(
        adopted=_date(message.adopted_date, "plan.adopted_date"),
        base_year=message.base_year,
        targets=tuple(
            Target(year=one.year, intensity_reduction_percent=_amount(one.intensity_reduction_percent, "plan.targets"))
            for one in message.targets
        ),
        milestones=tuple(
            Milestone(
                number=one.milestone_number,
                due=_date(one.due_date, "plan.milestones.due_date"),
                completed=_date(one.completed_date, "plan.milestones.completed_date") if one.completed_date else None,
            )
            for one in message.milestones
        ),
    )


def _investment(message: account_pb2.InvestmentLine) -> Investment:
    return Investment(
        start=_date(message.period.start_date, "investments.period"),
        end=_date(message.period.end_date, "investments.period"),
        technology_code=message.technology_code,
        amount_yuan=_amount(message.amount_yuan, "investments.amount_yuan"),
        total_capital_expenditure_yuan=_amount_or_nothing(message.total_capital_expenditure_yuan, "investments.total"),
        recognised=message.recognised,
    )


def _amount_or_nothing(text: str, field: str) -> Decimal:
    """Read an amount; what is not on the account reads as 0."""
    return _amount(text, field) if text else Decimal(0)


def _amount(text: str, field: str) -> Decimal:
    try:
        return parse_amount(text)
    except AmountError as error:
        raise ValueError(f"{field}: {error.reason}") from error


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{field}: not an ISO 8601 date") from error


def _uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ValueError(f"{field}: not a UUID") from error


def _only_field(value: bytes, number: int) -> bytes:
    """Return the exact bytes of a message field that stands once in an encoded message.

    The parsed field written again need not be what was sent: protobuf has no canonical form.
    """
    found = [content for field, content in _fields(value) if field == number]
    if len(found) != 1:
        raise UnreadableEventError("not exactly one statement")
    return found[0]


def _fields(value: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the top-level fields of bytes that a protobuf parser has accepted (encoding: protobuf.dev, wire format)."""
    position = 0
    while position < len(value):
        tag, position = _varint(value, position)
        number, wire_type = tag >> 3, tag & 7
        match wire_type:
            case 0:
                _, end = _varint(value, position)
            case 1:
                end = position + 8
            case 2:
                length, position = _varint(value, position)
                end = position + length
            case 5:
                end = position + 4
            case _:
                raise UnreadableEventError("groups are not part of the schema")
        if wire_type == _LENGTH_DELIMITED:
            yield number, value[position:end]
        position = end


def _varint(value: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = value[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return result, position
        shift += 7


# -- writing an outcome -------------------------------------------------------------------------------------------------------------


def _rated(rated: Rated) -> assessment_pb2.Rated:
    return assessment_pb2.Rated(
        score=format_amount(rated.score),
        model_grade=grade_pb2.Grade.Value(f"GRADE_{rated.model_grade.value}"),
        held_grade=grade_pb2.Grade.Value(f"GRADE_{rated.held_grade.value}"),
        final_grade=grade_pb2.Grade.Value(f"GRADE_{rated.final_grade.value}"),
        colour_label=grade_pb2.ColourLabel.Value(f"COLOUR_LABEL_{rated.colour_label.value}"),
        transition_stage=grade_pb2.TransitionStage.Value(f"TRANSITION_STAGE_{rated.transition_stage.value}"),
        maturity=format_amount(rated.maturity),
        dimensions=[_dimension(one) for one in rated.dimensions],
        reduction_probability=format_amount(rated.reduction_probability),
        model_raw_margin=rated.model_raw_margin,
        reason_codes=[
            assessment_pb2.ReasonCode(code=one.code, points=format_amount(one.points), text_zh=one.text_zh, text_en=one.text_en)
            for one in rated.reason_codes
        ],
    )


def _dimension(dimension: DimensionScore) -> assessment_pb2.DimensionScore:
    return assessment_pb2.DimensionScore(
        dimension=grade_pb2.Dimension.Value(f"DIMENSION_{dimension.dimension.value}"),
        score=format_amount(dimension.score),
        weight=format_amount(dimension.weight),
        coverage=format_amount(dimension.coverage),
        indices=[
            assessment_pb2.IndexValue(
                index_code=one.index.code,
                value=format_amount(one.value),
                weight=format_amount(quantise(one.index.weight, SUB_WEIGHT_SCALE)),
                figure="" if one.figure is None else format_amount(one.figure),
            )
            for one in dimension.indices
        ],
    )


def _not_rated(not_rated: NotRated) -> assessment_pb2.NotRated:
    return assessment_pb2.NotRated(
        reasons=[assessment_pb2.NotRatedReason(code=one.code.value, text_zh=one.text_zh, text_en=one.text_en) for one in not_rated.reasons]
    )


def _timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant.astimezone(UTC).replace(tzinfo=None))
    return stamp
