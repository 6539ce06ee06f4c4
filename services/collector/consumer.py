"""Takes in what providers publish: keeps the exact bytes, checks the form, answers with receipts and findings, marks subjects dirty.

One batch is one transaction, the consumer loop's, in which the positions advance too. Nothing is posted here: what a submission
means for an account is decided when its subject is rebuilt, so that the order of arrival does not matter.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from services.collector import events, metrics, new_records, signatures, wire
from services.collector.domain import claims, merkle, provider, subject_code
from services.collector.domain.contents.registry import RegistryEntry, StructuralChange
from services.collector.domain.envelope import Envelope
from services.collector.domain.finding import RecordFinding
from services.collector.domain.kinds import Kind
from services.collector.domain.place import Place
from services.collector.domain.provider import Provider
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.submission import BusinessKey, Outcome, Received, shown
from services.collector.store import directory
from services.collector.store import records as store
from services.collector.store.records import NewSubmission
from services.common import outbox, work_queue
from services.common.consumer import Record
from services.common.database import Transaction
from services.common.identifiers import derived_id
from services.common.outbox import OutgoingEvent
from services.common.work_queue import Mark

DIRTY_SUBJECTS = "dirty-subject"
# Lower is more urgent; the numbers between are for objections and re-computation waves.
PRIORITY_CORRECTION = 10
PRIORITY_LIVE = 20
PRIORITY_BACKFILL = 40
# Submissions about one subject come in bursts; waiting this long makes one rebuild of several.
COALESCE_MS = 100
# What was compiled longer ago is history being loaded, and lets live records pass.
BACKFILL_AGE = timedelta(days=7)
# A record that breaks more rules than this was not written by a working program; all of them are kept, the first are told.
FINDINGS_TOLD_MAX = 8
# What the register says decides whose a facility is.
_REGISTER_KINDS = frozenset({Kind.REGISTRY_ENTRY, Kind.STRUCTURAL_CHANGE})
_STATUTORY_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(kw_only=True, slots=True)
class _Arrival:
    """One record on its way through a batch; the outcome is decided step by step."""

    place: Place
    provider: Provider
    value: bytes
    sha256: bytes
    is_json: bool
    envelope: Envelope
    received: Received | None = None
    unreadable: str = ""
    findings: list[RecordFinding] = field(default_factory=list)
    outcome: Outcome | None = None
    submission_id: UUID | None = None

    def record_number(self) -> str:
        return shown(self.received.record_number) if self.received is not None else ""

    def record_revision(self) -> int:
        return self.received.record_revision if self.received is not None else 0


class TakenAgain:
    """What became of a record that was judged again."""

    def __init__(self, arrival: _Arrival) -> None:
        self._arrival = arrival
        self.place = arrival.place
        self.provider_code = arrival.provider.code
        self.sha256 = arrival.sha256
        self.unreadable = arrival.unreadable
        self.findings = tuple(arrival.findings)
        self.outcome = _outcome(arrival)
        self.submission_id = arrival.submission_id
        self.kind = (arrival.received.kind or "") if arrival.received is not None else ""
        self.record_number = arrival.record_number()
        self.record_revision = arrival.record_revision()

    def finding_id(self, finding: RecordFinding) -> UUID:
        return _finding_id(self._arrival, finding)

    def rejected_row(self, now: datetime) -> tuple[object, ...]:
        return _rejected_row(self._arrival, now)

    def finding_rows(self, now: datetime) -> list[tuple[object, ...]]:
        return _finding_rows(self._arrival, now)


class Intake:
    """Handles batches of intake records for one province."""

    def __init__(self, *, province: str) -> None:
        self._province = province

    def handle(self, transaction: Transaction, records: Sequence[Record]) -> None:
        """Take in one batch. Until the commit nothing has happened; after it the outbox tells and the worker rebuilds."""
        started = time.monotonic()
        now = transaction.now()
        # 1. Leave out what was taken in before, read and check the form of every other record, by the directory as it stands.
        known = directory.everyone(transaction)
        stretches = [[_examined(record, known, now) for record in stretch] for stretch in new_records.stretches(transaction, records)]
        arrivals = [arrival for stretch in stretches for arrival in stretch]
        # 2. Keep what is new; the database decides what is held already, under the same bytes or under others.
        accepted = self._keep(transaction, [one for one in arrivals if one.outcome is None], now)
        # 3. Keep everything else with its reason, so that each record can be ticked off.
        _set_aside(transaction, arrivals, now)
        # 4. Answer: one receipt for each partition, one notice for each finding, unreadable bytes to quarantine.
        outbox.add_all(transaction, [*_receipts(transaction, stretches, now), *_told(arrivals, now)])
        # 5. Have the accounts concerned rebuilt. Last, because the marks stay locked until the commit.
        work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=_marks(transaction, accepted, now))
        _count(arrivals)
        metrics.INTAKE_DURATION.record(time.monotonic() - started)

    def take_in_again(self, transaction: Transaction, records: Sequence[tuple[Record, datetime]]) -> list[TakenAgain]:
        """Judge records that were set aside, each with the instant it came first; keep and mark what is accepted now.

        They have their receipts, so nothing is written about the others and nobody is told: that is for who asked.
        """
        now = transaction.now()
        known = directory.everyone(transaction)
        arrivals = [_examined(record, known, now, received_at) for record, received_at in records]
        accepted = self._keep(transaction, [one for one in arrivals if one.outcome is None], now)
        work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=_marks(transaction, accepted, now))
        return [TakenAgain(arrival) for arrival in arrivals]

    def _keep(self, transaction: Transaction, candidates: Sequence[_Arrival], now: datetime) -> list[tuple[_Arrival, UUID]]:
        """Keep candidates as submissions, each business key once, and return those accepted with their subjects."""
        _lock_facilities(transaction, candidates)
        codes = {code for arrival in candidates for code in _codes(arrival)}
        subjects = store.subject_ids(transaction, codes)
        new_codes = {code: self._new_subject_id(code) for code in codes if code not in subjects}
        subjects.update(new_codes)
        first, parked = _first_of_each_key(transaction, candidates, subjects)
        rows = {
            submission_id: _row(arrival, submission_id, subjects[_received(arrival).subject_code], submission_id in parked, now)
            for submission_id, arrival in first.items()
        }
        inserted = store.append_submissions(transaction, rows.values())
        hashes = {submission_id: held[1] for submission_id, held in store.held(transaction, first.keys() - inserted).items()}
        accepted = []
        for arrival in candidates:
            assert arrival.submission_id is not None
            if arrival.submission_id in inserted and first[arrival.submission_id] is arrival:
                arrival.outcome = rows[arrival.submission_id].outcome
                accepted.append((arrival, rows[arrival.submission_id].subject_id))
                continue
            held_sha256 = hashes.get(arrival.submission_id) or first[arrival.submission_id].sha256
            arrival.findings = catalogue.held_findings(arrived_sha256=arrival.sha256, held_sha256=held_sha256)
            arrival.outcome = Outcome.REJECTED if arrival.findings else Outcome.DUPLICATE
        born = {code for arrival, _ in accepted for code in _codes(arrival)} & new_codes.keys()
        today = now.astimezone(_STATUTORY_ZONE).date()
        store.add_subjects(transaction, {code: new_codes[code] for code in born}, province=self._province, at=now, valid_from=today)
        store.append_claims(transaction, [claim for arrival, subject_id in accepted for claim in self._claims(arrival, subject_id)])
        return accepted

    def _claims(self, arrival: _Arrival, subject_id: UUID) -> list[tuple[str, UUID, UUID]]:
        """List which facilities a record of the register names, for whom; an empty number stands for all that a merged subject had."""
        content, submission_id = _received(arrival).content, arrival.submission_id
        assert submission_id is not None
        match content:
            case RegistryEntry(facilities=facilities):
                return [(facility.facility_number, subject_id, submission_id) for facility in facilities]
            case StructuralChange(facilities=given, successor_code=successor_code):
                named = [(one.facility_number, one.successor_code) for one in given] + ([("", successor_code)] if successor_code else [])
                return [
                    (number, concerned, submission_id) for number, code in named for concerned in (subject_id, self._new_subject_id(code))
                ]
            case _:
                return []

    def _new_subject_id(self, code: str) -> UUID:
        return subject_code.subject_id(bureau=self._province, first_code=code)


# ---- Step 1: read and check ----


def _examined(record: Record, known: Mapping[str, Provider], now: datetime, received_at: datetime | None = None) -> _Arrival:
    """Read a record and check its form by the rules of now; a signature is judged by when the record came first."""
    domain, code = provider.domain_and_code(record.topic)
    publisher = known.get(code) or provider.stranger(code)
    arrival = _Arrival(
        place=Place(topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset),
        provider=publisher.as_published(domain),
        value=record.value or b"",
        sha256=sha256(record.value or b"").digest(),
        is_json=wire.is_json(record.headers),
        envelope=Envelope(record_key=record.key, is_json=wire.is_json(record.headers), jws=record.headers.get(signatures.HEADER)),
    )
    try:
        arrival.received = wire.submission(record.value, is_json=arrival.is_json)
    except wire.UnreadableError as unreadable:
        arrival.unreadable = unreadable.reason
        arrival.outcome = Outcome.QUARANTINED
        return arrival
    signature = signatures.examined(record.headers, record.value, provider=arrival.provider, received_at=received_at or now)
    context = FormContext(
        provider=arrival.provider, topic_domain=domain, record_key=_text_key(record.key), received_at=now, signature=signature
    )
    arrival.findings = catalogue.form_findings(arrival.received, context)
    # Pair assertion: whatever could not be read has a rule that says so, so a stand-in value never enters an account.
    assert arrival.findings or not arrival.received.defects, arrival.received.defects
    if arrival.findings:
        arrival.outcome = Outcome.REJECTED
    return arrival


def _text_key(key: bytes | None) -> str | None:
    try:
        return key.decode("ascii") if key is not None else None
    except UnicodeDecodeError:
        return None


# ---- Step 2: keep ----


def _received(arrival: _Arrival) -> Received:
    assert arrival.received is not None
    return arrival.received


def _codes(arrival: _Arrival) -> set[str]:
    """List whose accounts a record may concern by itself: its subject's, and those of the successors that it names."""
    content = _received(arrival).content
    successors = claims.successor_codes(content) if isinstance(content, StructuralChange) else set()
    return {_received(arrival).subject_code, *successors}


