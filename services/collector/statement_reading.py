"""Reads a sealed statement back into lines that can be added up: the sealed bytes are all that is needed, today as then."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import period_pb2

from services.collector.domain.fiscal import FiscalLine
from services.collector.domain.lines import OutputLine
from services.collector.domain.period_totals import ByPeriod, EmissionLine, Granularity, by_period
from services.collector.domain.statement import LIMITED_RULE
from services.common.civil_time import Period


def totals(statement: account_pb2.AccountStatement, granularity: Granularity) -> ByPeriod:
    """Add up a statement by a granularity."""
    return by_period(
        granularity=granularity,
        lines=[_line(line) for line in statement.lines],
        outputs=[_output(line) for line in statement.outputs],
        fiscal=[_fiscal(line) for line in statement.fiscal_lines],
        incomplete=_periods(statement.incomplete_periods),
        industry_code=statement.profile.industry_code,
    )


def is_limited(statement: account_pb2.AccountStatement) -> bool:
    """Tell whether the statement leaves out its oldest lines."""
    return any(finding.rule_id == LIMITED_RULE for finding in statement.findings)


def _line(line: account_pb2.StatementLine) -> EmissionLine:
    return EmissionLine(
        facility_id=UUID(line.facility_id),
        period=_period(line.period),
        scope=int(line.scope),
        energy_carrier=line.energy_carrier,
        amount_tco2e=Decimal(line.amount_tco2e),
        data_quality=line.data_quality,
        standard_uncertainty_percent=Decimal(line.standard_uncertainty_percent),
    )


def _output(line: account_pb2.OutputLine) -> OutputLine:
    return OutputLine(
        facility_id=UUID(line.facility_id),
        period=_period(line.period),
        product_code=line.product_code,
        unit=line.unit,
        amount=Decimal(line.amount),
        process_route=line.process_route,
        data_quality=line.data_quality,
    )


def _fiscal(line: account_pb2.FiscalLine) -> FiscalLine:
    return FiscalLine(
        period=_period(line.period),
        revenue_yuan=Decimal(line.revenue_yuan),
        value_added_yuan=Decimal(line.value_added_yuan) if line.value_added_yuan else None,
        tax_paid_yuan=Decimal(line.tax_paid_yuan),
        data_quality=line.data_quality,
    )


def _periods(periods: Iterable[period_pb2.Period]) -> list[Period]:
    return [_period(period) for period in periods]


def _period(period: period_pb2.Period) -> Period:
    return Period(start=date.fromisoformat(period.start_date), end=date.fromisoformat(period.end_date), zone=period.time_zone)
