"""The monthly close in the tables: which months are closed, and which findings became final."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text

from services.collector.store.appending import append
from services.collector.tables import ACCOUNT_FINDING_FINAL, MONTH_CLOSE
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthClose:
    """The close of a month, by its first day."""

    month: date
    operator: str
    closed_at: datetime


def lock_closes(transaction: Transaction) -> None:
    """Let one close after the other be recorded, until the commit."""
    transaction.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/closes', 0))"))


def month_close(transaction: Transaction, month: date) -> MonthClose | None:
    """Read the close of a month."""
    row = transaction.execute(select(MONTH_CLOSE).where(MONTH_CLOSE.c.month == month)).one_or_none()
    return MonthClose(**row._mapping) if row is not None else None


def last_closed_month(transaction: Transaction) -> date | None:
    """Give the first day of the newest month that is closed."""
    month: date | None = transaction.execute(_LAST_CLOSED).scalar_one()
    return month


_LAST_CLOSED = select(func.max(MONTH_CLOSE.c.month))


def append_month_close(transaction: Transaction, close: MonthClose) -> None:
    """Record that a month is closed."""
    transaction.execute(insert(MONTH_CLOSE), {"month": close.month, "operator": close.operator, "closed_at": close.closed_at})


def accounts_after(transaction: Transaction, after: UUID, limit: int) -> list[UUID]:
    """Read the next page of subjects that have an account, in the order of their ids."""
    return list(transaction.execute(_ACCOUNTS_AFTER, {"after": after, "limit": limit}).scalars())


_ACCOUNTS_AFTER = text("SELECT subject_id FROM subject WHERE account_revision > 0 AND subject_id > :after ORDER BY subject_id LIMIT :limit")


def provisional_findings(transaction: Transaction, subject_id: UUID) -> dict[UUID, int]:
    """Read the open findings about an account that are not final: the revision that opened each."""
    return {row.finding_id: row.opened_revision for row in transaction.execute(_PROVISIONAL, {"subject_id": subject_id})}


_PROVISIONAL = text("""
    SELECT finding_id, opened_revision FROM account_finding
    WHERE subject_id = :subject_id AND state = 'PROVISIONAL'
        AND NOT EXISTS (SELECT FROM account_finding_closed AS closed WHERE (closed.finding_id, closed.opened_revision)
            = (account_finding.finding_id, account_finding.opened_revision))
        AND NOT EXISTS (SELECT FROM account_finding_final AS final WHERE (final.finding_id, final.opened_revision)
            = (account_finding.finding_id, account_finding.opened_revision))
""")


def append_final_findings(transaction: Transaction, opened: Mapping[UUID, int], *, account_revision: int, at: datetime) -> None:
    """Record that findings became final, by a new row for each."""
    rows = [(finding_id, opened_revision, account_revision, at) for finding_id, opened_revision in sorted(opened.items())]
    append(transaction, ACCOUNT_FINDING_FINAL, rows)