def _key(arrival: _Arrival, subject_id: UUID) -> BusinessKey:
    received = _received(arrival)
    assert received.kind is not None
    return BusinessKey(
        provider_code=arrival.provider.code,
        kind=received.kind,
        record_number=received.record_number,
        record_revision=received.record_revision,
        subject_id=subject_id,
    )


def _lock_facilities(transaction: Transaction, arrivals: Iterable[_Arrival]) -> None:
    received = [_received(arrival) for arrival in arrivals]
    if received:
        store.lock_facilities(transaction, exclusive=any(one.kind in _REGISTER_KINDS for one in received))


def _first_of_each_key(
    transaction: Transaction, candidates: Sequence[_Arrival], subjects: Mapping[str, UUID]
) -> tuple[dict[UUID, _Arrival], set[UUID]]:
    """Take the first arrival under each business key, and name those that are corrections before a revision they follow.

    Nothing is rejected for what it corrects: that would depend on what came first. That one is parked only says what the receipt
    says, and whom to rebuild when what it waits for comes: what counts is found anew from all submissions of the account.
    """
    keys = [_key(arrival, subjects[_received(arrival).subject_code]) for arrival in candidates]
    before = {key: key.ids_before() for key in keys}
    held = store.held(transaction, {one for ids in before.values() for one in ids})
    subject_of = {submission_id: subject_id for submission_id, (subject_id, _) in held.items()}
    first: dict[UUID, _Arrival] = {}
    parked = set()
    for arrival, key in zip(candidates, keys, strict=True):
        arrival.submission_id = key.submission_id()
        if arrival.submission_id in first:
            continue
        first[arrival.submission_id] = arrival
        if any(subject_of.get(one) != key.subject_id for one in before[key]):
            parked.add(arrival.submission_id)
        subject_of.setdefault(arrival.submission_id, key.subject_id)
    return first, parked


