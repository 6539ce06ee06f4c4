"""Translates between bytes and domain values: AssessmentMade in, canonical report bytes and ReportRevised out. Decides nothing.

What cannot be read is refused as a whole with a reason; a report is never made from half an assessment.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import rfc8785
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import envelope_pb2, grade_pb2, period_pb2
from carbonbureau.reports.v1 import report_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.amounts import AmountError, parse_amount
from services.common.civil_time import Period
from services.common.identifiers import derived_id
from services.common.outbox import OutgoingEvent
from services.reports.domain.assessment import (
    AccountExtract,
    AccountFinding,
    AnnualFigures,
    AssessedSubject,
    Assessment,
    ColourLabel,
    Dimension,
    DimensionScore,
    FindingState,
    Grade,
    IndexValue,
    NotRated,
    NotRatedReason,
    Rated,
    ReasonCode,
    Severity,
    SubjectProfile,
    TransitionStage,
)
from services.reports.domain.report import Json, substance
from services.reports.domain.revision import IssuedRevision

ASSESSMENT_MADE_TOPIC = "bureau.assessment-made.v1"
REPORT_REVISED_TOPIC = "bureau.report-revised.v1"
OBJECTION_CHANGED_TOPIC = "bureau.objection-changed.v1"

# What an event of the bureau weighs at most; by contract compressed, here before, as base64 hides from the compressor what repeats.
EVENT_BYTES_MAX = 256 * 1024
# Longest texts that are read, those of the intake (its form rules), and longest lists, so that a report of all of them fits an event.
# They may grow and never shrink: what a report was composed from once is read again (`reproduce`).
_CODE_CHARACTERS_MAX = 64
_NAME_CHARACTERS_MAX = 1_000
_MESSAGE_CHARACTERS_MAX = 1_000
_REASON_CHARACTERS_MAX = 300
_REASON_CODES_MAX = 4
_NOT_RATED_REASONS_MAX = 8
_INDICES_MAX = 8
# Above it JSON readers round (RFC 8785, section 3.2.2.3).
_COUNT_MAX = 2**53 - 1
# GB 32100-2015, table 1.
_SUBJECT_CODE_ALPHABET = frozenset("0123456789ABCDEFGHJKLMNPQRTUWXY")
_E = TypeVar("_E", bound=Enum)
_T = TypeVar("_T")


class UnreadableEventError(ValueError):
    """The bytes are not an event of ours; `reason` says why, without showing what they hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def assessed_subject(value: bytes | None) -> AssessedSubject:
    """Read an AssessmentMade.

    Raises:
        UnreadableEventError: the bytes are no AssessmentMade, or a part that a report needs is missing, malformed or without bound.
    """
    if not value:
        raise UnreadableEventError("no value")
    try:
        message = assessment_pb2.AssessmentMade.FromString(value)
    except DecodeError as error:
        raise UnreadableEventError("not a protobuf AssessmentMade") from error
    try:
        return _assessed_subject(message)
    except (ValueError, OverflowError) as error:
        raise UnreadableEventError(str(error)) from error


def canonical(value: Mapping[str, Json]) -> bytes:
    """Write a JSON object in its one canonical form (RFC 8785)."""
    return rfc8785.dumps(dict(value))


def fingerprint(report: Mapping[str, Json]) -> str:
    """Return the SHA-256 of the report's substance: equal for reports that differ in nothing but time."""
    return hashlib.sha256(canonical(substance(report))).hexdigest()


