"""Rebuilds the accounts of subjects that were marked dirty, one transaction each, and answers what was known when.

The worker holds a claim with a fencing token and no lock while it waits. An account is drawn up from all submissions of its
subject; only what differs from the account as it stands is posted, and only a change of content seals a revision.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2

from services.collector import events, metrics, wire
from services.collector.consumer import DIRTY_SUBJECTS
from services.collector.domain import account, claims, closing, disclosure, effective, posting, statement, subject_code
from services.collector.domain.account import AccountView, FormerOwner
from services.collector.domain.benchmark import NO_BENCHMARKS, Benchmarks
from services.collector.domain.claims import History
from services.collector.domain.comparison import Yardsticks, comparisons
from services.collector.domain.contents.registry import RegistryEntry
from services.collector.domain.disclosure import THAT_THEY_DIFFER, Accountable, Policy
from services.collector.domain.effective import Revisions
from services.collector.domain.emissions import Book
from services.collector.domain.finding import AccountFinding, FindingState
from services.collector.domain.peers import industry_class_of
from services.collector.domain.posting import Changes
from services.collector.domain.rules import catalogue
from services.collector.domain.submission import Submission
from services.collector.method_releases import ReleasedMethods
from services.collector.store import accounts as store
from services.collector.store import closing as store_closing
from services.collector.store import peers, records
from services.collector.store.accounts import LockedSubject, SealedRevision, StoredSubmission
from services.common import outbox, work_queue
from services.common.database import Database, Transaction, is_recoverable
from services.common.errors import ErrorKind, Refused
from services.common.identifiers import masked
from services.common.outbox import OutgoingEvent
from services.common.work_queue import StaleClaim

_log = logging.getLogger(__name__)

CLAIM_LIMIT = 16
LEASE_S = 30.0
_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 300.0
_CAUSES_MAX = 64
# Of one finding a provider is told by at most so many of its records: hundreds that say the same are one thing to look at.
RECORDS_TOLD_MAX = 10
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """What one rebuild did. `account_revision` is None when the account already said the same."""

    code: str
    account_revision: int | None
    postings: int = 0
    reversals: int = 0
    findings_opened: int = 0
    findings_closed: int = 0


class AccountWorker:
    """Works off the queue of dirty subjects. Any number may run; each subject is rebuilt by one at a time."""

    def __init__(
        self,
        *,
        database: Database,
        methods: ReleasedMethods,
        province: str,
        holder: str,
        lease_s: float = LEASE_S,
        policy: Policy = THAT_THEY_DIFFER,
        benchmarks: Benchmarks = NO_BENCHMARKS,
    ) -> None:
        self._database = database
        self._benchmarks = benchmarks
        self._methods = methods
        self._province = province
        self._holder = holder
        self._lease_s = lease_s
        self._disclosure = policy

    def step(self) -> bool:
        """Rebuild the subjects that are due, at most 16, and tell whether there were any."""
        with self._database.transaction("accounts.claim") as transaction:
            claims = work_queue.claim(transaction, queue=DIRTY_SUBJECTS, holder=self._holder, limit=CLAIM_LIMIT, lease_s=self._lease_s)
        for place, claim in enumerate(claims):
            try:
                self._work(claim)
            except Exception:
                # What was not begun need not sit out its term.
                self._release(claims[place:])
                raise
        return bool(claims)

    def _release(self, claims: Sequence[work_queue.Claim]) -> None:
        try:
            with self._database.transaction("accounts.release") as transaction:
                for claim in claims:
                    with suppress(StaleClaim):
                        work_queue.fail(transaction, claim, retry_after_s=0, why="interrupted")
        except Exception:
            # The database is probably away, which is why we are here: then the terms run out as after a crash.
            _log.warning("claims could not be given back", extra={"claims": len(claims)}, exc_info=True)

    def _work(self, claim: work_queue.Claim) -> None:
        started = time.monotonic()
        try:
            rebuilt = self._database.retrying(lambda: self.rebuild(claim))
        except StaleClaim:
            # Another worker has the subject by now; nothing of ours was committed.
            _log.warning("claim of a subject went to another worker", extra={"subject_id": claim.key})
            return
        except Exception as error:
            if is_recoverable(error):
                raise
            # One subject that cannot be rebuilt must not keep the province waiting: it is tried again later, and alarms.
            _log.exception("account cannot be rebuilt", extra={"subject_id": claim.key})
            self._give_back(claim, type(error).__name__)
            return
        metrics.REBUILD_DURATION.record(time.monotonic() - started)
        if rebuilt.account_revision is None:
            metrics.ACCOUNTS_UNCHANGED.add(1)
            return
        metrics.ACCOUNTS_REVISED.add(1)
        _log.info(
            "account revised",
            extra={
                "event": "account-revised",
                "subject_code": masked(rebuilt.code),
                "account_revision": rebuilt.account_revision,
                "postings": rebuilt.postings,
                "reversals": rebuilt.reversals,
                "findings_opened": rebuilt.findings_opened,
                "findings_closed": rebuilt.findings_closed,
            },
        )

    def _give_back(self, claim: work_queue.Claim, why: str) -> None:
        wait_s = min(_RETRY_MAX_S, _RETRY_FIRST_S * 2 ** min(claim.attempts, 10))
        try:
            with self._database.transaction("accounts.give_back") as transaction:
                work_queue.fail(transaction, claim, retry_after_s=wait_s, why=why)
        except StaleClaim:
            _log.warning("claim of a subject went to another worker", extra={"subject_id": claim.key})

    def rebuild(self, claim: work_queue.Claim) -> Rebuilt:
        """Rebuild the account of one claimed subject.

        Raises:
            StaleClaim: the claim went to another worker; nothing was changed.
        """
        with self._database.transaction("accounts.rebuild") as transaction:
            # 1. Lock the subject, so that revisions get their numbers one after the other. (crash: the claim runs out, another
            #    worker begins anew)
            subject = store.subject_for_update(transaction, UUID(claim.key))
            assert subject is not None, "only subjects that exist are marked"
            # 2. Load its evidence and decide what the account should say.
            release, book = self._methods.of(transaction, subject.method_release)
            view = drawn_up(transaction, subject, book=book, province=self._province)
            stated = state(view, code=subject.code, closed_until=_closed_until(transaction), against=self._yardsticks(transaction, view))
            # 3. Append what differs, seal the revision, hand the event to the outbox. (crash before the commit: nothing has
            #    happened; after: the outbox publishes)
            rebuilt = Rebuilt(code=subject.code, account_revision=None)
            if stated.content_sha256 != subject.content_sha256:
                number, known_at = subject.account_revision + 1, _after(subject.known_at, transaction.now())
                changes = posting.changes(
                    subject_id=subject.subject_id,
                    account_revision=number,
                    net=store.net_postings(transaction, subject.subject_id),
                    target=view.postings,
                )
                opened, closed = _finding_changes(stated.findings, store.open_findings(transaction, subject.subject_id))
                final = _became_final(stated.findings, store_closing.provisional_findings(transaction, subject.subject_id))
                _append(transaction, subject, changes, opened, closed, number=number, at=known_at)
                store_closing.append_final_findings(transaction, final, account_revision=number, at=known_at)
                exact = events.sealed(stated.message, account_revision=number, known_at=known_at)
                store.seal(
                    transaction,
                    subject_id=subject.subject_id,
                    revision=SealedRevision(
                        account_revision=number, known_at=known_at, statement=exact, statement_sha256=sha256(exact).digest()
                    ),
                    content_sha256=stated.content_sha256,
                    method_release=release,
                    evidence_root=stated.message.evidence_root,
                    evidence_count=stated.message.evidence_count,
                )
                revised = events.account_revised(
                    subject_id=subject.subject_id,
                    account_revision=number,
                    known_at=known_at,
                    province=self._province,
                    causation_ids=_causes(changes),
                    statement=exact,
                )
                told = _to_be_told(stated.findings, {finding.finding_id for finding in opened}, final.keys(), view)
                outbox.add_all(transaction, [revised, *_notices(transaction, told, number, known_at, self._disclosure)])
                rebuilt = Rebuilt(
                    code=subject.code,
                    account_revision=number,
                    postings=len(changes.postings),
                    reversals=len(changes.reversals),
                    findings_opened=len(opened),
                    findings_closed=len(closed),
                )
            # 4. The claim ends with the work; a subject that was marked meanwhile becomes due again.
            work_queue.finish(transaction, claim)
        return rebuilt

    def _yardsticks(self, transaction: Transaction, view: AccountView) -> Yardsticks:
        """Give what this account is laid against, as it stands: the edition and snapshots are named beside every position."""
        industry_class = industry_class_of(view.profile.industry_code) if view.profile is not None else ""
        return Yardsticks(benchmarks=self._benchmarks, peers=peers.newest_of_class(transaction, industry_class) if industry_class else {})


def drawn_up(transaction: Transaction, subject: LockedSubject, *, book: Book, province: str) -> AccountView:
    """Draw up the account of a subject by a book, from its evidence as it stands; nothing is written."""
    revisions = decoded(store.submissions_of(transaction, subject.subject_id))
    own = claims.history(subject.subject_id, subject_code.province(subject.code), revisions.effective)
    numbers = _facility_numbers(revisions.effective)
    others = _histories(store.register_of_others(transaction, subject.subject_id, numbers))
    subjects = _subjects_named([own, *others], province)
    former = claims.former_owners(claims.claims([own, *others], subjects), subject.subject_id)
    return account.draw_up(
        subject_id=subject.subject_id,
        code=subject.code,
        bureau=province,
        effective=revisions.effective,
        parked=revisions.parked,
        held_elsewhere=_held_elsewhere(transaction, subject.subject_id, revisions.parked),
        others=others,
        former_owners=[
            FormerOwner(history=one, effective=decoded(store.submissions_of(transaction, one.subject_id)).effective)
            for one in others
            if one.subject_id in former
        ],
        subject_of_code=subjects,
        book=book,
    )


def _subjects_named(histories: Iterable[History], bureau: str) -> dict[str, UUID]:
    codes = {code for one in histories for code in claims.codes_named(one.changes)}
    return {code: subject_code.subject_id(bureau=bureau, first_code=code) for code in codes}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """What an account says: its findings, and its statement with the hash of the content."""

    findings: Sequence[AccountFinding]
    message: account_pb2.AccountStatement
    content_sha256: bytes


def state(view: AccountView, *, code: str, closed_until: date | None = None, against: Yardsticks | None = None) -> Stated:
    """State an account with as many of its newest lines as one event can carry, before anything is saved.

    Findings about days before `closed_until`, the first day after the last closed month, are final.
    Without any line every statement fits: what is left of it is bounded by the form rules (a test holds it at the maximum).
    """
    compared = comparisons(view, against or Yardsticks())
    while True:
        findings = closing.settled(catalogue.account_findings(view, view.subject_id), view, closed_until)
        message = events.statement(statement.state(view, findings, compared), subject_id=view.subject_id, subject_code=code)
        content = events.content_bytes(message)
        if view.lines_max == 0 or events.fits_an_event(content):
            return Stated(findings=findings, message=message, content_sha256=sha256(content).digest())
        view = replace(view, lines_max=view.lines_max // 2)


# ---- Evidence ----


def decoded(stored: Iterable[StoredSubmission]) -> Revisions[Submission]:
    """Split stored submissions into those that count and those that are parked, and read the bytes of these."""
    split = effective.split(((one.provider_code, one.kind, one.record_number), one.record_revision, one) for one in stored)
    return Revisions([_decoded(one) for one in split.effective], [_decoded(one) for one in split.parked])


def _held_elsewhere(transaction: Transaction, subject_id: UUID, parked: Iterable[Submission]) -> set[UUID]:
    """Find the originals of parked corrections that are about another subject: these corrections never count."""
    originals = {one.original_id() for one in parked}
    return {submission_id for submission_id, (holder, _) in records.held(transaction, originals).items() if holder != subject_id}


def _decoded(stored: StoredSubmission) -> Submission:
    received = wire.accepted(stored.value, is_json=stored.is_json)
    # Pair assertion: what was accepted could be read whole, and still can.
    assert received.content is not None
    assert not received.defects
    return Submission(
        submission_id=stored.submission_id,
        provider_code=stored.provider_code,
        kind=stored.kind,
        record_number=stored.record_number,
        record_revision=stored.record_revision,
        facility_number=received.facility_number,
        period=received.period,
        content=received.content,
        sha256=stored.value_sha256,
    )


def _facility_numbers(submissions: Iterable[Submission]) -> set[str]:
    """List the facilities that a subject reports for or claims."""
    numbers: set[str] = set()
    for submission in submissions:
        if isinstance(submission.content, RegistryEntry):
            numbers.update(facility.facility_number for facility in submission.content.facilities)
        numbers.add(submission.facility_number)
    numbers.discard("")
    return numbers


def _histories(stored: Iterable[StoredSubmission]) -> list[History]:
    by_subject: dict[UUID, list[StoredSubmission]] = defaultdict(list)
    for one in stored:
        by_subject[one.subject_id].append(one)
    return [
        # A code changes with the register, not with the province, so that of any entry tells the province.
        claims.history(subject_id, subject_code.province(register[0].subject_code), decoded(register).effective)
        for subject_id, register in sorted(by_subject.items())
    ]


# ---- Changes ----


def _after(previous: datetime | None, now: datetime) -> datetime:
    """Give the instant of a revision: the database's clock, but always after the revision before, should the clock have been set back."""
    return now if previous is None else max(now, previous + _MICROSECOND)


