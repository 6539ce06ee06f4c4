"""Subscribers, calls and events for tests of the gateway."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, date, datetime
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2 as account_pb2
from carbonbureau.common.v1 import envelope_pb2, grade_pb2
from carbonbureau.reports.v1 import report_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.domain.inquiry import Call, Method
from services.gateway.domain.subscriber import Directory, PermittedPurpose, Subscriber

# Codes with valid check characters (GB 32100-2015), by region.
CHANGZHI = "91140400DEBBPY1YXR"
DATONG = "91140200HLX7UKBK9D"
OUTSIDE = "919990008QE7GEQ22B"
BEIJING = "91110000MYUFGBB18C"

BANK_URI = "carbonbureau://subscriber/bank-one"
TODAY = date(2026, 11, 21)
REQUEST_ID = "0f2b6f0e-7c1d-4e58-9a53-111111111111"
SUBJECT_ID = UUID("7b0c7f0e-4f3a-4f0e-9a51-3b1f7a8f0c11")


def subscriber(
    *,
    code: str = "bank-one",
    regions: tuple[str, ...] = ("14", "9990"),
    purposes: frozenset[PermittedPurpose] = frozenset({PermittedPurpose.LOAN_APPROVAL}),
    valid_from: date = date(2026, 1, 1),
    valid_until: date | None = None,
) -> Subscriber:
    return Subscriber(
        code=code,
        name=code,
        identity=f"carbonbureau://subscriber/{code}",
        regions=regions,
        purposes=purposes,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def directory(*subscribers: Subscriber) -> Directory:
    return Directory(by_identity={one.identity: one for one in subscribers or (subscriber(),)})


def call(
    *,
    code: str = CHANGZHI,
    name: str | None = None,
    method: Method = Method.GET_CREDIT_GRADE,
    purpose: PermittedPurpose | None = PermittedPurpose.LOAN_APPROVAL,
    request_id: str = REQUEST_ID,
    case_reference: str = "case 1",
) -> Call:
    tail = "creditGrade" if method is Method.GET_CREDIT_GRADE else "creditReport"
    return Call(
        method=method,
        name=f"subjects/{code}/{tail}" if name is None else name,
        purpose=purpose,
        request_id=request_id,
        case_reference=case_reference,
    )


def report_revised(
    *, number: int = 1, code: str = CHANGZHI, subject_id: UUID = SUBJECT_ID, score: str = "63.12", rated: bool = True
) -> report_pb2.ReportRevised:
    """Make a ReportRevised whose signed bytes have the form of a JWS; the gateway looks at the payload's hash only."""
    content = json.dumps({"number": number, "score": score}).encode()
    signed = b"e30." + base64.urlsafe_b64encode(content).rstrip(b"=") + b".c2ln"
    issued = Timestamp()
    issued.FromDatetime(datetime(2026, 11, 21, 1, number % 60, tzinfo=UTC))
    message = report_pb2.ReportRevised(
        envelope=envelope_pb2.Envelope(
            event_id=str(UUID(int=number, version=4)), subject_id=str(subject_id), subject_revision=number, province="shanxi"
        ),
        subject_code=code,
        revision_number=number,
        signed_report=signed,
        content_sha256=hashlib.sha256(content).hexdigest(),
        key_id="kid",
        issued_time=issued,
        assessment=assessment_pb2.Assessment(
            assessment_id=str(UUID(int=number, version=4)),
            subject_id=str(subject_id),
            model_version="reduction-2026.1",
            weights_version="stage-weights-1",
            assessed_on_date="2026-11-21",
        ),
        inclusion_state=report_pb2.INCLUSION_STATE_PENDING,
    )
    if rated:
        message.assessment.rated.CopyFrom(_rated(score))
    else:
        message.assessment.not_rated.reasons.add(code="TOO_FEW_PERIODS", text_zh="数据期数不足", text_en="Too few periods")
    return message


def _rated(score: str) -> assessment_pb2.Rated:
    return assessment_pb2.Rated(
        score=score,
        model_grade=grade_pb2.GRADE_BBB,
        held_grade=grade_pb2.GRADE_BBB,
        final_grade=grade_pb2.GRADE_BBB,
        colour_label=grade_pb2.COLOUR_LABEL_LIGHT_GREEN,
        transition_stage=grade_pb2.TRANSITION_STAGE_EARLY,
        maturity="0.2345",
        dimensions=[
            assessment_pb2.DimensionScore(dimension=grade_pb2.DIMENSION_FORWARD_LOOKING, score="71.00", weight="0.400000", coverage="1.00")
        ],
        reduction_probability="0.612345",
        reason_codes=[assessment_pb2.ReasonCode(code="R401", points="-3.20", text_zh="占比低", text_en="Low share")],
    )


def certificate_of_version_6(certificate: x509.Certificate) -> bytes:
    """Alter the version of a certificate, for which the library raises an exception that is no ValueError."""
    der, version_3 = certificate.public_bytes(serialization.Encoding.DER), b"\xa0\x03\x02\x01\x02"
    assert version_3 in der
    text = base64.encodebytes(der.replace(version_3, b"\xa0\x03\x02\x01\x05", 1))
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"
