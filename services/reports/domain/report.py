"""Decides what a carbon credit report (碳信用报告) says: the members of schema `carbonbureau.report/1` and their written forms.

A report is a JSON value of strings, small integers, booleans and null: amounts are decimal strings, instants RFC 3339 in UTC with
microseconds, absent things null and never left out. Canonical bytes, hashes and signatures are made elsewhere. The schema is
for ever: another member is another schema id.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TypeAlias, assert_never

from services.common.amounts import format_amount
from services.common.civil_time import Period
from services.reports.domain.assessment import (
    AccountExtract,
    AccountFinding,
    AnnualFigures,
    AssessedSubject,
    Assessment,
    DimensionScore,
    NotRated,
    Rated,
    Severity,
)
from services.reports.domain.revision import Place

SCHEMA_ID = "carbonbureau.report/1"

# What is shown of an account without bound, so that the report of any account fits an event. Part of the schema: never changed.
WINDOWS_MAX = 40
FINDINGS_MAX = 64
MESSAGE_CHARACTERS_MAX = 250
_DAYS_OF_YEAR = 365

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

# What moves with the clock alone, and the place in the chain: equal reports may differ in these. An assessment id is derived
# from the day it was made on and from the assessment before it, so it says nothing that the other pins do not say.
_MOVES_WITH_TIME = (
    ("composed_time",),
    ("revision",),
    ("assessment", "assessed_on_date"),
    ("account", "known_time"),
    ("pins", "assessment_id"),
    ("pins", "previous_assessment_id"),
)


class KeyProfile(Enum):
    """Whose keys sign: a sandbox report says so inside the signed bytes."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """The bureau that answers for the report."""

    name: str
    province: str


def compose(*, assessed: AssessedSubject, place: Place, issuer: Issuer, key_profile: KeyProfile, composed_at: datetime) -> JsonObject:
    """Compose the report that states `assessed` at `place` in the subject's chain. The same arguments give the same report."""
    return {
        "schema": SCHEMA_ID,
        "issuer": {"name": issuer.name, "province": issuer.province},
        "profile": key_profile.value,
        "subject": _subject(assessed.account),
        "revision": _revision(place),
        "composed_time": instant_text(composed_at),
        "assessment": _assessment(assessed.assessment),
        "account": _account(assessed),
        "data_quality": _data_quality(assessed.account),
        "pins": _pins(assessed),
    }


def substance(report: Mapping[str, Json]) -> JsonObject:
    """Return what a reader would call the content: the report without what moves with time alone. `report` is left as it is."""
    kept = deepcopy(dict(report))
    for *outer, name in _MOVES_WITH_TIME:
        holder: Json = kept
        for member in outer:
            assert isinstance(holder, dict)
            holder = holder[member]
        assert isinstance(holder, dict)
        del holder[name]
    return kept


