"""Reads a training panel (yearly figures of many subjects) into samples: features known at the end of a year, and what the next brought.

Panel rows become the same values as account statements and go through the same feature function, so that nothing is learnt that
will not be served. Nothing of a later window enters a sample but its label.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from services.common.amounts import AmountError, parse_amount
from services.scoring.domain.features import Features, features, normalised_route
from services.scoring.domain.not_rated import Comparable, NotRatedCode, comparable_windows, referenced
from services.scoring.domain.parameters import Parameters
from services.scoring.domain.statement import MONTHS_PER_YEAR, AnnualFigures, months_between

COLUMNS = (
    "subject_key",
    "industry_code",
    "process_route",
    "product_code",
    "output_unit",
    "period_start",
    "period_end",
    "scope1_tco2e",
    "scope2_tco2e",
    "output_amount",
    "data_quality",
)
# The observable outcome: intensity of the next window at most 98 % of this one's.
FALL_MIN = Decimal("0.02")


class PanelError(Exception):
    """The file is not a panel; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel as read: the hash of the exact file, and the windows of each subject, oldest first, each with its industry code."""

    sha256: str
    rows: int
    subjects: Mapping[str, tuple[tuple[str, AnnualFigures], ...]]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One subject at the end of one year. `year` is the year of its newest window; `fell` is known one year later."""

    subject_key: str
    segment: str
    year: int
    comparable: Comparable
    features: Features
    fell: bool


def read_panel(path: Path) -> Panel:
    """Read a panel file.

    Raises:
        PanelError: wrong columns, a malformed row, or a period that is not twelve months.
    """
    content = path.read_bytes()
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise PanelError(f"{path.name}: the columns are {','.join(COLUMNS)}")
    subjects: dict[str, list[tuple[str, AnnualFigures]]] = {}
    rows = 0
    for row in reader:
        try:
            subjects.setdefault(row["subject_key"], []).append((row["industry_code"], _window(row)))
        except (AmountError, ValueError, TypeError) as error:
            raise PanelError(f"{path.name}, line {reader.line_num}: {error}") from error
        rows += 1
    return Panel(
        sha256=hashlib.sha256(content).hexdigest(),
        rows=rows,
        subjects={key: tuple(sorted(subjects[key], key=lambda pair: pair[1].start)) for key in sorted(subjects)},
    )


def samples(panel: Panel, *, parameters: Parameters) -> list[Sample]:
    """Make every sample whose outcome is known, in the order of subjects and years."""
    return [sample for key, windows in panel.subjects.items() for sample in _samples_of(key, windows, parameters)]


def _samples_of(key: str, rows: Sequence[tuple[str, AnnualFigures]], parameters: Parameters) -> Iterator[Sample]:
    for position in range(1, len(rows) - 1):
        industry_code, newest = rows[position]
        windows = comparable_windows([window for _, window in rows[: position + 1]])
        if isinstance(windows, NotRatedCode) or windows[-1] != newest:
            continue
        compared = referenced(windows, industry_code=industry_code, references=parameters.references)
        fell = _fell(newest, rows[position + 1][1])
        if compared is None or fell is None:
            continue
        yield Sample(
            subject_key=key,
            segment=f"{industry_code}/{normalised_route(newest.process_route)}",
            year=newest.year,
            comparable=compared,
            features=observe(compared, parameters=parameters),
            fell=fell,
        )


def observe(compared: Comparable, *, parameters: Parameters) -> Features:
    """Observe a panel subject. A panel knows neither plans nor investments, and its day is the last of its newest window."""
    return features(
        windows=compared.windows,
        plan=None,
        investments=(),
        route=compared.route,
        industry=compared.industry,
        parameters=parameters,
        assessed_on=compared.windows[-1].end,
    )


def _fell(now: AnnualFigures, following: AnnualFigures) -> bool | None:
    """Tell whether intensity fell into the year that follows at once, or None when that cannot be known."""
    if following.start != now.end or following.output_amount <= 0:
        return None
    if (following.product_code, following.output_unit) != (now.product_code, now.output_unit):
        return None
    before, after = now.total_tco2e / now.output_amount, following.total_tco2e / following.output_amount
    # Nothing cannot fall.
    return before > 0 and after <= before * (1 - FALL_MIN)


def _window(row: Mapping[str, str]) -> AnnualFigures:
    start, end = date.fromisoformat(row["period_start"]), date.fromisoformat(row["period_end"])
    if months_between(start, end) != MONTHS_PER_YEAR or start.day != end.day:
        raise ValueError(f"a period of twelve months, its end the first day after it, not {start} to {end}")
    return AnnualFigures(
        start=start,
        end=end,
        scope1_tco2e=parse_amount(row["scope1_tco2e"]),
        scope2_tco2e=parse_amount(row["scope2_tco2e"]),
        product_code=row["product_code"],
        output_unit=row["output_unit"],
        output_amount=parse_amount(row["output_amount"]),
        months_covered=MONTHS_PER_YEAR,
        data_quality=int(row["data_quality"]),
        process_route=row["process_route"],
        output_complete=True,
    )
