"""Signed records: the signature is kept with what was accepted, and decides where the directory asks for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.plan import PROVIDERS_FILE
from services.collector.directory_file import parse_directory
from services.collector.domain.provider import SignatureDuty
from services.collector.store import directory
from tests.integration.collector.conftest import Collector, outcomes
from tests.unit.collector.signing import signer
from tests.unit.collector.submissions import electricity

SIGNER = signer()
EVER = datetime(2020, 1, 1, tzinfo=UTC)


def give_key(collector: Collector, *, duty: SignatureDuty, valid_until: datetime | None = None) -> None:
    """Let the grid have a key, and perhaps the duty to use it."""
    key = SIGNER.key(valid_from=EVER, valid_until=valid_until)
    entries = [
        replace(entry, provider=replace(entry.provider, signature=duty, keys=(key,))) if entry.provider.code == "grid-sx" else entry
        for entry in parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))
    ]
    with collector.database.transaction("test.directory") as transaction:
        directory.replace_directory(transaction, entries, at=transaction.now())


class TestASignedRecord:
    @pytest.mark.parametrize("duty", list(SignatureDuty))
    def test_is_accepted_and_its_signature_kept(self, collector: Collector, duty: SignatureDuty) -> None:
        give_key(collector, duty=duty)
        value = electricity("1").SerializeToString()
        jws = SIGNER.jws_by_library(value, at=datetime.now(UTC))
        sent = collector.record("grid-sx", electricity("1"), headers={"jws": jws})
        collector.take(sent._replace(value=value))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED"]
        (kept,) = collector.rows("SELECT jws, record_key, record_offset FROM record_envelope")
        assert (kept["jws"], kept["record_key"], kept["record_offset"]) == (jws, sent.key, sent.offset)

    @pytest.mark.parametrize("duty", list(SignatureDuty))
    def test_is_rejected_when_its_signature_is_wrong_also_where_none_is_asked_for(self, collector: Collector, duty: SignatureDuty) -> None:
        give_key(collector, duty=duty)
        jws = SIGNER.jws(b"something else", at=datetime.now(UTC))
        collector.take(collector.record("grid-sx", electricity("1"), headers={"jws": jws}))
        assert outcomes(collector.receipts("grid-sx")) == ["REJECTED"]
        assert [finding.rule_id for finding in collector.findings("grid-sx")] == ["FORM_SIGNATURE_WRONG"]
        assert collector.rows("SELECT jws FROM record_envelope") == [{"jws": jws}]

    def test_is_judged_by_the_keys_of_its_time(self, collector: Collector) -> None:
        now = datetime.now(UTC)
        give_key(collector, duty=SignatureDuty.REQUIRED, valid_until=now - timedelta(days=1))
        for number, signed_at in enumerate((now - timedelta(days=2), now), start=1):
            sent = collector.record("grid-sx", electricity("1", record_number=f"{number}"))
            collector.take(sent._replace(headers={"jws": SIGNER.jws(sent.value or b"", at=signed_at)}))
        assert outcomes(collector.receipts("grid-sx")) == ["ACCEPTED", "REJECTED"]
        assert [finding.rule_id for finding in collector.findings("grid-sx")] == ["FORM_SIGNATURE_TIME"]


class TestARecordThatIsNotSigned:
    def test_is_rejected_where_the_directory_asks_for_a_signature(self, collector: Collector) -> None:
        give_key(collector, duty=SignatureDuty.REQUIRED)
        collector.send(("grid-sx", electricity("1")), ("tax-sx", electricity("1", basis=0)))
        assert (outcomes(collector.receipts("grid-sx")), outcomes(collector.receipts("tax-sx"))) == (["REJECTED"], ["ACCEPTED"])
        assert [finding.rule_id for finding in collector.findings("grid-sx")] == ["FORM_SIGNATURE_MISSING"]

    def test_leaves_no_row_beside_its_submission(self, collector: Collector) -> None:
        collector.send(("grid-sx", electricity("1")))
        assert collector.rows("SELECT * FROM record_envelope") == []
