"""Writes and reads the truth file: JSON lines with what is true, every record that will be sent, and what shall become of it.

It is written whole before the first record leaves, so that a run that is cut short still has its expectations. No service
reads it; checkers and the bank's watch do.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.common.amounts import format_amount
from services.sandbox import wire
from services.sandbox.domain.falsification import Falsification
from services.sandbox.domain.planning import SubjectPlan
from services.sandbox.domain.statements import PlannedSubmission, Submission
from services.sandbox.domain.truth import MonthOfActivity, SubjectTruth

Line = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlannedRecord:
    """A submission line as read back."""

    send_order: int
    topic: str
    provider_code: str
    key: str
    kind: str
    record_number: str
    record_revision: int
    sha256: str
    expected: str
    note: str
    falsification: str


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write the file in one go: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    unfinished.replace(path)


def province_lines(plans: Sequence[SubjectPlan], submissions: Sequence[PlannedSubmission], *, header: Mapping[str, Any]) -> Iterator[Line]:
    """Yield every line of a province's truth."""
    yield {"line": "province", **header, "submissions": len(submissions)}
    for plan in plans:
        yield _subject(plan.truth)
        yield from (_activity(plan.truth, month) for month in plan.truth.activity)
        if plan.falsification is not None:
            yield _falsification(plan.falsification)
    yield from submission_lines(submissions)


def submission_lines(submissions: Iterable[PlannedSubmission]) -> Iterator[Line]:
    """Yield a line for each record in the order in which it is sent."""
    for planned in submissions:
        message = planned.message
        yield {
            "line": "submission",
            "send_order": planned.send_order,
            "topic": planned.topic,
            "provider_code": planned.provider_code,
            "key": planned.key,
            "kind": message.kind.value if isinstance(message, Submission) else "",
            "record_number": message.record_number if isinstance(message, Submission) else "",
            "record_revision": message.record_revision if isinstance(message, Submission) else 0,
            "sha256": sha256(wire.message_bytes(planned)).hexdigest(),
            "expected": planned.expected.value,
            "note": planned.note,
            "falsification": planned.falsification,
        }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a truth file.

    Raises:
        ValueError: a line is not a JSON object with a `line` field.
    """
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            line = json.loads(text)
            if not isinstance(line, dict) or "line" not in line:
                raise ValueError(f"{path}:{number} is no line of a truth file")
            yield line


def planned_records(path: Path) -> list[PlannedRecord]:
    """List the records that a run sends, in order."""
    fields = PlannedRecord.__dataclass_fields__
    return [PlannedRecord(**{name: line[name] for name in fields}) for line in read(path) if line["line"] == "submission"]


def subject_codes(path: Path) -> list[str]:
    """List the codes of the subjects that a run reports on, in the order of their first sound record."""
    return list(dict.fromkeys(record.key for record in planned_records(path) if record.expected == "accepted"))


def _subject(truth: SubjectTruth) -> Line:
    subject, transition = truth.subject, truth.transition
    plan = transition.plan
    return {
        "line": "subject",
        "subject_code": subject.code,
        "name": subject.name,
        "city_code": subject.city_code,
        "sector": subject.route.sector.value,
        "industry_code": subject.route.industry_code,
        "process_route": subject.route.process_route,
        "size": subject.size.value,
        "capacity": str(subject.capacity),
        "facility_numbers": [facility.number for facility in subject.facilities],
        "honesty": transition.honesty.value,
        "plan_adopted": None if plan is None else plan.adopted.isoformat(),
        "milestones": []
        if plan is None
        else [
            {
                "number": milestone.number,
                "due": milestone.due.isoformat(),
                "truly_completed": None if milestone.truly_completed is None else milestone.truly_completed.isoformat(),
                "declared_completed": None if milestone.declared_completed is None else milestone.declared_completed.isoformat(),
            }
            for milestone in plan.milestones
        ],
        "investments": [
            {
                "year": investment.year,
                "technology_code": investment.technology_code,
                "truly_spent_yuan": format_amount(investment.truly_spent_yuan),
                "declared_yuan": format_amount(investment.declared_yuan),
                "total_capital_expenditure_yuan": format_amount(investment.total_capital_expenditure_yuan),
            }
            for investment in transition.investments
        ],
        "drift_per_year": repr(transition.drift_per_year),
    }


def _activity(truth: SubjectTruth, month: MonthOfActivity) -> Line:
    burnt = month.fuel_burnt
    return {
        "line": "activity",
        "subject_code": truth.subject.code,
        "facility_number": month.facility.number,
        "month": f"{month.month.start:%Y-%m}",
        "output": format_amount(month.output),
        "output_unit": truth.subject.route.output_unit.value,
        "purchased_mwh": format_amount(month.purchased_mwh),
        "fuel_code": "" if burnt is None else burnt.fuel.fuel_code,
        "fuel_mass_t": "" if burnt is None else format_amount(burnt.mass_t),
        "ncv_gj_per_t": "" if burnt is None else format_amount(burnt.ncv_gj_per_t),
        "scope1_tco2e": format_amount(month.scope1_tco2e),
        "scope2_tco2e": format_amount(month.scope2_tco2e),
    }


def _falsification(falsification: Falsification) -> Line:
    return {
        "line": "falsification",
        "falsification_id": falsification.falsification_id,
        "subject_code": falsification.subject_code,
        "pattern": falsification.pattern.value,
        "provider_code": falsification.provider_code,
        "kind": falsification.kind.value,
        "first_month": f"{falsification.first_period.start:%Y-%m}",
        "months": falsification.months,
        "factor": None if falsification.factor is None else format_amount(falsification.factor),
    }
