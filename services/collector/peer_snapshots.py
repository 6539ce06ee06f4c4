"""Makes the monthly snapshots of peers from the newest sealed statements. A correction makes a new edition, never changes an old one.

Run again without any change it appends nothing, so a run that was killed is simply run again.
"""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2

from services.collector.domain.annual import WINDOW_MONTHS
from services.collector.domain.closing import month_after
from services.collector.domain.months import months_before
from services.collector.domain.peers import Group, Peer, group_of, snapshot
from services.collector.store import peers as store
from services.common.database import Database

_PAGE = 200


def close_peers(database: Database, *, month: date) -> tuple[int, int]:
    """Make the snapshots of a month, and return how many groups there are and how many new editions were appended."""
    groups = _groups(database, month)
    appended = 0
    # 1. One transaction for all groups: an account that is stated meanwhile sees all of the month or none of it.
    with database.transaction("peers.append") as transaction:
        held = store.newest_editions(transaction, month)
        now = transaction.now()
        for group in sorted(groups.keys() | held.keys()):
            peers = groups[group]
            newest = held.get(group)
            if newest is not None:
                same = snapshot(month=month, edition=newest.edition, group=group, peers=peers)
                if same.snapshot_id == newest.snapshot_id:
                    continue
            made = snapshot(month=month, edition=newest.edition + 1 if newest is not None else 1, group=group, peers=peers)
            store.append_snapshot(transaction, made, peers, at=now)
            appended += 1
    return len(groups), appended


def _groups(database: Database, month: date) -> dict[Group, list[Peer]]:
    """Gather the peers: each subject by its newest whole window that ends by the end of the month and not a year before."""
    groups: dict[Group, list[Peer]] = defaultdict(list)
    after = UUID(int=0)
    while True:
        with database.transaction("peers.read") as transaction:
            page = list(store.newest_statements(transaction, after, _PAGE))
        for subject_id, revision, exact in page:
            found = _peer(subject_id, revision, account_pb2.AccountStatement.FromString(exact), month_after(month))
            if found is not None:
                groups[found[0]].append(found[1])
        if len(page) < _PAGE:
            return groups
        after = page[-1][0]


def _peer(subject_id: UUID, revision: int, statement: account_pb2.AccountStatement, until: date) -> tuple[Group, Peer] | None:
    if not statement.profile.industry_code:
        return None
    for figures in reversed(statement.annual_figures):
        start, end = date.fromisoformat(figures.period.start_date), date.fromisoformat(figures.period.end_date)
        if end > until or start != months_before(end, WINDOW_MONTHS) or not figures.intensity_tco2e_per_unit:
            continue
        if end <= months_before(until, WINDOW_MONTHS):
            return None
        group = group_of(industry_code=statement.profile.industry_code, product_code=figures.product_code, unit=figures.output_unit)
        peer = Peer(
            subject_id=subject_id,
            account_revision=revision,
            intensity_tco2e_per_unit=Decimal(figures.intensity_tco2e_per_unit),
            emissions_tco2e=Decimal(figures.scope1_tco2e) + Decimal(figures.scope2_tco2e),
        )
        return group, peer
    return None
