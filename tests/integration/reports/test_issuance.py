"""Signing and issuing on a real database: in order, once, the same bytes whatever dies in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from carbonbureau.reports.v1 import report_pb2
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from deploy.local.state import REPOSITORY
from services.common import work_queue
from services.common.clock import SystemClock
from services.common.crash import enumerate_points
from services.reports import published_keys, signing, store
from services.reports.domain.revision import IssuedRevision
from services.reports.issuance import Issuance
from services.reports.verify import verify
from tests.integration.reports.conftest import Reports
from tests.unit.reports.examples import SUBJECT_CODE, SUBJECT_ID, assessment_made

POINTS = [point for point in enumerate_points([REPOSITORY / "services" / "reports"]) if point.startswith("issuance.")]


def issue_all(reports: Reports) -> None:
    """Step until nothing is due; tickets of a killed process fall due after their short term."""
    deadline = time.monotonic() + 10
    while reports.rows("SELECT 1 FROM work_item WHERE queue = 'revision-to-sign'"):
        assert time.monotonic() < deadline, "a ticket does not end"
        reports.issuance().step()
        time.sleep(0.02)


class TestStep:
    def test_signs_the_stored_bytes_and_tells_of_it(self, reports: Reports) -> None:
        reports.take(assessment_made())
        (prepared,) = reports.revisions()
        reports.issuance().step()
        (issued,) = reports.revisions()
        assert issued["state"] == "ISSUED"
        verification = verify(issued["signed_report"], published_keys.read(reports.keys.published_file))
        assert verification.passed
        assert verification.content == prepared["content"] == issued["content"]
        (event,) = reports.events()
        message = report_pb2.ReportRevised.FromString(event["value"])
        assert event["topic"] == "bureau.report-revised.v1"
        assert message.signed_report == issued["signed_report"]
        assert message.content_sha256 == issued["content_sha256"]
        assert message.subject_code == SUBJECT_CODE
        assert message.assessment == assessment_made().assessment
        assert reports.rows("SELECT 1 FROM work_item") == []

    def test_issues_a_chain_one_after_the_other(self, reports: Reports) -> None:
        for number in range(1, 5):
            reports.take(assessment_made(number=number, score=f"{number}.00"))
        reports.issuance().step()
        assert [one["state"] for one in reports.revisions()] == ["ISSUED", "PREPARED", "WAITING", "WAITING"]
        issue_all(reports)
        revisions = reports.revisions()
        assert [one["state"] for one in revisions] == ["ISSUED"] * 4
        keys = published_keys.read(reports.keys.published_file)
        for before, after in pairwise(revisions):
            assert verify(after["signed_report"], keys, predecessor=before["signed_report"]).passed
            assert after["issued_at"] >= before["issued_at"]
        numbers = [report_pb2.ReportRevised.FromString(event["value"]).revision_number for event in reports.events()]
        assert numbers == [1, 2, 3, 4]

    def test_issues_many_subjects_in_one_step(self, reports: Reports) -> None:
        reports.take(*(assessment_made(subject_id=UUID(int=number, version=4)) for number in range(60)))
        assert reports.issuance().step()
        assert not reports.issuance().step()
        assert {one["state"] for one in reports.revisions()} == {"ISSUED"}
        assert len(reports.events()) == 60

    def test_issues_each_revision_once_when_several_do_it_at_once(self, reports: Reports) -> None:
        reports.take(*(assessment_made(subject_id=UUID(int=number, version=4)) for number in range(80)))
        threads = [threading.Thread(target=lambda: [reports.issuance(lease_s=10).step() for _ in range(4)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one["state"] for one in reports.revisions()} == {"ISSUED"}
        assert len(reports.events()) == 80

    def test_ends_a_ticket_for_which_there_is_nothing_to_sign(self, reports: Reports) -> None:
        with reports.database.transaction("test.mark") as transaction:
            work_queue.mark(transaction, queue="revision-to-sign", key=str(SUBJECT_ID), priority=1)
        reports.issuance().step()
        assert reports.rows("SELECT 1 FROM work_item") == []

    def test_gives_back_a_ticket_whose_key_was_not_valid_yet(self, reports: Reports) -> None:
        reports.take(assessment_made())
        later = dataclasses.replace(
            reports.keys.signer().published,
            not_before=SystemClock().now() + timedelta(days=1),
            expires_at=SystemClock().now() + timedelta(days=2),
        )
        signer = dataclasses.replace(reports.keys.signer(), published=later)
        Issuance(database=reports.database, signer=signer, clock=SystemClock(), province="shanxi", holder="test").step()
        assert [one["state"] for one in reports.revisions()] == ["PREPARED"]
        (ticket,) = reports.rows("SELECT * FROM work_item")
        assert "was not valid when it was composed" in ticket["last_failure"]

    def test_never_issues_what_does_not_verify(self, reports: Reports, tmp_path: object) -> None:
        """A signer whose private key is not the published one: memory or files went wrong."""
        reports.take(assessment_made())
        other = reports.keys.key_file.with_name("other.pem")
        signing.create(
            key_file=other, published_file=reports.keys.published_file.with_name("o.json"), sandbox=True, now=SystemClock().now()
        )
        wrong = signing.load(key_file=other, published_file=other.with_name("o.json"), production=False)
        signer = dataclasses.replace(wrong, published=reports.keys.signer().published)
        Issuance(database=reports.database, signer=signer, clock=SystemClock(), province="shanxi", holder="test").step()
        assert [one["state"] for one in reports.revisions()] == ["PREPARED"]
        assert reports.events() == []
        assert "signature" in reports.rows("SELECT * FROM work_item")[0]["last_failure"]

    def test_saves_nothing_under_a_ticket_that_went_to_another(self, reports: Reports) -> None:
        """A process that was paused longer than its term wakes up with a signature in hand."""
        reports.take(assessment_made(), assessment_made(subject_id=UUID(int=7, version=4)))
        paused = reports.issuance(lease_s=0.05)
        claims, prepared = paused._claim()
        signed = [one for one in (paused._sign(claim, prepared[UUID(claim.key)]) for claim in claims) if one is not None]
        time.sleep(0.1)
        with reports.database.transaction("test.steal") as transaction:
            work_queue.claim(transaction, queue="revision-to-sign", holder="thief", limit=1, lease_s=60)
        paused._issue_all(signed)
        assert sorted(one["state"] for one in reports.revisions()) == ["ISSUED", "PREPARED"]
        assert len(reports.events()) == 1


class TestCrash:
    def test_points_stand_on_either_side_of_signing_and_of_every_commit(self) -> None:
        assert {"issuance.before_sign", "issuance.after_sign"} <= set(POINTS)
        assert {"issuance.claim.after_commit", "issuance.issue.before_commit", "issuance.issue.after_commit"} <= set(POINTS)

    @pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("issuance.give_back")])
    def test_leads_to_the_same_bytes_issued_once(self, reports: Reports, point: str) -> None:
        reports.take(assessment_made())
        (prepared,) = reports.revisions()
        wanted = reports.keys.signer().sign(prepared["content"])
        arguments = [reports.url, str(reports.password_file), str(reports.keys.key_file), str(reports.keys.published_file), point]
        command = [sys.executable, "-m", "tests.integration.reports.issuance_process", *arguments]
        killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        issue_all(reports)
        (issued,) = reports.revisions()
        assert issued["state"] == "ISSUED"
        assert issued["signed_report"] == wanted
        assert issued["content"] == prepared["content"]
        assert issued["composed_at"] == prepared["composed_at"]
        assert len(reports.events()) == 1

    def test_after_signing_does_not_compose_again_though_a_newer_assessment_came(self, reports: Reports) -> None:
        reports.take(assessment_made())
        (prepared,) = reports.revisions()
        claims, _ = reports.issuance()._claim()
        assert claims  # the process dies here, having signed
        reports.take(assessment_made(number=2, score="12.00"))
        issue_all(reports)
        first, second = reports.revisions()
        assert first["content"] == prepared["content"]
        assert second["predecessor_sha256"] == first["content_sha256"]
        assert second["state"] == "ISSUED"


class TestGuard:
    """What the database itself refuses, whatever the code believes."""

    def statement_fails(self, reports: Reports, statement: str, why: str) -> None:
        with pytest.raises(IntegrityError, match=why), reports.database.transaction("test.forbidden") as transaction:
            transaction.execute(text(statement))

    @pytest.fixture
    def chain(self, reports: Reports) -> Reports:
        """One issued, one prepared, one waiting."""
        for number in range(1, 4):
            reports.take(assessment_made(number=number, score=f"{number}.00"))
        reports.issuance().step()
        assert [one["state"] for one in reports.revisions()] == ["ISSUED", "PREPARED", "WAITING"]
        return reports

    @pytest.mark.parametrize(
        "change", ["content = 'x'", "signed_report = 'x'", "issued_at = now()", "state = 'PREPARED'", "key_id = 'x'", "subject_code = 'x'"]
    )
    def test_an_issued_revision_is_never_altered(self, chain: Reports, change: str) -> None:
        self.statement_fails(chain, f"UPDATE report_revision SET {change} WHERE revision_number = 1", "never altered")

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_no_revision_is_removed(self, chain: Reports, number: int) -> None:
        self.statement_fails(chain, f"DELETE FROM report_revision WHERE revision_number = {number}", "never removed")

    def test_the_table_is_not_emptied(self, chain: Reports) -> None:
        self.statement_fails(chain, "TRUNCATE report_revision", "never removed")

    @pytest.mark.parametrize("number", [2, 3])
    def test_content_is_fixed_before_it_is_signed(self, chain: Reports, number: int) -> None:
        self.statement_fails(chain, f"UPDATE report_revision SET content = 'x' WHERE revision_number = {number}", "content .* is fixed")

    def test_one_that_waits_cannot_be_prepared_out_of_turn(self, chain: Reports) -> None:
        self.statement_fails(chain, "UPDATE report_revision SET state = 'PREPARED' WHERE revision_number = 3", "overtake")

    def test_one_that_waits_cannot_be_issued(self, chain: Reports) -> None:
        statement = (
            "UPDATE report_revision SET state = 'ISSUED', signed_report = 'x', key_id = 'k', issued_at = now() WHERE revision_number = 3"
        )
        self.statement_fails(chain, statement, "overtake|cannot go from")

    def test_the_code_cannot_issue_out_of_turn_either(self, chain: Reports) -> None:
        waiting = chain.revisions()[2]
        issued = IssuedRevision(
            subject_id=SUBJECT_ID,
            subject_code=SUBJECT_CODE,
            number=3,
            content_sha256=waiting["content_sha256"],
            signed_report=b"x",
            key_id="k",
            issued_at=SystemClock().now(),
        )
        with pytest.raises(AssertionError, match="not the prepared one"), chain.database.transaction("test.forbidden") as transaction:
            store.issue(transaction, issued)

    def test_a_revision_is_not_born_issued(self, chain: Reports) -> None:
        columns = (
            "subject_id, subject_code, assessment_id, assessment_number, assessment_made, content, content_sha256, fingerprint, composed_at"
        )
        statement = (
            f"INSERT INTO report_revision ({columns}, revision_number, state, predecessor_sha256, signed_report, key_id, issued_at) "
            f"SELECT {columns}, 4, 'ISSUED', content_sha256, 'x', 'k', now() FROM report_revision WHERE revision_number = 3"
        )
        self.statement_fails(chain, statement, "overtake|must be prepared")

    def test_a_revision_must_name_its_predecessor(self, chain: Reports) -> None:
        columns = (
            "subject_id, subject_code, assessment_id, assessment_number, assessment_made, content, content_sha256, fingerprint, composed_at"
        )
        statement = (
            f"INSERT INTO report_revision ({columns}, revision_number, state, predecessor_sha256) "
            f"SELECT {columns}, 4, 'WAITING', 'something else' FROM report_revision WHERE revision_number = 3"
        )
        self.statement_fails(chain, statement, "does not name its predecessor")
