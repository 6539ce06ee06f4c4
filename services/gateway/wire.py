"""Translates between the wire and the gateway's values: ReportRevised in, calls in, answers out. Decides nothing."""

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.bureau.v1 import subject_service_pb2 as subject_pb
from carbonbureau.common.v1 import grade_pb2
from carbonbureau.reports.v1 import report_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.domain.inquiry import Answer, Call, Method
from services.gateway.domain.listing import ListCall, Listing
from services.gateway.domain.subject_code import is_subject_code
from services.gateway.domain.subscriber import PermittedPurpose
from services.gateway.store import IssuedRevision, ServedGrade, ServedReport

REPORT_REVISED_TOPIC = "bureau.report-revised.v1"

_PURPOSES = {
    pb.PERMITTED_PURPOSE_LOAN_APPROVAL: PermittedPurpose.LOAN_APPROVAL,
    pb.PERMITTED_PURPOSE_POST_LOAN_MANAGEMENT: PermittedPurpose.POST_LOAN_MANAGEMENT,
    pb.PERMITTED_PURPOSE_GUARANTEE_REVIEW: PermittedPurpose.GUARANTEE_REVIEW,
}


class UnreadableEventError(ValueError):
    """The bytes are not an event that can be taken; `reason` says why, without showing what they hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def issued_revision(value: bytes | None) -> IssuedRevision:
    """Read a ReportRevised and hold its parts against each other: what is served must be what was signed.

    Raises:
        UnreadableEventError: the bytes are no ReportRevised, a part is missing, or the parts contradict each other.
    """
    if not value:
        raise UnreadableEventError("no value")
    try:
        message = report_pb2.ReportRevised.FromString(value)
    except DecodeError as error:
        raise UnreadableEventError("not a protobuf ReportRevised") from error
    try:
        subject_id = UUID(message.envelope.subject_id)
        assessed_id = UUID(message.assessment.subject_id)
        issued_at = message.issued_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableEventError("subject_id is not a UUID, or issued_time not an instant") from error
    if assessed_id != subject_id:
        raise UnreadableEventError("envelope and assessment are about different subjects")
    if message.revision_number < 1 or message.envelope.subject_revision != message.revision_number:
        raise UnreadableEventError("revision_number is below 1 or not the envelope's subject_revision")
    if not is_subject_code(message.subject_code):
        raise UnreadableEventError("subject_code is no unified social credit code")
    if not message.key_id or not message.HasField("issued_time") or message.assessment.WhichOneof("outcome") is None:
        raise UnreadableEventError("key_id, issued_time or the outcome is missing")
    if _content_sha256(message.signed_report) != message.content_sha256:
        raise UnreadableEventError("content_sha256 is not that of the signed payload")
    return IssuedRevision(
        subject_id=subject_id,
        number=message.revision_number,
        subject_code=message.subject_code,
        signed_report=message.signed_report,
        content_sha256=message.content_sha256,
        key_id=message.key_id,
        issued_at=issued_at,
        assessment=message.assessment.SerializeToString(deterministic=True),
        final_grade=message.assessment.rated.final_grade if message.assessment.WhichOneof("outcome") == "rated" else None,
    )


def call(method: Method, message: pb.GetCreditGradeRequest | pb.GetCreditReportRequest) -> Call:
    """Read a request; a purpose that is unset or unknown is None."""
    return Call(
        method=method,
        name=message.name,
        purpose=_PURPOSES.get(message.purpose),
        request_id=message.request_id,
        case_reference=message.case_reference,
    )


def credit_grade(grade: ServedGrade, answer: Answer) -> pb.CreditGrade:
    """Write the answer of GetCreditGrade."""
    assessment = assessment_pb2.Assessment.FromString(grade.assessment)
    written = pb.CreditGrade(
        name=f"subjects/{answer.subject_code}/creditGrade",
        subject_code=answer.subject_code,
        report_revision_number=grade.revision_number,
        report_content_sha256=grade.content_sha256,
        issued_time=_timestamp(grade.issued_at),
        assessed_on_date=assessment.assessed_on_date,
        model_version=assessment.model_version,
        weights_version=assessment.weights_version,
        stale=answer.stale,
        inquiry_id=str(answer.inquiry_id),
    )
    if answer.fresh_as_of is not None:
        written.fresh_as_of_time.CopyFrom(_timestamp(answer.fresh_as_of))
    if assessment.WhichOneof("outcome") == "rated":
        _add_rated(written, assessment.rated)
    else:
        written.rating_state = pb.RATING_STATE_NOT_RATED
        for reason in assessment.not_rated.reasons:
            written.reasons.add(code=reason.code, text_zh=reason.text_zh, text_en=reason.text_en)
    return written


def credit_report(report: ServedReport, answer: Answer) -> pb.CreditReport:
    """Write the answer of GetCreditReport: the signed bytes as they came from reports."""
    written = pb.CreditReport(
        name=f"subjects/{answer.subject_code}/creditReport/revisions/{report.revision_number}",
        subject_code=answer.subject_code,
        revision_number=report.revision_number,
        signed_report=report.signed_report,
        content_sha256=report.content_sha256,
        key_id=report.key_id,
        issued_time=_timestamp(report.issued_at),
        latest=report.revision_number == report.newest_number,
        stale=answer.stale,
        inquiry_id=str(answer.inquiry_id),
    )
    if answer.fresh_as_of is not None:
        written.fresh_as_of_time.CopyFrom(_timestamp(answer.fresh_as_of))
    return written


def list_call(message: subject_pb.ListReportRevisionsRequest) -> ListCall:
    """Read a request of ListReportRevisions."""
    return ListCall(parent=message.parent, page_size=message.page_size, page_token=message.page_token)


def report_revisions(listing: Listing) -> subject_pb.ListReportRevisionsResponse:
    """Write the answer of ListReportRevisions."""
    written = subject_pb.ListReportRevisionsResponse(
        next_page_token=listing.next_page_token, stale=listing.stale, inquiry_id=str(listing.inquiry_id)
    )
    for one in listing.revisions:
        written.report_revisions.add(
            name=f"subjects/{listing.subject_code}/creditReport/revisions/{one.revision_number}",
            revision_number=one.revision_number,
            issued_time=_timestamp(one.issued_at),
            content_sha256=one.content_sha256,
            key_id=one.key_id,
            rating_state=pb.RATING_STATE_NOT_RATED if one.final_grade is None else pb.RATING_STATE_RATED,
            final_grade=grade_pb2.GRADE_UNSPECIFIED if one.final_grade is None else cast("grade_pb2.Grade", one.final_grade),
        )
    if listing.fresh_as_of is not None:
        written.fresh_as_of_time.CopyFrom(_timestamp(listing.fresh_as_of))
    return written


def _add_rated(answer: pb.CreditGrade, rated: assessment_pb2.Rated) -> None:
    answer.rating_state = pb.RATING_STATE_RATED
    answer.final_grade = rated.final_grade
    answer.model_grade = rated.model_grade
    answer.held_grade = rated.held_grade
    answer.colour_label = rated.colour_label
    answer.score = rated.score
    answer.transition_stage = rated.transition_stage
    for one in rated.dimensions:
        answer.dimensions.add(dimension=one.dimension, score=one.score, weight=one.weight, coverage=one.coverage)
    for reason in rated.reason_codes:
        answer.reasons.add(code=reason.code, text_zh=reason.text_zh, text_en=reason.text_en)


def _content_sha256(signed_report: bytes) -> str | None:
    parts = signed_report.split(b".")
    if len(parts) != 3:
        return None
    try:
        content = base64.b64decode(parts[1] + b"=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return hashlib.sha256(content).hexdigest()


def _timestamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message
