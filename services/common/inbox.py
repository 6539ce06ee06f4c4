"""Hides how a consumer refuses what it has already taken: the highest revision per topic and subject, in the data's transaction."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text

from services.common.database import Transaction

# One statement for the whole batch, sorted by the full conflict key: concurrent batches lock in the same order.
_REMEMBER = text("""
    INSERT INTO inbox_revision (topic, subject_id, revision)
    SELECT :topic, subject_id, revision
    FROM unnest(CAST(:subject_ids AS uuid[]), CAST(:revisions AS bigint[])) AS news (subject_id, revision)
    ON CONFLICT (topic, subject_id) DO UPDATE SET revision = excluded.revision
    WHERE inbox_revision.revision < excluded.revision
    RETURNING subject_id
""")


def news(transaction: Transaction, *, topic: str, revisions: Mapping[UUID, int]) -> set[UUID]:
    """Return the subjects whose revision is higher than any taken from `topic` before, and remember these revisions.

    A revision that was seen, or that a later one has overtaken, is no news: it must be ignored. Of several revisions of one
    subject in a batch, hand in the highest and ignore the others. Remembered when the transaction commits, or not at all.
    """
    if not revisions:
        return set()
    subject_ids = sorted(revisions)
    return set(
        transaction.execute(
            _REMEMBER,
            {"topic": topic, "subject_ids": subject_ids, "revisions": [revisions[subject_id] for subject_id in subject_ids]},
        ).scalars()
    )
