"""A provider reads its own notices, and nobody else's."""

import contextlib

import pytest
from carbonbureau.intake.v1 import notice_pb2
from kafka import KafkaProducer

from services.sandbox.notices import NoticesUnreachable, lines, notices_topic, read_notices
from tests.integration.sandbox.conftest import GRID, STATS, Agencies


def receipt() -> notice_pb2.ProviderNotice:
    notice = notice_pb2.ProviderNotice(provider_code=GRID)
    notice.receipt.topic = "intake.energy.v1.x"
    notice.receipt.accepted_count = 3
    notice.receipt.rejected_count = 1
    return notice


def finding() -> notice_pb2.ProviderNotice:
    notice = notice_pb2.ProviderNotice(provider_code=GRID)
    notice.finding.rule_id = "FORM_CODE_CHECK_CHARACTER"
    notice.finding.severity = notice_pb2.SEVERITY_SEVERE
    notice.finding.kind = "ELECTRICITY_USE"
    notice.finding.record_number = "DL-1"
    notice.finding.message = "subject_code ends in 'A'"
    return notice


def skipped() -> notice_pb2.ProviderNotice:
    notice = notice_pb2.ProviderNotice(provider_code=GRID)
    notice.skipped.topic = "intake.energy.v1.x"
    notice.skipped.first_offset = notice.skipped.last_offset = 7
    notice.skipped.reason = "unpacks to 40 MiB"
    return notice


class TestReadNotices:
    def test_shows_the_provider_s_receipts_and_findings_as_often_as_it_looks(self, agencies: Agencies) -> None:
        with contextlib.closing(KafkaProducer(**agencies.broker.client_settings("admin"))) as bureau:
            again = receipt()
            again.receipt.redriven = True
            for notice in (receipt(), finding(), again, skipped()):
                bureau.send(notices_topic(GRID), notice.SerializeToString()).get(timeout=10)
            bureau.send(notices_topic(GRID), b"2026-11-21T00:00:00Z", headers=[("ce_type", b"heartbeat")]).get(timeout=10)
        for _ in range(2):
            shown = [line for notice in read_notices(agencies.access(GRID), provider_code=GRID) for line in lines(notice)]
            assert len(shown) == 4
            assert "3 accepted, 0 duplicate, 1 rejected" in shown[0]
            assert "FORM_CODE_CHECK_CHARACTER" in shown[1]
            assert ["judged again" in line for line in shown] == [False, False, True, False]
            assert "offsets 7 to 7 were never read: unpacks to 40 MiB" in shown[3]

    def test_shows_nothing_of_another_provider(self, agencies: Agencies) -> None:
        with pytest.raises(NoticesUnreachable, match="may not read"):
            list(read_notices(agencies.access(STATS), provider_code=GRID))
