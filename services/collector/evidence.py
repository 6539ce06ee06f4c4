"""Traces a figure to the submissions behind it and shows whether any stored byte was altered since it was taken in. Reads only.

Believes the receipts, of which every provider has its own copy: hashes, tree roots, ids and the columns beside the bytes are all made
again from the stored bytes and held against them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2

from services.collector import wire
from services.collector.domain import merkle
from services.collector.domain.kinds import Kind
from services.collector.domain.submission import BusinessKey
from services.collector.store import evidence as store
from services.collector.store import records
from services.collector.store.evidence import HeldReceipt, HeldRecord, HeldRevision, Leaf, TracedPosting
from services.common.database import Database, Transaction
from services.common.errors import ErrorKind, Refused

_PAGE = 200
# The statement says so itself when it leaves lines out; then its lines are not all of the account.
_LIMITED_RULE = "STATEMENT_LIMITED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The way from a record to the root in its receipt (RFC 6962 section 2.1.1): whoever has the receipt can go it again."""

    receipt: HeldReceipt
    index: int
    size: int
    path: Sequence[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedRecord:
    """A submission behind a figure. `altered` says what does not agree; empty is proof that nothing was changed."""

    submission_id: UUID
    record: HeldRecord | None
    proof: Proof | None
    altered: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A posting and all submissions behind it."""

    posting: TracedPosting
    records: Sequence[TracedRecord]

    def is_altered(self) -> bool:
        return any(record.altered for record in self.records)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of an account, named by its period, scope and carrier."""

    start: date
    end: date
    scope: int
    energy_carrier: str


# ---- Tracing ----


def trace(database: Database, *, code: str, posting_id: UUID | None, line: Line | None) -> list[Trace]:
    """Trace one posting, or the postings of one line of the account as it stands.

    Raises:
        Refused: `SUBJECT_NOT_FOUND`; `POSTING_NOT_FOUND` when the account has no such posting or line.
    """
    with database.transaction("evidence.trace") as transaction:
        subject_id = records.subject_ids(transaction, [code]).get(code)
        if subject_id is None:
            raise Refused(ErrorKind.NOT_FOUND, "SUBJECT_NOT_FOUND", "no subject has this code")
        found = _postings(transaction, subject_id, posting_id, line)
        if not found:
            raise Refused(ErrorKind.NOT_FOUND, "POSTING_NOT_FOUND", "the account of this subject has no such posting or line")
        return [Trace(posting=one, records=_traced(transaction, one.evidence)) for one in found]


def _postings(transaction: Transaction, subject_id: UUID, posting_id: UUID | None, line: Line | None) -> list[TracedPosting]:
    if posting_id is not None:
        one = store.posting(transaction, posting_id)
        return [one] if one is not None and one.subject_id == subject_id else []
    assert line is not None
    return store.net_postings_of_line(
        transaction, subject_id, start=line.start, end=line.end, scope=line.scope, energy_carrier=line.energy_carrier
    )


def _traced(transaction: Transaction, submission_ids: Sequence[UUID]) -> list[TracedRecord]:
    held = store.held_records(transaction, submission_ids)
    return [_traced_record(transaction, submission_id, held.get(submission_id)) for submission_id in submission_ids]


def _traced_record(transaction: Transaction, submission_id: UUID, record: HeldRecord | None) -> TracedRecord:
    if record is None:
        return TracedRecord(submission_id=submission_id, record=None, proof=None, altered=["the submission is not there any more"])
    altered = list(_against_bytes(record))
    receipt = store.receipt_of(transaction, record.place)
    if receipt is None:
        altered.append("no receipt speaks of its place")
        return TracedRecord(submission_id=submission_id, record=record, proof=None, altered=altered)
    leaves = store.leaves(transaction, receipt)
    index = next((place for place, leaf in enumerate(leaves) if leaf.offset == record.place.offset), None)
    if index is None:
        altered.append("it does not stand among the records of its receipt")
        return TracedRecord(submission_id=submission_id, record=record, proof=None, altered=altered)
    # Its own leaf is made from its bytes; its neighbours' from their kept hashes, so that one altered record does not hide the others.
    path = merkle.inclusion_path([leaf.value_sha256 for leaf in leaves], index)
    proof = Proof(receipt=receipt, index=index, size=len(leaves), path=path)
    if merkle.root_by_path(sha256(record.value).digest(), index=index, size=len(leaves), path=path) != receipt.merkle_root:
        altered.append("its bytes do not lead to the root in the receipt")
    return TracedRecord(submission_id=submission_id, record=record, proof=proof, altered=altered)


def _against_bytes(record: HeldRecord) -> Iterator[str]:
    """Hold the columns of a submission against its bytes."""
    if sha256(record.value).digest() != record.value_sha256:
        yield "its bytes do not have the hash they were kept with"
    try:
        written = wire.accepted(record.value, is_json=record.is_json)
    except Exception:
        # Whatever it is that cannot be read any more was read when it was taken in.
        yield "its bytes cannot be read any more"
        return
    kind = written.kind.value if written.kind is not None else ""
    said = (written.subject_code, kind, written.record_number, written.record_revision, written.facility_number)
    if said != (record.subject_code, record.kind, record.record_number, record.record_revision, record.facility_number):
        yield "its columns say something else than its bytes"
        return
    key = BusinessKey(
        provider_code=record.provider_code,
        kind=Kind(record.kind),
        record_number=record.record_number,
        record_revision=record.record_revision,
        subject_id=record.subject_id,
    )
    if key.submission_id() != record.submission_id:
        yield "its id does not follow from its business key"
    if not record.subject_had_code:
        yield "its subject never had its code"


# ---- Checking everything ----


@dataclass(kw_only=True)
class Checked:
    """What a run of fsck has looked at, and what it found."""

    receipts: int = 0
    records: int = 0
    submissions: int = 0
    revisions: int = 0
    faults: list[str] = field(default_factory=list)


def check(database: Database) -> Checked:
    """Derive again what was stored of every record and every sealed revision, and list what does not agree."""
    checked = Checked()
    with database.transaction("evidence.receipts") as transaction:
        receipts = list(store.all_receipts(transaction))
    for place in range(0, len(receipts), _PAGE):
        with database.transaction("evidence.batches") as transaction:
            for receipt in receipts[place : place + _PAGE]:
                _check_receipt(checked, receipt, store.leaves(transaction, receipt))
    _check_submissions(database, checked)
    _check_revisions(database, checked)
    return checked


def _check_receipt(checked: Checked, receipt: HeldReceipt, leaves: Sequence[Leaf]) -> None:
    name = f"{receipt.topic} partition {receipt.partition} offsets {receipt.first_offset} to {receipt.last_offset}"
    checked.receipts += 1
    checked.records += len(leaves)
    for leaf in leaves:
        if leaf.value is not None and sha256(leaf.value).digest() != leaf.value_sha256:
            checked.faults.append(f"{name}: the bytes of offset {leaf.offset} do not have the hash they were kept with")
    if len(leaves) != receipt.records:
        checked.faults.append(f"{name}: {len(leaves)} records are kept where the receipt speaks of {receipt.records}")
    if merkle.tree_hash([leaf.value_sha256 for leaf in leaves]) != receipt.merkle_root:
        checked.faults.append(f"{name}: the kept hashes do not make the root in the receipt")


def _check_submissions(database: Database, checked: Checked) -> None:
    after = UUID(int=0)
    while True:
        with database.transaction("evidence.submissions") as transaction:
            page = store.pages_of_records(transaction, after, _PAGE)
            for record in page:
                checked.submissions += 1
                faults = list(_against_bytes(record))
                receipt = store.receipt_of(transaction, record.place)
                # What was judged again was taken in later than its receipt, in which it stands as what it was then.
                if receipt is None or (receipt.made_at != record.received_at and not record.redriven):
                    faults.append("no receipt of its instant speaks of its place")
                checked.faults += [f"submission {record.submission_id}: {fault}" for fault in faults]
        if len(page) < _PAGE:
            return
        after = page[-1].submission_id


def _check_revisions(database: Database, checked: Checked) -> None:
    after = (UUID(int=0), 0)
    while True:
        with database.transaction("evidence.revisions") as transaction:
            page = store.pages_of_revisions(transaction, after, _PAGE)
            for revision in page:
                expected = after[1] + 1 if revision.subject_id == after[0] else 1
                amounts = store.net_amounts(transaction, revision.subject_id) if revision.newest else None
                faults = _faults_of_revision(revision, expected, amounts)
                name = f"account {revision.subject_id} revision {revision.account_revision}"
                checked.faults += [f"{name}: {fault}" for fault in faults]
                checked.revisions += 1
                after = (revision.subject_id, revision.account_revision)
        if len(page) < _PAGE:
            return


def _faults_of_revision(
    revision: HeldRevision, expected: int, amounts: Mapping[tuple[UUID, date, date, int, str, str], Decimal] | None
) -> Iterator[str]:
    if revision.account_revision != expected:
        yield "the revision before it is missing"
    if sha256(revision.statement).digest() != revision.statement_sha256:
        yield "the statement does not have the hash it was sealed with"
        return
    statement = account_pb2.AccountStatement.FromString(revision.statement)
    if (statement.evidence_root, statement.evidence_count) != (revision.evidence_root, revision.evidence_count):
        yield "the evidence beside the statement is not the one in it"
    if amounts is not None and not any(finding.rule_id == _LIMITED_RULE for finding in statement.findings):
        stated: dict[tuple[UUID, date, date, int, str, str], Decimal] = {}
        for line in (*statement.lines, *statement.beside_lines):
            start, end = date.fromisoformat(line.period.start_date), date.fromisoformat(line.period.end_date)
            treatment = account_pb2.Treatment.Name(line.treatment).removeprefix("TREATMENT_")
            key = (UUID(line.facility_id), start, end, int(line.scope), line.energy_carrier, treatment)
            stated[key] = stated.get(key, Decimal(0)) + Decimal(line.amount_tco2e)
        if {key: amount for key, amount in stated.items() if amount} != dict(amounts):
            yield "the lines of the statement are not what postings and reversals add up to"
