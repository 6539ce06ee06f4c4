"""Says each reason of refusal to the caller: the kind of error it is, its words for people, and what a program reads beside it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from services.common.errors import ErrorKind, Refused
from services.gateway.domain.inquiry import Reason

_SAID: Mapping[Reason, tuple[ErrorKind, str]] = {
    Reason.CERTIFICATE_EXPIRED: (ErrorKind.UNAUTHENTICATED, "the certificate has ended while the connection stood: connect with a new one"),
    Reason.CERTIFICATE_REVOKED: (ErrorKind.UNAUTHENTICATED, "the certificate was revoked"),
    Reason.REVOCATION_UNKNOWN: (ErrorKind.UNAVAILABLE, "whether the certificate was revoked cannot be told now; try again later"),
    Reason.SUBSCRIBER_UNKNOWN: (ErrorKind.PERMISSION_DENIED, "the certificate names no subscriber with a contract today"),
    Reason.IDENTITY_AMBIGUOUS: (ErrorKind.UNAUTHENTICATED, "the certificate must carry exactly one URI SAN of the bureau's scheme"),
    Reason.PURPOSE_MISSING: (ErrorKind.INVALID_ARGUMENT, "name a permitted purpose"),
    Reason.PURPOSE_NOT_PERMITTED: (ErrorKind.PERMISSION_DENIED, "the contract does not hold this purpose"),
    Reason.REGION_NOT_PERMITTED: (ErrorKind.PERMISSION_DENIED, "the contract does not cover the region in digits 3 to 8 of the code"),
    Reason.SUBJECT_UNKNOWN: (ErrorKind.NOT_FOUND, "no report is held for this subject"),
    Reason.NAME_MALFORMED: (ErrorKind.INVALID_ARGUMENT, "the resource name, the code in it or the case reference is malformed"),
    Reason.REQUEST_ID_MALFORMED: (ErrorKind.INVALID_ARGUMENT, "request_id must be a UUID"),
    Reason.REQUEST_ID_REUSED: (ErrorKind.ABORTED, "this request_id was used with another request"),
    Reason.INQUIRY_NOT_RECORDED: (
        ErrorKind.UNAVAILABLE,
        "the inquiry could not be recorded, so nothing is served; try again, with the same request_id where there is one",
    ),
    Reason.REVISION_UNKNOWN: (ErrorKind.NOT_FOUND, "the subject has no such revision"),
    Reason.TOKEN_MISSING: (ErrorKind.UNAUTHENTICATED, "send one token in the metadata: authorization: Bearer …"),
    Reason.TOKEN_INVALID: (ErrorKind.UNAUTHENTICATED, "the token is not one of the bureau's identity provider for this service"),
    Reason.TOKEN_EXPIRED: (ErrorKind.UNAUTHENTICATED, "the token has ended: get a new one"),
    Reason.SUBJECT_NOT_PERMITTED: (ErrorKind.PERMISSION_DENIED, "an enterprise sees its own code only"),
    Reason.PAGE_MALFORMED: (ErrorKind.INVALID_ARGUMENT, "page_size is below 0, or page_token is not one of this list"),
}


def refused(reason: Reason, metadata: Mapping[str, str] | None = None) -> Refused:
    """Return the error to raise for a reason."""
    kind, message = _SAID[reason]
    return Refused(kind, reason.value, message, metadata)


def freshness_metadata(*, fresh_as_of: datetime | None, stale: bool) -> dict[str, str]:
    """Write for ErrorInfo what an answer says in fresh_as_of_time (RFC 3339) and stale; no instant where none is known."""
    metadata = {"stale": "true" if stale else "false"}
    if fresh_as_of is not None:
        metadata["fresh_as_of_time"] = fresh_as_of.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return metadata
