"""Decides when a subject's report gets a new revision, where it stands in the chain, and which one may be signed next.

A chain is numbered from 1 without gaps; each revision names the SHA-256 of its predecessor's content. That hash is over the
bytes to be signed and not over the signature, so a chain can grow while its head still waits for the signer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID


class State(Enum):
    """How far a stored revision has come. Its content is fixed in all three."""

    # Composed behind one that is not issued yet; becomes PREPARED in the transaction that issues that one.
    WAITING = "WAITING"
    # The oldest that is not issued: the only one of its subject that may be signed.
    PREPARED = "PREPARED"
    # Signed and told to everyone; never altered.
    ISSUED = "ISSUED"


@dataclass(frozen=True, kw_only=True)
class Predecessor:
    """The revision before, by number and by the hash of its exact content."""

    number: int
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a revision stands in its subject's chain."""

    number: int
    predecessor: Predecessor | None

    def __post_init__(self) -> None:
        if self.number < 1 or (self.predecessor is None) != (self.number == 1):
            raise ValueError(f"revision {self.number} with predecessor {self.predecessor} is no place in a chain")
        if self.predecessor is not None and self.predecessor.number != self.number - 1:
            raise ValueError(f"revision {self.number} cannot follow {self.predecessor.number}")


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest revision of a chain, issued or not."""

    number: int
    content_sha256: str
    fingerprint: str
    state: State


@dataclass(frozen=True, kw_only=True)
class IssuedRevision:
    """A revision as it leaves: signed, at an instant, under a key."""

    subject_id: UUID
    subject_code: str
    number: int
    content_sha256: str
    signed_report: bytes
    key_id: str
    issued_at: datetime


def next_place(head: Head | None) -> Place:
    """Return the place of the revision that would follow `head`."""
    if head is None:
        return Place(number=1, predecessor=None)
    return Place(number=head.number + 1, predecessor=Predecessor(number=head.number, content_sha256=head.content_sha256))


def is_revision(head: Head | None, *, fingerprint: str) -> bool:
    """Tell whether content with this fingerprint is news after `head`.

    Compared with the newest only: content that returns to an older state is a new revision, for readers of the one between
    must learn that it no longer holds.
    """
    return head is None or head.fingerprint != fingerprint


def state_of_next(head: Head | None) -> State:
    """Return the state in which the revision after `head` is stored: only one of a subject may be signed at a time."""
    if head is None or head.state is State.ISSUED:
        return State.PREPARED
    return State.WAITING