def _finding_changes(findings: Iterable[AccountFinding], open_now: Mapping[UUID, int]) -> tuple[list[AccountFinding], dict[UUID, int]]:
    wanted = {finding.finding_id: finding for finding in findings}
    opened = [finding for finding_id, finding in wanted.items() if finding_id not in open_now]
    closed = {finding_id: revision for finding_id, revision in open_now.items() if finding_id not in wanted}
    return opened, closed


def _became_final(findings: Iterable[AccountFinding], provisional: Mapping[UUID, int]) -> dict[UUID, int]:
    """Find what stands as provisional and is final now: the revision that opened each."""
    return {
        finding.finding_id: provisional[finding.finding_id]
        for finding in findings
        if finding.state is FindingState.FINAL and finding.finding_id in provisional
    }


def _closed_until(transaction: Transaction) -> date | None:
    last = store_closing.last_closed_month(transaction)
    return closing.month_after(last) if last is not None else None


def _append(
    transaction: Transaction,
    subject: LockedSubject,
    changes: Changes,
    opened: Iterable[AccountFinding],
    closed: Mapping[UUID, int],
    *,
    number: int,
    at: datetime,
) -> None:
    store.append_reversals(transaction, changes.reversals, account_revision=number, at=at)
    store.append_postings(transaction, changes.postings, subject_id=subject.subject_id, account_revision=number, at=at)
    store.append_findings(transaction, opened, subject_id=subject.subject_id, account_revision=number, at=at)
    store.close_findings(transaction, closed, account_revision=number, at=at)


