"""Assessments as scoring sends them, for tests: one rated subject, one that is not, and the means to vary them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import envelope_pb2, grade_pb2, period_pb2
from carbonbureau.scoring.v1 import assessment_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.identifiers import derived_id

_M = TypeVar("_M", bound=Message)

SUBJECT_ID = UUID("7b0c7f0e-4f3a-5f0e-9a51-3b1f7a8f0c11")
# Its check character is valid (GB 32100-2015).
SUBJECT_CODE = "91140400MA0ABCDE3R"
KNOWN_AT = datetime(2026, 2, 28, 15, 59, 59, 123456, tzinfo=UTC)  # the last second of February in Shanxi
COMPOSED_AT = datetime(2026, 2, 28, 16, 0, 0, 1, tzinfo=UTC)


def assessment_made(
    *,
    number: int = 1,
    subject_id: UUID = SUBJECT_ID,
    subject_code: str = SUBJECT_CODE,
    rated: bool = True,
    score: str = "63.12",
    assessed_on: str = "2026-02-28",
    account_revision: int = 7,
    known_at: datetime = KNOWN_AT,
) -> assessment_pb2.AssessmentMade:
    """Make one AssessmentMade; `number` tells the assessments of a subject apart."""
    return assessment_pb2.AssessmentMade(
        envelope=envelope_pb2.Envelope(
            event_id=str(derived_id("test-event", subject_id=subject_id, number=number)),
            event_type="carbonbureau.scoring.v1.AssessmentMade",
            schema_version=1,
            subject_id=str(subject_id),
            subject_revision=number,
            known_time=_timestamp(known_at),
            province="shanxi",
        ),
        assessment=_assessment(
            number=number,
            subject_id=subject_id,
            rated=rated,
            score=score,
            assessed_on=assessed_on,
            account_revision=account_revision,
        ),
        account=_extract(subject_code=subject_code, known_at=known_at),
    )


def _assessment(
    *, number: int, subject_id: UUID, rated: bool, score: str, assessed_on: str, account_revision: int
) -> assessment_pb2.Assessment:
    message = assessment_pb2.Assessment(
        assessment_id=str(derived_id("test-assessment", subject_id=subject_id, number=number)),
        subject_id=str(subject_id),
        account_revision=account_revision,
        statement_sha256=hashlib.sha256(b"statement").hexdigest(),
        model_sha256=hashlib.sha256(b"model").hexdigest(),
        model_version="reduction-2026.1",
        weights_version="stage-weights-1",
        scale_version="scale-1",
        previous_assessment_id=str(derived_id("test-assessment", subject_id=subject_id, number=number - 1)) if number > 1 else "",
        assessed_on_date=assessed_on,
    )
    if rated:
        message.rated.CopyFrom(_rated(score))
    else:
        message.not_rated.reasons.add(code="TOO_FEW_PERIODS", text_zh="数据期数不足", text_en="Too few periods of data")
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
            assessment_pb2.DimensionScore(
                dimension=grade_pb2.DIMENSION_FORWARD_LOOKING,
                score="71.00",
                weight="0.400000",
                coverage="1.00",
                indices=[
                    assessment_pb2.IndexValue(index_code="investment_share", value="66.50", weight="0.5000", figure="0.133"),
                    assessment_pb2.IndexValue(index_code="plan_progress", value="75.50", weight="0.5000"),
                ],
            ),
            assessment_pb2.DimensionScore(
                dimension=grade_pb2.DIMENSION_REDUCTION_MOMENTUM, score="57.87", weight="0.600000", coverage="0.50"
            ),
        ],
        reduction_probability="0.612345",
        model_raw_margin=0.4567,
        reason_codes=[
            assessment_pb2.ReasonCode(code="R401", points="-3.20", text_zh="转型投资占比低", text_en="Low share of transition investment")
        ],
    )


def _extract(*, subject_code: str, known_at: datetime) -> assessment_pb2.AccountExtract:
    return assessment_pb2.AccountExtract(
        subject_code=subject_code,
        profile=account_pb2.SubjectProfile(name="长治示范电力有限公司", industry_code="4411", city_code="140400", size="LARGE"),
        annual_figures=[_annual_figures(2024, months=12, quality=2), _annual_figures(2025, months=11, quality=3)],
        findings=[
            account_pb2.AccountFinding(
                finding_id=str(derived_id("test-finding", rule="X101")),
                rule_id="X101",
                severity="WARNING",
                state="PROVISIONAL",
                period=period_pb2.Period(start_date="2025-03-01", end_date="2025-04-01", time_zone="Asia/Shanghai"),
                message="电量与发票差 12 %",
            )
        ],
        known_time=_timestamp(known_at),
        evidence_root=hashlib.sha256(b"evidence").digest(),
        evidence_count=141,
    )


def _annual_figures(year: int, *, months: int, quality: int) -> account_pb2.AnnualFigures:
    return account_pb2.AnnualFigures(
        period=period_pb2.Period(start_date=f"{year}-01-01", end_date=f"{year + 1}-01-01", time_zone="Asia/Shanghai"),
        scope1_tco2e="1234567.890123",
        scope2_tco2e="0.000000",
        product_code="electricity",
        output_unit="MWh",
        output_amount="1500000",
        intensity_tco2e_per_unit="0.823045" if months == 12 else "",
        months_covered=months,
        data_quality=quality,
        process_route="coal",
        output_complete=months == 12,
    )


def _timestamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def largest_assessment_made() -> assessment_pb2.AssessmentMade:
    """Make the largest AssessmentMade that is read: every list and text at its limit, every character as wide as it may be.

    Four bytes is the widest there is in UTF-8; of ASCII, JSON writes a quotation mark as two.
    """
    wide, code, amount = "\U00020000", 64 * '"', "-123456789012345.123456789"
    message = assessment_made()
    assessment, account = message.assessment, message.account
    assessment.previous_assessment_id = assessment.assessment_id
    assessment.account_revision = 2**53 - 1
    assessment.model_version = assessment.weights_version = assessment.scale_version = code
    index = assessment_pb2.IndexValue(index_code=code, value=amount, weight=amount, figure=code)
    dimension = assessment_pb2.DimensionScore(
        dimension=grade_pb2.DIMENSION_CURRENT_PERFORMANCE, score=amount, weight=amount, coverage=amount, indices=8 * [index]
    )
    reason = assessment_pb2.ReasonCode(code=code, points=amount, text_zh=wide * 300, text_en=wide * 300)
    rated = assessment.rated
    rated.score = rated.maturity = rated.reduction_probability = amount
    rated.ClearField("dimensions")
    rated.ClearField("reason_codes")
    rated.dimensions.extend(6 * [dimension])
    rated.reason_codes.extend(4 * [reason])
    account.profile.CopyFrom(
        account_pb2.SubjectProfile(name=wide * 1000, industry_code=wide * 64, city_code=wide * 64, size=wide * 64),
    )
    # The longest name of a time zone there is.
    period = period_pb2.Period(start_date="2025-01-01", end_date="2026-01-01", time_zone="America/Argentina/ComodRivadavia")
    figures = account.annual_figures[0]
    figures.period.CopyFrom(period)
    figures.product_code = figures.process_route = figures.output_unit = wide * 64
    figures.scope1_tco2e = figures.scope2_tco2e = figures.output_amount = figures.intensity_tco2e_per_unit = amount
    finding = account.findings[0]
    finding.rule_id, finding.message = code, wide * 1000
    finding.period.CopyFrom(period)
    # More than are shown: what the collector's statement holds at most, and then some.
    figures, finding = _copied(figures), _copied(finding)
    account.ClearField("annual_figures")
    account.ClearField("findings")
    account.annual_figures.extend(60 * [figures])
    account.findings.extend(400 * [finding])
    account.evidence_count = 2**31 - 1
    return message


def _copied(message: _M) -> _M:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
