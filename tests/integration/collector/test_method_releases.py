"""Old postings never change because a pack or factor was added: accounts move to a release by a recorded run, and by nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector import method_files, method_releases
from services.collector.accounts import AccountWorker, newest_statement, statement_as_known_on
from services.collector.method_releases import ReleasedMethods, recompute, release
from services.collector.method_text import trial_text
from services.collector.method_trial import try_pack
from services.common.errors import Refused
from services.common.identifiers import RandomIds
from tests.integration.collector.conftest import Collector
from tests.unit.collector.submissions import CODE, INVOICED, PROVINCE, code_of, entry, fuel, month

SHIPPED = method_files.shipped()
POWER = "fossil_power_generation.toml"
# Coal by another carbon content from 2023 on; the worked example follows.
CHANGED = {
    **SHIPPED,
    POWER: SHIPPED[POWER]
    .replace('carbon_content_tc_per_gj = "0.03085"', 'carbon_content_tc_per_gj = "0.03"')
    .replace("× 0.03085 ×", "× 0.03 ×")
    .replace('tco2e = "369137.386"', 'tco2e = "358966.663"')
    .replace('scope_1 = "369240.581"', 'scope_1 = "359069.859"'),
}
OLD, NEW = "2990.012850", "2907.630000"
BY = {"operator": "wang", "reason": "the guideline was revised"}


def invoiced(tonnes: str, **fields: Any) -> intake.Submission:
    return fuel(tonnes, basis=INVOICED, **fields)


def with_files(collector: Collector, files: dict[str, str]) -> Collector:
    """Go on with a program that brought other method files."""
    return replace(collector, methods=ReleasedMethods(files))


def moved(collector: Collector, number: int, *, code: str | None = None, per_second: int = 1000) -> method_releases.Run:
    ids = RandomIds()
    return recompute(collector.database, ids, release_number=number, code=code, subjects_per_second=per_second, **BY)


@pytest.fixture
def accounted(collector: Collector) -> Collector:
    """Give two power plants with an account each."""
    collector.send(("ndrc-sx", entry()), ("tax-sx", invoiced("1000")))
    collector.send(("ndrc-sx", entry(code=code_of(2))), ("tax-sx", invoiced("1000", code=code_of(2))))
    collector.rebuild()
    assert collector.net() == [("2024-01-01 scope 1", "5980.025700")]
    return collector


def releases_of(collector: Collector) -> dict[str, int]:
    rows = collector.rows("SELECT first_code, method_release FROM subject ORDER BY first_code")
    return {row["first_code"]: row["method_release"] for row in rows}


def lines_of(collector: Collector, code: str) -> list[tuple[str, str]]:
    query = f"""
        SELECT amount_tco2e::text AS amount, CASE WHEN reverses IS NULL THEN 'posts' ELSE 'reverses' END AS does
        FROM posting JOIN subject_code USING (subject_id)
        WHERE code = '{code}' AND treatment = 'IN_TOTAL' ORDER BY account_revision, does DESC
    """
    return [(row["does"], row["amount"]) for row in collector.rows(query)]


class TestReleases:
    def test_begin_with_the_first_account(self, collector: Collector) -> None:
        assert collector.rows("SELECT * FROM method_release") == []
        collector.send(("ndrc-sx", entry()), ("tax-sx", invoiced("1000")))
        collector.rebuild()
        (row,) = collector.rows("SELECT release_number, content_sha256, files, operator FROM method_release")
        assert (row["release_number"], row["operator"]) == (1, "collector")
        assert row["files"] == SHIPPED
        assert bytes(row["content_sha256"]) == method_files.content_sha256(SHIPPED)
        assert releases_of(collector) == {CODE: 1}

    def test_change_no_account(self, accounted: Collector) -> None:
        made = release(accounted.database, CHANGED, **BY)
        assert made.release_number == 2
        later = with_files(accounted, CHANGED)
        later.send(("tax-sx", invoiced("1000", period=month(2024, 2))))
        later.rebuild()
        # Not even what comes in later, under a program that brings other files.
        assert lines_of(later, CODE) == [("posts", OLD), ("posts", OLD)]
        assert releases_of(later) == {CODE: 1, code_of(2): 1}

    def test_that_are_not_recorded_are_used_by_nobody(self, accounted: Collector) -> None:
        later = with_files(accounted, CHANGED)
        later.send(("ndrc-sx", entry(code=code_of(3))), ("tax-sx", invoiced("1000", code=code_of(3))))
        later.rebuild()
        assert lines_of(later, code_of(3)) == [("posts", OLD)]

    def test_hold_for_subjects_first_accounted_after_them(self, accounted: Collector) -> None:
        release(accounted.database, CHANGED, **BY)
        accounted.send(("ndrc-sx", entry(code=code_of(3))), ("tax-sx", invoiced("1000", code=code_of(3))))
        accounted.rebuild()
        assert lines_of(accounted, code_of(3)) == [("posts", NEW)]
        assert releases_of(accounted) == {CODE: 1, code_of(2): 1, code_of(3): 2}

    def test_of_the_same_files_are_refused(self, accounted: Collector) -> None:
        with pytest.raises(Refused) as refused:
            release(accounted.database, SHIPPED, **BY)
        assert refused.value.reason == "ALREADY_RELEASED"

    def test_cannot_be_altered(self, accounted: Collector) -> None:
        for statement in ("UPDATE method_release SET reason = 'another'", "DELETE FROM method_run", "TRUNCATE method_release"):
            with pytest.raises(Exception, match=r"permission denied|append-only"):
                accounted.run(statement)


class TestRecompute:
    def test_posts_corrections_for_the_subject_that_is_named(self, accounted: Collector) -> None:
        before = newest_statement(accounted.database, code=CODE)
        release(accounted.database, CHANGED, **BY)
        run = moved(accounted, 2, code=CODE)
        assert (run.subjects, run.release_number) == (1, 2)
        accounted.rebuild()
        assert lines_of(accounted, CODE) == [("posts", OLD), ("reverses", f"-{OLD}"), ("posts", NEW)]
        assert lines_of(accounted, code_of(2)) == [("posts", OLD)]
        after = newest_statement(accounted.database, code=CODE)
        assert after.account_revision == before.account_revision + 1
        # As known before the run, the account says the same bytes as then.
        at = after.known_at - timedelta(microseconds=1)
        assert statement_as_known_on(accounted.database, code=CODE, at=at).statement == before.statement
        revisions = accounted.rows("SELECT account_revision, method_release FROM account_revision ORDER BY known_at")
        assert [row["method_release"] for row in revisions][-1] == 2

    def test_is_on_record_with_operator_and_reason(self, accounted: Collector) -> None:
        release(accounted.database, CHANGED, **BY)
        run = moved(accounted, 2)
        (row,) = accounted.rows("SELECT run_id, release_number, selection, operator, reason FROM method_run")
        assert tuple(row.values()) == (run.run_id, 2, "ALL", "wang", "the guideline was revised")

    def test_of_all_takes_those_of_other_releases_once_and_slowly(self, accounted: Collector) -> None:
        release(accounted.database, CHANGED, **BY)
        assert moved(accounted, 2, per_second=1).subjects == 2
        assert moved(accounted, 2).subjects == 0
        waits = accounted.rows("SELECT priority, due_at - marked_at > interval '500 ms' AS later FROM work_item ORDER BY due_at")
        assert [(row["priority"], row["later"]) for row in waits] == [
            (method_releases.PRIORITY_WAVE, False),
            (method_releases.PRIORITY_WAVE, True),
        ]
        accounted.rebuild()
        assert accounted.net() == [("2024-01-01 scope 1", "5815.260000")]

    def test_goes_back_to_an_older_release_as_well(self, accounted: Collector) -> None:
        release(accounted.database, CHANGED, **BY)
        moved(accounted, 2, code=CODE)
        accounted.rebuild()
        moved(accounted, 1, code=CODE)
        with_files(accounted, CHANGED).rebuild()
        assert [amount for does, amount in lines_of(accounted, CODE) if does == "posts"] == [OLD, NEW, OLD]

    def test_to_a_release_that_is_not_there_is_refused(self, accounted: Collector) -> None:
        with pytest.raises(Refused) as refused:
            moved(accounted, 7)
        assert refused.value.reason == "RELEASE_NOT_FOUND"
        assert accounted.rows("SELECT * FROM method_run") == []

    def test_while_a_worker_has_the_subject_is_not_lost(self, accounted: Collector) -> None:
        release(accounted.database, CHANGED, **BY)
        accounted.send(("tax-sx", invoiced("5", period=month(2024, 3))))
        accounted.make_due()
        worker = accounted.worker()
        # The run commits between the claim and the rebuild: the subject is due again afterwards at the latest.
        original = AccountWorker.rebuild

        def rebuild_after_run(self: AccountWorker, claim: object) -> object:
            moved(accounted, 2, code=CODE)
            return original(self, claim)  # type: ignore[arg-type]

        AccountWorker.rebuild = rebuild_after_run  # type: ignore[method-assign,assignment]
        try:
            worker.step()
        finally:
            AccountWorker.rebuild = original  # type: ignore[method-assign]
        accounted.rebuild()
        assert releases_of(accounted)[CODE] == 2
        assert ("posts", NEW) in lines_of(accounted, CODE)


class TestDryRun:
    def test_lays_what_a_pack_would_post_beside_what_stands_and_writes_nothing(self, accounted: Collector) -> None:
        counts = accounted.rows("SELECT count(*) AS n FROM posting")
        trial = try_pack(accounted.database, CHANGED, pack_code="fossil-power-generation", code=CODE, province=PROVINCE)
        text = trial_text(trial)
        (line,) = (line for line in text.splitlines() if "IN_TOTAL" in line)
        assert line.split()[-4:-1] == [OLD, NEW, "-82.382850"]
        assert accounted.rows("SELECT count(*) AS n FROM posting") == counts
        assert accounted.rows("SELECT * FROM work_item") == []

    def test_tries_a_pack_of_another_industry_and_says_so(self, accounted: Collector) -> None:
        trial = try_pack(accounted.database, SHIPPED, pack_code="general-industry", code=CODE, province=PROVINCE)
        text = trial_text(trial)
        assert "this industry is none of the pack's" in text
        assert "fuel use of coal: no factor" in text

    def test_of_an_unknown_pack_or_subject_is_refused(self, accounted: Collector) -> None:
        for pack_code, code, reason in [("peat", CODE, "PACK_NOT_FOUND"), ("coking", code_of(9), "SUBJECT_NOT_FOUND")]:
            with pytest.raises(Refused) as refused:
                try_pack(accounted.database, SHIPPED, pack_code=pack_code, code=code, province=PROVINCE)
            assert refused.value.reason == reason
