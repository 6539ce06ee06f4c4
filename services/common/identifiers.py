"""Decides which identifiers can be computed again and which cannot.

A derived id is a function of everything the thing was pinned to, so a replay makes the same id. A random id is only for
what arrives from outside; whoever needs one is handed an `Ids`.
"""

from datetime import date, datetime
from decimal import Decimal
from hashlib import sha1
from typing import Protocol
from uuid import UUID, uuid4

from services.common.amounts import format_decimal

# The root of every derived id. Changing it would change all of them; it is only ever a constant.
_NAMESPACE = UUID("5d0f2ad3-3a53-5c1e-9d0f-6f2b8c1f7a10")
# Every name is hashed behind the namespace; `uuid.uuid5` would write that out again for each of a million ids.
_BEHIND_THE_NAMESPACE = sha1(_NAMESPACE.bytes, usedforsecurity=False)

Part = str | int | UUID | date | Decimal


class Ids(Protocol):
    """Makes identifiers for what arrives from outside."""

    def new(self) -> UUID:
        """Return an identifier that no other call returns."""
        ...


class RandomIds:
    """Random identifiers (UUID version 4, RFC 9562)."""

    def new(self) -> UUID:
        return uuid4()


def derived_id(kind: str, /, **parts: Part) -> UUID:
    """Compute the id of a thing of `kind` from everything it is pinned to (UUID version 5, RFC 9562).

    The name that is hashed is unambiguous: every element carries its length and every value its type, and the parts stand
    in the order of their names. So no two different calls share a name, and the order of the arguments does not matter.

    Raises:
        TypeError: a part is of a type without one canonical form (float, bool, an instant).
        AmountError: a decimal is not finite, or too long to write out.
    """
    elements = [f"{len(kind)}:{kind}"]
    for name in sorted(parts):
        tag, text = _tagged(parts[name])
        elements.append(f"{len(name)}:{name}{len(tag)}:{tag}{len(text)}:{text}")
    hashed = _BEHIND_THE_NAMESPACE.copy()
    hashed.update("".join(elements).encode("utf-8"))
    return UUID(bytes=hashed.digest()[:16], version=5)


def _tagged(value: Part) -> tuple[str, str]:
    if type(value) is str:
        return ("s", value)
    # bool is an int and datetime a date to isinstance; neither is meant here, so they are refused first.
    if isinstance(value, bool | datetime):
        raise TypeError(f"{type(value).__name__} has no canonical form in a derived id")
    if isinstance(value, str):
        return ("s", value)
    if isinstance(value, int):
        return ("i", str(value))
    if isinstance(value, UUID):
        return ("u", str(value))
    if isinstance(value, date):
        return ("d", value.isoformat())
    if isinstance(value, Decimal):
        return ("n", format_decimal(value))
    raise TypeError(f"{type(value).__name__} has no canonical form in a derived id")


def masked(identifier: str) -> str:
    """Write an identifier for a log, by its last four characters: whoever holds it knows it again, nobody else learns it."""
    return f"…{identifier[-4:]}"
