"""Real facility records (Clean Energy Regulator, NGER 2014-15 to 2020-21) through the whole bureau, compared with the file."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2

from deploy.local.state import REPOSITORY
from services.sandbox import truth_file
from tests import checkers
from tests.stack import Stack

FILE = REPOSITORY.parent / "shared" / "data" / "nger_facility_fy2015_2021.csv"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not beside this checkout")

ROWS, FACILITIES = 3099, 656


@pytest.fixture(scope="module")
def truth(province_bureau: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    truth = tmp_path_factory.mktemp("replay") / "truth.jsonl"
    province_bureau.sandbox("replay", str(FILE), "--truth", str(truth))
    province_bureau.wait_settled(seconds=420)
    return truth


class TestReplay:
    @pytest.mark.timeout(600)
    def test_puts_every_facility_year_on_an_account_with_the_sums_of_the_file(self, province_bureau: Stack, truth: Path) -> None:
        with province_bureau.database() as connection:
            assert checkers.accounts_equal_the_facility_file(connection, FILE) == []

    def test_accounts_for_every_record_that_was_sent(self, province_bureau: Stack, truth: Path) -> None:
        assert province_bureau.problems(truth) == []

    def test_rejects_nothing_for_oddness(self, province_bureau: Stack, truth: Path) -> None:
        for table in ("rejected_record", "quarantined_record"):
            assert province_bureau.value(f"SELECT count(*) FROM collector.{table} WHERE provider_code = 'cer-au'") == 0

    def test_grades_most_facilities_with_three_years_and_gives_reasons_for_the_others(self, province_bureau: Stack, truth: Path) -> None:
        years = _years_of_facilities(truth)
        assert len(years) == FACILITIES
        graded = 0
        with province_bureau.bank() as bank:
            for code, count in years.items():
                answer = bank.grade(code)
                if count < 3:
                    continue
                if answer.rating_state == inquiry_service_pb2.RATING_STATE_RATED:
                    graded += 1
                else:
                    assert answer.reasons, code
        with_three = sum(count >= 3 for count in years.values())
        print(f"{graded} of {with_three} facilities with three years or more are rated")
        assert graded >= 0.7 * with_three, f"{graded} of {with_three}"

    @pytest.mark.timeout(600)
    def test_changes_nothing_when_it_is_replayed(self, province_bureau: Stack, truth: Path, tmp_path: Path) -> None:
        def state() -> dict[str, Any]:
            tables = ("collector.posting", "collector.account_revision", "scoring.assessment", "reports.report_revision")
            return {table: province_bureau.value(f"SELECT count(*) FROM {table}") for table in tables}

        before = state()
        province_bureau.sandbox("replay", str(FILE))
        province_bureau.wait_settled(seconds=240)
        assert state() == before


def _years_of_facilities(truth: Path) -> dict[str, int]:
    years: dict[str, set[str]] = defaultdict(set)
    for record in truth_file.planned_records(truth):
        if record.kind == "REPORTED_EMISSIONS":
            years[record.key].add(record.record_number)
    return {code: len(numbers) for code, numbers in years.items()}


def test_the_file_is_the_one_whose_figures_are_quoted() -> None:
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS
    assert sum(Decimal(row["scope1_t"]) for row in rows) > 0
