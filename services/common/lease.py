"""Hides how one of several processes may do a thing alone without holding a lock: a row with a term and a fencing token.

The holder does its slow work outside any transaction and confirms the lease in the transaction that records the result. A
process that was paused past its term finds the token moved and must give up what it did.
"""

from dataclasses import dataclass

from sqlalchemy import text

from services.common.database import Transaction


class StaleLease(Exception):
    """The lease went to another holder meanwhile; what was done under it must not be recorded."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A lease as it was given: `token` is higher than that of every holder before."""

    name: str
    holder: str
    token: int


# The term is measured by the database's clock, the only one that all holders share.
_ACQUIRE = text("""
    INSERT INTO lease (name, holder, token, expires_at)
    VALUES (:name, :holder, 1, clock_timestamp() + make_interval(secs => :ttl_s))
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder,
        token = CASE WHEN lease.holder = excluded.holder THEN lease.token ELSE lease.token + 1 END,
        expires_at = clock_timestamp() + make_interval(secs => :ttl_s)
    WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp()
    RETURNING token
""")
_CONFIRM = text("SELECT token FROM lease WHERE name = :name FOR SHARE")
_RELEASE = text("UPDATE lease SET expires_at = '-infinity' WHERE name = :name AND token = :token")


def acquire(transaction: Transaction, name: str, holder: str, ttl_s: float) -> Lease | None:
    """Take or renew the lease for `ttl_s` seconds; None while another holder's term runs.

    Renewing keeps the token, and a holder whose term ran out unnoticed keeps it too: nobody else had it. `holder` must
    differ between processes and between two lives of one process.
    """
    token = transaction.execute(_ACQUIRE, {"name": name, "holder": holder, "ttl_s": ttl_s}).scalar_one_or_none()
    return None if token is None else Lease(name=name, holder=holder, token=token)


def confirm(transaction: Transaction, lease: Lease) -> None:
    """Make sure the lease is still ours, and keep it so until this transaction ends.

    Raises:
        StaleLease: another holder took it.
    """
    token = transaction.execute(_CONFIRM, {"name": lease.name}).scalar_one_or_none()
    if token != lease.token:
        raise StaleLease(f"lease {lease.name}: token {lease.token} is stale, now {token}")


def release(transaction: Transaction, lease: Lease) -> None:
    """End the term now, so that the next holder need not wait for it; does nothing when the lease is no longer ours."""
    transaction.execute(_RELEASE, {"name": lease.name, "token": lease.token})
