"""The main road: a province publishes, every subject ends with a signed report, a bank reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from carbonbureau.bureau.v1 import inquiry_service_pb2

from deploy.local.state import REPOSITORY
from tests import checkers
from tests.e2e.conftest import Province, publish_province
from tests.stack import Stack


class TestProvince:
    def test_becomes_accounts_grades_and_reports_as_the_truth_file_says(self, bureau: Stack, province: Province) -> None:
        checkers.check_all(bureau, province.truth)

    def test_is_graded_for_the_most_part(self, bureau: Stack, province: Province) -> None:
        with bureau.bank() as bank:
            answers = [bank.grade(code) for code in province.subject_codes]
        rated = [answer for answer in answers if answer.rating_state == inquiry_service_pb2.RATING_STATE_RATED]
        assert len(rated) >= 0.7 * len(answers)
        assert all(answer.reasons for answer in answers)
        assert all(answer.report_revision_number >= 1 and answer.inquiry_id for answer in answers)

    def test_published_again_changes_nothing(self, bureau: Stack, province: Province) -> None:
        def made() -> dict[str, int]:
            tables = (
                "collector.posting",
                "collector.account_revision",
                "scoring.assessment",
                "reports.revision",
                "gateway.report_revision",
            )
            return {table: bureau.value(f"SELECT count(*) FROM {table}") for table in tables}

        before = made()
        publish_province(bureau, province.truth)
        assert made() == before

    def test_reaches_the_bank_as_a_report_that_proves_itself_offline(self, bureau: Stack, province: Province, tmp_path: Path) -> None:
        file = tmp_path / "report.jws"
        with bureau.bank() as bank:
            file.write_bytes(bank.report(province.subject_codes[0]).signed_report)
        proven = _verify(bureau, file)
        assert proven.returncode == 0, proven.stdout + proven.stderr

        text = bytearray(file.read_bytes())
        text[len(text) // 2] ^= 0x01
        file.write_bytes(text)
        refused = _verify(bureau, file)
        assert refused.returncode == 1
        assert "bytes" in refused.stdout + refused.stderr


def _verify(bureau: Stack, file: Path) -> subprocess.CompletedProcess[str]:
    keys = bureau.state.keys / "published-keys.json"
    command = ["make", "--no-print-directory", "verify", f"FILE={file}", f"KEYS={keys}"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
