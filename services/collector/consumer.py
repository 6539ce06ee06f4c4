"""Takes in what providers publish: keeps the exact bytes, checks the form, answers with receipts and findings, marks subjects dirty.

One batch is one transaction, the consumer loop's, in which the positions advance too. Nothing is posted here: what a submission
means for an account is decided when its subject is rebuilt, so that the order of arrival does not matter.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.collector import events, metrics, new_records, signatures
from services.collector.arrival import Arrival
from services.collector.domain import claims, merkle, provider, subject_code
from services.collector.domain.contents.registry import RegistryEntry, StructuralChange
from services.collector.domain.finding import RecordFinding
from services.collector.domain.kinds import Domain, Kind
from services.collector.domain.provider import Provider
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.submission import BusinessKey, Outcome, shown
from services.collector.new_records import ReadRecord
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
_REGISTER_KINDS = (Kind.REGISTRY_ENTRY, Kind.STRUCTURAL_CHANGE)
_STATUTORY_ZONE = ZoneInfo("Asia/Shanghai")
_ACCEPTED = (Outcome.ACCEPTED, Outcome.PARKED)


class TakenAgain:
    """What became of a record that was judged again."""

    def __init__(self, arrival: Arrival) -> None:
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

    def handle(self, transaction: Transaction, records: Sequence[ReadRecord]) -> None:
        """Take in one batch, as `new_records.read` reads it: all of it with the commit, before which nothing has happened."""
        started = time.monotonic()
        now = transaction.now()
        # 1. Leave out what was taken in before, check the form of every other record, by the directory as it stands.
        new = new_records.stretches(transaction, records)
        known = _publishers(transaction, {stretch[0].record.topic for stretch in new})
        stretches = [_examined_all(stretch, known, now) for stretch in new]
        arrivals = [arrival for stretch in stretches for arrival in stretch]
        # 2. Keep what is new; the database decides what is held already, under the same bytes or under others.
        accepted = self._keep(transaction, [one for one in arrivals if one.outcome is None], now)
        # 3. Keep everything else with its reason, so that each record can be ticked off.
        _set_aside(transaction, arrivals, now)
        # 4. Answer: one receipt for each partition, one notice for each finding, unreadable bytes to quarantine.
        outbox.add_all(transaction, [*_receipts(transaction, stretches, now), *_told(arrivals, now)])
        # 5. Have the accounts concerned rebuilt. Last, because the marks stay locked until the commit.
        work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=_marks(transaction, accepted, now))
        _count(stretches)
        metrics.INTAKE_DURATION.record(time.monotonic() - started)

    def take_in_again(self, transaction: Transaction, records: Sequence[tuple[Record, datetime]]) -> list[TakenAgain]:
        """Judge records that were set aside, each with the instant it came first; keep and mark what is accepted now.

        They have their receipts, so nothing is written about the others and nobody is told: that is for who asked.
        """
        now = transaction.now()
        known = _publishers(transaction, {record.topic for record, _ in records})
        arrivals = [one for record, received_at in records for one in _examined_all([new_records.read(record)], known, now, received_at)]
        accepted = self._keep(transaction, [one for one in arrivals if one.outcome is None], now)
        work_queue.mark_all(transaction, queue=DIRTY_SUBJECTS, marks=_marks(transaction, accepted, now))
        return [TakenAgain(arrival) for arrival in arrivals]

    def _keep(self, transaction: Transaction, candidates: Sequence[Arrival], now: datetime) -> list[Arrival]:
        """Keep candidates as submissions, each business key once, and return those accepted."""
        _lock_facilities(transaction, candidates)
        codes = _codes(candidates)
        subjects = store.subject_ids(transaction, codes)
        new_codes = {code: self._new_subject_id(code) for code in codes if code not in subjects}
        subjects.update(new_codes)
        first, parked = _first_of_each_key(transaction, candidates, subjects)
        rows = [_row(arrival, submission_id in parked, now) for submission_id, arrival in first.items()]
        held = store.held(transaction, store.append_submissions(transaction, rows))
        accepted = []
        for arrival in candidates:
            assert arrival.submission_id is not None
            if arrival.submission_id not in held and first[arrival.submission_id] is arrival:
                arrival.outcome = Outcome.PARKED if arrival.submission_id in parked else Outcome.ACCEPTED
                accepted.append(arrival)
                continue
            _, held_sha256 = held.get(arrival.submission_id) or (None, first[arrival.submission_id].sha256)
            arrival.findings = catalogue.held_findings(arrived_sha256=arrival.sha256, held_sha256=held_sha256)
            arrival.outcome = Outcome.REJECTED if arrival.findings else Outcome.DUPLICATE
        born = _codes(accepted) & new_codes.keys()
        today = now.astimezone(_STATUTORY_ZONE).date()
        store.add_subjects(transaction, {code: new_codes[code] for code in born}, province=self._province, at=now, valid_from=today)
        store.append_claims(transaction, [claim for arrival in accepted if _is_of_the_register(arrival) for claim in self._claims(arrival)])
        return accepted

    def _claims(self, arrival: Arrival) -> list[tuple[str, UUID, UUID]]:
        """List which facilities a record of the register names, for whom; an empty number stands for all that a merged subject had."""
        content, submission_id, subject_id = arrival.sound().content, arrival.submission_id, arrival.subject_id
        assert submission_id is not None
        assert subject_id is not None
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


# ---- Step 1: check ----


def _publishers(transaction: Transaction, topics: Iterable[str]) -> dict[str, Provider]:
    """Read the directory's entries of those who publish on these topics, by code."""
    return directory.named(transaction, {provider.domain_and_code(topic)[1] for topic in topics})


