"""Does what an AssessmentMade asks for: composes the next revision of the subject's report, when the content is news.

Runs in the transaction that advances the Kafka positions, so that an assessment is either fully taken or not at all. Signs
nothing: a ticket in the work queue asks the issuance for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from services.common import inbox, refused_events, telemetry, work_queue
from services.common.clock import Clock
from services.common.consumer import Record
from services.common.database import Transaction
from services.common.refused_events import Refusal
from services.common.work_queue import Mark
from services.reports import metrics, report_schema, signing, store, wire
from services.reports.domain import report, revision
from services.reports.domain.assessment import AssessedSubject
from services.reports.domain.report import Issuer, KeyProfile
from services.reports.domain.revision import Head, IssuedRevision, State
from services.reports.store import NewRevision

TOPICS = (wire.ASSESSMENT_MADE_TOPIC,)
# One ticket per subject: its revisions are signed one after the other.
SIGNING_QUEUE = "revision-to-sign"
SIGNING_PRIORITY = 3


@dataclass(frozen=True, kw_only=True)
class _News:
    """An assessment that was read: its record and the state that it carries."""

    record: Record
    assessed: AssessedSubject


class AssessmentConsumer:
    """Handles batches of AssessmentMade. A batch handled again makes the same revisions, or none if they are there."""

    def __init__(self, *, clock: Clock, issuer: Issuer, key_profile: KeyProfile) -> None:
        self._clock = clock
        self._issuer = issuer
        self._key_profile = key_profile

    def handle(self, transaction: Transaction, records: Sequence[Record]) -> None:
        """Compose what the batch makes news. A crash before the commit: nothing has happened; after: the tickets are there."""
        # 1. Read the events; those that cannot be read are kept aside, and the stream goes on.
        newest, refused = _read(records)
        # 2. Refuse what was taken before or has been overtaken.
        taken = inbox.news(
            transaction,
            topic=wire.ASSESSMENT_MADE_TOPIC,
            revisions={subject_id: one.assessed.number for subject_id, one in newest.items()},
        )
        # 3. Lock the chains, compose, and compare with the newest revision of each.
        heads = store.heads_for_update(transaction, taken)
        composed_at = self._clock.now()
        revisions: list[NewRevision] = []
        for subject_id in sorted(taken):
            try:
                composed = self._compose(newest[subject_id], heads[subject_id], composed_at)
            except wire.UnreadableEventError as error:
                refused.append((newest[subject_id].record, error.reason))
                continue
            revisions += [composed] if composed is not None else []
        # 4. Store the exact bytes that will be signed, and a ticket for each chain whose turn it is.
        refused_events.keep(transaction, refused)
        store.add_revisions(transaction, revisions)
        prepared = [one for one in revisions if one.state is State.PREPARED]
        work_queue.mark_all(
            transaction, queue=SIGNING_QUEUE, marks=[Mark(key=str(one.subject_id), priority=SIGNING_PRIORITY) for one in prepared]
        )
        refused_events.tell(refused)
        metrics.REVISIONS_COMPOSED.add(len(revisions))
        metrics.ASSESSMENTS_UNCHANGED.add(max(0, len(taken) - len(revisions)))

    def _compose(self, news: _News, head: Head | None, composed_at: datetime) -> NewRevision | None:
        place = revision.next_place(head)
        composed = report.compose(
            assessed=news.assessed, place=place, issuer=self._issuer, key_profile=self._key_profile, composed_at=composed_at
        )
        fingerprint = wire.fingerprint(composed)
        if not revision.is_revision(head, fingerprint=fingerprint):
            return None
        if (problem := report_schema.problem_of(composed)) is not None:
            # Said here, before the bytes are fixed: signed or not, a report that no verifier takes would block the chain for good.
            raise wire.UnreadableEventError(f"would make no valid report: {problem}")
        content = wire.canonical(composed)
        new = NewRevision(
            subject_id=news.assessed.subject_id,
            number=place.number,
            subject_code=news.assessed.account.subject_code,
            state=revision.state_of_next(head),
            assessment_id=news.assessed.assessment.assessment_id,
            assessment_number=news.assessed.number,
            assessment_made=news.record.value or b"",
            content=content,
            content_sha256=wire.content_sha256(content),
            fingerprint=fingerprint,
            predecessor_sha256=place.predecessor.content_sha256 if place.predecessor else None,
            composed_at=composed_at,
            traceparent=telemetry.current_traceparent(),
        )
        if (size := self._event_bytes(new)) > wire.EVENT_BYTES_MAX:
            # Said here for the same reason: signed, it could never be told. The limits of reader and composer rule it out for every
            # event that holds only what they know.
            raise wire.UnreadableEventError(f"would make an event of {size} bytes, at most {wire.EVENT_BYTES_MAX} are allowed")
        return new

    def _event_bytes(self, new: NewRevision) -> int:
        """Return how large the event will be that tells of this revision once it is signed, at most."""
        issued = IssuedRevision(
            subject_id=new.subject_id,
            subject_code=new.subject_code,
            number=new.number,
            content_sha256=new.content_sha256,
            signed_report=bytes(signing.signed_bytes(len(new.content))),
            key_id=signing.KEY_ID_CHARACTERS * "k",
            issued_at=datetime.max.replace(tzinfo=UTC),
        )
        return wire.event_bytes(issued, assessment_made=new.assessment_made, province=self._issuer.province)


def _read(records: Sequence[Record]) -> tuple[Mapping[UUID, _News], list[Refusal]]:
    """Return the newest assessment of each subject in the batch, and the records that could not be read with the reason."""
    newest: dict[UUID, _News] = {}
    refused: list[Refusal] = []
    for record in records:
        try:
            assessed = wire.assessed_subject(record.value)
        except wire.UnreadableEventError as error:
            refused.append((record, error.reason))
            continue
        before = newest.get(assessed.subject_id)
        if before is None or before.assessed.number < assessed.number:
            newest[assessed.subject_id] = _News(record=record, assessed=assessed)
    return newest, refused
