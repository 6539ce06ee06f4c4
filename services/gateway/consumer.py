"""Does what a ReportRevised asks for: keeps the signed revision, and moves the grade that banks are answered from.

Runs in the transaction that advances the Kafka positions. Every revision is kept, in whatever order they come; the grade only
moves to a higher one.
"""

from collections.abc import Sequence
from uuid import UUID

from services.common import inbox, refused_events
from services.common.consumer import Record
from services.common.database import Transaction
from services.common.refused_events import Refusal
from services.gateway import store, wire
from services.gateway.store import IssuedRevision

TOPICS = (wire.REPORT_REVISED_TOPIC,)


def handle(transaction: Transaction, records: Sequence[Record]) -> None:
    """Take a batch of ReportRevised; a batch taken again changes nothing. A crash before the commit: nothing has happened."""
    # 1. Read the events; those that cannot be taken are kept aside, and the stream goes on.
    read, refused = _read(records)
    # 2. Keep every revision. A number that is kept with other content is never overwritten: somebody issued twice.
    kept = store.content_of(transaction, read.keys())
    for place, content_sha256 in kept.items():
        if read[place][1].content_sha256 != content_sha256:
            refused.append((read.pop(place)[0], "another content is kept under this revision number"))
    revisions = {place: revision for place, (_, revision) in read.items()}
    store.add_revisions(transaction, [revision for place, revision in revisions.items() if place not in kept])
    # 3. Move the grade of each subject to its newest revision, unless a higher one was taken before.
    newest: dict[UUID, IssuedRevision] = {}
    for revision in revisions.values():
        if revision.subject_id not in newest or newest[revision.subject_id].number < revision.number:
            newest[revision.subject_id] = revision
    numbers = {subject_id: revision.number for subject_id, revision in newest.items()}
    taken = inbox.news(transaction, topic=wire.REPORT_REVISED_TOPIC, revisions=numbers)
    store.move_grades(transaction, [newest[subject_id] for subject_id in taken])
    refused_events.keep(transaction, refused)
    refused_events.tell(refused)


def _read(records: Sequence[Record]) -> tuple[dict[tuple[UUID, int], tuple[Record, IssuedRevision]], list[Refusal]]:
    """Return the revisions of the batch by subject and number, and the records that could not be taken with the reason."""
    read: dict[tuple[UUID, int], tuple[Record, IssuedRevision]] = {}
    refused: list[Refusal] = []
    for record in records:
        try:
            revision = wire.issued_revision(record.value)
        except wire.UnreadableEventError as error:
            refused.append((record, error.reason))
            continue
        first = read.setdefault((revision.subject_id, revision.number), (record, revision))
        if first[1].content_sha256 != revision.content_sha256:
            refused.append((record, "another content came under this revision number"))
    return read, refused
