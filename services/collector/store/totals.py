"""Counts what is in the tables, for people and for the checkers."""

from typing import Any

from sqlalchemy import func, select, text

from services.collector.tables import APPEND_ONLY, POSTING, PROVIDER, RECEIPT, SUBJECT, SUBMISSION
from services.common.database import Transaction


def counts(transaction: Transaction) -> dict[str, Any]:
    """Count what is in the tables. Records in must equal accepted + duplicate + rejected + quarantined."""
    row = transaction.execute(_RECORD_COUNTS).one()
    by_kind = transaction.execute(
        select(SUBMISSION.c.kind, func.count().label("number")).group_by(SUBMISSION.c.kind).order_by(SUBMISSION.c.kind)
    )
    reversals = transaction.execute(select(func.count()).select_from(POSTING).where(POSTING.c.reverses.is_not(None))).scalar_one()
    tables: dict[str, Any] = {
        table.name: transaction.execute(select(func.count()).select_from(table)).scalar_one() for table in (PROVIDER, SUBJECT, *APPEND_ONLY)
    }
    open_now = tables["account_finding"] - tables["account_finding_closed"]
    return {
        "records": dict(row._mapping),
        "submissions_by_kind": {row.kind: row.number for row in by_kind},
        "tables": tables,
        "reversals": reversals,
        "account_findings_open": open_now,
    }


def received_within_a_day(transaction: Transaction) -> dict[str, int]:
    """Count the records that each provider sent in the last 24 hours, whatever became of them."""
    counted = sum((RECEIPT.c[f"{outcome}_count"] for outcome in ("duplicate", "rejected", "quarantined")), RECEIPT.c.accepted_count)
    day = func.clock_timestamp() - text("interval '24 hours'")
    rows = transaction.execute(
        select(RECEIPT.c.provider_code, func.sum(counted).label("records")).where(RECEIPT.c.made_at > day).group_by(RECEIPT.c.provider_code)
    )
    return {row.provider_code: int(row.records) for row in rows}


_RECORD_COUNTS = select(
    *(
        func.coalesce(func.sum(RECEIPT.c[f"{outcome}_count"]), 0).label(outcome)
        for outcome in ("accepted", "parked", "duplicate", "rejected", "quarantined")
    )
)
