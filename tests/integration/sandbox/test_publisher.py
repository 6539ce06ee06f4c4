"""Publishing on the real broker with the providers' own principals."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from carbonbureau.intake.v1 import submission_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.common.clock import SystemClock
from services.common.identifiers import RandomIds
from services.common.settings import SettingsError
from services.sandbox import province, signing, wire
from services.sandbox.domain.months import month_starting
from services.sandbox.domain.statements import Basis, ElectricityUse, Expected, Output, PlannedSubmission, Submission
from services.sandbox.domain.subject_codes import subject_code
from services.sandbox.publisher import Acknowledged, NotPublished, Publisher
from tests.integration.sandbox.conftest import GRID, STATS, TOPICS, Agencies

SUBJECT = subject_code(name="publisher test", region_code="140400")


@pytest.fixture
def publisher(agencies: Agencies) -> Iterator[Publisher]:
    with Publisher(access=agencies.access, clock=SystemClock(), ids=RandomIds()) as made:
        yield made


def electricity(number: int, *, topic: str = TOPICS[GRID], provider: str = GRID) -> PlannedSubmission:
    message = Submission(
        subject_code=SUBJECT,
        record_number=f"DL-{number}",
        record_revision=1,
        facility_number="",
        period=month_starting(date(2024, 1, 1)),
        compiled_time=datetime(2024, 2, 5, tzinfo=UTC),
        content=ElectricityUse(purchased_mwh=Decimal(f"{number}.250"), basis=Basis.METERED),
    )
    return PlannedSubmission(
        send_order=number, topic=topic, provider_code=provider, key=SUBJECT, message=message, expected=Expected.ACCEPTED
    )


def output(number: int) -> PlannedSubmission:
    one = electricity(number, topic=TOPICS[STATS], provider=STATS)
    content = Output(product_code="electricity", mass_t=None, electricity_mwh=Decimal(number), process_route="coal", basis=Basis.DECLARED)
    assert isinstance(one.message, Submission)
    return replace(one, message=replace(one.message, content=content))


class TestPublish:
    def test_puts_each_provider_s_records_on_its_own_topic_in_order(self, agencies: Agencies, publisher: Publisher) -> None:
        starts = {code: agencies.end(topic) for code, topic in TOPICS.items()}
        records = [one for number in range(1, 101) for one in (electricity(number), output(number))]
        seen: list[Acknowledged] = []
        assert publisher.publish(records, seen=seen.append) == 200
        assert [one.planned for one in seen] == records
        for code, topic in TOPICS.items():
            mine = [one for one in seen if one.planned.provider_code == code]
            assert [(one.topic, one.partition, one.offset) for one in mine] == [(topic, 0, starts[code] + n) for n in range(100)]
            values = [record.value for record in agencies.records(topic, since=starts[code])]
            assert values == [wire.message_bytes(one.planned) for one in mine]

    def test_sends_cloud_events_with_a_trace_and_the_subject_as_key(self, agencies: Agencies, publisher: Publisher) -> None:
        start = agencies.end(TOPICS[GRID])
        publisher.publish([electricity(7)])
        (record,) = agencies.records(TOPICS[GRID], since=start)
        headers = {name: value.decode() for name, value in record.headers}
        assert record.key == SUBJECT.encode()
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == "carbonbureau.intake.v1.Submission"
        assert headers["ce_source"] == f"/providers/{GRID}"
        assert headers["content-type"] == "application/protobuf"
        assert UUID(headers["ce_id"]).version == 5
        version, trace_id, span_id, flags = headers["traceparent"].split("-")
        assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "01")
        assert submission_pb2.Submission.FromString(record.value).electricity_use.purchased_mwh == "7.250"

    def test_signs_for_the_providers_that_have_to(self, agencies: Agencies, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signing, "SIGNERS", frozenset({GRID}))
        starts = {code: agencies.end(topic) for code, topic in TOPICS.items()}
        publisher.publish([electricity(7), output(7)])
        (signed,) = agencies.records(TOPICS[GRID], since=starts[GRID])
        (bare,) = agencies.records(TOPICS[STATS], since=starts[STATS])
        protected, payload, signature = dict(signed.headers)["jws"].split(b".")
        assert payload == b""
        covered = protected + b"." + base64.urlsafe_b64encode(signed.value).rstrip(b"=")
        # The public key of RFC 8037, appendix A.2.
        key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
        key.verify(base64.urlsafe_b64decode(signature + b"=="), covered)
        assert "jws" not in dict(bare.headers)

    def test_sends_a_repeat_as_the_same_event_with_the_same_bytes(self, agencies: Agencies, publisher: Publisher) -> None:
        start = agencies.end(TOPICS[GRID])
        publisher.publish([electricity(8), electricity(8)])
        first, second = agencies.records(TOPICS[GRID], since=start)
        assert first.value == second.value
        assert dict(first.headers)["ce_id"] == dict(second.headers)["ce_id"]

    def test_is_denied_on_another_provider_s_topic_and_goes_on_with_its_own(self, agencies: Agencies, publisher: Publisher) -> None:
        start = agencies.end(TOPICS[STATS])
        with pytest.raises(NotPublished) as refused:
            publisher.publish([electricity(9, topic=TOPICS[STATS])])
        assert refused.value.denied
        assert agencies.end(TOPICS[STATS]) == start
        assert publisher.publish([electricity(10)]) == 1

    def test_keeps_to_its_rate(self, publisher: Publisher) -> None:
        seen: list[Acknowledged] = []
        publisher.connect([GRID])
        publisher.publish([electricity(number) for number in range(11, 22)], rate_per_second=20, seen=seen.append)
        assert (seen[-1].sent_at - seen[0].sent_at).total_seconds() == pytest.approx(0.5, abs=0.2)

    def test_needs_the_provider_s_password(self, agencies: Agencies, publisher: Publisher) -> None:
        with pytest.raises(SettingsError, match="stranger"):
            publisher.publish([replace(electricity(1), provider_code="stranger")])


class TestJournal:
    def test_tells_where_every_record_came_to_lie(self, agencies: Agencies, publisher: Publisher, tmp_path: Path) -> None:
        start = agencies.end(TOPICS[GRID])
        journal = tmp_path / "published.jsonl"
        records = [electricity(number) for number in range(30, 40)]
        province.publish(publisher, records, rate_per_second=None, journal=journal, say=lambda _: None)
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        assert [line["offset"] for line in lines] == list(range(start, start + 10))
        lying = agencies.records(TOPICS[GRID], since=start)
        assert [hashlib.sha256(record.value).digest() for record in lying] == [
            hashlib.sha256(wire.message_bytes(one)).digest() for one in records
        ]
        assert all(line["sent_at"] <= line["acknowledged_at"] for line in lines)
