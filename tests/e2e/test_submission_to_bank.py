"""One subject from its first submission to the bank, and what corrections, repeats and gaps do to its account and report."""

from __future__ import annotations

import base64
import json
from datetime import date
from decimal import Decimal
from typing import Any

from carbonbureau.bureau.v1 import inquiry_service_pb2
from carbonbureau.intake.v1 import notice_pb2

from tests import agency
from tests.agency import Agency
from tests.stack import Stack

MONTHS = agency.months(date(2023, 1, 1), 36)


class TestSubject:
    def test_is_graded_from_its_submissions_and_its_report_states_their_sums(self, bureau: Stack) -> None:
        code = _published_subject(bureau)
        with bureau.bank() as bank:
            answer, report = bank.grade(code), _content(bank.report(code))
        assert answer.rating_state == inquiry_service_pb2.RATING_STATE_RATED
        assert sum(Decimal(dimension.weight) for dimension in answer.dimensions) == 1
        newest = report["account"]["annual_figures"][-1]
        assert Decimal(newest["scope1_tco2e"]) == 12 * 82000
        assert Decimal(newest["scope2_tco2e"]) == 12 * 500

    def test_keeps_every_submission_byte_for_byte(self, bureau: Stack) -> None:
        code = agency.new_subject_code()
        submission = agency.emissions(code, MONTHS[0])
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send("emissions", submission)
        bureau.wait_settled()
        (row,) = bureau.rows(
            "SELECT * FROM collector.submission WHERE topic = %s AND record_offset = %s",
            sent.topic,
            sent.offset,
        )
        assert bytes(row["value"]) == submission.SerializeToString()

    def test_gets_a_new_revision_in_the_chain_when_a_figure_is_corrected(self, bureau: Stack) -> None:
        code = _published_subject(bureau)
        with bureau.bank() as bank:
            before = bank.report(code)
            with Agency(bureau, "ent-sx") as enterprise:
                sent = enterprise.send("emissions", agency.emissions(code, MONTHS[-1], scope1="90000", revision=2))
            bureau.wait_settled()
            after = bank.report(code)
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_ACCEPTED
        assert after.revision_number == before.revision_number + 1
        assert _content(after)["revision"]["predecessor"]["content_sha256"] == before.content_sha256
        figures = _content(after)["account"]["annual_figures"][-1]
        assert Decimal(figures["scope1_tco2e"]) == 11 * 82000 + 90000
        postings = bureau.rows(
            "SELECT posting.* FROM collector.posting JOIN collector.subject_code USING (subject_id) WHERE code = %s AND scope = 1", code
        )
        (reversal,) = [posting for posting in postings if posting["reverses"] is not None]
        assert reversal["amount_tco2e"] == -82000
        assert sum(posting["amount_tco2e"] for posting in postings) == 35 * 82000 + 90000

    def test_gets_no_new_revision_when_the_same_submission_comes_twice(self, bureau: Stack) -> None:
        code = _published_subject(bureau)
        with bureau.bank() as bank:
            before = bank.grade(code).report_revision_number
            with Agency(bureau, "ent-sx") as enterprise:
                sent = enterprise.send("emissions", agency.emissions(code, MONTHS[0]))
            bureau.wait_settled()
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_DUPLICATE
            assert bank.grade(code).report_revision_number == before

    def test_is_told_of_a_conflict_when_the_same_record_comes_with_other_bytes(self, bureau: Stack) -> None:
        code = _published_subject(bureau)
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send("emissions", agency.emissions(code, MONTHS[0], scope1="1"))
            bureau.wait_settled()
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_REJECTED
            assert any("CONFLICT" in rule for rule in enterprise.findings(sent))

    def test_takes_a_correction_that_comes_before_its_original(self, bureau: Stack) -> None:
        code = _published_subject(bureau, count=35)
        with Agency(bureau, "ent-sx") as enterprise, bureau.bank() as bank:
            correction = enterprise.send("emissions", agency.emissions(code, MONTHS[35], scope1="70000", revision=2))
            bureau.wait_settled()
            assert enterprise.outcome(correction) == notice_pb2.OUTCOME_PARKED
            enterprise.send("emissions", agency.emissions(code, MONTHS[35], scope1="60000"))
            enterprise.send("production", agency.output(code, MONTHS[35]))
            bureau.wait_settled()
            newest = _content(bank.report(code))["account"]["annual_figures"][-1]
        assert Decimal(newest["scope1_tco2e"]) == 11 * 82000 + 70000

    def test_is_not_rated_with_reasons_when_the_data_is_too_thin(self, bureau: Stack) -> None:
        code = _published_subject(bureau, count=6)
        with bureau.bank() as bank:
            answer = bank.grade(code)
            report = _content(bank.report(code))
        assert answer.rating_state == inquiry_service_pb2.RATING_STATE_NOT_RATED
        assert "TOO_FEW_PERIODS" in {reason.code for reason in answer.reasons}
        assert "score" not in json.dumps(report["assessment"])


def _published_subject(bureau: Stack, *, count: int = 36) -> str:
    """Publish a coal power plant with so many months of output and reported emissions, and wait for its report."""
    code = agency.new_subject_code()
    with Agency(bureau, "ndrc-sx") as directory, Agency(bureau, "ent-sx") as enterprise:
        directory.send("registry", agency.registry_entry(code))
        for month in MONTHS[:count]:
            enterprise.send("production", agency.output(code, month))
            enterprise.send("emissions", agency.emissions(code, month))
    bureau.wait_settled()
    return code


def _content(report: inquiry_service_pb2.CreditReport) -> dict[str, Any]:
    payload = report.signed_report.split(b".")[1]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return content
