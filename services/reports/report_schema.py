"""What a verifier demands of a report of schema `carbonbureau.report/1`: the members, their types and their written forms, as data.

Written apart from the composer on purpose: a claim that the composer gets wrong must not be waved through by the same mistake.
An issued schema never changes; a later one stands beside it under its own id.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

Path: TypeAlias = str
# A shape looks at a value and returns the first problem, worded with its path, or None.
Shape: TypeAlias = Callable[[Any, Path], str | None]

_AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?\Z")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_SUBJECT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}\Z")
# Above it a JSON number is no longer exact everywhere (RFC 8785 section 3.2.2.3).
_COUNT_MAX = 2**53 - 1


def problem_of(report: Any) -> str | None:
    """Return the first claim of `report` that is missing, unknown or malformed, with its path; None when all are well formed."""
    if not isinstance(report, dict):
        return "the payload is not a JSON object"
    schema = report.get("schema")
    shape = _SCHEMAS.get(schema) if isinstance(schema, str) else None
    if shape is None:
        return f"schema: {schema!r} is unknown to this verifier, which knows {', '.join(_SCHEMAS)}"
    return shape(report, "") or _place_problem(report["revision"])


def instant_of(text: str) -> datetime:
    """Read an instant of the form that the schema demands."""
    return datetime.fromisoformat(text)


def _place_problem(revision: Mapping[str, Any]) -> str | None:
    number, before = revision["number"], revision["predecessor"]
    if number < 1:
        return "revision.number: revisions are numbered from 1"
    if (before is None) != (number == 1):
        return "revision.predecessor: exactly the first revision has none"
    if before is not None and before["number"] != number - 1:
        return f"revision.predecessor.number: {before['number']} does not come before {number}"
    return None


@dataclass(frozen=True)
class _Members:
    """A JSON object with exactly these members."""

    shapes: Mapping[str, Shape]

    def __call__(self, value: Any, path: Path) -> str | None:
        if not isinstance(value, dict):
            return f"{path or 'the payload'}: not an object"
        for name in sorted(value.keys() - self.shapes.keys()):
            return f"{_join(path, name)}: no such claim in this schema"
        for name, shape in self.shapes.items():
            if name not in value:
                return f"{_join(path, name)}: missing"
            if (problem := shape(value[name], _join(path, name))) is not None:
                return problem
        return None


@dataclass(frozen=True)
class _ByMember:
    """A JSON object whose shape is decided by one of its members."""

    name: str
    shapes: Mapping[str, Shape]

    def __call__(self, value: Any, path: Path) -> str | None:
        which = value.get(self.name) if isinstance(value, dict) else None
        shape = self.shapes.get(which) if isinstance(which, str) else None
        return shape(value, path) if shape else f"{_join(path, self.name)}: {which!r} is none of {', '.join(self.shapes)}"


def _list_of(shape: Shape) -> Shape:
    def check(value: Any, path: Path) -> str | None:
        if not isinstance(value, list):
            return f"{path}: not a list"
        return next((problem for index, one in enumerate(value) if (problem := shape(one, f"{path}[{index}]")) is not None), None)

    return check


def _or_null(shape: Shape) -> Shape:
    return lambda value, path: None if value is None else shape(value, path)


def _one_of(*values: str) -> Shape:
    return lambda value, path: None if isinstance(value, str) and value in values else f"{path}: {value!r} is none of {', '.join(values)}"


def _form(pattern: re.Pattern[str], what: str, read: Callable[[str], object] = str) -> Shape:
    def check(value: Any, path: Path) -> str | None:
        if not isinstance(value, str) or pattern.match(value) is None:
            return f"{path}: {value!r} is not {what}"
        try:
            read(value)
        except ValueError:
            return f"{path}: {value!r} is not {what}"
        return None

    return check


def _text(value: Any, path: Path) -> str | None:
    return None if isinstance(value, str) else f"{path}: not text"


def _count(value: Any, path: Path) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_MAX
    return None if fits else f"{path}: {value!r} is not a count"


def _boolean(value: Any, path: Path) -> str | None:
    return None if isinstance(value, bool) else f"{path}: neither true nor false"


def _amount(value: Any, path: Path) -> str | None:
    if not isinstance(value, str) or _AMOUNT.match(value) is None:
        return f"{path}: {value!r} is not a decimal string"
    # Minus zero is a second way to write zero.
    return f"{path}: minus zero" if value.startswith("-") and not value.strip("-0.") else None


def _join(path: Path, name: str) -> Path:
    return f"{path}.{name}" if path else name


_instant = _form(_INSTANT, "an instant in UTC with microseconds", datetime.fromisoformat)
_day = _form(_DAY, "a calendar day", date.fromisoformat)
_sha256 = _form(_SHA256, "a SHA-256 in hexadecimal")
_uuid = _form(_UUID, "a UUID")
_subject_code = _form(_SUBJECT_CODE, "a unified social credit code")
_grade = _one_of("AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C")

_PERIOD = _Members({"start_date": _day, "end_date": _day, "time_zone": _text})
_RATED = _Members(
    {
        "outcome": _one_of("RATED"),
        "assessed_on_date": _day,
        "grades": _Members({"model": _grade, "held": _grade, "final": _grade}),
        "colour_label": _one_of("DEEP_GREEN", "LIGHT_GREEN", "YELLOW", "RED"),
        "score": _amount,
        "transition_stage": _one_of("EARLY", "MIDDLE", "MATURE"),
        "maturity": _amount,
        "reduction_probability": _amount,
        "dimensions": _list_of(
            _Members(
                {
                    "dimension": _one_of(
                        "CURRENT_PERFORMANCE", "REDUCTION_MOMENTUM", "ABSOLUTE_EMISSIONS", "FORWARD_LOOKING", "COMPLIANCE", "LEADERSHIP"
                    ),
                    "score": _amount,
                    "weight": _amount,
                    "coverage": _amount,
                    "indices": _list_of(_Members({"index_code": _text, "value": _amount, "weight": _amount, "figure": _or_null(_text)})),
                }
            )
        ),
        "reason_codes": _list_of(_Members({"code": _text, "points": _amount, "text_zh": _text, "text_en": _text})),
    }
)
_NOT_RATED = _Members(
    {
        "outcome": _one_of("NOT_RATED"),
        "assessed_on_date": _day,
        "reasons": _list_of(_Members({"code": _text, "text_zh": _text, "text_en": _text})),
    }
)
_ANNUAL_FIGURES = _Members(
    {
        "period": _PERIOD,
        "scope1_tco2e": _or_null(_amount),
        "scope2_tco2e": _or_null(_amount),
        "product_code": _or_null(_text),
        "process_route": _or_null(_text),
        "output_unit": _or_null(_text),
        "output_amount": _or_null(_amount),
        "intensity_tco2e_per_unit": _or_null(_amount),
        "months_covered": _count,
        "output_complete": _boolean,
        "data_quality": _or_null(_count),
    }
)
_FINDING = _Members(
    {
        "finding_id": _uuid,
        "rule_id": _text,
        "severity": _one_of("NOTICE", "WARNING", "SEVERE"),
        "state": _one_of("PROVISIONAL", "FINAL"),
        "period": _or_null(_PERIOD),
        "message": _text,
    }
)
_REPORT_1 = _Members(
    {
        "schema": _one_of("carbonbureau.report/1"),
        "issuer": _Members({"name": _text, "province": _text}),
        "profile": _one_of("sandbox", "production"),
        "subject": _Members(
            {
                "code": _subject_code,
                "name": _or_null(_text),
                "industry_code": _or_null(_text),
                "city_code": _or_null(_text),
                "size": _or_null(_text),
            }
        ),
        "revision": _Members({"number": _count, "predecessor": _or_null(_Members({"number": _count, "content_sha256": _sha256}))}),
        "composed_time": _instant,
        "assessment": _ByMember("outcome", {"RATED": _RATED, "NOT_RATED": _NOT_RATED}),
        "account": _Members({"known_time": _instant, "annual_figures": _list_of(_ANNUAL_FIGURES), "findings": _list_of(_FINDING)}),
        "data_quality": _Members(
            {
                "worst": _or_null(_count),
                "windows": _count,
                "windows_incomplete": _count,
                "newest_window_months_covered": _count,
                "open_findings_by_severity": _Members({"NOTICE": _count, "WARNING": _count, "SEVERE": _count}),
            }
        ),
        "pins": _Members(
            {
                "assessment_id": _uuid,
                "previous_assessment_id": _or_null(_uuid),
                "account_revision": _count,
                "statement_sha256": _sha256,
                "evidence_root": _sha256,
                "evidence_count": _count,
                "model_version": _text,
                "model_sha256": _sha256,
                "weights_version": _text,
                "scale_version": _text,
            }
        ),
    }
)
_SCHEMAS: Mapping[str, Shape] = MappingProxyType({"carbonbureau.report/1": _REPORT_1})
