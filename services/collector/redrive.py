"""Has kept records judged again, by the rules and the directory of now: what was rejected, or could not be read, when it came.

Every record that is tried is on record with who, why, and the outcome before and after. A record is taken in once: what a run has
had accepted no later run tries again, and what the provider sends again by itself is a duplicate.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from uuid import UUID

from services.collector import events
from services.collector.consumer import FINDINGS_TOLD_MAX, Intake, TakenAgain
from services.collector.domain import merkle
from services.collector.domain.submission import Outcome
from services.collector.signatures import HEADER
from services.collector.store import records as store
from services.collector.store import redriving
from services.collector.store.redriving import SetAside, Wanted
from services.common import outbox
from services.common.consumer import Record
from services.common.database import Database, Transaction
from services.common.outbox import OutgoingEvent

_JSON = b"application/json"
_TAKEN = (Outcome.ACCEPTED, Outcome.PARKED, Outcome.DUPLICATE)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One record that was tried; `detail` says why it could not be, or what is still wrong with it."""

    kept: SetAside
    outcome: Outcome
    again: TakenAgain | None = None
    detail: str = ""

    def is_news(self, before: Outcome) -> bool:
        """Tell whether the provider has not been told this before."""
        if self.again is None or self.outcome is not before:
            return self.again is not None
        return not {finding.rule_id for finding in self.again.findings} <= self.kept.rule_ids


@dataclass(kw_only=True)
class Tally:
    """What became of the records of a run."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    not_tried: list[str] = field(default_factory=list)

    def add(self, tried: Sequence[Tried]) -> None:
        for one in tried:
            if one.again is None:
                place = one.kept.place
                self.not_tried.append(f"{place.topic}-{place.partition}@{place.offset}: {one.detail}")
            else:
                self.outcomes[one.outcome] += 1


def run(
    *, database: Database, intake: Intake, wanted: Wanted, redrive_id: UUID, operator: str, reason: str, batch_records_max: int
) -> Tally:
    """Try every record that is wanted, batch by batch; each batch is one transaction.

    (crash between two batches: what was committed stands and is told; another run takes up the rest)
    """
    tally = Tally()
    batch = partial(
        _batch,
        database=database,
        intake=intake,
        wanted=wanted,
        redrive_id=redrive_id,
        operator=operator,
        reason=reason,
        limit=batch_records_max,
    )
    while tried := database.retrying(batch):
        tally.add(tried)
    return tally


def _batch(*, database: Database, intake: Intake, wanted: Wanted, redrive_id: UUID, operator: str, reason: str, limit: int) -> list[Tried]:
    with database.transaction("redrive.batch") as transaction:
        # 1. Alone, find what no run has had taken in. (crash: nothing has happened)
        redriving.lock(transaction)
        found = redriving.set_aside(transaction, wanted, redrive_id=redrive_id, limit=limit)
        if not found:
            return []
        now = transaction.now()
        # 2. Judge it as if it came now; what is accepted is kept and its subject marked.
        tried = _tried(transaction, intake, found, wanted.outcome)
        # 3. Keep what came out of quarantine to be rejected, and every finding that is new.
        _keep_rejected(transaction, tried, wanted.outcome, now)
        # 4. Record who had it done, and what became of each.
        redriving.append_redrive(transaction, wanted, redrive_id=redrive_id, operator=operator, reason=reason, at=now)
        redriving.append_redriven(transaction, [_row(redrive_id, one, wanted.outcome, now) for one in tried])
        # 5. Tell the providers what is news to them. (crash before the commit: nothing has happened; after: the outbox tells)
        news = [one for one in tried if one.is_news(wanted.outcome)]
        outbox.add_all(transaction, [*_receipts(redrive_id, news, now), *_findings(redrive_id, news, now)])
    return tried


def _tried(transaction: Transaction, intake: Intake, found: Sequence[SetAside], before: Outcome) -> list[Tried]:
    able = [one for one in found if _why_not(one) is None]
    judged = dict(zip((one.place for one in able), intake.take_in_again(transaction, [_record(one) for one in able]), strict=True))
    tried = []
    for one in found:
        again = judged.get(one.place)
        if again is None:
            tried.append(Tried(kept=one, outcome=before, detail=_why_not(one) or ""))
        else:
            detail = again.unreadable or ", ".join(finding.rule_id for finding in again.findings)
            tried.append(Tried(kept=one, outcome=again.outcome, again=again, detail=detail))
    return tried


def _why_not(one: SetAside) -> str | None:
    if one.value_length > len(one.value):
        return f"only the first {len(one.value)} of its {one.value_length} bytes are kept: the provider has to send it again"
    if one.envelope is None:
        return "it came before keys were kept beside bytes: the provider has to send it again"
    return None


def _record(one: SetAside) -> tuple[Record, datetime]:
    """Make the record as it came, and say when it came first."""
    assert one.envelope is not None
    headers = {"content-type": _JSON} if one.envelope.is_json else {}
    if one.envelope.jws is not None:
        headers[HEADER] = one.envelope.jws
    record = Record(
        topic=one.place.topic,
        topic_id=one.place.topic_id,
        partition=one.place.partition,
        offset=one.place.offset,
        key=one.envelope.record_key,
        value=one.value,
        headers=headers,
        timestamp=one.received_at,
    )
    return record, one.received_at


def _keep_rejected(transaction: Transaction, tried: Sequence[Tried], before: Outcome, now: datetime) -> None:
    rejected = [one.again for one in tried if one.again is not None and one.outcome is Outcome.REJECTED]
    if before is Outcome.QUARANTINED:
        store.append_rejected(transaction, [again.rejected_row(now) for again in rejected])
    new = {one.again.place: one.kept.rule_ids for one in tried if one.again is not None}
    store.append_record_findings(
        transaction, [row for again in rejected for row in again.finding_rows(now) if row[4] not in new[again.place]]
    )


def _row(redrive_id: UUID, one: Tried, before: Outcome, now: datetime) -> tuple[object, ...]:
    place = one.kept.place
    submission_id = one.again.submission_id if one.again is not None and one.outcome in _TAKEN else None
    identity = (redrive_id, place.topic_id, place.partition, place.offset, place.topic, one.kept.provider_code)
    return (*identity, before.value, one.outcome.value, submission_id, one.detail, now)


def _receipts(redrive_id: UUID, news: Sequence[Tried], now: datetime) -> list[OutgoingEvent]:
    """Make one receipt for each partition; it lists the offsets that were judged again, and no others."""
    made = []
    for _, group in groupby(news, key=lambda one: (one.kept.place.topic_id, one.kept.place.partition)):
        judged = [one.again for one in group if one.again is not None]
        made.append(
            events.receipt(
                first=judged[0].place,
                provider_code=judged[0].provider_code,
                known_at=now,
                merkle_root=merkle.tree_hash([again.sha256 for again in judged]),
                outcomes=[(again.place.offset, again.record_number, again.record_revision, again.outcome) for again in judged],
                redrive_id=redrive_id,
            )
        )
    return made


def _findings(redrive_id: UUID, news: Sequence[Tried], now: datetime) -> list[OutgoingEvent]:
    return [
        events.finding(
            finding_id=again.finding_id(finding),
            told=str(redrive_id),
            rule_id=finding.rule_id,
            severity=finding.severity,
            message=finding.message,
            record=events.RecordName(
                provider_code=again.provider_code,
                kind=again.kind,
                record_number=again.record_number,
                record_revision=again.record_revision,
            ),
            place=again.place,
            known_at=now,
        )
        for again in (one.again for one in news)
        if again is not None
        for finding in again.findings[:FINDINGS_TOLD_MAX]
    ]
