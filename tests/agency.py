"""Acts as an agency at the level of bytes: sound submissions to alter, a raw producer of its own principal, its own notices.

The sandbox publishes what a province would; tests that need one exact record, or a broken one, make it here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from carbonbureau.intake.v1 import basis_pb2, emissions_pb2, notice_pb2, production_pb2, registry_pb2, submission_pb2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from services.sandbox.domain.subject_codes import subject_code
from tests.stack import Stack

ZONE = "Asia/Shanghai"
_numbers = itertools.count(1)


def new_subject_code(*, region: str = "140400") -> str:
    """Make a code that no other test uses."""
    return subject_code(name=f"tests-{next(_numbers)}-{datetime.now(UTC).timestamp()}", region_code=region)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Where a record came to lie."""

    topic: str
    partition: int
    offset: int


class Agency:
    """One provider's principal. Use as a context manager."""

    def __init__(self, stack: Stack, provider_code: str) -> None:
        self._stack = stack
        self.provider_code = provider_code
        self._producer = KafkaProducer(**stack.kafka.client_settings(provider_code), acks="all", max_request_size=32 * 1024 * 1024)

    def __enter__(self) -> Agency:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=5)

    def topic(self, domain: str) -> str:
        return f"intake.{domain}.v1.{self.provider_code}"

    def send(self, domain: str, submission: submission_pb2.Submission) -> Sent:
        """Publish a submission on the provider's own topic of a domain, keyed by its subject."""
        return self.send_bytes(self.topic(domain), submission.subject_code.encode(), submission.SerializeToString())

    def send_bytes(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> Sent:
        """Publish any bytes anywhere.

        Raises:
            KafkaError: the broker or the client refused.
        """
        metadata = self._producer.send(topic, value, key, headers=headers or [("content-type", b"application/protobuf")]).get(timeout=20)
        return Sent(topic=metadata.topic, partition=metadata.partition, offset=metadata.offset)

    def notices(self) -> Iterator[notice_pb2.ProviderNotice]:
        """Read every notice the bureau has for this provider, signed in as the provider."""
        settings: dict[str, Any] = self._stack.kafka.client_settings(self.provider_code)
        consumer = KafkaConsumer(**settings, enable_auto_commit=False, group_id=None)
        try:
            partition = TopicPartition(f"provider.notices.v1.{self.provider_code}", 0)
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            end = consumer.end_offsets([partition])[partition]
            while consumer.position(partition) < end:
                for records in consumer.poll(timeout_ms=500).values():
                    for record in records:
                        yield notice_pb2.ProviderNotice.FromString(record.value)
        finally:
            consumer.close()

    def outcome(self, sent: Sent) -> notice_pb2.Outcome.ValueType | None:
        """Find what the receipts say became of a record; None while there is no receipt."""
        for notice in self.notices():
            receipt = notice.receipt
            if receipt.topic == sent.topic and receipt.partition == sent.partition:
                for outcome in receipt.outcomes:
                    if outcome.offset == sent.offset:
                        return outcome.outcome
        return None

    def findings(self, sent: Sent) -> set[str]:
        """Name the rules whose findings the bureau sent about a record."""
        return {
            notice.finding.rule_id
            for notice in self.notices()
            if (notice.finding.topic, notice.finding.partition, notice.finding.offset) == (sent.topic, sent.partition, sent.offset)
            and notice.WhichOneof("content") == "finding"
        }


def output(
    code: str, month: date, *, mwh: str = "100000", number: str | None = None, revision: int = 1, route: str = "coal"
) -> submission_pb2.Submission:
    """A power plant's output of one month."""
    made = _submission(code, month, number or f"out-{month:%Y%m}", revision)
    made.output.CopyFrom(
        production_pb2.Output(product_code="electricity", electricity_mwh=mwh, process_route=route, basis=basis_pb2.BASIS_DECLARED)
    )
    return made


def emissions(
    code: str, month: date, *, scope1: str = "82000", scope2: str = "500", number: str | None = None, revision: int = 1
) -> submission_pb2.Submission:
    """Emissions of one month as reported."""
    made = _submission(code, month, number or f"em-{month:%Y%m}", revision)
    made.reported_emissions.CopyFrom(
        emissions_pb2.ReportedEmissions(scope1_tco2e=scope1, scope2_tco2e=scope2, energy_carrier="coal", basis=basis_pb2.BASIS_DECLARED)
    )
    return made


def registry_entry(code: str, *, name: str = "测试发电有限公司", industry: str = "4411", city: str = "140400") -> submission_pb2.Submission:
    """The subject's entry in the directory of enterprises."""
    made = _submission(code, None, f"reg-{code}", 1)
    made.registry_entry.CopyFrom(
        registry_pb2.RegistryEntry(
            effective_date="2020-01-01",
            name=name,
            industry_code=industry,
            city_code=city,
            size=registry_pb2.ENTERPRISE_SIZE_LARGE,
        )
    )
    return made


def months(first: date, count: int) -> list[date]:
    """List the first days of so many months."""
    return [date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(count)]


def _submission(code: str, month: date | None, number: str, revision: int) -> submission_pb2.Submission:
    made = submission_pb2.Submission(subject_code=code, record_number=f"{number}-{code[-6:]}", record_revision=revision)
    made.compiled_time.FromJsonString("2026-01-15T08:00:00Z")
    if month is not None:
        end = months(month, 2)[1]
        made.period.start_date, made.period.end_date, made.period.time_zone = month.isoformat(), end.isoformat(), ZONE
    return made