def _examined_all(
    records: Sequence[ReadRecord], known: Mapping[str, Provider], now: datetime, received_at: datetime | None = None
) -> list[Arrival]:
    """Check records of one topic, which are all of one provider, by the rules of now; signatures by when the records came first."""
    domain, code = provider.domain_and_code(records[0].record.topic)
    publisher = (known.get(code) or provider.stranger(code)).as_published(domain)
    return [_examined(Arrival(*read, publisher), domain, now, received_at or now) for read in records]


def _examined(arrival: Arrival, domain: Domain, now: datetime, received_at: datetime) -> Arrival:
    if arrival.received is None:
        arrival.outcome = Outcome.QUARANTINED
        return arrival
    record = arrival.record
    signature = signatures.examined(record.headers, record.value, provider=arrival.provider, received_at=received_at)
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


def _codes(arrivals: Iterable[Arrival]) -> set[str]:
    """List whose accounts records may concern by themselves: their subjects', and those of the successors that they name."""
    codes = set()
    for arrival in arrivals:
        received = arrival.sound()
        codes.add(received.subject_code)
        if isinstance(received.content, StructuralChange):
            codes |= claims.successor_codes(received.content)
    return codes


def _is_of_the_register(arrival: Arrival) -> bool:
    return arrival.sound().kind in _REGISTER_KINDS


def _key(arrival: Arrival, subject_id: UUID) -> BusinessKey:
    received = arrival.sound()
    assert received.kind is not None
    return BusinessKey(
        provider_code=arrival.provider.code,
        kind=received.kind,
        record_number=received.record_number,
        record_revision=received.record_revision,
        subject_id=subject_id,
    )


def _lock_facilities(transaction: Transaction, arrivals: Sequence[Arrival]) -> None:
    if arrivals:
        store.lock_facilities(transaction, exclusive=any(_is_of_the_register(arrival) for arrival in arrivals))


def _first_of_each_key(
    transaction: Transaction, candidates: Sequence[Arrival], subjects: Mapping[str, UUID]
) -> tuple[dict[UUID, Arrival], set[UUID]]:
    """Take the first arrival under each business key, and name those that are corrections before a revision they follow.

    Nothing is rejected for what it corrects: that would depend on what came first. That one is parked only says what the receipt
    says, and whom to rebuild when what it waits for comes: what counts is found anew from all submissions of the account.
    """
    first: dict[UUID, Arrival] = {}
    ids_before: dict[UUID, list[UUID]] = {}
    for arrival in candidates:
        received = arrival.sound()
        arrival.subject_id = subjects[received.subject_code]
        key = _key(arrival, arrival.subject_id)
        arrival.submission_id = key.submission_id()
        if first.setdefault(arrival.submission_id, arrival) is arrival and received.record_revision > 1:
            ids_before[arrival.submission_id] = key.ids_before()
    held = store.held(transaction, {one for ids in ids_before.values() for one in ids})
    # Those before it in this batch count as well; what is held already stands for its key.
    subject_of = {submission_id: subject_id for submission_id, (subject_id, _) in held.items()}
    parked = set()
    for submission_id, arrival in first.items() if ids_before else ():
        if any(subject_of.get(one) != arrival.subject_id for one in ids_before.get(submission_id, ())):
            parked.add(submission_id)
        assert arrival.subject_id is not None
        subject_of.setdefault(submission_id, arrival.subject_id)
    return first, parked


def _row(arrival: Arrival, parked: bool, now: datetime) -> NewSubmission:
    received, record = arrival.sound(), arrival.record
    assert received.kind is not None
    assert arrival.submission_id is not None
    assert arrival.subject_id is not None
    # By place and not by name: this is done for every record.
    return NewSubmission(
        arrival.submission_id,
        arrival.subject_id,
        received.subject_code,
        arrival.provider.code,
        received.kind,
        received.record_number,
        received.record_revision,
        received.facility_number,
        arrival.value,
        arrival.sha256,
        arrival.is_json,
        record.topic,
        record.topic_id,
        record.partition,
        record.offset,
        now,
        Outcome.PARKED if parked else Outcome.ACCEPTED,
    )


