"""Answers an inquiry in four steps: judge, record, look up, answer. No data leaves before the inquiry is durable.

征信业管理条例 Art. 22: who asked, when, what, for what purpose. Denials are recorded too. What cannot be recorded is not served.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import Refused
from services.common.identifiers import Ids, masked
from services.gateway import metrics, store
from services.gateway.directory import SubscriberDirectory
from services.gateway.domain.certificate import certificate_fault
from services.gateway.domain.entitlement import Verdict, judge
from services.gateway.domain.inquiry import Answer, Call, Decision, Question, Reason, clean, is_stale, reason_for_repetition
from services.gateway.identity import Peer
from services.gateway.refusals import freshness_metadata, refused
from services.gateway.revocation import Revocations
from services.gateway.store import NewInquiry, ServedGrade, ServedReport

_log = logging.getLogger(__name__)
_T = TypeVar("_T", ServedGrade, ServedReport)

# Contracts begin and end with the civil day of the bureau.
_ZONE = ZoneInfo("Asia/Shanghai")
_IDENTITIES_MAX = 10


class Inquiries:
    """Answers inquiries from the gateway's own tables. Used by all threads of the server at once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        directory: SubscriberDirectory,
        revocations: Revocations,
        freshness: Callable[[Transaction], datetime | None],
        stale_after_s: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self._revocations = revocations
        self._freshness = freshness
        self._stale_after = timedelta(seconds=stale_after_s)

    def credit_grade(self, *, peer: Peer, call: Call) -> tuple[ServedGrade, Answer]:
        """Answer with the subject's grade. Repeating a request is the same inquiry, answered from the present state.

        Raises:
            Refused: with a reason of ErrorReason; the denial was recorded, unless that was what failed.
        """

        def look_up(transaction: Transaction, question: Question) -> ServedGrade | Reason:
            return store.served_grade(transaction, subject_code=question.subject_code) or Reason.SUBJECT_UNKNOWN

        return self._answer(peer, call, look_up)

    def credit_report(self, *, peer: Peer, call: Call) -> tuple[ServedReport, Answer]:
        """Answer with a signed revision: the newest, or the one named. Raises and repeats as `credit_grade` does."""

        def look_up(transaction: Transaction, question: Question) -> ServedReport | Reason:
            found = store.served_report(transaction, subject_code=question.subject_code, revision_number=question.revision_number)
            if found is not None:
                return found
            known = store.is_known(transaction, subject_code=question.subject_code)
            return Reason.REVISION_UNKNOWN if known else Reason.SUBJECT_UNKNOWN

        return self._answer(peer, call, look_up)

    def _answer(self, peer: Peer, call: Call, look_up: Callable[[Transaction, Question], _T | Reason]) -> tuple[_T, Answer]:
        # Step 1: judge by certificate, directory and the call alone. (crash: nothing has happened)
        now = self._clock.now()
        verdict = judge(
            uris=peer.uris,
            certificate_fault=self._certificate_fault(peer, now),
            directory=self._directory.current,
            call=call,
            today=now.astimezone(_ZONE).date(),
        )
        # Step 2: make the inquiry durable, denials too. (crash before the commit: nothing has left; after: the record stands without
        #         an outcome, which counts as answered)
        inquiry_id, reason = self._record(peer, call, verdict, now)
        if reason is not None:
            raise self._refusal(call, verdict, reason, inquiry_id)
        assert verdict.question is not None, "a permitted call was understood"
        # Step 3: look up, and record what is about to be told. (crash: as after step 2)
        found, answer = self._look_up(inquiry_id, verdict.question, look_up)
        if isinstance(found, Reason):
            # "Unknown" is only as true as the copy is fresh, so this refusal says how fresh it is, as an answer does.
            raise self._refusal(call, verdict, found, inquiry_id, freshness_metadata(fresh_as_of=answer.fresh_as_of, stale=answer.stale))
        # Step 4: answer.
        self._tell(call, verdict, "SERVED", inquiry_id)
        return found, answer

    def _certificate_fault(self, peer: Peer, now: datetime) -> Reason | None:
        if peer.certificate is None:
            return None  # it names nobody, so there is no identity to judge by
        return certificate_fault(
            not_after=peer.certificate.not_valid_after_utc,
            now=now,
            revocation=self._revocations.state_of(peer.certificate),
            must_be_known=self._revocations.must_be_known,
        )

    def _record(self, peer: Peer, call: Call, verdict: Verdict, now: datetime) -> tuple[UUID, Reason | None]:
        """Record the inquiry and return its id with the reason to refuse it, if any. Fails closed."""
        started = time.monotonic()
        try:
            return self._database.retrying(lambda: self._record_once(peer, call, verdict, now))
        except (DBAPIError, PoolTimeoutError) as error:
            _log.error(
                "inquiry not recorded: %s", type(error).__name__, extra={"event": "inquiry-not-recorded", "method": call.method.value}
            )
            metrics.INQUIRIES.add(1, {"method": call.method.value, "outcome": Reason.INQUIRY_NOT_RECORDED.value})
            raise refused(Reason.INQUIRY_NOT_RECORDED) from error
        finally:
            metrics.INQUIRY_RECORD_DURATION.record(time.monotonic() - started)

    def _record_once(self, peer: Peer, call: Call, verdict: Verdict, now: datetime) -> tuple[UUID, Reason | None]:
        with self._database.transaction("inquiry.record") as transaction:
            # The database's clock, inside the transaction: an export can tell by it up to where nothing can come to light any more.
            inquiry = _inquiry(self._ids.new(), peer, call, verdict, transaction.now())
            if store.add_inquiry(transaction, inquiry):
                return inquiry.inquiry_id, verdict.reason
            # The request_id is claimed: the same inquiry again, or another request under its id.
            assert inquiry.subscriber_code is not None, "only a subscriber claims a request_id"
            first = store.inquiry_by_request(
                transaction, subscriber_code=inquiry.subscriber_code, method=inquiry.method, request_id=inquiry.request_id
            )
            reason = reason_for_repetition(first, request_sha256=inquiry.request_sha256, now_denied=verdict.reason)
            if reason is Reason.REQUEST_ID_REUSED:
                reused = _inquiry(inquiry.inquiry_id, peer, call, verdict, inquiry.received_at, reused=True)
                assert store.add_inquiry(transaction, reused), "what claims no request_id is always added"
                return reused.inquiry_id, reason
            if reason is not None:
                store.add_outcome(transaction, inquiry_id=first.inquiry_id, at=now, outcome="DENIED", reason=reason)
            return first.inquiry_id, reason

    def _look_up(
        self, inquiry_id: UUID, question: Question, look_up: Callable[[Transaction, Question], _T | Reason]
    ) -> tuple[_T | Reason, Answer]:
        try:
            with self._database.transaction("inquiry.answer") as transaction:
                store.commit_without_waiting(transaction)
                # Freshness first: what is committed between the two reads makes the answer newer than it claims, never older.
                fresh_as_of = self._freshness(transaction)
                found = look_up(transaction, question)
                now = self._clock.now()
                if isinstance(found, Reason):
                    store.add_outcome(transaction, inquiry_id=inquiry_id, at=now, outcome=found.value)
                else:
                    store.add_outcome(
                        transaction,
                        inquiry_id=inquiry_id,
                        at=now,
                        outcome="SERVED",
                        revision_number=found.revision_number,
                        content_sha256=found.content_sha256,
                    )
        except (DBAPIError, PoolTimeoutError) as error:
            _log.error("outcome not recorded: %s", type(error).__name__, extra={"event": "outcome-not-recorded"})
            raise refused(Reason.INQUIRY_NOT_RECORDED, {"inquiry_id": str(inquiry_id)}) from error
        stale = is_stale(fresh_as_of, now=now, stale_after=self._stale_after)
        if fresh_as_of is not None:
            metrics.FRESHNESS_LAG.set(max(0.0, (now - fresh_as_of).total_seconds()))
        return found, Answer(inquiry_id=inquiry_id, subject_code=question.subject_code, fresh_as_of=fresh_as_of, stale=stale)

    def _refusal(
        self, call: Call, verdict: Verdict, reason: Reason, inquiry_id: UUID, freshness: Mapping[str, str] = MappingProxyType({})
    ) -> Refused:
        self._tell(call, verdict, reason.value, inquiry_id)
        metadata = {"inquiry_id": str(inquiry_id), **freshness}
        if verdict.field is not None:
            metadata["field"] = verdict.field
        return refused(reason, metadata)

    def _tell(self, call: Call, verdict: Verdict, outcome: str, inquiry_id: UUID) -> None:
        metrics.INQUIRIES.add(1, {"method": call.method.value, "outcome": outcome})
        _log.info(
            "inquiry answered",
            extra={
                "event": "inquiry-answered",
                "method": call.method.value,
                "outcome": outcome,
                "subscriber_code": verdict.subscriber.code if verdict.subscriber else None,
                "subject_code": masked(verdict.question.subject_code) if verdict.question else None,
                "inquiry_id": str(inquiry_id),
            },
        )


def _inquiry(inquiry_id: UUID, peer: Peer, call: Call, verdict: Verdict, at: datetime, *, reused: bool = False) -> NewInquiry:
    question = verdict.question
    reason = Reason.REQUEST_ID_REUSED if reused else verdict.reason
    return NewInquiry(
        inquiry_id=inquiry_id,
        received_at=at,
        subscriber_code=verdict.subscriber.code if verdict.subscriber else None,
        identities=tuple(clean(uri) for uri in peer.uris[:_IDENTITIES_MAX]),
        certificate_sha256=peer.certificate_sha256,
        peer=clean(peer.address),
        method=call.method,
        name=clean(call.name),
        subject_code=question.subject_code if question else None,
        revision_number=question.revision_number if question else None,
        purpose=call.purpose.value if call.purpose else None,
        request_id=str(question.request_id) if question else clean(call.request_id),
        request_sha256=call.sha256,
        case_reference=clean(call.case_reference),
        decision=Decision.PERMITTED if reason is None else Decision.DENIED,
        reason=reason,
        claims_request_id=question is not None and not reused,
    )
