"""Decides which records of a batch are new: those whose place in the log has no receipt yet.

Records are read again after someone set `next_offset` back by hand. The same place in the same topic is the very same record: it was
answered, and nothing is written a second time. Only a log that lost its end gives a place to two records; that is an alarm.
"""

import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from operator import attrgetter
from uuid import UUID

from services.collector import metrics, wire
from services.collector.domain import provider, subject_code
from services.collector.domain.place import Place
from services.collector.domain.submission import BusinessKey
from services.collector.store import records as store
from services.collector.store.records import Span
from services.common.consumer import Record
from services.common.database import Transaction

_log = logging.getLogger(__name__)
_OFFSET = attrgetter("offset")


def stretches(transaction: Transaction, records: Sequence[Record]) -> list[list[Record]]:
    """Leave out the records that have a receipt, and cut the others into stretches of one partition that get one receipt each."""
    of_partition = _by_partition(records)
    asked = [
        Span(topic_id=topic_id, partition=partition, first_offset=found[0].offset, last_offset=found[-1].offset)
        for (topic_id, partition), found in of_partition.items()
    ]
    receipts: dict[tuple[UUID, int], list[Span]] = defaultdict(list)
    for span in store.receipted(transaction, asked):
        receipts[span.topic_id, span.partition].append(span)
    new = []
    again: list[Record] = []
    for partition, found in of_partition.items():
        new += _between(receipts[partition], found, again) if partition in receipts else [found]
    if again:
        _log.info("records were read again and left as they are", extra={"records": len(again)})
        _raise_alarm_for_displaced(transaction, again)
    return new


def _by_partition(records: Iterable[Record]) -> dict[tuple[UUID, int], list[Record]]:
    """Sort records into their partitions, in the order of their offsets there."""
    of_partition: dict[tuple[UUID, int], list[Record]] = defaultdict(list)
    before = None
    for record in records:
        # They come partition by partition, so that hardly any of them needs a look into the dictionary.
        if before is None or record.topic_id is not before.topic_id or record.partition != before.partition:
            found = of_partition[record.topic_id, record.partition]
        found.append(record)
        before = record
    for found in of_partition.values():
        found.sort(key=_OFFSET)
    return of_partition


def _between(receipts: Sequence[Span], records: Iterable[Record], again: list[Record]) -> list[list[Record]]:
    """Cut the records of one partition at its receipts, and add those that a receipt speaks of to `again`."""
    new: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        # The last receipt that begins at or before the record speaks of it, or ended before it.
        begun = bisect_right(receipts, record.offset, key=lambda span: span.first_offset)
        if begun == 0 or receipts[begun - 1].last_offset < record.offset:
            new[begun].append(record)
        else:
            again.append(record)
    return list(new.values())


def _raise_alarm_for_displaced(transaction: Transaction, again: Iterable[Record]) -> None:
    """Find the records whose bytes are held neither under their business key nor at their place: others stood there."""
    arrived = {_place(record): record for record in again}
    aside = store.set_aside(transaction, arrived)
    keys = _submission_ids(transaction, arrived)
    held = store.held(transaction, set(keys.values()))
    for place, record in arrived.items():
        digest = sha256(record.value or b"").digest()
        _, under_key = held.get(keys[place], (None, None)) if place in keys else (None, None)
        if digest not in (aside.get(place), under_key):
            metrics.RECORDS_DISPLACED.add(1)
            _log.error(
                "a record stands where another one was answered: the log lost its end; it is not taken in",
                extra={"topic": place.topic, "partition": place.partition, "offset": place.offset},
            )


def _place(record: Record) -> Place:
    return Place(topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset)


def _submission_ids(transaction: Transaction, arrived: Mapping[Place, Record]) -> dict[Place, UUID]:
    """Derive the ids of those records that could have been accepted: the others have no business key."""
    readable = {}
    for place, record in arrived.items():
        with suppress(wire.UnreadableError):
            received = wire.submission(record.value, is_json=wire.is_json(record.headers))
            if received.kind is not None and subject_code.is_well_formed(received.subject_code):
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