def _row(arrival: _Arrival, submission_id: UUID, subject_id: UUID, parked: bool, now: datetime) -> NewSubmission:
    received = _received(arrival)
    assert received.kind is not None
    return NewSubmission(
        submission_id=submission_id,
        subject_id=subject_id,
        subject_code=received.subject_code,
        provider_code=arrival.provider.code,
        kind=received.kind,
        record_number=received.record_number,
        record_revision=received.record_revision,
        facility_number=received.facility_number,
        value=arrival.value,
        value_sha256=arrival.sha256,
        is_json=arrival.is_json,
        place=arrival.place,
        received_at=now,
        outcome=Outcome.PARKED if parked else Outcome.ACCEPTED,
    )


# ---- Step 3: keep the others ----


def _set_aside(transaction: Transaction, arrivals: Sequence[_Arrival], now: datetime) -> None:
    by_outcome = defaultdict(list)
    for arrival in arrivals:
        by_outcome[arrival.outcome].append(arrival)
    store.append_duplicates(transaction, [(*_position(one), one.submission_id, now) for one in by_outcome[Outcome.DUPLICATE]])
    store.append_quarantined(
        transaction,
        [
            (*_position(one), one.unreadable, one.value[: events.QUARANTINED_BYTES_MAX], len(one.value), one.sha256, now)
            for one in by_outcome[Outcome.QUARANTINED]
        ],
    )
    aside = (Outcome.REJECTED, Outcome.QUARANTINED)
    kept = [(one.place, one.envelope) for one in arrivals if one.envelope.jws is not None or one.outcome in aside]
    store.append_envelopes(transaction, kept)
    rejected = by_outcome[Outcome.REJECTED]
    store.append_rejected(transaction, [_rejected_row(one, now) for one in rejected])
    store.append_record_findings(transaction, [row for one in rejected for row in _finding_rows(one, now)])


