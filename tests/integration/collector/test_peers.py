"""Snapshots of peers are made by the monthly close, stand for ever, and are pinned by every position that was told from them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from carbonbureau.accounts.v1 import account_pb2

from services.collector import closing, peer_snapshots
from services.collector.__main__ import main
from services.collector.accounts import newest_statement
from tests.integration.collector.conftest import Collector
from tests.integration.collector.test_commands import environment
from tests.unit.collector.submissions import code_of, entry, output, reported, year

__all__ = ["environment"]

MONTH = date(2025, 3, 1)


def plants(collector: Collector, *tonnes: str) -> None:
    """Take in coal plants that make 1000 MWh a year each and emit this much."""
    for number, emitted in enumerate(tonnes):
        code = code_of(number)
        collector.send(
            ("ndrc-sx", entry(code=code, record_number=f"E{number}")),
            ("stats-sx", output("1000", code=code, record_number=f"O{number}", period=year(2024))),
            ("eco-sx", reported(emitted, code=code, record_number=f"R{number}", period=year(2024))),
        )
    collector.rebuild()


def close(collector: Collector) -> None:
    closing.close_month(collector.database, month=MONTH, operator="li")
    collector.rebuild()


def position(collector: Collector, number: int) -> account_pb2.PeerPosition:
    sealed = newest_statement(collector.database, code=code_of(number))
    compared = account_pb2.AccountStatement.FromString(sealed.statement).comparisons
    return compared[-1].peers if compared else account_pb2.PeerPosition()


def editions(collector: Collector) -> list[dict[str, Any]]:
    return collector.rows("SELECT edition, peers, withheld, p50::text FROM peer_snapshot ORDER BY edition")


class TestSnapshots:
    def test_are_made_by_the_close_and_stand_on_the_accounts(self, collector: Collector) -> None:
        plants(collector, "700", "750", "800", "850", "900", "950")
        assert position(collector, 0).snapshot_id == ""
        close(collector)
        assert editions(collector) == [{"edition": 1, "peers": 6, "withheld": "", "p50": "0.80"}]
        assert [position(collector, number).band for number in range(6)] == ["Q1", "Q1", "Q2", "Q3", "Q3", "Q4"]
        (row,) = collector.rows("SELECT snapshot_id::text FROM peer_snapshot")
        assert position(collector, 3).snapshot_id == row["snapshot_id"]

    def test_of_fewer_than_five_are_kept_and_not_told(self, collector: Collector) -> None:
        plants(collector, "700", "750", "800", "850")
        close(collector)
        assert editions(collector) == [{"edition": 1, "peers": 4, "withheld": "TOO_FEW_PEERS", "p50": None}]
        assert position(collector, 0).snapshot_id == ""

    def test_made_again_without_a_change_are_the_same(self, collector: Collector) -> None:
        plants(collector, "700", "750", "800", "850", "900")
        assert peer_snapshots.close_peers(collector.database, month=MONTH) == (1, 1)
        assert peer_snapshots.close_peers(collector.database, month=MONTH) == (1, 0)

    def test_after_a_correction_are_a_new_edition_beside_the_old(self, collector: Collector) -> None:
        plants(collector, "700", "750", "800", "850", "900")
        peer_snapshots.close_peers(collector.database, month=MONTH)
        before = collector.rows("SELECT * FROM peer_snapshot")
        collector.send(("eco-sx", reported("1200", code=code_of(2), record_number="R2", record_revision=2, period=year(2024))))
        collector.rebuild()
        assert peer_snapshots.close_peers(collector.database, month=MONTH) == (1, 1)
        assert collector.rows("SELECT * FROM peer_snapshot WHERE edition = 1") == before
        assert [row["edition"] for row in editions(collector)] == [1, 2]

    def test_leave_out_windows_that_end_later_or_a_year_before(self, collector: Collector) -> None:
        plants(collector, "700", "750", "800", "850", "900")
        assert peer_snapshots.close_peers(collector.database, month=date(2024, 11, 1)) == (0, 0)
        assert peer_snapshots.close_peers(collector.database, month=date(2024, 12, 1)) == (1, 1)
        assert peer_snapshots.close_peers(collector.database, month=date(2025, 11, 1)) == (1, 1)
        assert peer_snapshots.close_peers(collector.database, month=date(2025, 12, 1)) == (0, 0)


class TestCommand:
    def test_says_what_it_made(self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        plants(collector, "700", "750", "800", "850", "900")
        environment()
        assert main(["peers", "close", "--month", "2025-03"]) == 0
        assert "1 groups of peers, 1 new editions; 5 accounts" in capsys.readouterr().out
        collector.rebuild()
        assert main(["explain", "--subject", code_of(0)]) == 0
        assert "Q1 of 5-9 peers" in capsys.readouterr().out

    @pytest.mark.parametrize("point", ["peers.append.before_commit", "peers.append.after_commit"])
    def test_killed_is_completed_by_the_next_run(self, collector: Collector, environment: Callable[..., None], point: str) -> None:
        plants(collector, "700", "750", "800", "850", "900")
        environment(CRASH_POINT=point, ALLOW_CRASH_POINTS="true")
        command = [sys.executable, "-m", "services.collector", "close", "--month", "2025-03", "--operator", "li"]
        killed = subprocess.run(command, env=dict(os.environ), capture_output=True, timeout=60, check=False)
        assert killed.returncode == -9, killed.stderr.decode()
        close(collector)
        assert len(editions(collector)) == 1
        assert position(collector, 0).band == "Q1"
