"""Reads records, and decides which of a batch are new: those whose place in the log has no receipt yet.

Records are read again after someone set `next_offset` back by hand. The same place in the same topic is the very same record: it was
answered, and nothing is written a second time. Only a log that lost its end gives a place to two records; that is an alarm.
"""

import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from services.collector import metrics, wire
from services.collector.domain import provider, subject_code
from services.collector.domain.place import Place
from services.collector.domain.submission import BusinessKey, Received
from services.collector.store import records as store
from services.collector.store.records import Span
from services.common.consumer import Record
from services.common.database import Transaction

_log = logging.getLogger(__name__)
_OFFSET = attrgetter("record.offset")


class ReadRecord(NamedTuple):
    """A record with the submission that it is as written, or why it is none."""

    record: Record
    sha256: bytes
    is_json: bool
    received: Received | None
    unreadable: str


def read(record: Record) -> ReadRecord:
    """Read one record. Depends on nothing else, so it may be done long before the transaction in which the record is judged."""
    value = record.value or b""
    is_json = wire.is_json(record.headers)
    try:
        return ReadRecord(record, sha256(value).digest(), is_json, wire.submission(record.value, is_json=is_json), "")
    except wire.UnreadableError as unreadable:
        return ReadRecord(record, sha256(value).digest(), is_json, None, unreadable.reason)


def stretches(transaction: Transaction, records: Sequence[ReadRecord]) -> list[list[ReadRecord]]:
    """Leave out the records that have a receipt, and cut the others into stretches of one partition that get one receipt each."""
    of_partition = _by_partition(records)
    asked = [
        Span(topic_id=topic_id, partition=partition, first_offset=found[0].record.offset, last_offset=found[-1].record.offset)
        for (topic_id, partition), found in of_partition.items()
    ]
    receipts: dict[tuple[UUID, int], list[Span]] = defaultdict(list)
    for span in store.receipted(transaction, asked):
        receipts[span.topic_id, span.partition].append(span)
    new = []
    again: list[ReadRecord] = []
    for partition, found in of_partition.items():
        new += _between(receipts[partition], found, again) if partition in receipts else [found]
    if again:
        _log.info("records were read again and left as they are", extra={"records": len(again)})
        _raise_alarm_for_displaced(transaction, again)
    return new


def _by_partition(records: Iterable[ReadRecord]) -> dict[tuple[UUID, int], list[ReadRecord]]:
    """Sort records into their partitions, in the order of their offsets there."""
    of_partition: dict[tuple[UUID, int], list[ReadRecord]] = defaultdict(list)
    before = None
    for one in records:
        record = one.record
        # They come partition by partition, so that hardly any of them needs a look into the dictionary.
        if before is None or record.topic_id is not before.topic_id or record.partition != before.partition:
            found = of_partition[record.topic_id, record.partition]
        found.append(one)
        before = record
    for found in of_partition.values():
        found.sort(key=_OFFSET)
    return of_partition


def _between(receipts: Sequence[Span], records: Iterable[ReadRecord], again: list[ReadRecord]) -> list[list[ReadRecord]]:
    """Cut the records of one partition at its receipts, and add those that a receipt speaks of to `again`."""
    new: dict[int, list[ReadRecord]] = defaultdict(list)
    for one in records:
        # The last receipt that begins at or before the record speaks of it, or ended before it.
        begun = bisect_right(receipts, one.record.offset, key=lambda span: span.first_offset)
        if begun == 0 or receipts[begun - 1].last_offset < one.record.offset:
            new[begun].append(one)
        else:
            again.append(one)
    return list(new.values())


def _raise_alarm_for_displaced(transaction: Transaction, again: Iterable[ReadRecord]) -> None:
    """Find the records whose bytes are held neither under their business key nor at their place: others stood there."""
    arrived = {_place(one.record): one for one in again}
    aside = store.set_aside(transaction, arrived)
    keys = _submission_ids(transaction, arrived)
    held = store.held(transaction, set(keys.values()))
    for place, one in arrived.items():
        _, under_key = held.get(keys[place], (None, None)) if place in keys else (None, None)
        if one.sha256 not in (aside.get(place), under_key):
            metrics.RECORDS_DISPLACED.add(1)
            _log.error(
                "a record stands where another one was answered: the log lost its end; it is not taken in",
                extra={"topic": place.topic, "partition": place.partition, "offset": place.offset},
            )


def _place(record: Record) -> Place:
    return Place(topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset)


def _submission_ids(transaction: Transaction, arrived: Mapping[Place, ReadRecord]) -> dict[Place, UUID]:
    """Derive the ids of those records that could have been accepted: the others have no business key."""
    readable = {}
    for place, one in arrived.items():
        received = one.received
        if received is not None and received.kind is not None and subject_code.is_well_formed(received.subject_code):
            readable[place] = received
    subjects = store.subject_ids(transaction, {received.subject_code for received in readable.values()})
    ids = {}
    for place, received in readable.items():
        assert received.kind is not None
        if (subject_id := subjects.get(received.subject_code)) is not None:
            _, code = provider.domain_and_code(place.topic)
            key = BusinessKey(
                provider_code=code,
                kind=received.kind,
                record_number=received.record_number,
                record_revision=received.record_revision,
                subject_id=subject_id,
            )
            ids[place] = key.submission_id()
    return ids