def _position(arrival: _Arrival) -> tuple[UUID, int, int, str, str]:
    place = arrival.place
    return (place.topic_id, place.partition, place.offset, place.topic, arrival.provider.code)


def _rejected_row(arrival: _Arrival, now: datetime) -> tuple[object, ...]:
    return (
        *_position(arrival),
        shown(_received(arrival).subject_code),
        _received(arrival).kind or "",
        arrival.record_number(),
        arrival.record_revision(),
        arrival.value,
        arrival.sha256,
        arrival.is_json,
        now,
    )


def _finding_rows(arrival: _Arrival, now: datetime) -> list[tuple[object, ...]]:
    place = arrival.place
    return [
        (
            _finding_id(arrival, finding),
            place.topic_id,
            place.partition,
            place.offset,
            finding.rule_id,
            finding.severity.name,
            finding.message,
            now,
        )
        for finding in arrival.findings
    ]


def _finding_id(arrival: _Arrival, finding: RecordFinding) -> UUID:
    place = arrival.place
    return derived_id(
        "record-finding", topic_id=place.topic_id, partition=place.partition, record_offset=place.offset, rule_id=finding.rule_id
    )


# ---- Step 4: answer ----


def _receipts(transaction: Transaction, stretches: Iterable[Sequence[_Arrival]], now: datetime) -> list[OutgoingEvent]:
    """Make one receipt for each stretch of a partition; arrivals stand in the order of their offsets."""
    made = []
    rows = []
    for group in stretches:
        first, last = group[0].place, group[-1].place
        root = merkle.tree_hash([arrival.sha256 for arrival in group])
        outcomes = [(one.place.offset, one.record_number(), one.record_revision(), _outcome(one)) for one in group]
        event = events.receipt(first=first, provider_code=group[0].provider.code, known_at=now, merkle_root=root, outcomes=outcomes)
        counts = dict.fromkeys(Outcome, 0)
        for arrival in group:
            counts[_outcome(arrival)] += 1
        made.append(event)
        rows.append(
            (
                event.event_id,
                group[0].provider.code,
                first.topic,
                first.topic_id,
                first.partition,
                first.offset,
                last.offset,
                counts[Outcome.ACCEPTED] + counts[Outcome.PARKED],
                counts[Outcome.PARKED],
                counts[Outcome.DUPLICATE],
                counts[Outcome.REJECTED],
                counts[Outcome.QUARANTINED],
                root,
                now,
            )
        )
    store.append_receipts(transaction, rows)
    return made