def _causes(changes: Changes) -> list[str]:
    """Name the submissions behind the new postings, at most 64 of them."""
    return sorted({str(submission_id) for new in changes.postings for submission_id in new.posting.evidence})[:_CAUSES_MAX]


def _to_be_told(findings: Iterable[AccountFinding], opened: Set[UUID], final: Set[UUID], view: AccountView) -> list[AccountFinding]:
    """Choose of what providers are told now: of what is new and shown by records, and of what rests on absence once it is final."""
    told = []
    for finding in findings:
        if not catalogue.RULES[finding.rule_id].rests_on_absence:
            if finding.finding_id in opened and finding.evidence:
                told.append(finding)
        elif finding.state is FindingState.FINAL and finding.finding_id in opened | final:
            told.append(replace(finding, evidence=closing.records_concerned(finding, view)))
    return told


def _notices(transaction: Transaction, told: Sequence[AccountFinding], number: int, at: datetime, policy: Policy) -> list[OutgoingEvent]:
    """Tell each provider of findings by the records of its own that they name, as far as others' data allow."""
    named = {finding.finding_id: _named(finding) for finding in told}
    places = store.places(transaction, {submission.submission_id for own in named.values() for submission in own})
    notices = []
    for finding in told:
        for submission in named[finding.finding_id]:
            message = disclosure.told(finding, provider_code=submission.provider_code, policy=policy)
            if message is None:
                continue
            notices.append(
                events.finding(
                    finding_id=finding.finding_id,
                    told=str(number),
                    rule_id=finding.rule_id,
                    severity=finding.severity,
                    message=f"{message} (answers for it: {disclosure.accountable_for(submission).value})",
                    record=events.RecordName(
                        provider_code=submission.provider_code,
                        kind=submission.kind.value,
                        record_number=submission.record_number,
                        record_revision=submission.record_revision,
                    ),
                    place=places[submission.submission_id],
                    known_at=at,
                )
            )
    return notices


