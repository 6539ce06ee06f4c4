"""Derives again everything that was stored about report revisions, and says what does not agree.

Reads only. Believes the signed bytes and the published keys, nothing else: numbers, hashes, links, columns and states are all held
against them. Walks in pages, each a short transaction, so it may run beside the service.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.common.database import Database
from services.reports import store
from services.reports.domain.revision import State
from services.reports.published_keys import PublishedKey
from services.reports.report_schema import instant_of
from services.reports.store import StoredChain, StoredRevision
from services.reports.verify import verify

_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One disagreement: where, and what."""

    subject_id: UUID
    number: int
    what: str


@dataclass(kw_only=True)
class Findings:
    """What a run has looked at, and what it found."""

    subjects: int = 0
    revisions: int = 0
    signatures: int = 0
    faults: list[Fault] = field(default_factory=list)


def check(database: Database, keys: Mapping[str, PublishedKey]) -> Findings:
    """Check every stored revision and every chain."""
    findings = Findings()
    with database.transaction("fsck.count") as transaction:
        chain_count = store.chain_count(transaction)
    chain: list[StoredRevision] = []
    for revision in _all_revisions(database):
        if chain and chain[-1].subject_id != revision.subject_id:
            _check_chain(database, chain, findings)
            chain = []
        findings.revisions += 1
        findings.signatures += revision.state is State.ISSUED
        findings.faults += [
            Fault(subject_id=revision.subject_id, number=revision.number, what=what)
            for what in _faults_of(revision, chain[-1] if chain else None, keys)
        ]
        chain.append(revision)
    if chain:
        _check_chain(database, chain, findings)
    if findings.subjects < chain_count:
        missing = f"{chain_count - findings.subjects} subjects are said to have revisions, but none is stored"
        findings.faults.append(Fault(subject_id=UUID(int=0), number=0, what=missing))
    return findings


def _all_revisions(database: Database) -> Iterator[StoredRevision]:
    subject_id: UUID | None = None
    number = 0
    while True:
        with database.transaction("fsck.page") as transaction:
            page = store.revisions_after(transaction, subject_id=subject_id, number=number, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        subject_id, number = page[-1].subject_id, page[-1].number


def _check_chain(database: Database, chain: list[StoredRevision], findings: Findings) -> None:
    """Hold a whole chain against what the subject's row says of it; revisions added since the page was read are no fault."""
    findings.subjects += 1
    newest = chain[-1]
    with database.transaction("fsck.chain") as transaction:
        row = store.chains(transaction, [newest.subject_id]).get(newest.subject_id)
    if row is not None and row.newest_number > newest.number:
        with database.transaction("fsck.tail") as transaction:
            later = store.revisions_after(transaction, subject_id=newest.subject_id, number=newest.number, limit=1)
        if later and later[0].subject_id == newest.subject_id:
            return
    for what in _chain_faults(chain, row):
        findings.faults.append(Fault(subject_id=newest.subject_id, number=newest.number, what=what))


def _chain_faults(chain: list[StoredRevision], row: StoredChain | None) -> Iterator[str]:
    if row is None:
        yield "the subject has no row"
        return
    newest = chain[-1]
    if (row.newest_number, row.newest_content_sha256, row.newest_fingerprint) != (newest.number, newest.content_sha256, newest.fingerprint):
        yield f"the subject's row names revision {row.newest_number} ({row.newest_content_sha256}) as its newest"
    issued = max((one.number for one in chain if one.state is State.ISSUED), default=0)
    if row.issued_number < issued:
        yield f"the subject's row says that {row.issued_number} revisions are issued, but {issued} is"
    states = [one.state for one in chain]
    if sum(state is State.PREPARED for state in states) > 1 or states != sorted(states, key=_ORDER.index):
        yield f"the states {', '.join(state.value for state in states)} are not in order"


_ORDER = (State.ISSUED, State.PREPARED, State.WAITING)


def _faults_of(revision: StoredRevision, before: StoredRevision | None, keys: Mapping[str, PublishedKey]) -> Iterator[str]:
    expected_number = before.number + 1 if before else 1
    if revision.number != expected_number:
        yield f"stands where revision {expected_number} should"
    found = hashlib.sha256(revision.content).hexdigest()
    if found != revision.content_sha256:
        yield f"content has SHA-256 {found}, the column says {revision.content_sha256}"
    if revision.predecessor_sha256 != (hashlib.sha256(before.content).hexdigest() if before else None):
        yield "the predecessor's hash is not that of the predecessor's content"
    yield from _claim_faults(revision)
    if revision.state is State.ISSUED:
        yield from _signature_faults(revision, keys)
    elif revision.signed_report is not None:
        yield f"is {revision.state.value} and signed"


def _claim_faults(revision: StoredRevision) -> Iterator[str]:
    """Hold the columns against the claims inside the content."""
    try:
        report: Mapping[str, Any] = json.loads(revision.content)
        place = report["revision"]
        before = place["predecessor"]
        claims = {
            "revision number": (place["number"], revision.number),
            "predecessor": (before["content_sha256"] if before else None, revision.predecessor_sha256),
            "subject code": (report["subject"]["code"], revision.subject_code),
            "assessment": (report["pins"]["assessment_id"], str(revision.assessment_id)),
            "composed time": (instant_of(report["composed_time"]), revision.composed_at),
        }
    except (ValueError, KeyError, TypeError) as error:
        yield f"content cannot be read: {type(error).__name__}"
        return
    for name, (claimed, stored) in claims.items():
        if claimed != stored:
            yield f"{name}: content says {claimed}, the column {stored}"


def _signature_faults(revision: StoredRevision, keys: Mapping[str, PublishedKey]) -> Iterator[str]:
    verification = verify(revision.signed_report or b"", keys)
    for failed in verification.failures:
        yield f"{failed.name}: {failed.detail}"
    if verification.content != revision.content:
        yield "other bytes were signed than are stored"
    if verification.key_id is not None and verification.key_id != revision.key_id:
        yield f"signed under key {verification.key_id}, the column says {revision.key_id}"
