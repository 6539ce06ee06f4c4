"""Writes the provider directory for a person: who may report what, on which terms, and what came within the last day."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from services.collector.domain.signature_key import SignatureKey
from services.collector.domain.terms import Entry, Expectation, Uncertainty
from services.common.amounts import format_decimal


def text(entries: Sequence[Entry], *, received: Mapping[str, int], now: datetime) -> str:
    """Write entries, one block each; `received` counts the records of the last 24 hours by provider."""
    return "\n".join("".join(f"{line}\n" for line in _lines(entry, received.get(entry.provider.code, 0), now)) for entry in entries)


def _lines(entry: Entry, received: int, now: datetime) -> Iterator[str]:
    provider, terms, quota = entry.provider, entry.terms, entry.terms.quota
    yield f"{provider.code}  {provider.name}  ({terms.department.value})"
    yield f"  purpose       {terms.purpose}"
    yield f"  legal basis   {terms.legal_basis}; kept for {terms.retention_years} years"
    yield f"  regions       {', '.join(provider.region_prefixes)}"
    yield f"  bases         {', '.join(sorted(basis.name for basis in provider.bases))}"
    over = "  ABOVE ITS QUOTA" if received > quota.records_per_day else ""
    yield f"  quota         {received:,} records in the last 24 h of {quota.records_per_day:,} a day{over}"
    yield f"                {quota.bytes_per_second:,} bytes/s, {quota.request_percentage} % of a broker thread (held by the broker)"
    yield f"  signature     {provider.signature}"
    for key in provider.keys:
        yield f"    key {key.key_id}  {_validity(key, now)}"
    for kind in sorted(provider.kinds):
        yield f"  {kind:<26} {_expected(terms.calendar.get(kind))}{_uncertain(terms.uncertainties.get(kind))}"


def _expected(expected: Expectation | None) -> str:
    return f"every {expected.every.name.lower()}, due {expected.due_days} days after its end" if expected is not None else "as it happens"


def _uncertain(one: Uncertainty | None) -> str:
    if one is None:
        return ""
    return f"; ± {format_decimal(one.percent)} %{' (assumed)' if one.assumed else ''}: {one.source}"


def _validity(key: SignatureKey, now: datetime) -> str:
    until = key.valid_until.isoformat() if key.valid_until is not None else "further notice"
    if key.revoked_at is not None:
        state = f"revoked {key.revoked_at.isoformat()}"
    elif now < key.valid_from:
        state = "not yet"
    else:
        state = "signs" if key.valid_until is None or now < key.valid_until else "retired"
    return f"{key.valid_from.isoformat()} to {until}, {state}"