def instant_text(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with exactly six digits of the second."""
    if instant.tzinfo is None:
        raise ValueError("an instant carries its zone")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _subject(account: AccountExtract) -> JsonObject:
    profile = account.profile
    return {
        "code": account.subject_code,
        "name": profile.name if profile else None,
        "industry_code": profile.industry_code if profile else None,
        "city_code": profile.city_code if profile else None,
        "size": profile.size if profile else None,
    }


def _revision(place: Place) -> JsonObject:
    before = place.predecessor
    return {
        "number": place.number,
        "predecessor": None if before is None else {"number": before.number, "content_sha256": before.content_sha256},
    }


def _assessment(assessment: Assessment) -> JsonObject:
    assessed_on = assessment.assessed_on.isoformat()
    match assessment.outcome:
        case Rated() as rated:
            return {
                "outcome": "RATED",
                "assessed_on_date": assessed_on,
                "grades": {"model": rated.model_grade.value, "held": rated.held_grade.value, "final": rated.final_grade.value},
                "colour_label": rated.colour_label.value,
                "score": format_amount(rated.score),
                "transition_stage": rated.transition_stage.value,
                "maturity": format_amount(rated.maturity),
                "reduction_probability": format_amount(rated.reduction_probability),
                "dimensions": [_dimension(one) for one in rated.dimensions],
                "reason_codes": [
                    {"code": one.code, "points": format_amount(one.points), "text_zh": one.text_zh, "text_en": one.text_en}
                    for one in rated.reason_codes
                ],
            }
        case NotRated() as not_rated:
            return {
                "outcome": "NOT_RATED",
                "assessed_on_date": assessed_on,
                "reasons": [{"code": one.code, "text_zh": one.text_zh, "text_en": one.text_en} for one in not_rated.reasons],
            }
        case _:
            assert_never(assessment.outcome)


def _dimension(score: DimensionScore) -> JsonObject:
    return {
        "dimension": score.dimension.value,
        "score": format_amount(score.score),
        "weight": format_amount(score.weight),
        "coverage": format_amount(score.coverage),
        "indices": [
            {"index_code": one.index_code, "value": format_amount(one.value), "weight": format_amount(one.weight), "figure": one.figure}
            for one in score.indices
        ],
    }


def _account(assessed: AssessedSubject) -> JsonObject:
    account = assessed.account
    return {
        "known_time": instant_text(account.known_at),
        "annual_figures": [_annual_figures(one) for one in account.annual_figures[-WINDOWS_MAX:]],
        "findings": [_finding(one) for one in _gravest(account.findings)],
    }


def _gravest(findings: Sequence[AccountFinding]) -> list[AccountFinding]:
    """Keep the gravest findings and among equals the newest, in their order; the data quality counts all of them."""
    graveness = list(Severity)
    kept = sorted(range(len(findings)), key=lambda place: (graveness.index(findings[place].severity), place))[-FINDINGS_MAX:]
    return [findings[place] for place in sorted(kept)]


def _annual_figures(figures: AnnualFigures) -> JsonObject:
    return {
        "period": _period(figures.period),
        "scope1_tco2e": _amount(figures.scope1_tco2e),
        "scope2_tco2e": _amount(figures.scope2_tco2e),
        "product_code": figures.product_code,
        "process_route": figures.process_route,
        "output_unit": figures.output_unit,
        "output_amount": _amount(figures.output_amount),
        "intensity_tco2e_per_unit": _amount(figures.intensity_tco2e_per_unit),
        "months_covered": figures.months_covered,
        "output_complete": figures.output_complete,
        "data_quality": figures.data_quality,
    }


def _finding(finding: AccountFinding) -> JsonObject:
    return {
        "finding_id": str(finding.finding_id),
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "state": finding.state.value,
        "period": _period(finding.period) if finding.period else None,
        "message": _cut(finding.message),
    }


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS_MAX else message[: MESSAGE_CHARACTERS_MAX - 1] + "…"


def _data_quality(account: AccountExtract) -> JsonObject:
    """Sum up how well the account is known: the worst input decides (PCAF 1 to 5), gaps are counted, nothing is averaged."""
    known = [figures.data_quality for figures in account.annual_figures if figures.data_quality is not None]
    # Months that are still coming in stand in a shorter window, which is no gap.
    years = [figures for figures in account.annual_figures if figures.period.days() >= _DAYS_OF_YEAR]
    return {
        "worst": max(known, default=None),
        "windows": len(years),
        "windows_incomplete": sum(1 for figures in years if figures.months_covered < 12 or not figures.output_complete),
        "newest_window_months_covered": years[-1].months_covered if years else 0,
        "open_findings_by_severity": {
            severity.value: sum(1 for finding in account.findings if finding.severity is severity) for severity in Severity
        },
    }


def _pins(assessed: AssessedSubject) -> JsonObject:
    assessment, account = assessed.assessment, assessed.account
    previous = assessment.previous_assessment_id
    return {
        "assessment_id": str(assessment.assessment_id),
        "previous_assessment_id": str(previous) if previous else None,
        "account_revision": assessment.account_revision,
        "statement_sha256": assessment.statement_sha256,
        "evidence_root": account.evidence_root,
        "evidence_count": account.evidence_count,
        "model_version": assessment.model_version,
        "model_sha256": assessment.model_sha256,
        "weights_version": assessment.weights_version,
        "scale_version": assessment.scale_version,
    }


def _period(period: Period) -> JsonObject:
    return {"start_date": period.start.isoformat(), "end_date": period.end.isoformat(), "time_zone": period.zone}


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else format_amount(value)
