"""The monthly close makes findings final in the next revision of each account, once, however often it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date

import pytest

from services.collector import closing
from services.collector.__main__ import main
from services.common.errors import Refused
from tests.integration.collector.conftest import Collector
from tests.integration.collector.test_commands import environment
from tests.unit.collector.submissions import DECLARED, METERED, code_of, electricity, entry, fuel, month, owned, reported

__all__ = ["environment"]

JANUARY, MARCH = date(2024, 1, 1), date(2024, 3, 1)


def close(collector: Collector, when: date = MARCH, **options: int) -> closing.Closed:
    closed = closing.close_month(collector.database, month=when, operator="li", **options)
    collector.rebuild()
    return closed


def states(collector: Collector) -> dict[str, str]:
    """Give the state of each finding on the newest statement, by rule and period."""
    return {f"{one.rule_id} {one.period.start_date}".strip(): one.state for one in collector.statements()[-1].findings}


def differing(number: int) -> list[tuple[str, object]]:
    return [
        ("grid-sx", electricity("100", record_number=f"G{number}", basis=METERED, period=month(2024, number))),
        ("ent-sx", electricity("150", record_number=f"E{number}", basis=DECLARED, period=month(2024, number))),
    ]


class TestClose:
    def test_makes_findings_of_periods_up_to_it_final_in_the_next_revision(self, collector: Collector) -> None:
        collector.send(*differing(3), *differing(4))  # type: ignore[arg-type]
        collector.rebuild()
        assert states(collector)["PROVIDERS_DIFFER 2024-03-01"] == "PROVISIONAL"
        close(collector)
        found = states(collector)
        assert (found["PROVIDERS_DIFFER 2024-03-01"], found["PROVIDERS_DIFFER 2024-04-01"]) == ("FINAL", "PROVISIONAL")
        assert [one.account_revision for one in collector.statements()] == [1, 2]
        rows = collector.rows("SELECT rule_id, final_revision FROM account_finding JOIN account_finding_final USING (finding_id)")
        assert {"rule_id": "PROVIDERS_DIFFER", "final_revision": 2} in rows

    def test_again_changes_nothing(self, collector: Collector) -> None:
        collector.send(*differing(3))  # type: ignore[arg-type]
        collector.rebuild()
        first = close(collector)
        told = len(collector.findings("ent-sx"))
        again = close(collector)
        assert (first.again, again.again, again.close) == (False, True, first.close)
        assert len(collector.statements()) == 2
        assert len(collector.findings("ent-sx")) == told

    def test_leaves_alone_the_account_that_says_the_same(self, collector: Collector) -> None:
        collector.send(*differing(4))  # type: ignore[arg-type]
        collector.rebuild()
        close(collector, JANUARY)
        assert len(collector.statements()) == 1

    def test_reaches_accounts_on_every_page(self, collector: Collector) -> None:
        collector.send(*(("eco-sx", reported("5", code=code_of(number))) for number in range(7)))
        collector.rebuild()
        assert close(collector, page=2).accounts_marked == 7
        assert len(collector.statements()) == 14

    def test_makes_what_is_found_later_about_its_days_final_at_once(self, collector: Collector) -> None:
        close(collector)
        collector.send(*differing(2))  # type: ignore[arg-type]
        collector.rebuild()
        assert states(collector)["PROVIDERS_DIFFER 2024-02-01"] == "FINAL"
        rows = collector.rows("SELECT state FROM account_finding WHERE rule_id = 'PROVIDERS_DIFFER'")
        assert [row["state"] for row in rows] == ["FINAL"]

    def test_lets_a_correction_end_a_final_finding(self, collector: Collector) -> None:
        collector.send(*differing(3))  # type: ignore[arg-type]
        collector.rebuild()
        close(collector)
        collector.send(("ent-sx", electricity("100", record_number="E3", record_revision=2, basis=DECLARED, period=month(2024, 3))))
        collector.rebuild()
        assert "PROVIDERS_DIFFER 2024-03-01" not in states(collector)

    def test_refuses_a_month_that_is_not_over_and_one_before_the_last(self, collector: Collector) -> None:
        with pytest.raises(Refused, match="MONTH_NOT_OVER"):
            closing.close_month(collector.database, month=date(2999, 1, 1), operator="li")
        close(collector)
        with pytest.raises(Refused, match="LATER_MONTH_CLOSED"):
            closing.close_month(collector.database, month=JANUARY, operator="li")
        assert [row["month"] for row in collector.rows("SELECT month FROM month_close")] == [MARCH]


class TestFindingsThatRestOnAbsence:
    def test_are_told_at_the_close_by_the_newest_record_concerned(self, collector: Collector) -> None:
        collector.send(
            ("ndrc-sx", entry(owned("F2"))),
            ("eco-sx", reported("1", facility_number="F1", record_number="R1")),
            ("eco-sx", reported("1", facility_number="F1", record_number="R2", period=month(2024, 2))),
            ("tax-sx", fuel("3", facility_number="F2", record_number="T1")),
        )
        collector.rebuild()
        assert collector.findings("eco-sx") == []
        close(collector)
        told = [(one.rule_id, one.record_number) for one in collector.findings("eco-sx")]
        assert ("FACILITY_NOT_REGISTERED", "R2") in told
        assert ("FACILITY_NOT_REGISTERED", "R1") not in told
        assert "FACILITY_NOT_REGISTERED" not in {one.rule_id for one in collector.findings("tax-sx")}

    def test_are_not_told_when_what_was_missing_came_before_the_close(self, collector: Collector) -> None:
        collector.send(("eco-sx", reported("1", facility_number="F1")))
        collector.rebuild()
        collector.send(("ndrc-sx", entry(owned("F1"))))
        collector.rebuild()
        close(collector)
        assert "FACILITY_NOT_REGISTERED" not in {one.rule_id for one in collector.findings("eco-sx")}


class TestCommand:
    def test_says_what_it_did(self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        collector.send(("eco-sx", reported("5")))
        collector.rebuild()
        environment()
        assert main(["close", "--month", "2024-03", "--operator", "li"]) == 0
        assert "2024-03 closed by li" in capsys.readouterr().out
        assert main(["close", "--month", "2024-03", "--operator", "wang"]) == 0
        assert "closed by li" in (out := capsys.readouterr().out)
        assert "(recorded before); 1 accounts" in out
        assert main(["close", "--month", "2024-02", "--operator", "li"]) == 1
        assert "LATER_MONTH_CLOSED" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "point", ["closing.record.before_commit", "closing.record.after_commit", "closing.mark.before_commit", "closing.mark.after_commit"]
    )
    def test_killed_half_way_is_completed_by_the_next_run_and_doubles_nothing(
        self, collector: Collector, environment: Callable[..., None], point: str
    ) -> None:
        collector.send(*differing(3))  # type: ignore[arg-type]
        collector.rebuild()
        environment(CRASH_POINT=point, ALLOW_CRASH_POINTS="true")
        command = [sys.executable, "-m", "services.collector", "close", "--month", "2024-03", "--operator", "li"]
        killed = subprocess.run(command, env=dict(os.environ), capture_output=True, timeout=60, check=False)
        assert killed.returncode == -9, killed.stderr.decode()
        collector.rebuild()
        close(collector)
        assert states(collector)["PROVIDERS_DIFFER 2024-03-01"] == "FINAL"
        assert [one.account_revision for one in collector.statements()] == [1, 2]
        assert len(collector.rows("SELECT * FROM month_close")) == 1
