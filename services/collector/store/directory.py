"""The provider directory in the tables."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql

from services.collector.domain.provider import Provider
from services.collector.domain.submission import Kind
from services.collector.tables import PROVIDER
from services.common.database import Transaction


def providers(transaction: Transaction) -> dict[str, Provider]:
    """Read the directory: every provider that has not been withdrawn, by its code."""
    rows = transaction.execute(_PROVIDERS)
    return {
        row.provider_code: Provider(
            code=row.provider_code,
            name=row.name,
            kinds=frozenset(Kind(kind) for kind in row.kinds),
            region_prefixes=tuple(row.region_prefixes),
        )
        for row in rows
    }


_PROVIDERS = select(PROVIDER).where(PROVIDER.c.withdrawn_at.is_(None)).order_by(PROVIDER.c.provider_code)


def replace_directory(transaction: Transaction, entries: Sequence[tuple[Provider, str]], *, at: datetime) -> None:
    """Make the directory what the file says (provider, department); who is not in it any more is withdrawn, never removed."""
    rows = [
        {
            "provider_code": provider.code,
            "name": provider.name,
            "department": department,
            "kinds": sorted(kind.value for kind in provider.kinds),
            "region_prefixes": list(provider.region_prefixes),
            "applied_at": at,
            "withdrawn_at": None,
        }
        for provider, department in sorted(entries, key=lambda entry: entry[0].code)
    ]
    upsert = postgresql.insert(PROVIDER)
    changed = {column.name: upsert.excluded[column.name] for column in PROVIDER.columns if column.name != "provider_code"}
    for row in rows:
        transaction.execute(upsert.on_conflict_do_update(index_elements=["provider_code"], set_=changed), row)
    gone = PROVIDER.c.provider_code.not_in([row["provider_code"] for row in rows])
    transaction.execute(update(PROVIDER).where(gone, PROVIDER.c.withdrawn_at.is_(None)).values(withdrawn_at=at))
