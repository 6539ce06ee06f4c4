"""Decides which submissions count: the highest revision of each record to which no revision before it is missing.

Only revisions about one subject make up its record: a correction that names another subject has a key of its own, breaks no chain
here and begins none there. A correction that arrives before its original is parked; it counts as soon as 1 … k−1 are there. So what
counts depends on the set of submissions alone, never on the order in which they came.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

RecordT = tuple[str, str, str]
T = TypeVar("T")


class Revisions(Generic[T]):
    """The revisions of a subject's records, split into those that count and those that are parked; both in record order."""

    def __init__(self, effective: list[T], parked: list[T]) -> None:
        self.effective = effective
        self.parked = parked


def split(items: Iterable[tuple[RecordT, int, T]]) -> Revisions[T]:
    """Split `(record, revision, item)` into effective and parked; a superseded revision is in neither."""
    records: dict[RecordT, dict[int, T]] = defaultdict(dict)
    for record, revision, item in items:
        records[record][revision] = item
    effective: list[T] = []
    parked: list[T] = []
    for record in sorted(records):
        revisions = records[record]
        highest = highest_unbroken(revisions)
        if highest:
            effective.append(revisions[highest])
        if highest < max(revisions):
            parked += [revisions[number] for number in sorted(revisions) if number > highest]
    return Revisions(effective, parked)


def highest_unbroken(revisions: Mapping[int, object]) -> int:
    """Give the highest k for which all of 1 … k are there; 0 when there is no 1."""
    highest = 0
    while highest + 1 in revisions:
        highest += 1
    return highest