# ---- Step 3: keep the others ----


def _set_aside(transaction: Transaction, arrivals: Sequence[Arrival], now: datetime) -> None:
    by_outcome = defaultdict(list)
    for arrival in arrivals:
        if arrival.outcome not in _ACCEPTED:
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
    kept = [(one.place, one.envelope) for one in arrivals if one.is_signed() or one.outcome in aside]
    store.append_envelopes(transaction, kept)
    rejected = by_outcome[Outcome.REJECTED]
    store.append_rejected(transaction, [_rejected_row(one, now) for one in rejected])
    store.append_record_findings(transaction, [row for one in rejected for row in _finding_rows(one, now)])


def _position(arrival: Arrival) -> tuple[UUID, int, int, str, str]:
    record = arrival.record
    return (record.topic_id, record.partition, record.offset, record.topic, arrival.provider.code)


def _rejected_row(arrival: Arrival, now: datetime) -> tuple[object, ...]:
    return (
        *_position(arrival),
        shown(arrival.sound().subject_code),
        arrival.sound().kind or "",
        arrival.record_number(),
        arrival.record_revision(),
        arrival.value,
        arrival.sha256,
        arrival.is_json,
        now,
    )


def _finding_rows(arrival: Arrival, now: datetime) -> list[tuple[object, ...]]:
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


def _finding_id(arrival: Arrival, finding: RecordFinding) -> UUID:
    record = arrival.record
    return derived_id(
        "record-finding", topic_id=record.topic_id, partition=record.partition, record_offset=record.offset, rule_id=finding.rule_id
    )


# ---- Step 4: answer ----


def _receipts(transaction: Transaction, stretches: Iterable[Sequence[Arrival]], now: datetime) -> list[OutgoingEvent]:
    """Make one receipt for each stretch of a partition; arrivals stand in the order of their offsets."""
    made = []
    rows = []
    for group in stretches:
        first, last_offset = group[0].place, group[-1].record.offset
        root = merkle.tree_hash([arrival.sha256 for arrival in group])
        outcomes = [(one.record.offset, one.record_number(), one.record_revision(), _outcome(one)) for one in group]
        event = events.receipt(first=first, provider_code=group[0].provider.code, known_at=now, merkle_root=root, outcomes=outcomes)
        counts = _counts(group)
        made.append(event)
        rows.append(
            (
                event.event_id,
                group[0].provider.code,
                first.topic,
                first.topic_id,
                first.partition,
                first.offset,
                last_offset,
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


def _told(arrivals: Iterable[Arrival], now: datetime) -> list[OutgoingEvent]:
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
                        kind=arrival.sound().kind or "",
                        record_number=arrival.record_number(),
                        record_revision=arrival.record_revision(),
                    ),
                    place=arrival.place,
                    known_at=now,
                )
            )
    return told


def _counts(group: Iterable[Arrival]) -> dict[Outcome, int]:
    settled = [_outcome(arrival) for arrival in group]
    return {outcome: settled.count(outcome) for outcome in Outcome}


def _outcome(arrival: Arrival) -> Outcome:
    assert arrival.outcome is not None, "every record has an outcome"
    return arrival.outcome


# ---- Step 5: mark ----


def _marks(transaction: Transaction, accepted: Sequence[Arrival], now: datetime) -> list[Mark]:
    """Mark the subjects of accepted submissions, and everyone else whom they concern.

    Those are whose facilities a new record of the register may give to another, who took a facility over whose figures still come under
    the code of this one, and who holds a correction that waited for what has come now and turns out to be about another subject.
    """
    priorities: dict[UUID, int] = {}
    entering = set()
    for arrival in accepted:
        assert arrival.subject_id is not None
        priority = _priority(arrival, now)
        priorities[arrival.subject_id] = min(priority, priorities.get(arrival.subject_id, priority))
        if _is_of_the_register(arrival):
            entering.add(arrival.subject_id)
    concerned = store.concerned_by_claims(transaction, entering)
    concerned |= store.concerned_by_figures(transaction) | store.waiting_elsewhere(transaction)
    for subject_id in concerned - priorities.keys():
        priorities[subject_id] = PRIORITY_LIVE
    return [Mark(key=str(subject_id), priority=priority, delay_ms=COALESCE_MS) for subject_id, priority in priorities.items()]


def _priority(arrival: Arrival, now: datetime) -> int:
    received = arrival.sound()
    if received.record_revision > 1:
        return PRIORITY_CORRECTION
    if received.compiled_at is not None and now - received.compiled_at > BACKFILL_AGE:
        return PRIORITY_BACKFILL
    return PRIORITY_LIVE


def _count(stretches: Iterable[Sequence[Arrival]]) -> None:
    for group in stretches:
        for outcome, number in _counts(group).items():
            if number:
                metrics.RECORDS.add(number, {"provider": group[0].provider.code, "outcome": outcome.value})
