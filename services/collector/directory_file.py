"""Reads the provider directory file (TOML) into entries, or refuses it with everything that is wrong with it, by provider and field.

Nothing is made of a file that has a fault, and nothing is guessed: an unknown key is a fault, because it is a rule that its writer
believes to hold.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.collector.domain.basis import Basis
from services.collector.domain.kinds import KINDS_WITHOUT_PERIOD, Kind
from services.collector.domain.provider import Provider, SignatureDuty
from services.collector.domain.signature_key import SignatureKey, raw_key, thumbprint
from services.collector.domain.terms import Department, Entry, Every, Expectation, Quota, Terms, Uncertainty
from services.common.amounts import AmountError, parse_amount

_CODE = re.compile(r"[a-z][a-z0-9-]{1,30}\Z")
# A provider's code is the name of its principal on the broker: one of these would take over the rights of that principal.
RESERVED_CODES = frozenset({"admin", "broker", "collector", "scoring", "reports", "gateway", "owner", "postgres", "bureau", "kafka"})
# GB/T 2260: two digits name a province, four a prefecture, six a county.
_REGION = re.compile(r"(?:[0-9]{2}){1,3}\Z")

_TEXTS = ("code", "name", "department", "purpose", "legal_basis")
_REQUIRED = {*_TEXTS, "kinds", "bases", "regions", "retention_years", "quota"}
_OPTIONAL = {"calendar", "standard_uncertainty", "signature", "keys"}
_QUOTA = {"records_per_day": 10**9, "bytes_per_second": 10**9, "request_percentage": 10_000}
_TEXT_CHARACTERS_MAX = 200
_RETENTION_YEARS_MAX = 50
_DUE_DAYS_MAX = 730
_UNCERTAINTY_PERCENT_MAX = 300
_KEYS_MAX = 50


class DirectoryRefusedError(Exception):
    """The directory file cannot be applied; one sentence for each reason. Nothing was changed."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def parse_directory(text: str) -> list[Entry]:
    """Read and check a directory file.

    Raises:
        DirectoryRefusedError: with everything that is wrong with it.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DirectoryRefusedError([f"not TOML: {error}"]) from error
    listed = raw.get("provider", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise DirectoryRefusedError(["provider is not a list: each entry begins with [[provider]]"])
    problems: list[str] = []
    entries: list[Entry] = []
    for place, one in enumerate(listed, start=1):
        name = f"provider {place} ({one.get('code', 'without code')})"
        found = list(_problems(one))
        problems += [f"{name}: {problem}" for problem in found]
        if not found:
            entries.append(_entry(one))
    codes = [entry.provider.code for entry in entries]
    problems += [f"the code {code} is given twice" for code in sorted({code for code in codes if codes.count(code) > 1})]
    problems += [f"key {key_id} is given to {' and '.join(owners)}: a key names one signer" for key_id, owners in _shared_keys(entries)]
    problems += [f"unknown table {key!r}" for key in sorted(raw.keys() - {"provider"})]
    if not entries and not problems:
        problems.append("no provider is listed")
    if problems:
        raise DirectoryRefusedError(problems)
    return entries


def _shared_keys(entries: Iterable[Entry]) -> Iterator[tuple[str, list[str]]]:
    owners: dict[str, list[str]] = {}
    for entry in entries:
        for key in entry.provider.keys:
            owners.setdefault(key.key_id, []).append(entry.provider.code)
    return ((key_id, codes) for key_id, codes in sorted(owners.items()) if len(codes) > 1)


# ---- What is wrong with an entry ----


def _problems(one: Mapping[str, Any]) -> Iterator[str]:
    for field in sorted(_REQUIRED - one.keys()):
        yield f"{field} is missing"
    for field in sorted(one.keys() - _REQUIRED - _OPTIONAL):
        yield f"unknown field {field}"
    for field in _TEXTS:
        yield from _text_problems(field, one.get(field, "-"))
    if isinstance(one.get("code"), str) and not _CODE.match(one["code"]):
        yield "code is not 2 to 31 of a-z, 0-9 and -, beginning with a letter"
    if isinstance(one.get("code"), str) and one["code"] in RESERVED_CODES:
        yield "code is reserved for the bureau itself"
    if isinstance(one.get("department"), str) and one["department"] not in Department.__members__:
        yield f"department: {one['department']} is none of {', '.join(Department.__members__)}"
    listings: dict[str, Callable[[str], object]] = {
        "kinds": Kind.__members__.get,
        "bases": Basis.__members__.get,
        "regions": _REGION.match,
    }
    for field, allowed in listings.items():
        if field in one:
            yield from _listing_problems(field, one[field], allowed)
    yield from _regions_problems(one.get("regions"))
    yield from _number_problems("retention_years", one.get("retention_years", 1), _RETENTION_YEARS_MAX)
    yield from _quota_problems(one.get("quota", dict.fromkeys(_QUOTA, 1)))
    yield from _by_kind_problems(one, "calendar", {"every", "due_days"}, _expectation_problems)
    yield from _by_kind_problems(one, "standard_uncertainty", {"percent", "assumed", "source"}, _uncertainty_problems)
    yield from _signature_problems(one)


def _text_problems(field: str, text: object) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        yield f"{field} is not a text"
    elif len(text) > _TEXT_CHARACTERS_MAX or not text.isprintable():
        yield f"{field} is not one line of at most {_TEXT_CHARACTERS_MAX} printable characters"


def _listing_problems(field: str, listed: object, allowed: Callable[[str], object]) -> Iterator[str]:
    if not isinstance(listed, list) or not listed or not all(isinstance(text, str) for text in listed):
        yield f"{field} is not a list of texts with at least one"
        return
    if unknown := [text for text in listed if not allowed(text)]:
        yield f"{field}: {', '.join(unknown)} is not known here"
    if twice := sorted({text for text in listed if listed.count(text) > 1}):
        yield f"{field}: {', '.join(twice)} is given twice"


def _regions_problems(regions: object) -> Iterator[str]:
    """A region within another one of the list says that somebody meant less than the list gives."""
    if isinstance(regions, list) and all(isinstance(region, str) for region in regions):
        for inner in sorted(set(regions)):
            for outer in sorted(set(regions)):
                if inner != outer and outer and inner.startswith(outer):
                    yield f"regions: {inner} lies within {outer}, which is given as well"


def _number_problems(field: str, number: object, largest: int) -> Iterator[str]:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= largest:
        yield f"{field} is not a whole number from 1 to {largest}"


def _quota_problems(quota: object) -> Iterator[str]:
    if not isinstance(quota, dict):
        yield f"quota is not a table of {', '.join(_QUOTA)}"
        return
    yield from _member_problems("quota", quota, set(_QUOTA))
    for field, largest in _QUOTA.items():
        if field in quota:
            yield from _number_problems(f"quota.{field}", quota[field], largest)


def _member_problems(where: str, table: Mapping[str, Any], wanted: set[str], optional: frozenset[str] = frozenset()) -> Iterator[str]:
    for field in sorted(wanted - table.keys()):
        yield f"{where}.{field} is missing"
    for field in sorted(table.keys() - wanted - optional):
        yield f"{where}: unknown field {field}"


def _by_kind_problems(
    one: Mapping[str, Any], field: str, members: set[str], problems: Callable[[str, str, Mapping[str, Any]], Iterator[str]]
) -> Iterator[str]:
    """Check a table whose keys are kinds; a line about a kind that the provider may not report would never have an effect."""
    table = one.get(field, {})
    if not isinstance(table, dict):
        yield f"{field} is not a table by kind"
        return
    for kind, line in table.items():
        where = f"{field}.{kind}"
        if kind not in Kind.__members__:
            yield f"{field}: {kind} is not known here"
        elif kind not in one.get("kinds", ()):
            yield f"{where}: the provider may not report this kind"
        if not isinstance(line, dict):
            yield f"{where} is not a table of {', '.join(sorted(members))}"
            continue
        found = list(_member_problems(where, line, members))
        yield from found or problems(where, kind, line)


def _expectation_problems(where: str, kind: str, line: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(line["every"], str) or line["every"].upper() not in Every.__members__:
        yield f"{where}.every is none of {', '.join(name.lower() for name in Every.__members__)}"
    if not isinstance(line["due_days"], int) or isinstance(line["due_days"], bool) or not 0 <= line["due_days"] <= _DUE_DAYS_MAX:
        yield f"{where}.due_days is not a whole number from 0 to {_DUE_DAYS_MAX}"
    if kind in Kind.__members__ and Kind[kind] in KINDS_WITHOUT_PERIOD:
        yield f"{where}: submissions of this kind have no period that ends, so none can be due"


def _uncertainty_problems(where: str, kind: str, line: Mapping[str, Any]) -> Iterator[str]:
    percent = _amount(line["percent"])
    if percent is None or not 0 < percent <= _UNCERTAINTY_PERCENT_MAX:
        yield f'{where}.percent is not a decimal in quotes above 0 and up to {_UNCERTAINTY_PERCENT_MAX}, e.g. "2.5"'
    if not isinstance(line["assumed"], bool):
        yield f"{where}.assumed is neither true (nobody measured it) nor false"
    yield from _text_problems(f"{where}.source", line["source"])


def _amount(text: object) -> Decimal | None:
    try:
        return parse_amount(text) if isinstance(text, str) else None
    except AmountError:
        return None


def _signature_problems(one: Mapping[str, Any]) -> Iterator[str]:
    duty, keys = one.get("signature", SignatureDuty.NONE.value), one.get("keys", [])
    if duty not in tuple(SignatureDuty):
        yield f"signature is none of {', '.join(SignatureDuty)}"
    if not isinstance(keys, list) or len(keys) > _KEYS_MAX or not all(isinstance(key, dict) for key in keys):
        yield f"keys is not a list of at most {_KEYS_MAX} tables"
        return
    if duty == SignatureDuty.REQUIRED and not keys:
        yield "signature is required, and no key is given to verify it with"
    sound = []
    for place, key in enumerate(keys, start=1):
        found = list(_key_problems(f"key {place}", key))
        yield from found
        if not found:
            sound.append(_key(key).key_id)
    for key_id in sorted({key_id for key_id in sound if sound.count(key_id) > 1}):
        yield f"key {key_id} is given twice"


def _key_problems(where: str, key: Mapping[str, Any]) -> Iterator[str]:
    found = list(_member_problems(where, key, {"jwk", "valid_from"}, frozenset({"valid_until", "revoked_at"})))
    for field in ("valid_from", "valid_until", "revoked_at"):
        if field in key and (not isinstance(key[field], datetime) or key[field].tzinfo is None):
            found.append(f"{where}: {field} is not an instant with its zone, e.g. 2026-01-01T00:00:00+08:00")
    if not found and "valid_until" in key and key["valid_until"] <= key["valid_from"]:
        found.append(f"{where}: valid_until is not after valid_from")
    yield from found
    jwk = key.get("jwk", {})
    if not isinstance(jwk, dict):
        yield f"{where}: jwk is not a table"
    elif "d" in jwk:
        yield f"{where}: jwk holds the PRIVATE key (member d): make a new pair, this one is public now"
    elif "jwk" in key:
        yield from _jwk_problems(f"{where}: jwk", jwk)


def _jwk_problems(where: str, jwk: Mapping[str, Any]) -> Iterator[str]:
    yield from _member_problems(where, jwk, {"kty", "crv", "x"}, frozenset({"kid", "use", "alg"}))
    if (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        yield f"{where} is not of an Ed25519 key (kty OKP, crv Ed25519; RFC 8037)"
    elif not isinstance(jwk.get("x"), str) or (raw := raw_key(jwk["x"])) is None:
        yield f"{where}.x is not 32 bytes in base64url without padding"
    elif jwk.get("kid", thumbprint(raw)) != thumbprint(raw):
        yield f"{where}.kid is not the thumbprint of the key, {thumbprint(raw)} (RFC 7638)"


# ---- A sound entry ----


def _entry(one: Mapping[str, Any]) -> Entry:
    provider = Provider(
        code=one["code"],
        name=one["name"],
        kinds=frozenset(Kind(kind) for kind in one["kinds"]),
        bases=frozenset(Basis[basis] for basis in one["bases"]),
        region_prefixes=tuple(one["regions"]),
        signature=SignatureDuty(one.get("signature", SignatureDuty.NONE)),
        keys=tuple(sorted((_key(key) for key in one.get("keys", [])), key=lambda key: (key.valid_from, key.key_id))),
    )
    terms = Terms(
        department=Department[one["department"]],
        purpose=one["purpose"],
        legal_basis=one["legal_basis"],
        retention_years=one["retention_years"],
        calendar={
            Kind(kind): Expectation(every=Every[line["every"].upper()], due_days=line["due_days"])
            for kind, line in sorted(one.get("calendar", {}).items())
        },
        uncertainties={
            Kind(kind): Uncertainty(percent=parse_amount(line["percent"]), assumed=line["assumed"], source=line["source"])
            for kind, line in sorted(one.get("standard_uncertainty", {}).items())
        },
        quota=Quota(**one["quota"]),
    )
    return Entry(provider=provider, terms=terms)


def _key(key: Mapping[str, Any]) -> SignatureKey:
    raw = raw_key(key["jwk"]["x"])
    assert raw is not None
    return SignatureKey(raw=raw, valid_from=key["valid_from"], valid_until=key.get("valid_until"), revoked_at=key.get("revoked_at"))
