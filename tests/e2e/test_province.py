"""The main road: a province publishes, every subject ends with a signed report, a bank reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from carbonbureau.bureau.v1 import inquiry_service_pb2

from deploy.local.state import REPOSITORY
from tests.e2e.conftest import Province, publish_province
from tests.stack import Stack


class TestProvince:
    def test_becomes_accounts_grades_and_reports_as_the_truth_file_says(self, province_bureau: Stack, province: Province) -> None:
        assert province_bureau.problems(province.truth) == []

    def test_is_graded_for_the_most_part(self, province_bureau: Stack, province: Province) -> None:
        with province_bureau.bank() as bank:
            answers = [bank.grade(code) for code in province.subject_codes]
        rated = [answer for answer in answers if answer.rating_state == inquiry_service_pb2.RATING_STATE_RATED]
        assert len(rated) >= 0.7 * len(answers)
        assert all(answer.reasons for answer in answers)
        assert all(answer.report_revision_number >= 1 and answer.inquiry_id for answer in answers)

    def test_published_again_changes_nothing(self, province_bureau: Stack, province: Province) -> None:
        def made() -> dict[str, int]:
            tables = (
                "collector.posting",
                "collector.account_revision",
                "scoring.assessment",
                "reports.report_revision",
                "gateway.report_revision",
            )
            return {table: province_bureau.value(f"SELECT count(*) FROM {table}") for table in tables}

        before = made()
        publish_province(province_bureau, province.truth)
        assert made() == before

    def test_reaches_the_bank_as_a_report_that_proves_itself_offline(
        self, province_bureau: Stack, province: Province, tmp_path: Path
    ) -> None:
        file = tmp_path / "report.jws"
        with province_bureau.bank() as bank:
            file.write_bytes(bank.report(province.subject_codes[0]).signed_report)
        proven = _verify(province_bureau, file)
        assert proven.returncode == 0, proven.stdout + proven.stderr

        text = bytearray(file.read_bytes())
        text[len(text) // 2] ^= 0x01
        file.write_bytes(text)
        refused = _verify(province_bureau, file)
        assert refused.returncode != 0
        assert "bytes" in refused.stdout + refused.stderr


def _verify(province_bureau: Stack, file: Path) -> subprocess.CompletedProcess[str]:
    keys = province_bureau.state.keys / "published-keys.json"
    command = ["make", "--no-print-directory", "verify", f"FILE={file}", f"KEYS={keys}"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
