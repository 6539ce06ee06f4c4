"""Answers enterprises, reviewers and the supervisor in four steps: who calls, judge, look up and record, answer.

As with banks no data leaves before the record of the call is durable, and what cannot be recorded is not served (征信业管理条例 Art. 22).
A call without a good token has no caller to record: it is counted, and the log names one a second.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import Refused
from services.common.identifiers import Ids, masked
from services.gateway import metrics, store
from services.gateway.domain.caller import Caller, TokenFault, caller_of
from services.gateway.domain.inquiry import Reason, clean, is_stale
from services.gateway.domain.listing import ListCall, Listing, ListVerdict, judge_listing, page_token
from services.gateway.refusals import freshness_metadata, refused
from services.gateway.store import PortalInquiry
from services.gateway.tokens import TokenKeys

_log = logging.getLogger(__name__)

_METHOD = "ListReportRevisions"
_SCHEME = "bearer "
_LOG_REFUSED_EVERY_S = 1.0
# A flood of people and their portals must not take the banks' connections to the database.
_AT_THE_DATABASE_MAX = 2


class Portal:
    """Answers from the gateway's own tables. Used by all threads of the server at once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        token_keys: TokenKeys,
        token_issuer: str,
        token_audience: str,
        freshness: Callable[[Transaction], datetime | None],
        stale_after_s: float,
    ) -> None:
        self._database, self._clock, self._ids = database, clock, ids
        self._token_keys, self._issuer, self._audience = token_keys, token_issuer, token_audience
        self._freshness, self._stale_after = freshness, timedelta(seconds=stale_after_s)
        self._refusal_logged_at = float("-inf")
        self._turns = threading.Semaphore(_AT_THE_DATABASE_MAX)

    def list_report_revisions(self, *, authorization: Sequence[str], peer: str, call: ListCall) -> Listing:
        """List issued revisions of a subject.

        Raises:
            Refused: with a reason of ErrorReason; the refusal was recorded, unless no caller was known or that was what failed.
        """
        # Step 1: who calls, by the token alone. (crash: nothing has happened)
        now = self._clock.now()
        caller = self._caller(authorization, now)
        # Step 2: judge by caller and call alone.
        verdict = judge_listing(caller=caller, call=call)
        # Step 3: look up, and make durable who is about to be told what, refusals too. (crash before the commit: nothing has left;
        #         after: the record stands, whether or not the answer left)
        listing, reason = self._record(caller, peer, call, verdict)
        # Step 4: answer.
        self._tell(verdict, caller, listing.inquiry_id, "SERVED" if reason is None else reason.value)
        if reason is not None:
            raise refused(reason, _metadata(listing, verdict, reason))
        return listing

    def _caller(self, authorization: Sequence[str], now: datetime) -> Caller:
        if len(authorization) != 1 or not authorization[0].lower().startswith(_SCHEME):
            raise self._unknown_caller(TokenFault(reason=Reason.TOKEN_MISSING))
        claims = self._token_keys.claims_of(authorization[0][len(_SCHEME) :].strip())
        if isinstance(claims, TokenFault):
            raise self._unknown_caller(claims)
        caller = caller_of(claims, issuer=self._issuer, audience=self._audience, now=now)
        if isinstance(caller, TokenFault):
            raise self._unknown_caller(caller)
        return caller

    def _record(self, caller: Caller, peer: str, call: ListCall, verdict: ListVerdict) -> tuple[Listing, Reason | None]:
        """Look up and record; return what is told, with the reason to refuse it, if any. Fails closed."""
        try:
            with self._turns:
                return self._database.retrying(lambda: self._record_once(caller, peer, call, verdict))
        except (DBAPIError, PoolTimeoutError) as error:
            _log.error("inquiry not recorded: %s", type(error).__name__, extra={"event": "inquiry-not-recorded", "method": _METHOD})
            metrics.PORTAL_INQUIRIES.add(1, {"method": _METHOD, "outcome": Reason.INQUIRY_NOT_RECORDED.value})
            raise refused(Reason.INQUIRY_NOT_RECORDED) from error

    def _record_once(self, caller: Caller, peer: str, call: ListCall, verdict: ListVerdict) -> tuple[Listing, Reason | None]:
        inquiry_id, page, reason = self._ids.new(), verdict.page, verdict.reason
        fresh_as_of, revisions, more = None, [], False
        with self._database.transaction("portal.record") as transaction:
            if page is not None:
                # Freshness first: what is committed between the two reads makes the answer newer than it claims, never older.
                fresh_as_of = self._freshness(transaction)
                found = store.revisions_below(transaction, subject_code=page.subject_code, below=page.below, limit=page.size + 1)
                revisions, more = found[: page.size], len(found) > page.size
                if not found and page.below is None:
                    reason = Reason.SUBJECT_UNKNOWN
            # The database's clock, inside the transaction: an export can tell by it up to where nothing can come to light any more.
            now = transaction.now()
            store.add_portal_inquiry(
                transaction,
                PortalInquiry(
                    inquiry_id=inquiry_id,
                    received_at=now,
                    caller=caller,
                    peer=clean(peer),
                    method=_METHOD,
                    parent=clean(call.parent),
                    subject_code=verdict.subject_code,
                    outcome="SERVED" if reason is None else reason.value,
                    revision_numbers=tuple(one.revision_number for one in revisions),
                ),
            )
        next_page = (
            page_token(caller=caller, subject_code=page.subject_code, below=revisions[-1].revision_number)
            if page is not None and more
            else ""
        )
        listing = Listing(
            inquiry_id=inquiry_id,
            subject_code=verdict.subject_code or "",
            revisions=revisions,
            next_page_token=next_page,
            fresh_as_of=fresh_as_of,
            stale=is_stale(fresh_as_of, now=now, stale_after=self._stale_after),
        )
        return listing, reason

    def _unknown_caller(self, fault: TokenFault) -> Refused:
        """Count a call without a good token, and log one a second: strangers may make thousands."""
        metrics.PORTAL_INQUIRIES.add(1, {"method": _METHOD, "outcome": fault.reason.value})
        now = time.monotonic()
        if now - self._refusal_logged_at >= _LOG_REFUSED_EVERY_S:
            self._refusal_logged_at = now
            _log.warning("token refused", extra={"event": "token-refused", "reason": fault.reason.value, "part": fault.part})
        return refused(fault.reason, {"part": fault.part} if fault.part else None)

    def _tell(self, verdict: ListVerdict, caller: Caller, inquiry_id: UUID, outcome: str) -> None:
        metrics.PORTAL_INQUIRIES.add(1, {"method": _METHOD, "outcome": outcome})
        _log.info(
            "portal inquiry answered",
            extra={
                "event": "portal-inquiry-answered",
                "method": _METHOD,
                "outcome": outcome,
                "role": caller.role.value,
                "subject_code": masked(verdict.subject_code) if verdict.subject_code else None,
                "inquiry_id": str(inquiry_id),
            },
        )


def _metadata(listing: Listing, verdict: ListVerdict, reason: Reason) -> dict[str, str]:
    metadata = {"inquiry_id": str(listing.inquiry_id)}
    if verdict.field is not None:
        metadata["field"] = verdict.field
    if reason is Reason.SUBJECT_UNKNOWN:
        metadata |= freshness_metadata(fresh_as_of=listing.fresh_as_of, stale=listing.stale)
    return metadata
