"""AccountRevised events for scoring's tests, as the collector would send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2

from services.common.amounts import format_amount
from services.scoring.domain.statement import AnnualFigures, Investment, Plan
from tests.unit.scoring.subjects import SUBJECT_CODE, SUBJECT_ID, investment, plan, window

EVENT_ID = UUID(int=77)


def account_revised(
    *,
    subject_id: UUID = SUBJECT_ID,
    subject_code: str = SUBJECT_CODE,
    revision: int = 1,
    industry: str | None = "4411",
    windows: Sequence[AnnualFigures] | None = None,
    with_plan: Plan | None = None,
    investments: Sequence[Investment] | None = None,
    event_id: UUID = EVENT_ID,
) -> account_pb2.AccountRevised:
    """Make an event; three steady years of a coal plant with a plan and an investment unless told otherwise."""
    event = account_pb2.AccountRevised()
    event.envelope.event_id = str(event_id)
    event.envelope.event_type = "carbonbureau.accounts.v1.AccountRevised"
    event.envelope.schema_version = 1
    event.envelope.subject_id = str(subject_id)
    event.envelope.subject_revision = revision
    event.envelope.province = "shanxi"
    statement = event.statement
    statement.subject_id = str(subject_id)
    statement.subject_code = subject_code
    statement.account_revision = revision
    statement.known_time.FromDatetime(datetime(2026, 11, 21, 8, 0, tzinfo=UTC).replace(tzinfo=None))
    statement.evidence_root = b"\x11" * 32
    statement.evidence_count = 108
    if industry is not None:
        statement.profile.name = "测试电厂"
        statement.profile.industry_code = industry
        statement.profile.city_code = "140400"
        statement.profile.size = "LARGE"
    for one in windows if windows is not None else [window(2023), window(2024), window(2025)]:
        _add_figures(statement, one)
    _set_plan(statement, with_plan or plan())
    for line in investments if investments is not None else [investment(2025)]:
        _add_investment(statement, line)
    return event


def _add_figures(statement: account_pb2.AccountStatement, one: AnnualFigures) -> None:
    added = statement.annual_figures.add(
        scope1_tco2e=format_amount(one.scope1_tco2e),
        scope2_tco2e=format_amount(one.scope2_tco2e),
        product_code=one.product_code,
        output_unit=one.output_unit,
        output_amount=format_amount(one.output_amount),
        months_covered=one.months_covered,
        data_quality=one.data_quality,
        process_route=one.process_route,
        output_complete=one.output_complete,
    )
    added.period.start_date, added.period.end_date, added.period.time_zone = one.start.isoformat(), one.end.isoformat(), "Asia/Shanghai"


def _set_plan(statement: account_pb2.AccountStatement, one: Plan) -> None:
    statement.plan.adopted_date, statement.plan.base_year = one.adopted.isoformat(), one.base_year
    for target in one.targets:
        statement.plan.targets.add(year=target.year, intensity_reduction_percent=format_amount(target.intensity_reduction_percent))
    for milestone in one.milestones:
        completed = milestone.completed.isoformat() if milestone.completed else ""
        statement.plan.milestones.add(milestone_number=milestone.number, due_date=milestone.due.isoformat(), completed_date=completed)


def _add_investment(statement: account_pb2.AccountStatement, line: Investment) -> None:
    added = statement.investments.add(
        technology_code=line.technology_code,
        amount_yuan=format_amount(line.amount_yuan),
        total_capital_expenditure_yuan=format_amount(line.total_capital_expenditure_yuan),
        recognised=line.recognised,
    )
    added.period.start_date, added.period.end_date, added.period.time_zone = line.start.isoformat(), line.end.isoformat(), "Asia/Shanghai"
