"""Subjects, statements and panels for scoring's tests: short to write, one knob per argument."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from services.scoring.domain.features import FEATURE_NAMES, Features, features
from services.scoring.domain.not_rated import Comparable, comparable
from services.scoring.domain.parameters import Parameters
from services.scoring.domain.score import Prediction
from services.scoring.domain.statement import AnnualFigures, Investment, Milestone, Plan, Statement, Target
from services.scoring.panel import COLUMNS
from services.scoring.parameter_files import load_parameters

SUBJECT_ID = UUID("00000000-0000-4000-8000-000000000001")
SUBJECT_CODE = "91140400MA0TEST00X"
TODAY = date(2026, 11, 21)
PARAMETERS = load_parameters()


def window(
    year: int,
    *,
    intensity: str | Decimal = "0.85",
    output: str | Decimal = "100000",
    scope2: str | Decimal = "50",
    months: int = 12,
    complete: bool = True,
    route: str = "coal",
    product: str = "electricity",
    unit: str = "MWh",
) -> AnnualFigures:
    """Make the figures of one calendar year with this total intensity."""
    total = Decimal(intensity) * Decimal(output)
    return AnnualFigures(
        start=date(year, 1, 1),
        end=date(year + 1, 1, 1),
        scope1_tco2e=max(total - Decimal(scope2), Decimal(0)),
        scope2_tco2e=min(Decimal(scope2), total),
        product_code=product,
        output_unit=unit,
        output_amount=Decimal(output),
        months_covered=months,
        data_quality=2,
        process_route=route,
        output_complete=complete,
    )


def plan(*, met: int = 2, late: int = 0, overdue: int = 0, future: int = 1, target_percent: str = "6") -> Plan:
    """Make a plan of 2023 with this many milestones completed in time, completed late, overdue, and still to come."""
    milestones = [
        *(Milestone(number=f"m{n}", due=date(2025, 6, 1), completed=date(2025, 5, 1)) for n in range(met)),
        *(Milestone(number=f"l{n}", due=date(2025, 6, 1), completed=date(2025, 9, 1)) for n in range(late)),
        *(Milestone(number=f"o{n}", due=date(2025, 6, 1), completed=None) for n in range(overdue)),
        *(Milestone(number=f"f{n}", due=date(2028, 6, 1), completed=None) for n in range(future)),
    ]
    target = Target(year=2025, intensity_reduction_percent=Decimal(target_percent))
    return Plan(adopted=date(2023, 3, 1), base_year=2022, targets=(target,), milestones=tuple(milestones))


def investment(year: int, *, share: str = "0.2", recognised: bool = True, total: str = "10000000") -> Investment:
    """Make one year's investment in one technology as a share of all capital expenditure."""
    return Investment(
        start=date(year, 1, 1),
        end=date(year + 1, 1, 1),
        technology_code="waste_heat_recovery",
        amount_yuan=Decimal(share) * Decimal(total),
        total_capital_expenditure_yuan=Decimal(total),
        recognised=recognised,
    )


def statement(
    windows: Sequence[AnnualFigures] | None = None,
    *,
    industry: str | None = "4411",
    with_plan: Plan | None = None,
    investments: Sequence[Investment] = (),
    revision: int = 1,
) -> Statement:
    """Make an account statement; three steady years of a coal plant unless told otherwise."""
    return Statement(
        subject_id=SUBJECT_ID,
        subject_code=SUBJECT_CODE,
        account_revision=revision,
        industry_code=industry,
        annual_figures=tuple(windows if windows is not None else [window(2023), window(2024), window(2025)]),
        plan=with_plan,
        investments=tuple(investments),
    )


def observed(of: Statement, *, parameters: Parameters = PARAMETERS, on: date = TODAY) -> Features:
    """Observe a statement that must be comparable."""
    compared = comparable(of, references=parameters.references)
    assert isinstance(compared, Comparable), compared
    return features(
        windows=compared.windows,
        plan=of.plan,
        investments=of.investments,
        route=compared.route,
        industry=compared.industry,
        parameters=parameters,
        assessed_on=on,
    )


def prediction(credited: str | Decimal = "0.30", *, baseline: str = "0.25", contributions: Sequence[str] | None = None) -> Prediction:
    """Make what a model might say."""
    parts = contributions or ["0.10", "0.20", *["0"] * (len(FEATURE_NAMES) - 2)]
    return Prediction(
        probability=Decimal(credited),
        credited=Decimal(credited),
        baseline=Decimal(baseline),
        baseline_slope=Decimal("0.18"),
        contributions=tuple(Decimal(part) for part in parts),
        raw_margin=-0.8,
    )


def write_panel(path: Path, *, subjects: int = 260, years: int = 7, seed: int = 7, informative: bool = True) -> Path:
    """Write a panel of coal and other thermal facilities whose intensity reverts to a mean, as the real panel's does.

    Year-on-year log changes have the standard deviations of the real panel (coal 0.036, other thermal 0.142); an informative one
    can be foretold with an AUC between 0.6 and 0.75, another one not at all.
    """
    chance = random.Random(seed)
    remaining = 0.6 if informative else 1.0
    rows = []
    for number in range(subjects):
        coal = chance.random() < 0.5
        change_sd = 0.036 if coal else 0.142
        shock_sd = change_sd / math.sqrt(2 * (1 - remaining)) * math.sqrt(1 - remaining**2) if informative else change_sd
        level = (0.85 if coal else 0.6) * math.exp(chance.gauss(0, 0.1))
        swing = chance.gauss(0, change_sd)
        output = math.exp(chance.gauss(12, 1))
        for year in range(2016, 2016 + years):
            intensity = level * math.exp(swing)
            made = output * math.exp(chance.gauss(0, 0.1))
            rows.append(
                (
                    f"subject-{number:04d}",
                    "4411",
                    "coal" if coal else "gas",
                    "electricity",
                    "MWh",
                    f"{year}-01-01",
                    f"{year + 1}-01-01",
                    f"{intensity * made * 0.98:.3f}",
                    f"{intensity * made * 0.02:.3f}",
                    f"{made:.3f}",
                    "2",
                )
            )
            # Some years bring a jump that nothing foretells, as on the real panel.
            swing = remaining * swing + chance.gauss(0, shock_sd * (3 if chance.random() < 0.1 else 1))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path
