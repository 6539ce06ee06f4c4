"""Decides what is to be made of the signature of a record: which it can be found to be, and whether its time fits its key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from services.collector.domain.signature_key import SignatureKey

# Clocks of other houses.
SIGNED_AHEAD_MAX = timedelta(minutes=5)
# Longer than a record may lie on its topic (30 days) unread. Who holds a retired key can date a signature back no further.
SIGNED_BEFORE_MAX = timedelta(days=31)


class SignatureState(Enum):
    """What the check of a signature found. All but ABSENT and SOUND reject the record, whether or not it had to be signed."""

    ABSENT = auto()
    SOUND = auto()
    MALFORMED = auto()
    KEY_UNKNOWN = auto()
    NOT_IN_TIME = auto()
    WRONG = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """The result of the check; `detail` says what is wrong, in printable words."""

    state: SignatureState
    detail: str = ""


ABSENT = Signature(state=SignatureState.ABSENT)
SOUND = Signature(state=SignatureState.SOUND)


def untimely(key: SignatureKey, *, signed_at: datetime, received_at: datetime) -> str | None:
    """Say why a signature of `signed_at`, first received at `received_at`, cannot be believed of this key; None when it can."""
    if signed_at > received_at + SIGNED_AHEAD_MAX:
        return f"iat {signed_at.isoformat()} lies ahead of {received_at.isoformat()}, when the record was received"
    if signed_at < received_at - SIGNED_BEFORE_MAX:
        return f"iat {signed_at.isoformat()} is more than {SIGNED_BEFORE_MAX.days} days before the record was received"
    if not key.may_have_signed(signed_at=signed_at, received_at=received_at):
        return f"key {key.key_id} was not in use at iat {signed_at.isoformat()}, or has been revoked since"
    return None
