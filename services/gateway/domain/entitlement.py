"""Decides whether a call may be answered: under which certificate, who asks, in which form, about which region, for which purpose.

In this order; deny by default. The region right is read off the code itself, before anything is looked up, so that a bank without the right
cannot learn whether a subject exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.gateway.domain.inquiry import Call, Malformed, Question, Reason, question_of
from services.gateway.domain.subject_code import region_of
from services.gateway.domain.subscriber import SCHEME, Directory, Subscriber


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided. `reason` is None when the call is permitted; then subscriber and question are known."""

    subscriber: Subscriber | None
    question: Question | None
    reason: Reason | None
    field: str | None = None


def judge(*, uris: Sequence[str], certificate_fault: Reason | None, directory: Directory, call: Call, today: date) -> Verdict:
    """Judge a call made under a certificate with these URI SANs; one that counts no longer names nobody."""
    if certificate_fault is not None:
        return Verdict(subscriber=None, question=None, reason=certificate_fault)
    identities = own_identities(uris)
    if len(identities) != 1:
        return Verdict(subscriber=None, question=None, reason=Reason.IDENTITY_AMBIGUOUS)
    subscriber = directory.subscriber_on(today, identity=identities[0])
    if subscriber is None:
        return Verdict(subscriber=None, question=None, reason=Reason.SUBSCRIBER_UNKNOWN)
    question = question_of(call)
    if isinstance(question, Malformed):
        return Verdict(subscriber=subscriber, question=None, reason=question.reason, field=question.field)
    if not subscriber.may_ask_about(region_of(question.subject_code)):
        return Verdict(subscriber=subscriber, question=question, reason=Reason.REGION_NOT_PERMITTED)
    if question.purpose not in subscriber.purposes:
        return Verdict(subscriber=subscriber, question=question, reason=Reason.PURPOSE_NOT_PERMITTED)
    return Verdict(subscriber=subscriber, question=question, reason=None)


def own_identities(uris: Sequence[str]) -> list[str]:
    """Return the URIs of the bureau's scheme; schemes know no case (RFC 3986, section 3.1), so no spelling hides a second one."""
    return [uri for uri in uris if uri.lower().startswith(SCHEME)]