def _told(arrivals: Iterable[_Arrival], now: datetime) -> list[OutgoingEvent]:
    told = []
    for arrival in arrivals:
        if arrival.outcome is Outcome.QUARANTINED:
            told.append(
                events.quarantined(
                    place=arrival.place,
                    provider_code=arrival.provider.code,
                    reason=arrival.unreadable,
                    value=arrival.value,
                    value_sha256=arrival.sha256,
                )
            )
        for finding in arrival.findings[:FINDINGS_TOLD_MAX]:
            told.append(
                events.finding(
                    finding_id=_finding_id(arrival, finding),
                    told="",
                    rule_id=finding.rule_id,
                    severity=finding.severity,
                    message=finding.message,
                    record=events.RecordName(
                        provider_code=arrival.provider.code,
                        kind=_received(arrival).kind or "",
                        record_number=arrival.record_number(),
                        record_revision=arrival.record_revision(),
                    ),
                    place=arrival.place,
                    known_at=now,
                )
            )
    return told


def _outcome(arrival: _Arrival) -> Outcome:
    assert arrival.outcome is not None, "every record has an outcome"
    return arrival.outcome


# ---- Step 5: mark ----


def _marks(transaction: Transaction, accepted: Sequence[tuple[_Arrival, UUID]], now: datetime) -> list[Mark]:
    """Mark the subjects of accepted submissions, and everyone else whom they concern.

    Those are whose facilities a new record of the register may give to another, who took a facility over whose figures still come under
    the code of this one, and who holds a correction that waited for what has come now and turns out to be about another subject.
    """
    marks = [Mark(key=str(subject_id), priority=_priority(arrival, now), delay_ms=COALESCE_MS) for arrival, subject_id in accepted]
    entering = {subject_id for arrival, subject_id in accepted if _received(arrival).kind in _REGISTER_KINDS}
    concerned = store.concerned_by_claims(transaction, entering)
    concerned |= store.concerned_by_figures(
        transaction, {(subject_id, _received(arrival).facility_number) for arrival, subject_id in accepted}
    )
    concerned |= store.waiting_elsewhere(transaction, [_key(arrival, subject_id) for arrival, subject_id in accepted])
    concerned -= {subject_id for _, subject_id in accepted}
    return marks + [Mark(key=str(subject_id), priority=PRIORITY_LIVE, delay_ms=COALESCE_MS) for subject_id in concerned]


def _priority(arrival: _Arrival, now: datetime) -> int:
    received = _received(arrival)
    if received.record_revision > 1:
        return PRIORITY_CORRECTION
    if received.compiled_at is not None and now - received.compiled_at > BACKFILL_AGE:
        return PRIORITY_BACKFILL
    return PRIORITY_LIVE


def _count(arrivals: Iterable[_Arrival]) -> None:
    counts: dict[tuple[str, Outcome], int] = defaultdict(int)
    for arrival in arrivals:
        counts[arrival.provider.code, _outcome(arrival)] += 1
    for (code, outcome), number in counts.items():
        metrics.RECORDS.add(number, {"provider": code, "outcome": outcome.value})
