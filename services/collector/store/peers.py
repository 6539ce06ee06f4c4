"""Snapshots of peers in the tables, and the newest statements from which they are made."""

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from services.collector.domain.peers import Group, Peer, PeerSnapshot, Quartiles, Withheld
from services.collector.store.appending import append
from services.collector.tables import PEER_SNAPSHOT
from services.common.database import Transaction


def newest_statements(transaction: Transaction, after: UUID, limit: int) -> Iterator[tuple[UUID, int, bytes]]:
    """Read the next page of newest sealed statements: subject, revision and exact bytes, in the order of the subjects."""
    for row in transaction.execute(_NEWEST_STATEMENTS, {"after": after, "limit": limit}):
        yield row.subject_id, row.account_revision, row.statement


_NEWEST_STATEMENTS = text("""
    SELECT subject_id, account_revision, statement FROM subject JOIN account_revision USING (subject_id, account_revision)
    WHERE subject_id > :after ORDER BY subject_id LIMIT :limit
""")


def newest_editions(transaction: Transaction, month: date) -> dict[Group, PeerSnapshot]:
    """Read the newest edition of the snapshot of each group for a month."""
    return {one.group: one for one in _snapshots(transaction, _NEWEST_EDITIONS, {"month": month})}


_COLUMNS = "snapshot_id, month, edition, industry_class, product_code, unit, peers, withheld, p25, p50, p75"
_NEWEST_EDITIONS = f"""
    SELECT DISTINCT ON (industry_class, product_code, unit) {_COLUMNS} FROM peer_snapshot WHERE month = :month
    ORDER BY industry_class, product_code, unit, edition DESC
"""  # noqa: S608  (no value is put into the text)


def newest_of_class(transaction: Transaction, industry_class: str) -> dict[Group, PeerSnapshot]:
    """Read the newest snapshot of each group of an industry class: of the newest month its newest edition."""
    return {one.group: one for one in _snapshots(transaction, _NEWEST_OF_CLASS, {"industry_class": industry_class})}


_NEWEST_OF_CLASS = f"""
    SELECT DISTINCT ON (product_code, unit) {_COLUMNS} FROM peer_snapshot WHERE industry_class = :industry_class
    ORDER BY product_code, unit, month DESC, edition DESC
"""  # noqa: S608  (no value is put into the text)


def _snapshots(transaction: Transaction, query: str, parameters: dict[str, str | date]) -> Iterator[PeerSnapshot]:
    for row in transaction.execute(text(query), parameters):
        yield PeerSnapshot(
            snapshot_id=row.snapshot_id,
            month=row.month,
            edition=row.edition,
            group=Group(row.industry_class, row.product_code, row.unit),
            peers=row.peers,
            withheld=Withheld(row.withheld),
            quartiles=Quartiles(p25=row.p25, p50=row.p50, p75=row.p75) if row.p25 is not None else None,
        )


def members(transaction: Transaction, snapshot_id: UUID) -> list[tuple[UUID, int]]:
    """Read of which revisions of which accounts a snapshot was made."""
    row = transaction.execute(_MEMBERS, {"snapshot_id": snapshot_id}).one()
    return list(zip(row.member_ids, row.member_revisions, strict=True))


_MEMBERS = text("SELECT member_ids, member_revisions FROM peer_snapshot WHERE snapshot_id = :snapshot_id")


def append_snapshot(transaction: Transaction, snapshot: PeerSnapshot, peers: list[Peer], *, at: datetime) -> None:
    """Append one edition of a snapshot with the accounts it was made of."""
    ordered = sorted(peers, key=lambda peer: str(peer.subject_id))
    told = snapshot.quartiles
    append(
        transaction,
        PEER_SNAPSHOT,
        [
            (
                snapshot.snapshot_id,
                snapshot.month,
                snapshot.edition,
                snapshot.group.industry_class,
                snapshot.group.product_code,
                snapshot.group.unit,
                snapshot.peers,
                snapshot.withheld.value,
                told.p25 if told else None,
                told.p50 if told else None,
                told.p75 if told else None,
                [peer.subject_id for peer in ordered],
                [peer.account_revision for peer in ordered],
                at,
            )
        ],
    )
