"""The provider directory in the tables."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql

from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Kind
from services.collector.domain.provider import Provider
from services.collector.tables import PROVIDER
from services.common.database import Transaction


def providers(transaction: Transaction) -> dict[str, Provider]:
    """Read the directory: every provider that has not been withdrawn, by its code."""
    return _by_code(transaction.execute(_EVERYONE.where(PROVIDER.c.withdrawn_at.is_(None))))


def everyone(transaction: Transaction) -> dict[str, Provider]:
    """Read the directory with all who ever were in it; who has been withdrawn has ended kinds only."""
    return _by_code(transaction.execute(_EVERYONE))


_EVERYONE = select(PROVIDER).order_by(PROVIDER.c.provider_code)


def _by_code(rows: Iterable[Any]) -> dict[str, Provider]:
    return {
        row.provider_code: Provider(
            code=row.provider_code,
            name=row.name,
            kinds=frozenset(Kind(kind) for kind in row.kinds),
            region_prefixes=tuple(row.region_prefixes),
            bases=frozenset(Basis[basis] for basis in row.bases),
            ended_kinds=frozenset(Kind(kind) for kind in row.ended_kinds),
        )
        for row in rows
    }


def replace_directory(transaction: Transaction, entries: Sequence[tuple[Provider, str]], *, at: datetime) -> None:
    """Make the directory what the file says (provider, department); who is not in it any more is withdrawn, never removed.

    A kind that a provider loses is kept as ended: what it has published until then is still to be read.
    """
    before = everyone(transaction)
    rows = [
        {
            "provider_code": provider.code,
            "name": provider.name,
            "department": department,
            "kinds": sorted(kind.value for kind in provider.kinds),
            "region_prefixes": list(provider.region_prefixes),
            "bases": sorted(basis.name for basis in provider.bases),
            "applied_at": at,
            "withdrawn_at": None,
            "ended_kinds": sorted(kind.value for kind in _kinds_ever(before.get(provider.code)) - provider.kinds),
        }
        for provider, department in sorted(entries, key=lambda entry: entry[0].code)
    ]
    upsert = postgresql.insert(PROVIDER)
    changed = {column.name: upsert.excluded[column.name] for column in PROVIDER.columns if column.name != "provider_code"}
    for row in rows:
        transaction.execute(upsert.on_conflict_do_update(index_elements=["provider_code"], set_=changed), row)
    gone = PROVIDER.c.provider_code.not_in([row["provider_code"] for row in rows])
    withdrawal = {"withdrawn_at": at, "kinds": [], "ended_kinds": func.array_cat(PROVIDER.c.ended_kinds, PROVIDER.c.kinds)}
    transaction.execute(update(PROVIDER).where(gone, PROVIDER.c.withdrawn_at.is_(None)).values(withdrawal))


def _kinds_ever(provider: Provider | None) -> frozenset[Kind]:
    return provider.kinds | provider.ended_kinds if provider is not None else frozenset()
