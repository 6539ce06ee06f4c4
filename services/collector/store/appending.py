"""How rows are appended to the tables that know no change."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Date, DateTime, Integer, LargeBinary, Numeric, SmallInteger, Table, Text, Uuid

from services.common.database import Transaction

# A class before those that it is derived from.
_TYPES = (
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Text, "text"),
    (LargeBinary, "bytea"),
    (Boolean, "bool"),
    (DateTime, "timestamptz"),
    (Date, "date"),
    (Uuid, "uuid"),
    (Numeric, "numeric"),
)


def append(transaction: Transaction, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows by COPY, in the order of the table's columns; nothing is done for none."""
    listed = list(rows)
    if listed:
        copy_rows(transaction, table.name, table, listed)


def copy_rows(transaction: Transaction, into: str, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Copy rows of the form of `table`, in the order of its columns, into the table `into`."""
    transaction.copy_into(into, table.columns.keys(), rows, types=[_type(column.type) for column in table.columns])


def _type(column_type: Any) -> str:
    if isinstance(column_type, ARRAY):
        return f"{_type(column_type.item_type)}[]"
    return next(name for known, name in _TYPES if isinstance(column_type, known))
