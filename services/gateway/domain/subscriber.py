"""Decides what a directory of subscribers (信息使用者) may say, and whom an identity belongs to on a day.

A subscriber is known by one URI in its certificate. Its contract holds regions, as prefixes of the six digits that a subject's
code carries, and permitted purposes; outside its days it is as if there were no contract.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

SCHEME = "carbonbureau://"
IDENTITY_PREFIX = f"{SCHEME}subscriber/"

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_REGION = re.compile(r"[0-9]{1,6}\Z")
_CODE_CHARACTERS_MAX = 40
_MEMBERS = frozenset({"code", "name", "identity", "regions", "purposes", "valid_from", "valid_until"})


class PermittedPurpose(Enum):
    """用途: what an answer may be used for."""

    LOAN_APPROVAL = "LOAN_APPROVAL"
    POST_LOAN_MANAGEMENT = "POST_LOAN_MANAGEMENT"
    GUARANTEE_REVIEW = "GUARANTEE_REVIEW"


class DirectoryError(ValueError):
    """The directory cannot be used; `problems` has one sentence for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """A bank and its contract, valid from `valid_from` up to, but without, `valid_until`."""

    code: str
    name: str
    identity: str
    regions: tuple[str, ...]
    purposes: frozenset[PermittedPurpose]
    valid_from: date
    valid_until: date | None

    def has_contract_on(self, day: date) -> bool:
        """Tell whether the contract holds on a civil day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def may_ask_about(self, region: str) -> bool:
        """Tell whether the contract covers a region of six digits."""
        return region.startswith(self.regions)


@dataclass(frozen=True, kw_only=True)
class Directory:
    """All subscribers, by identity."""

    by_identity: Mapping[str, Subscriber]

    def subscriber_on(self, day: date, *, identity: str) -> Subscriber | None:
        """Return the subscriber with this identity, if it has a contract on that day."""
        found = self.by_identity.get(identity)
        return found if found is not None and found.has_contract_on(day) else None


def directory_of(document: Mapping[str, Any]) -> Directory:
    """Read a directory from its parsed TOML document.

    Raises:
        DirectoryError: with every problem of every entry; a directory is taken as a whole or not at all.
    """
    problems = [f"{name}: no such table" for name in sorted(document.keys() - {"subscriber"})]
    entries = document.get("subscriber", [])
    if not isinstance(entries, list):
        raise DirectoryError([*problems, "subscriber: write [[subscriber]] for each"])
    found: list[Subscriber] = []
    for number, entry in enumerate(entries, 1):
        where = f"subscriber {number}" + (f" ({entry['code']})" if isinstance(entry, dict) and isinstance(entry.get("code"), str) else "")
        faults = _faults(entry)
        problems += [f"{where}: {fault}" for fault in faults]
        if not faults:
            found.append(_subscriber(entry))
    problems += _doubles("code", [one.code for one in found]) + _doubles("identity", [one.identity for one in found])
    if problems:
        raise DirectoryError(problems)
    return Directory(by_identity={one.identity: one for one in found})


def _faults(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["not a table"]
    faults = [f"{name}: no such member" for name in sorted(entry.keys() - _MEMBERS)]
    faults += [f"{name}: missing" for name in sorted(_MEMBERS - {"valid_until"} - entry.keys())]
    if faults:
        return faults
    code, name = entry["code"], entry["name"]
    if not isinstance(code, str) or _CODE.match(code) is None or len(code) > _CODE_CHARACTERS_MAX:
        faults.append("code: lower-case letters, digits and single hyphens, at most 40")
    elif entry["identity"] != IDENTITY_PREFIX + code:
        faults.append(f"identity: must be {IDENTITY_PREFIX}{code}, the URI that its certificate carries")
    if not isinstance(name, str) or not name.strip():
        faults.append("name: empty")
    if not _texts(entry["regions"]) or any(_REGION.match(region) is None for region in entry["regions"]):
        faults.append('regions: a list of leading digits of regions, for example ["14"]')
    if not _texts(entry["purposes"]) or set(entry["purposes"]) - {purpose.value for purpose in PermittedPurpose}:
        faults.append(f"purposes: a list of {', '.join(purpose.value for purpose in PermittedPurpose)}")
    return faults + _day_faults(entry)


def _day_faults(entry: Mapping[str, Any]) -> list[str]:
    days = {name: entry[name] for name in ("valid_from", "valid_until") if name in entry}
    faults = [f"{name}: not a date" for name, day in days.items() if not isinstance(day, date) or isinstance(day, datetime)]
    if not faults and "valid_until" in days and days["valid_until"] <= days["valid_from"]:
        faults.append("valid_until: not after valid_from")
    return faults


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _subscriber(entry: Mapping[str, Any]) -> Subscriber:
    return Subscriber(
        code=entry["code"],
        name=entry["name"].strip(),
        identity=entry["identity"],
        regions=tuple(entry["regions"]),
        purposes=frozenset(PermittedPurpose(purpose) for purpose in entry["purposes"]),
        valid_from=entry["valid_from"],
        valid_until=entry.get("valid_until"),
    )


def _doubles(member: str, values: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    doubles: list[str] = []
    for value in values:
        if value in seen:
            doubles.append(f"{member} {value}: used twice")
        seen.add(value)
    return doubles
