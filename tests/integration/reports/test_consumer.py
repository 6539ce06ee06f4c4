"""What an assessment makes of the chain of its subject, on a real database."""

from __future__ import annotations

import hashlib
import json
import threading
from itertools import pairwise
from uuid import UUID

import pytest

from services.common.clock import SystemClock
from services.reports import wire
from services.reports.consumer import AssessmentConsumer
from services.reports.domain.report import KeyProfile
from tests.integration.reports.conftest import ISSUER, Reports
from tests.integration.reports.records import record
from tests.unit.reports.examples import SUBJECT_ID, assessment_made, largest_assessment_made

OTHER_ID = UUID("11111111-1111-4111-8111-111111111111")


class TestTake:
    def test_stores_the_exact_bytes_of_a_first_revision_and_a_ticket(self, reports: Reports) -> None:
        reports.take(assessment_made())
        (revision,) = reports.revisions()
        assert revision["state"] == "PREPARED"
        assert revision["revision_number"] == 1
        assert revision["signed_report"] is None
        assert hashlib.sha256(revision["content"]).hexdigest() == revision["content_sha256"]
        assert [row["key"] for row in reports.rows("SELECT key FROM work_item WHERE queue = 'revision-to-sign'")] == [str(SUBJECT_ID)]

    def test_makes_no_revision_when_only_time_went_on(self, reports: Reports) -> None:
        reports.take(assessment_made())
        reports.take(assessment_made(number=2, assessed_on="2026-03-01"))
        assert len(reports.revisions()) == 1

    def test_makes_a_revision_when_content_returns_to_what_it_was(self, reports: Reports) -> None:
        for number, score in ((1, "63.12"), (2, "50.00"), (3, "63.12")):
            reports.take(assessment_made(number=number, score=score))
        assert [revision["revision_number"] for revision in reports.revisions()] == [1, 2, 3]

    def test_chains_a_newer_assessment_behind_one_that_is_not_signed_yet(self, reports: Reports) -> None:
        reports.take(assessment_made())
        reports.take(assessment_made(number=2, score="50.00"))
        reports.take(assessment_made(number=3, score="40.00"))
        first, second, third = reports.revisions()
        assert [one["state"] for one in (first, second, third)] == ["PREPARED", "WAITING", "WAITING"]
        assert second["predecessor_sha256"] == first["content_sha256"]
        assert json.loads(third["content"])["revision"] == {
            "number": 3,
            "predecessor": {"number": 2, "content_sha256": second["content_sha256"]},
        }

    def test_takes_a_replayed_batch_once(self, reports: Reports) -> None:
        batch = [assessment_made(), assessment_made(subject_id=OTHER_ID)]
        for _ in range(3):
            reports.take(*batch)
        assert len(reports.revisions()) == 2

    def test_refuses_an_assessment_that_a_later_one_has_overtaken(self, reports: Reports) -> None:
        reports.take(assessment_made(number=5, score="50.00"))
        reports.take(assessment_made(number=4, score="40.00"))
        (revision,) = reports.revisions()
        assert json.loads(revision["content"])["assessment"]["score"] == "50.00"

    def test_takes_only_the_newest_of_a_subject_in_a_batch(self, reports: Reports) -> None:
        reports.take(*(assessment_made(number=number, score=f"{number}.00") for number in (2, 3, 1)))
        (revision,) = reports.revisions()
        assert json.loads(revision["content"])["assessment"]["score"] == "3.00"

    def test_keeps_what_it_cannot_read_and_goes_on(self, reports: Reports) -> None:
        truncated = assessment_made().SerializeToString()[:-7]
        reports.take(b"\xff\xff", truncated, b"", assessment_made(subject_id=OTHER_ID))
        refused = reports.rows('SELECT * FROM refused_event ORDER BY "offset"')
        assert [row["offset"] for row in refused] == [0, 1, 2]
        assert refused[1]["value"] == truncated
        assert all(row["reason"] for row in refused)
        assert [revision["subject_id"] for revision in reports.revisions()] == [OTHER_ID]

    def test_tells_of_the_largest_report_in_an_event_below_the_limit(self, reports: Reports) -> None:
        reports.take(largest_assessment_made())
        reports.issuance().step()
        assert [revision["state"] for revision in reports.revisions()] == ["ISSUED"]
        (event,) = reports.events()
        assert len(event["value"]) <= wire.EVENT_BYTES_MAX

    def test_keeps_aside_what_would_make_an_event_above_the_limit(self, reports: Reports) -> None:
        """A later contract may bring what this one does not know; ReportRevised hands it on, so it counts."""
        large = assessment_made()
        # Field 100, 256 KiB long.
        large.assessment.MergeFromString(b"\xa2\x06\x80\x80\x10" + bytes(256 * 1024))
        reports.take(large, assessment_made(subject_id=OTHER_ID))
        assert [revision["subject_id"] for revision in reports.revisions()] == [OTHER_ID]
        (refused,) = reports.rows("SELECT * FROM refused_event")
        assert "at most 262144 are allowed" in refused["reason"]
        assert [row["key"] for row in reports.rows("SELECT key FROM work_item")] == [str(OTHER_ID)]
        # The chain is not blocked: the next assessment of the subject is its first revision.
        reports.take(assessment_made(number=2))
        assert sorted(revision["revision_number"] for revision in reports.revisions()) == [1, 1]

    def test_keeps_a_refused_event_once(self, reports: Reports) -> None:
        reports.take(b"\xff")
        reports.take(b"\xff")
        assert len(reports.rows("SELECT 1 FROM refused_event")) == 1

    def test_leaves_nothing_behind_when_the_transaction_ends_badly(self, reports: Reports) -> None:
        handler = AssessmentConsumer(clock=SystemClock(), issuer=ISSUER, key_profile=KeyProfile.SANDBOX)

        def fall_over_before_the_commit() -> None:
            with reports.database.transaction("test.batch") as transaction:
                handler.handle(transaction, [record(assessment_made())])
                raise ConnectionError

        with pytest.raises(ConnectionError):
            fall_over_before_the_commit()
        assert reports.revisions() == []
        reports.take(assessment_made())
        assert len(reports.revisions()) == 1

    def test_keeps_one_chain_when_two_take_assessments_of_one_subject_at_once(self, reports: Reports) -> None:
        threads = [
            threading.Thread(target=reports.take, args=(assessment_made(number=number, score=f"{number}.00"),)) for number in range(1, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        revisions = reports.revisions()
        assert [one["revision_number"] for one in revisions] == list(range(1, len(revisions) + 1))
        assert json.loads(revisions[-1]["content"])["assessment"]["score"] == "8.00"
        for before, after in pairwise(revisions):
            assert after["predecessor_sha256"] == before["content_sha256"]

    def test_stores_500_subjects_of_one_batch(self, reports: Reports) -> None:
        reports.take(*(assessment_made(subject_id=UUID(int=number, version=4)) for number in range(500)))
        assert len(reports.revisions()) == 500
        assert reports.rows("SELECT count(*) AS n FROM work_item")[0]["n"] == 500
