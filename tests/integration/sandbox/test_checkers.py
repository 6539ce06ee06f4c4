"""The checkers find nothing wrong with a bureau at rest, and find every single thing that is done to its tables.

A checker that always agrees would make every test that relies on it worthless. Each case damages one row inside a transaction of
the administrator that is rolled back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2
from psycopg.rows import dict_row

from services.sandbox import truth_file
from services.sandbox.truth_file import PlannedRecord
from tests import checkers
from tests.stack import SERVICES, Stack, running_stack


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A bureau to which a small province was published twice, what it should hold, and the answers that a bank got from it."""

    stack: Stack
    truth: list[PlannedRecord]
    answers: list[inquiry_service_pb2.CreditGrade | inquiry_service_pb2.CreditReport]

    def problems(self, damage: str = "") -> list[str]:
        """Run every checker after `damage`, which is undone afterwards."""
        with self.stack.postgres.connect_as_admin() as admin, psycopg.connect(admin.info.dsn, password=admin.info.password) as connection:
            connection.row_factory = dict_row  # type: ignore[assignment]
            if damage:
                # Append-only triggers and foreign keys stand aside: what may not happen is what is looked for.
                connection.execute("SET LOCAL session_replication_role = replica")
                damaged = connection.execute(damage.encode())
                assert damaged.rowcount == 1, f"the damage hit {damaged.rowcount} rows"
            keys = self.stack.state.keys / "published-keys.json"
            found = [
                *checkers.everything(connection, truth=self.truth, times_sent=2, published_keys=keys),  # type: ignore[arg-type]
                *checkers.every_record_is_accounted_for(connection, ends=self.ends()),  # type: ignore[arg-type]
                *checkers.answers_are_recorded(connection, self.answers),  # type: ignore[arg-type]
            ]
            connection.rollback()
            return found

    def ends(self) -> dict[tuple[str, int], int]:
        return self.stack.kafka_end_offsets(sorted({record.topic for record in self.truth}))


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    truth = tmp_path_factory.mktemp("checkers") / "truth.jsonl"
    with running_stack() as stack:
        stack.start(*SERVICES)
        # Slowly first: an account is then drawn up several times, so that there are reversals and later revisions to damage.
        _publish(stack, truth, "--rate", "250")
        _publish(stack, truth)
        with stack.bank() as bank:
            codes = truth_file.subject_codes(truth)[:2]
            answers = [answer for code in codes for answer in (bank.grade(code), bank.report(code))]
        stack.stop(*SERVICES)
        yield Settled(stack=stack, truth=truth_file.planned_records(truth), answers=answers)


def _publish(stack: Stack, truth: Path, *more: str) -> None:
    stack.sandbox("province", "--subjects", "12", "--seed", "3", "--months", "30", "--order", "subject", "--truth", str(truth), *more)
    stack.wait_settled(seconds=120)


def one(table: str, *, where: str = "true", order: str = "1") -> str:
    """Name one row of a table for a damaging statement."""
    return f"ctid = (SELECT ctid FROM {table} WHERE {where} ORDER BY {order} LIMIT 1)"


STANDING = "reverses IS NULL AND amount_tco2e > 0 AND NOT EXISTS (SELECT FROM collector.posting r WHERE r.reverses = posting.posting_id)"
NEWEST = "assessment_number = (SELECT max(assessment_number) FROM scoring.assessment b WHERE b.subject_id = assessment.subject_id)"

