"""Decides whether a client certificate that passed the handshake still counts: connections outlive certificates.

A revocation counts whatever the age of the list that says it. Where no list in force covers the certificate, its standing is
unknown: production refuses, because a list that somebody keeps from arriving must not bring a stolen key back to life.
"""

from datetime import datetime
from enum import Enum

from services.gateway.domain.inquiry import Reason


class Revocation(Enum):
    """What the revocation lists say of a certificate and its authorities."""

    GOOD = "GOOD"
    REVOKED = "REVOKED"
    # No list of its authority is held, or the one that is held is past its nextUpdate.
    UNKNOWN = "UNKNOWN"


def certificate_fault(*, not_after: datetime, now: datetime, revocation: Revocation, must_be_known: bool) -> Reason | None:
    """Return why a certificate counts no longer, or None. It lives up to and including `not_after` (RFC 5280, section 4.1.2.5)."""
    if now > not_after:
        return Reason.CERTIFICATE_EXPIRED
    if revocation is Revocation.REVOKED:
        return Reason.CERTIFICATE_REVOKED
    if revocation is Revocation.UNKNOWN and must_be_known:
        return Reason.REVOCATION_UNKNOWN
    return None
