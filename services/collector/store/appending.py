"""How rows are appended to the tables that know no change."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table

from services.common.database import Transaction


def append(transaction: Transaction, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows by COPY, in the order of the table's columns; nothing is done for none."""
    listed = list(rows)
    if listed:
        transaction.copy_into(table.name, table.columns.keys(), listed)