def content_sha256(content: bytes) -> str:
    """Return the hash by which a successor names this content, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def report_revised(revision: IssuedRevision, *, assessment_made: bytes, province: str) -> OutgoingEvent:
    """Make the event that tells of an issued revision. Its id is derived, so that the revision is told once."""
    message = _report_revised(revision, assessment_made=assessment_made, province=province)
    return OutgoingEvent(
        topic=REPORT_REVISED_TOPIC,
        key=str(revision.subject_id).encode("ascii"),
        value=message.SerializeToString(deterministic=True),
        event_id=UUID(message.envelope.event_id),
        event_type=message.envelope.event_type,
        subject=str(revision.subject_id),
    )


def event_bytes(revision: IssuedRevision, *, assessment_made: bytes, province: str) -> int:
    """Return how many bytes the event of this revision has; unlike `report_revised` it bears one of any size."""
    return _report_revised(revision, assessment_made=assessment_made, province=province).ByteSize()


def _report_revised(revision: IssuedRevision, *, assessment_made: bytes, province: str) -> report_pb2.ReportRevised:
    made = assessment_pb2.AssessmentMade.FromString(assessment_made)
    event_id = derived_id(
        "report-revised", subject_id=revision.subject_id, revision_number=revision.number, content_sha256=revision.content_sha256
    )
    return report_pb2.ReportRevised(
        envelope=envelope_pb2.Envelope(
            event_id=str(event_id),
            event_type=report_pb2.ReportRevised.DESCRIPTOR.full_name,
            schema_version=1,
            subject_id=str(revision.subject_id),
            subject_revision=revision.number,
            causation_ids=[made.envelope.event_id],
            known_time=_timestamp(revision.issued_at),
            province=province,
        ),
        subject_code=revision.subject_code,
        revision_number=revision.number,
        signed_report=revision.signed_report,
        content_sha256=revision.content_sha256,
        key_id=revision.key_id,
        issued_time=_timestamp(revision.issued_at),
        assessment=made.assessment,
        inclusion_state=report_pb2.INCLUSION_STATE_PENDING,
    )


def _assessed_subject(message: assessment_pb2.AssessmentMade) -> AssessedSubject:
    envelope = message.envelope
    subject_id = _uuid(envelope.subject_id, "envelope.subject_id")
    if _uuid(message.assessment.subject_id, "assessment.subject_id") != subject_id:
        raise ValueError("envelope and assessment are about different subjects")
    if envelope.subject_revision < 1:
        raise ValueError("envelope.subject_revision is below 1")
    return AssessedSubject(
        subject_id=subject_id,
        number=envelope.subject_revision,
        event_id=_uuid(envelope.event_id, "envelope.event_id"),
        assessment=_assessment(message.assessment),
        account=_account(message.account),
    )


def _assessment(message: assessment_pb2.Assessment) -> Assessment:
    previous = message.previous_assessment_id
    return Assessment(
        assessment_id=_uuid(message.assessment_id, "assessment_id"),
        previous_assessment_id=_uuid(previous, "previous_assessment_id") if previous else None,
        account_revision=_count(message.account_revision, "account_revision", 1, _COUNT_MAX),
        statement_sha256=_sha256(message.statement_sha256, "statement_sha256"),
        model_sha256=_sha256(message.model_sha256, "model_sha256"),
        model_version=_code(message.model_version, "model_version"),
        weights_version=_code(message.weights_version, "weights_version"),
        scale_version=_code(message.scale_version, "scale_version"),
        assessed_on=_date(message.assessed_on_date, "assessed_on_date"),
        outcome=_outcome(message),
    )


def _outcome(message: assessment_pb2.Assessment) -> Rated | NotRated:
    match message.WhichOneof("outcome"):
        case "rated":
            return _rated(message.rated)
        case "not_rated":
            reasons = tuple(
                NotRatedReason(
                    code=_code(one.code, "reason.code"),
                    text_zh=_text(one.text_zh, "reason.text_zh", _REASON_CHARACTERS_MAX),
                    text_en=_text(one.text_en, "reason.text_en", _REASON_CHARACTERS_MAX),
                )
                for one in _few(message.not_rated.reasons, "reasons", _NOT_RATED_REASONS_MAX)
            )
            if not reasons:
                raise ValueError("not rated without a reason")
            return NotRated(reasons=reasons)
        case _:
            raise ValueError("neither rated nor not rated")


def _rated(message: assessment_pb2.Rated) -> Rated:
    return Rated(
        score=_amount(message.score, "score"),
        model_grade=_enum(Grade, grade_pb2.Grade.Name, message.model_grade, "GRADE_"),
        held_grade=_enum(Grade, grade_pb2.Grade.Name, message.held_grade, "GRADE_"),
        final_grade=_enum(Grade, grade_pb2.Grade.Name, message.final_grade, "GRADE_"),
        colour_label=_enum(ColourLabel, grade_pb2.ColourLabel.Name, message.colour_label, "COLOUR_LABEL_"),
        transition_stage=_enum(TransitionStage, grade_pb2.TransitionStage.Name, message.transition_stage, "TRANSITION_STAGE_"),
        maturity=_amount(message.maturity, "maturity"),
        dimensions=tuple(_dimension(one) for one in _few(message.dimensions, "dimensions", len(Dimension))),
        reduction_probability=_amount(message.reduction_probability, "reduction_probability"),
        reason_codes=tuple(
            ReasonCode(
                code=_code(one.code, "reason_code.code"),
                points=_amount(one.points, "reason_code.points"),
                text_zh=_text(one.text_zh, "reason_code.text_zh", _REASON_CHARACTERS_MAX),
                text_en=_text(one.text_en, "reason_code.text_en", _REASON_CHARACTERS_MAX),
            )
            for one in _few(message.reason_codes, "reason_codes", _REASON_CODES_MAX)
        ),
    )


def _dimension(message: assessment_pb2.DimensionScore) -> DimensionScore:
    return DimensionScore(
        dimension=_enum(Dimension, grade_pb2.Dimension.Name, message.dimension, "DIMENSION_"),
        score=_amount(message.score, "dimension.score"),
        weight=_amount(message.weight, "dimension.weight"),
        coverage=_amount(message.coverage, "dimension.coverage"),
        indices=tuple(
            IndexValue(
                index_code=_code(one.index_code, "index_code"),
                value=_amount(one.value, "index.value"),
                weight=_amount(one.weight, "index.weight"),
                figure=_code(one.figure, "index.figure") if one.figure else None,
            )
            for one in _few(message.indices, "indices", _INDICES_MAX)
        ),
    )


def _account(message: assessment_pb2.AccountExtract) -> AccountExtract:
    profile = message.profile if message.HasField("profile") else None
    if not message.HasField("known_time"):
        raise ValueError("account.known_time is missing")
    if len(message.evidence_root) != hashlib.sha256().digest_size:
        raise ValueError("account.evidence_root is not a SHA-256")
    return AccountExtract(
        subject_code=_subject_code(message.subject_code),
        profile=SubjectProfile(
            name=_optional_text(profile.name, "profile.name", _NAME_CHARACTERS_MAX),
            industry_code=_optional_text(profile.industry_code, "profile.industry_code"),
            city_code=_optional_text(profile.city_code, "profile.city_code"),
            size=_optional_text(profile.size, "profile.size"),
        )
        if profile
        else None,
        annual_figures=tuple(_annual_figures(one) for one in message.annual_figures),
        findings=tuple(_finding(one) for one in message.findings),
        known_at=_instant(message.known_time),
        evidence_root=message.evidence_root.hex(),
        evidence_count=_count(message.evidence_count, "evidence_count", 0, _COUNT_MAX),
    )


def _annual_figures(message: account_pb2.AnnualFigures) -> AnnualFigures:
    return AnnualFigures(
        period=_period(message.period),
        scope1_tco2e=_optional_amount(message.scope1_tco2e, "scope1_tco2e"),
        scope2_tco2e=_optional_amount(message.scope2_tco2e, "scope2_tco2e"),
        product_code=_optional_text(message.product_code, "product_code"),
        process_route=_optional_text(message.process_route, "process_route"),
        output_unit=_optional_text(message.output_unit, "output_unit"),
        output_amount=_optional_amount(message.output_amount, "output_amount"),
        intensity_tco2e_per_unit=_optional_amount(message.intensity_tco2e_per_unit, "intensity_tco2e_per_unit"),
        months_covered=_count(message.months_covered, "months_covered", 0, 12),
        output_complete=message.output_complete,
        data_quality=_count(message.data_quality, "data_quality", 0, 5) or None,
    )


def _finding(message: account_pb2.AccountFinding) -> AccountFinding:
    return AccountFinding(
        finding_id=_uuid(message.finding_id, "finding_id"),
        rule_id=_code(message.rule_id, "rule_id"),
        severity=Severity(message.severity),
        state=FindingState(message.state),
        period=_period(message.period) if message.HasField("period") else None,
        message=_optional_text(message.message, "finding.message", _MESSAGE_CHARACTERS_MAX) or "",
    )


def _period(message: period_pb2.Period) -> Period:
    return Period(
        start=_date(message.start_date, "start_date"), end=_date(message.end_date, "end_date"), zone=_code(message.time_zone, "time_zone")
    )


def _enum(kind: type[_E], name_of: Callable[[Any], str], number: int, prefix: str) -> _E:
    """Read an enum value by the name it has in the contract; unset and unknown ones are refused."""
    return kind(name_of(number).removeprefix(prefix))


def _amount(text: str, name: str) -> Decimal:
    try:
        return parse_amount(text)
    except AmountError as error:
        raise ValueError(f"{name}: {error.reason}") from error


def _optional_amount(text: str, name: str) -> Decimal | None:
    return _amount(text, name) if text else None


def _count(value: int, name: str, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"{name} {value} is not between {least} and {most}")
    return value


def _subject_code(text: str) -> str:
    """Take a code whose form is right; whose check character is, was decided at intake."""
    if len(text) != 18 or set(text) - _SUBJECT_CODE_ALPHABET:
        raise ValueError("account.subject_code is no unified social credit code")
    return text


def _uuid(text: str, name: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError as error:
        raise ValueError(f"{name} is not a UUID") from error
    if str(found) != text:
        raise ValueError(f"{name} is not a UUID in its written form")
    return found


def _sha256(text: str, name: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{name} is not a SHA-256 in hexadecimal")
    return text


def _code(text: str, name: str) -> str:
    if not text.isascii():
        raise ValueError(f"{name} is not ASCII")
    return _text(text, name)


def _text(text: str, name: str, most: int = _CODE_CHARACTERS_MAX) -> str:
    found = _optional_text(text, name, most)
    if found is None:
        raise ValueError(f"{name} is empty")
    return found


def _optional_text(text: str, name: str, most: int = _CODE_CHARACTERS_MAX) -> str | None:
    """Take a text of printable characters, at most `most` of them; JSON would write a control character as six bytes."""
    if len(text) > most or not text.isprintable():
        raise ValueError(f"{name} is longer than {most} characters or holds some that cannot be printed")
    return text or None


def _few(values: Collection[_T], name: str, most: int) -> Collection[_T]:
    if len(values) > most:
        raise ValueError(f"more than {most} {name}")
    return values


def _date(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name} is not a date") from error
    if found.isoformat() != text:
        raise ValueError(f"{name} is not a date in its written form")
    return found


def _instant(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def _timestamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message
