"""The provider directory in the tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql

from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Kind
from services.collector.domain.provider import Provider, SignatureDuty
from services.collector.domain.signature_key import SignatureKey, raw_key
from services.collector.domain.terms import Department, Entry, Every, Expectation, Quota, Terms, Uncertainty
from services.collector.tables import PROVIDER
from services.common.amounts import format_decimal
from services.common.database import Transaction


def providers(transaction: Transaction) -> dict[str, Provider]:
    """Read the directory: every provider that has not been withdrawn, by its code."""
    return _by_code(transaction.execute(_EVERYONE.where(PROVIDER.c.withdrawn_at.is_(None))))


def everyone(transaction: Transaction) -> dict[str, Provider]:
    """Read the directory with all who ever were in it; who has been withdrawn has ended kinds only."""
    return _by_code(transaction.execute(_EVERYONE))


def named(transaction: Transaction, codes: Collection[str]) -> dict[str, Provider]:
    """Read what `everyone` says of these codes; who never was in the directory is left out."""
    return _by_code(transaction.execute(_NAMED, {"codes": sorted(codes)}))


def entries(transaction: Transaction) -> list[Entry]:
    """Read the whole directory as it holds, by code; without who has been withdrawn, and who was never applied with terms."""
    rows = transaction.execute(_ENTRIES)
    return [Entry(provider=_provider(row), terms=_terms(row)) for row in rows]


_PROVIDER_COLUMNS = (
    PROVIDER.c.provider_code,
    PROVIDER.c.name,
    PROVIDER.c.kinds,
    PROVIDER.c.region_prefixes,
    PROVIDER.c.bases,
    PROVIDER.c.ended_kinds,
    PROVIDER.c.signature,
    PROVIDER.c.signature_keys,
)


def calendar_of(transaction: Transaction, provider_code: str) -> dict[str, Expectation]:
    """Read what is expected of a provider, by kind; nothing of who is not in the directory."""
    return {
        kind.value: one
        for entry in entries(transaction)
        if entry.provider.code == provider_code
        for kind, one in entry.terms.calendar.items()
    }


# Asked for every batch of intake, so without the terms.
_EVERYONE = select(*_PROVIDER_COLUMNS).order_by(PROVIDER.c.provider_code)
_NAMED = select(*_PROVIDER_COLUMNS).where(
    PROVIDER.c.provider_code == func.any(bindparam("codes", type_=postgresql.ARRAY(PROVIDER.c.provider_code.type)))
)
_ENTRIES = select(PROVIDER).where(PROVIDER.c.withdrawn_at.is_(None), PROVIDER.c.purpose.is_not(None)).order_by(PROVIDER.c.provider_code)


def _by_code(rows: Iterable[Any]) -> dict[str, Provider]:
    return {row.provider_code: _provider(row) for row in rows}


def _provider(row: Any) -> Provider:
    return Provider(
        code=row.provider_code,
        name=row.name,
        kinds=frozenset(Kind(kind) for kind in row.kinds),
        region_prefixes=tuple(row.region_prefixes),
        bases=frozenset(Basis[basis] for basis in row.bases),
        ended_kinds=frozenset(Kind(kind) for kind in row.ended_kinds),
        signature=SignatureDuty(row.signature),
        keys=tuple(_key(key) for key in row.signature_keys),
    )


def _key(written: Mapping[str, str | None]) -> SignatureKey:
    raw = raw_key(written["x"] or "")
    assert raw is not None, "a key was checked before it was kept"
    instants = {name: datetime.fromisoformat(text) for name in _INSTANTS if (text := written[name]) is not None}
    return SignatureKey(raw=raw, **instants)


_INSTANTS = ("valid_from", "valid_until", "revoked_at")


def _terms(row: Any) -> Terms:
    return Terms(
        department=Department[row.department],
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        retention_years=row.retention_years,
        calendar={
            Kind(kind): Expectation(every=Every[line["every"]], due_days=line["due_days"]) for kind, line in sorted(row.calendar.items())
        },
        uncertainties={
            Kind(kind): Uncertainty(percent=Decimal(line["percent"]), assumed=line["assumed"], source=line["source"])
            for kind, line in sorted(row.standard_uncertainty.items())
        },
        quota=Quota(**row.quota),
    )


def replace_directory(transaction: Transaction, entries: Sequence[Entry], *, at: datetime) -> None:
    """Make the directory what the file says; who is not in it any more is withdrawn, never removed.

    A kind that a provider loses is kept as ended: what it has published until then is still to be read. So are its keys: what was
    signed with them is still to be proved.
    """
    before = everyone(transaction)
    rows = [_row(entry, before.get(entry.provider.code), at) for entry in sorted(entries, key=lambda entry: entry.provider.code)]
    upsert = postgresql.insert(PROVIDER)
    changed = {column.name: upsert.excluded[column.name] for column in PROVIDER.columns if column.name != "provider_code"}
    for row in rows:
        transaction.execute(upsert.on_conflict_do_update(index_elements=["provider_code"], set_=changed), row)
    gone = PROVIDER.c.provider_code.not_in([row["provider_code"] for row in rows])
    withdrawal = {"withdrawn_at": at, "kinds": [], "ended_kinds": func.array_cat(PROVIDER.c.ended_kinds, PROVIDER.c.kinds)}
    transaction.execute(update(PROVIDER).where(gone, PROVIDER.c.withdrawn_at.is_(None)).values(withdrawal))


def _row(entry: Entry, before: Provider | None, at: datetime) -> dict[str, Any]:
    provider, terms = entry.provider, entry.terms
    return {
        "provider_code": provider.code,
        "name": provider.name,
        "department": terms.department.name,
        "kinds": sorted(kind.value for kind in provider.kinds),
        "region_prefixes": list(provider.region_prefixes),
        "bases": sorted(basis.name for basis in provider.bases),
        "applied_at": at,
        "withdrawn_at": None,
        "ended_kinds": sorted(kind.value for kind in _kinds_ever(before) - provider.kinds),
        "purpose": terms.purpose,
        "legal_basis": terms.legal_basis,
        "retention_years": terms.retention_years,
        "calendar": {kind.value: {"every": one.every.name, "due_days": one.due_days} for kind, one in terms.calendar.items()},
        "standard_uncertainty": {
            kind.value: {"percent": format_decimal(one.percent), "assumed": one.assumed, "source": one.source}
            for kind, one in terms.uncertainties.items()
        },
        "quota": {
            "records_per_day": terms.quota.records_per_day,
            "bytes_per_second": terms.quota.bytes_per_second,
            "request_percentage": terms.quota.request_percentage,
        },
        "signature": provider.signature.value,
        "signature_keys": [
            {"x": key.x, **{name: at.isoformat() if (at := getattr(key, name)) is not None else None for name in _INSTANTS}}
            for key in provider.keys
        ],
    }


def _kinds_ever(provider: Provider | None) -> frozenset[Kind]:
    return provider.kinds | provider.ended_kinds if provider is not None else frozenset()
