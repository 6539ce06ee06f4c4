"""Issues prepared revisions in four durable steps: claim, sign, verify, issue. The signature is made outside any transaction.

The bytes to be signed were stored before; they are signed as they are or not at all, never composed again. Ed25519 being
deterministic, a process that dies after signing makes the same signature when it is started again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from services.common import outbox, telemetry, work_queue
from services.common.clock import Clock
from services.common.crash import crash_point
from services.common.database import Database, Transaction
from services.common.identifiers import masked
from services.common.work_queue import Claim, StaleClaim
from services.reports import metrics, store, wire
from services.reports.consumer import SIGNING_PRIORITY, SIGNING_QUEUE
from services.reports.domain.revision import IssuedRevision
from services.reports.signing import Signer
from services.reports.store import PreparedRevision
from services.reports.verify import verify

_log = logging.getLogger(__name__)

_CLAIMS_MAX = 50
# After a crash the same bytes wait this long to be signed again; 50 signatures take a tenth of a second.
_LEASE_S = 5.0
_RETRY_AFTER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """A ticket together with what was made of it; no revision when there was nothing to sign."""

    claim: Claim
    prepared: PreparedRevision | None
    signed_report: bytes


class Issuance:
    """Signs and issues. Any number may run: a ticket is held by one at a time, and only its holder can issue under it."""

    def __init__(self, *, database: Database, signer: Signer, clock: Clock, province: str, holder: str, lease_s: float = _LEASE_S) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock
        self._province = province
        self._holder = holder
        self._lease_s = lease_s

    def step(self) -> bool:
        """Issue what is due, at most 50 revisions; return whether there may be more."""
        # Step 1: claim the tickets and read the exact bytes. (crash: the tickets fall due again when their term ends)
        claims, prepared = self._claim()
        # Step 2 and 3: sign, and verify as a bank will. (crash: nothing was recorded; the same bytes are signed again)
        signed = [one for one in (self._sign(claim, prepared.get(UUID(claim.key))) for claim in claims) if one is not None]
        # Step 4: record the signature, tell of it and end the ticket, in one transaction. (crash before the commit: as before;
        #         after: the revision is issued and the outbox tells of it)
        self._issue_all(signed)
        return len(claims) == _CLAIMS_MAX

    def _claim(self) -> tuple[Sequence[Claim], Mapping[UUID, PreparedRevision]]:
        with self._database.transaction("issuance.claim") as transaction:
            claims = work_queue.claim(transaction, queue=SIGNING_QUEUE, holder=self._holder, limit=_CLAIMS_MAX, lease_s=self._lease_s)
            return claims, store.prepared_revisions(transaction, [UUID(claim.key) for claim in claims])

    def _sign(self, claim: Claim, prepared: PreparedRevision | None) -> _Signed | None:
        """Sign one revision and verify the signature; a revision that may not be issued goes back with the reason."""
        if prepared is None:
            return _Signed(claim=claim, prepared=None, signed_report=b"")
        if not self._signer.published.valid_at(prepared.composed_at):
            # Every verifier would refuse it; the operator must bring the key that was valid then.
            self._give_back(claim, prepared, "key valid", f"key {self._signer.key_id} was not valid when it was composed")
            return None
        crash_point("issuance.before_sign")
        signed_report = self._signer.sign(prepared.content)
        crash_point("issuance.after_sign")
        verification = verify(signed_report, {self._signer.key_id: self._signer.published})
        if not verification.passed or verification.content != prepared.content:
            refused = verification.failures[0] if verification.failures else None
            check, why = (refused.name, refused.detail) if refused else ("content", "other bytes were signed")
            self._give_back(claim, prepared, check, why)
            return None
        return _Signed(claim=claim, prepared=prepared, signed_report=signed_report)

    def _issue_all(self, signed: Sequence[_Signed]) -> None:
        """Issue all in one commit; when a ticket went to another holder, each by itself, so that the others are not held up."""
        if not signed:
            return
        try:
            self._database.retrying(lambda: self._issue(signed))
            return
        except StaleClaim:
            if len(signed) == 1:
                _log.warning("a signing ticket went to another process", extra={"event": "ticket-stale"})
                return
        for one in signed:
            self._issue_all([one])

    def _issue(self, signed: Sequence[_Signed]) -> None:
        issued: list[IssuedRevision] = []
        with self._database.transaction("issuance.issue") as transaction:
            ordered = sorted(signed, key=lambda one: UUID(one.claim.key))
            store.heads_for_update(transaction, [UUID(one.claim.key) for one in ordered])
            for one in ordered:
                if one.prepared is not None:
                    issued.append(self._issue_one(transaction, one.prepared, one.signed_report))
                work_queue.finish(transaction, one.claim)
        for revision in issued:
            _told(revision)

    def _issue_one(self, transaction: Transaction, prepared: PreparedRevision, signed_report: bytes) -> IssuedRevision:
        issued = IssuedRevision(
            subject_id=prepared.subject_id,
            subject_code=prepared.subject_code,
            number=prepared.number,
            content_sha256=prepared.content_sha256,
            signed_report=signed_report,
            key_id=self._signer.key_id,
            issued_at=self._clock.now().astimezone(UTC),
        )
        another_waits = store.issue(transaction, issued)
        # The trace of the assessment goes on to the bank, though signing happened in a loop of its own.
        cause = telemetry.context_of(prepared.traceparent)
        with telemetry.span("issue report", parent=cause):
            event = wire.report_revised(issued, assessment_made=prepared.assessment_made, province=self._province)
            outbox.add(transaction, event)
        if another_waits:
            # Marked before the ticket ends: `finish` then gives it back at once instead of removing it.
            work_queue.mark(transaction, queue=SIGNING_QUEUE, key=str(prepared.subject_id), priority=SIGNING_PRIORITY)
        return issued

    def _give_back(self, claim: Claim, prepared: PreparedRevision, check: str, why: str) -> None:
        metrics.SIGNATURES_REFUSED.add(1, {"check": check})
        _log.error(
            "revision not issued: %s",
            why,
            extra={"event": "signature-refused", "subject_code": masked(prepared.subject_code), "revision_number": prepared.number},
        )
        try:
            with self._database.transaction("issuance.give_back") as transaction:
                work_queue.fail(transaction, claim, retry_after_s=_RETRY_AFTER_S, why=why)
        except StaleClaim:
            _log.warning("a signing ticket went to another process", extra={"event": "ticket-stale"})


def _told(revision: IssuedRevision) -> None:
    metrics.REVISIONS_ISSUED.add(1)
    _log.info(
        "report issued",
        extra={
            "event": "report-issued",
            "subject_code": masked(revision.subject_code),
            "revision_number": revision.number,
            "content_sha256": revision.content_sha256,
            "key_id": revision.key_id,
        },
    )