DAMAGE = {
    "a submission is lost": ("DELETE FROM collector.submission WHERE " + one("collector.submission"), "submissions as planned"),
    "a submission has other bytes": (
        "UPDATE collector.submission SET value_sha256 = sha256(value || '!') WHERE " + one("collector.submission"),
        "submissions as planned",
    ),
    "a parked correction was taken at once": (
        "UPDATE collector.submission SET outcome = 'ACCEPTED' WHERE " + one("collector.submission", where="outcome = 'PARKED'"),
        "submissions as planned",
    ),
    "a duplicate is not noted": (
        "DELETE FROM collector.duplicate_record WHERE " + one("collector.duplicate_record"),
        "submissions as planned",
    ),
    "a refused record is not kept": (
        "DELETE FROM collector.rejected_record WHERE " + one("collector.rejected_record"),
        "records accounted for",
    ),
    "unreadable bytes are not kept": (
        "DELETE FROM collector.quarantined_record WHERE " + one("collector.quarantined_record"),
        "submissions as planned",
    ),
    "a refusal has no finding": (
        "DELETE FROM collector.record_finding WHERE " + one("collector.record_finding", where="rule_id = 'FORM_AMOUNT_NEGATIVE'"),
        "records accounted for",
    ),
    "a receipt is missing": ("DELETE FROM collector.receipt WHERE " + one("collector.receipt"), "records accounted for"),
    "the position is ahead of what is kept": (
        "UPDATE collector.consumer_position SET next_offset = next_offset + 1 WHERE " + one("collector.consumer_position"),
        "records accounted for",
    ),
    "a posting is lost": (
        "DELETE FROM collector.posting WHERE " + one("collector.posting", where=STANDING),
        "accounts follow from submissions",
    ),
    "a posting is off by a gram": (
        "UPDATE collector.posting SET amount_tco2e = amount_tco2e + 0.000001 WHERE " + one("collector.posting", where=STANDING),
        "accounts follow from submissions",
    ),
    "a reversal is lost": (
        "DELETE FROM collector.posting WHERE " + one("collector.posting", where="reverses IS NOT NULL"),
        "accounts follow from submissions",
    ),
    "an account revision is lost": (
        "DELETE FROM collector.account_revision WHERE " + one("collector.account_revision", order="account_revision"),
        "account revisions are whole",
    ),
    "a statement was altered": (
        "UPDATE collector.account_revision SET statement = statement || '\\x00' WHERE " + one("collector.account_revision"),
        "account revisions are whole",
    ),
    "the account was sealed without some evidence": (
        "UPDATE collector.account_revision SET evidence_root = sha256(evidence_root) WHERE "
        + one("collector.account_revision", order="account_revision DESC"),
        "accounts hold every submission",
    ),
    "the last assessment is lost": (
        "DELETE FROM scoring.assessment WHERE " + one("scoring.assessment", where=NEWEST),
        "every account is assessed",
    ),
    "an assessment was of another statement": (
        "UPDATE scoring.assessment SET statement_sha256 = repeat('0', 64) WHERE " + one("scoring.assessment", where=NEWEST),
        "every account is assessed",
    ),
    "a grade was changed after it was reported": (
        "UPDATE scoring.assessment SET score = score + 0.01 WHERE " + one("scoring.assessment", where=f"score < 99 AND {NEWEST}"),
        "reports state the last assessment",
    ),
    "a report revision is lost": (
        "DELETE FROM reports.report_revision WHERE " + one("reports.report_revision", order="revision_number"),
        "gateway holds what was issued",
    ),
    "a report was altered": (
        "UPDATE reports.report_revision SET content = set_byte(content, 40, 65) WHERE " + one("reports.report_revision"),
        "reports are chained and signed",
    ),
    "a signature was altered": (
        "UPDATE reports.report_revision SET signed_report = set_byte(signed_report, length(signed_report) - 20, "
        "CASE get_byte(signed_report, length(signed_report) - 20) WHEN 65 THEN 66 ELSE 65 END) WHERE " + one("reports.report_revision"),
        "reports are chained and signed",
    ),
    "a revision names another predecessor": (
        "UPDATE reports.report_revision SET predecessor_sha256 = repeat('0', 64) WHERE "
        + one("reports.report_revision", where="revision_number > 1"),
        "reports are chained and signed",
    ),
    "a revision was never issued": (
        "UPDATE reports.report_revision SET state = 'PREPARED', signed_report = NULL, key_id = NULL, issued_at = NULL WHERE "
        + one("reports.report_revision"),
        "reports are chained and signed",
    ),
    "the gateway lacks a revision": (
        "DELETE FROM gateway.report_revision WHERE " + one("gateway.report_revision"),
        "gateway holds what was issued",
    ),
    "the gateway answers from no revision": (
        "DELETE FROM gateway.credit_grade WHERE " + one("gateway.credit_grade"),
        "gateway holds what was issued",
    ),
    "an answer is not on record": (
        "DELETE FROM gateway.inquiry_outcome WHERE " + one("gateway.inquiry_outcome", where="outcome = 'SERVED'"),
        "answers are recorded",
    ),
    "a denied inquiry was answered": (
        "UPDATE gateway.inquiry SET decision = 'DENIED', reason = 'PURPOSE_MISSING' WHERE " + one("gateway.inquiry"),
        "answers were issued",
    ),
    "an answer gave out what was not issued": (
        "UPDATE gateway.inquiry_outcome SET content_sha256 = repeat('0', 64) WHERE "
        + one("gateway.inquiry_outcome", where="outcome = 'SERVED'"),
        "answers were issued",
    ),
}


class TestCheckers:
    @pytest.mark.timeout(300)
    def test_find_nothing_wrong_with_a_bureau_at_rest(self, settled: Settled) -> None:
        assert settled.problems() == []

    @pytest.mark.parametrize("what", DAMAGE)
    def test_notice_when(self, what: str, settled: Settled) -> None:
        damage, checker = DAMAGE[what]
        found = settled.problems(damage)
        assert any(problem.startswith(f"{checker}:") for problem in found), found