def _named(finding: AccountFinding) -> list[Submission]:
    """Choose the records by which the providers concerned are told of a finding: the first of each one's own."""
    by_provider: dict[str, list[Submission]] = defaultdict(list)
    for submission in finding.evidence:
        by_provider[submission.provider_code].append(submission)
    return [submission for own in by_provider.values() for submission in own[:RECORDS_TOLD_MAX]]


# ---- Who answers for what ----


def evidence_by_accountable(database: Database, *, code: str) -> dict[tuple[Accountable, str, str], int]:
    """Count the submissions that count for a subject by who answers for them, provider and kind.

    Raises:
        Refused: `SUBJECT_NOT_FOUND`.
    """
    with database.transaction("accounts.evidence") as transaction:
        stored = store.submissions_of(transaction, _subject_id(transaction, code))
    counted: dict[tuple[Accountable, str, str], int] = defaultdict(int)
    for one in decoded(stored).effective:
        counted[disclosure.accountable_for(one), one.provider_code, one.kind.value] += 1
    return counted


# ---- What was known when ----


def statement_as_known_on(database: Database, *, code: str, at: datetime) -> SealedRevision:
    """Return the account of a subject as it was known at an instant: the same bytes whenever it is asked.

    Raises:
        Refused: `SUBJECT_NOT_FOUND`; `NOT_YET_KNOWABLE` when a transaction still open could seal a revision of that instant;
            `NOTHING_KNOWN_THEN` when the first revision is younger.
    """
    with database.transaction("accounts.known_on") as transaction:
        # The watermark first: what commits after it was asked is visible to the read below, or younger than the instant.
        watermark = store.safe_watermark(transaction)
        if at >= watermark:
            metadata = {"at": at.isoformat(), "watermark": watermark.isoformat()}
            raise Refused(ErrorKind.OUT_OF_RANGE, "NOT_YET_KNOWABLE", "the instant is not behind every open transaction", metadata)
        revision = store.revision_known_at(transaction, _subject_id(transaction, code), at)
    if revision is None:
        raise Refused(
            ErrorKind.NOT_FOUND, "NOTHING_KNOWN_THEN", "no revision of the account had been sealed by then", {"at": at.isoformat()}
        )
    return revision


def newest_statement(database: Database, *, code: str) -> SealedRevision:
    """Return the newest revision of the account of a subject.

    Raises:
        Refused: `SUBJECT_NOT_FOUND`; `NOTHING_KNOWN_THEN` when no revision is sealed yet.
    """
    with database.transaction("accounts.newest") as transaction:
        subject_id = _subject_id(transaction, code)
        revision = store.revision_known_at(transaction, subject_id, datetime.max.replace(tzinfo=UTC))
    if revision is None:
        raise Refused(ErrorKind.NOT_FOUND, "NOTHING_KNOWN_THEN", "no revision of the account is sealed yet")
    return revision


def _subject_id(transaction: Transaction, code: str) -> UUID:
    subject_id = records.subject_ids(transaction, [code]).get(code)
    if subject_id is None:
        raise Refused(ErrorKind.NOT_FOUND, "SUBJECT_NOT_FOUND", "no subject has this code")
    return subject_id
