"""Decides who a verified token speaks for: what its claims must say (RFC 7519, section 4.1), and which role they give.

The signature is somebody else's work. Deny by default: a claim that is missing or odd makes the token one of somebody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from services.gateway.domain.inquiry import Reason
from services.gateway.domain.subject_code import is_subject_code

# For clocks that differ a little.
LEEWAY = timedelta(seconds=30)
# A working day. A token that leaked cannot be called back, so none may live longer, whatever the identity provider thinks.
LIFETIME_MAX = timedelta(hours=12)

_NAME_CHARACTERS_MAX = 200
_SECONDS_MAX = 2**40


class Role(Enum):
    """What a caller is to the bureau; the value is that of the claim `role`."""

    ENTERPRISE = "enterprise"
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whom a token speaks for. `subject_code` is the enterprise's own and None for others; `token_id` is the claim `jti`, if any."""

    name: str
    role: Role
    subject_code: str | None
    token_id: str | None

    def may_see(self, subject_code: str) -> bool:
        """Tell whether the caller may see what is held about a subject."""
        return self.role is not Role.ENTERPRISE or self.subject_code == subject_code


@dataclass(frozen=True, kw_only=True)
class TokenFault:
    """Why a token is refused; `part` is what is wrong with it, where it is invalid."""

    reason: Reason
    part: str | None = None


def caller_of(claims: Mapping[str, Any], *, issuer: str, audience: str, now: datetime) -> Caller | TokenFault:
    """Read the claims of a token whose signature was verified."""
    if claims.get("iss") != issuer:
        return _invalid("iss")
    # A string or a list of them (section 4.1.3).
    meant = claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        return _invalid("aud")
    if (fault := _fault_of_times(claims, now.timestamp())) is not None:
        return fault
    name, token_id = claims.get("sub"), claims.get("jti")
    if not _is_name(name):
        return _invalid("sub")
    if token_id is not None and not _is_name(token_id):
        return _invalid("jti")
    role = next((role for role in Role if role.value == claims.get("role")), None)
    if role is None:
        return _invalid("role")
    subject_code = claims.get("subject_code") if role is Role.ENTERPRISE else None
    if role is Role.ENTERPRISE and not (isinstance(subject_code, str) and is_subject_code(subject_code)):
        return _invalid("subject_code")
    return Caller(name=str(name), role=role, subject_code=subject_code, token_id=token_id)


def _fault_of_times(claims: Mapping[str, Any], now: float) -> TokenFault | None:
    issued, ends, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    leeway = LEEWAY.total_seconds()
    for part, instant in (("iat", issued), ("exp", ends), ("nbf", begins)):
        # The bound also keeps out what is no number, and what no clock will ever say.
        if not isinstance(instant, int | float) or isinstance(instant, bool) or not 0 <= instant < _SECONDS_MAX:
            return _invalid(part)
    assert issued is not None, "a number"
    assert ends is not None, "a number"
    if issued > now + leeway:
        return _invalid("iat")
    if begins > now + leeway:
        return _invalid("nbf")
    if not 0 < ends - issued <= LIFETIME_MAX.total_seconds():
        return _invalid("exp")
    return TokenFault(reason=Reason.TOKEN_EXPIRED) if now >= ends + leeway else None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_CHARACTERS_MAX and value.isprintable()


def _invalid(part: str) -> TokenFault:
    return TokenFault(reason=Reason.TOKEN_INVALID, part=part)
