"""Hides a queue of things to be done again, one item per key: marking a key twice is one piece of work, the latest mark wins.

An item is claimed for a term with a fencing token, worked on outside any lock, and finished in the transaction that saves
the result. Low priority numbers go first. A mark made while the item is being worked on is never lost: finish gives it back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text

from services.common import metrics
from services.common.database import Transaction


class StaleClaim(Exception):
    """The item's term ran out and another holder claimed it; what was done under the claim must not be saved."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A key that needs work."""

    key: str
    priority: int
    delay_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One item, ours until its term ends. `attempts` counts this one."""

    queue: str
    key: str
    token: int
    mark_number: int
    attempts: int


# A mark during a claim takes effect after it; before one, the earlier due time stays, so that marking often delays nothing.
_MARK = text("""
    INSERT INTO work_item (queue, key, priority, due_at)
    SELECT :queue, key, priority, clock_timestamp() + delay_ms * interval '1 millisecond'
    FROM unnest(CAST(:keys AS text[]), CAST(:priorities AS smallint[]), CAST(:delays_ms AS integer[])) AS mark (key, priority, delay_ms)
    ON CONFLICT (queue, key) DO UPDATE
    SET mark_number = work_item.mark_number + 1,
        priority = least(work_item.priority, excluded.priority),
        due_at = CASE WHEN work_item.leased_until > clock_timestamp() THEN excluded.due_at
                      ELSE least(work_item.due_at, excluded.due_at) END
""")
_CLAIM = text("""
    WITH due AS (
        SELECT queue, key FROM work_item
        WHERE queue = :queue AND due_at <= clock_timestamp() AND (leased_until IS NULL OR leased_until <= clock_timestamp())
        ORDER BY priority, due_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE work_item
    SET token = token + 1, holder = :holder, attempts = attempts + 1,
        leased_until = clock_timestamp() + make_interval(secs => :lease_s)
    FROM due
    WHERE work_item.queue = due.queue AND work_item.key = due.key
    RETURNING work_item.key, work_item.token, work_item.mark_number, work_item.attempts, work_item.priority, work_item.due_at,
        extract(epoch FROM clock_timestamp() - work_item.due_at) AS waited_s
""")
_REMOVE = text("DELETE FROM work_item WHERE queue = :queue AND key = :key AND token = :token AND mark_number = :mark_number")
_GIVE_BACK = text("""
    UPDATE work_item SET holder = NULL, leased_until = NULL, attempts = 0, last_failure = NULL, marked_at = clock_timestamp()
    WHERE queue = :queue AND key = :key AND token = :token
""")
# Marked again meanwhile means that what failed may be mended: due when that mark said, at the latest after the wait.
_FAIL = text("""
    UPDATE work_item
    SET holder = NULL, leased_until = NULL, last_failure = left(:why, 500),
        due_at = CASE WHEN mark_number > :mark_number
                      THEN least(due_at, clock_timestamp() + make_interval(secs => :retry_after_s))
                      ELSE clock_timestamp() + make_interval(secs => :retry_after_s) END
    WHERE queue = :queue AND key = :key AND token = :token
""")
_DEPTH = text("SELECT count(*) FROM work_item WHERE queue = :queue")


def signal(queue: str) -> str:
    """Name the signal that a committed mark of `queue` announces to `Database.subscribe`."""
    return f"work:{queue}"


def mark(transaction: Transaction, *, queue: str, key: str, priority: int, delay_ms: int = 0) -> None:
    """Ask for work on `key`, not before `delay_ms` from now; takes effect when the transaction commits."""
    mark_all(transaction, queue=queue, marks=[Mark(key=key, priority=priority, delay_ms=delay_ms)])


def mark_all(transaction: Transaction, *, queue: str, marks: Iterable[Mark]) -> None:
    """Ask for work on many keys; several marks of one key count as one, with the most urgent priority and delay.

    The rows stay locked until the transaction ends, so mark last.
    """
    merged: dict[str, Mark] = {}
    for one in marks:
        seen = merged.get(one.key)
        if seen is not None:
            one = Mark(key=one.key, priority=min(seen.priority, one.priority), delay_ms=min(seen.delay_ms, one.delay_ms))
        merged[one.key] = one
    if not merged:
        return
    ordered = [merged[key] for key in sorted(merged)]
    transaction.execute(
        _MARK,
        {
            "queue": queue,
            "keys": [one.key for one in ordered],
            "priorities": [one.priority for one in ordered],
            "delays_ms": [one.delay_ms for one in ordered],
        },
    )
    transaction.announce(signal(queue))


def claim(transaction: Transaction, *, queue: str, holder: str, limit: int, lease_s: float) -> list[Claim]:
    """Claim up to `limit` due items for `lease_s` seconds, most urgent first; commit before working on them."""
    parameters = {"queue": queue, "holder": holder, "limit": limit, "lease_s": lease_s}
    rows = sorted(transaction.execute(_CLAIM, parameters).all(), key=lambda row: (row.priority, row.due_at))
    for row in rows:
        metrics.WORK_WAIT.record(float(row.waited_s), {"queue": queue})
    return [Claim(queue=queue, key=row.key, token=row.token, mark_number=row.mark_number, attempts=row.attempts) for row in rows]


def finish(transaction: Transaction, claim: Claim) -> None:
    """Record that the work is done; the item goes, or becomes due again when it was marked after the claim.

    Raises:
        StaleClaim: the token moved; roll back.
    """
    if transaction.execute(_REMOVE, {**_identity(claim), "mark_number": claim.mark_number}).rowcount == 1:
        return
    if transaction.execute(_GIVE_BACK, _identity(claim)).rowcount != 1:
        raise StaleClaim(f"{claim.queue}/{claim.key}: token {claim.token} is stale")
    transaction.announce(signal(claim.queue))


def fail(transaction: Transaction, claim: Claim, *, retry_after_s: float, why: str) -> None:
    """Give the item back to be tried again after `retry_after_s`; `why` is kept for the operator, without any secret.

    Raises:
        StaleClaim: the token moved; there is nothing to give back.
    """
    parameters = {**_identity(claim), "mark_number": claim.mark_number, "retry_after_s": retry_after_s, "why": why}
    if transaction.execute(_FAIL, parameters).rowcount != 1:
        raise StaleClaim(f"{claim.queue}/{claim.key}: token {claim.token} is stale")
    metrics.WORK_FAILURES.add(1, {"queue": claim.queue})


def depth(transaction: Transaction, queue: str) -> int:
    """Count the items, whether waiting, delayed or claimed."""
    count: int = transaction.execute(_DEPTH, {"queue": queue}).scalar_one()
    return count


def _identity(claim: Claim) -> dict[str, str | int]:
    return {"queue": claim.queue, "key": claim.key, "token": claim.token}
