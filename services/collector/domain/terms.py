"""Decides on what terms a provider reports: purpose and retention, when its figures are expected, how uncertain they are, how much.

Government data may not be kept or used beyond what was authorised (数据安全法 Art. 40), enterprise information needs a lawful source
(征信业管理条例 Art. 21): every entry says what for, on which ground, and for how long.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from services.collector.domain.kinds import Kind
from services.collector.domain.provider import Provider
from services.common.civil_time import Period


class Department(Enum):
    """What kind of house a provider is. The value is its name in the field."""

    DEVELOPMENT_AND_REFORM = "发展改革"
    ECOLOGY_AND_ENVIRONMENT = "生态环境"
    INDUSTRY_AND_INFORMATION = "工业和信息化"
    ENERGY = "能源"
    SCIENCE_AND_TECHNOLOGY = "科技"
    STATISTICS = "统计"
    TAX = "税务"
    MARKET_REGULATION = "市场监管"
    FINANCE = "金融"
    JUDICIARY = "司法"
    OTHER_AUTHORITY = "其他部门"
    POWER_UTILITY = "电力"
    HEAT_AND_GAS_UTILITY = "热力燃气"
    CARBON_MARKET = "碳市场"
    ENTERPRISE_PORTAL = "企业申报平台"
    VERIFIER = "第三方核查机构"
    INDUSTRY_ASSOCIATION = "行业协会"
    FOREIGN_REGULATOR = "境外监管机构"


class Every(Enum):
    """How long the periods are for which a kind comes regularly. The value is the number of months."""

    MONTH = 1
    QUARTER = 3
    YEAR = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A submission is expected for each whole period, at the latest `due_days` days after its last day."""

    every: Every
    due_days: int

    def periods(self, *, since: date, by: date, zone: str) -> Iterator[Period]:
        """Give each period that lies whole after `since` and was due before the day `by`, in order."""
        months = self.every.value
        start = _first_of_period(since, months)
        if start < since:
            start = _months_after(start, months)
        while (end := _months_after(start, months)) + timedelta(days=self.due_days) <= by:
            yield Period(start=start, end=end, zone=zone)
            start = end

    def due_on(self, period: Period) -> date:
        """Give the last day on which the submission for a period is in time."""
        return period.end + timedelta(days=self.due_days - 1)


def _first_of_period(day: date, months: int) -> date:
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _months_after(day: date, months: int) -> date:
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertainty:
    """The standard uncertainty of a provider's figures of one kind where none is stated; `assumed` says that nobody measured it."""

    percent: Decimal
    assumed: bool
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """How much a provider may send. The broker holds back who sends more bytes or takes more of its time; nothing is lost.

    `request_percentage` is of one broker thread, so it may exceed 100. Kafka knows no quota on records: they are counted.
    """

    records_per_day: int
    bytes_per_second: int
    request_percentage: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What an entry binds beside rights. A kind that is not in the calendar comes as it happens: none of it is ever missed."""

    department: Department
    purpose: str
    legal_basis: str
    retention_years: int
    calendar: Mapping[Kind, Expectation]
    uncertainties: Mapping[Kind, Uncertainty]
    quota: Quota


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One provider of the directory: who it is and what it may, and on what terms."""

    provider: Provider
    terms: Terms
