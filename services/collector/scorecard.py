"""Draws up a provider's scorecard and writes it as text or CSV. Reads only; what a rate is, the domain decides."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import IO
from zoneinfo import ZoneInfo

from services.collector import wire
from services.collector.domain.calendar import Arrived
from services.collector.domain.scorecard import Row, row
from services.collector.store import directory
from services.collector.store import scorecard as store
from services.common.database import Database

_WORKING_PLACE = ZoneInfo("Asia/Shanghai")
COLUMNS = tuple(one.name for one in fields(Row))


def scorecard(database: Database, *, provider_code: str, month: date | None) -> list[Row]:
    """Draw up the scorecard of one provider, of one month of arrival or of all; empty where it sent nothing."""
    with database.transaction("scorecard.read") as transaction:
        counted = store.counts(transaction, provider_code=provider_code, month=month)
        calendar = directory.calendar_of(transaction, provider_code)
        arrived: dict[tuple[date, str], list[Arrived]] = defaultdict(list)
        for one in store.originals(transaction, provider_code=provider_code, month=month):
            period = wire.accepted(one.value, is_json=one.is_json).period
            if period is not None:
                received_on = one.received_at.astimezone(_WORKING_PLACE).date()
                arrived[one.month, one.kind].append(Arrived(period=period, received_on=received_on))
    return [row(counts, arrived[counts.month, counts.kind], calendar.get(counts.kind)) for counts in counted]


def text(rows: Sequence[Row]) -> str:
    """Write the scorecard as a table."""
    cells = [COLUMNS, *(_cells(one) for one in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in cells)


def write_csv(rows: Sequence[Row], file: IO[str]) -> None:
    """Write the scorecard as CSV, one line for each kind and month."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(one) for one in rows)


def _cells(one: Row) -> tuple[str, ...]:
    values = [getattr(one, name) for name in COLUMNS]
    return tuple("" if value is None else f"{value:%Y-%m}" if isinstance(value, date) else str(value) for value in values)
