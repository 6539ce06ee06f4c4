"""The values of an account statement that scoring reads. Decides nothing beyond what a figure says by itself.

The training panel is read into the same values, so that a model is trained on what it will be served.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

MONTHS_PER_YEAR = 12


@dataclass(frozen=True, kw_only=True)
class AnnualFigures:
    """Figures of one 12-month window, half-open: `end` is the first day after it. Emissions in tCO2e, output in `output_unit`."""

    start: date
    end: date
    scope1_tco2e: Decimal
    scope2_tco2e: Decimal
    product_code: str
    output_unit: str
    output_amount: Decimal
    months_covered: int
    data_quality: int
    process_route: str
    output_complete: bool

    @property
    def total_tco2e(self) -> Decimal:
        """Scope 1 and 2 of the months that are covered."""
        return self.scope1_tco2e + self.scope2_tco2e

    @property
    def year(self) -> int:
        """Calendar year in which the window ends: 2021 for 2020-07-01 to 2021-07-01, 2024 for the calendar year 2024."""
        return self.end.year - 1 if (self.end.month, self.end.day) == (1, 1) else self.end.year


@dataclass(frozen=True, kw_only=True)
class Target:
    """Fall of intensity, in percent since the base year, that the plan aims at for one calendar year."""

    year: int
    intensity_reduction_percent: Decimal


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """One milestone of the plan; `completed` is None while it is open."""

    number: str
    due: date
    completed: date | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """转型规划: the transition plan."""

    adopted: date
    base_year: int
    targets: tuple[Target, ...]
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, kw_only=True)
class Investment:
    """Money spent on one technology in one period, and all capital expenditure of the subject in that period, yuan."""

    start: date
    end: date
    technology_code: str
    amount_yuan: Decimal
    total_capital_expenditure_yuan: Decimal
    recognised: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account statement as far as scoring reads it. `industry_code` is None while the subject is not in the directory."""

    subject_id: UUID
    subject_code: str
    account_revision: int
    industry_code: str | None
    annual_figures: tuple[AnnualFigures, ...]
    plan: Plan | None
    investments: tuple[Investment, ...]


def months_between(earlier: date, later: date) -> int:
    """Return the number of whole calendar months from one date to a later one."""
    months = (later.year - earlier.year) * MONTHS_PER_YEAR + later.month - earlier.month
    return months - 1 if later.day < earlier.day else months
