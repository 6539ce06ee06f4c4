"""Reads a provider's own notices with the provider's own principal, as its staff would: receipts and findings, from the first on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carbonbureau.intake.v1 import notice_pb2
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError

from services.common.kafka import HEARTBEAT_TYPE, TYPE_HEADER
from services.common.settings import KafkaSettings


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One notice and where it lay."""

    partition: int
    offset: int
    content: notice_pb2.ProviderNotice


class NoticesUnreachable(Exception):
    """The provider's notices topic does not exist, or may not be read."""


def notices_topic(provider_code: str) -> str:
    """Name the topic that only this provider may read."""
    return f"provider.notices.v1.{provider_code}"


def read_notices(access: KafkaSettings, *, provider_code: str) -> Iterator[Notice]:
    """Yield every notice that is there now. Joins no group and stores no position: looking twice shows the same.

    Raises:
        NoticesUnreachable: there is no such topic for this principal.
        google.protobuf.message.DecodeError: a notice is not one of the contract.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=list(access.bootstrap_servers),
        client_id=f"sandbox-{provider_code}-notices",
        security_protocol=access.security_protocol.value,
        sasl_mechanism=access.sasl_mechanism,
        sasl_plain_username=access.username,
        sasl_plain_password=access.password_file.read(),
        ssl_cafile=None if access.ca_file is None else str(access.ca_file),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        topic = notices_topic(provider_code)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            raise NoticesUnreachable(f"{topic} does not exist, or {provider_code} may not read it")
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for partition, records in consumer.poll(timeout_ms=1_000).items():
                for record in records:
                    if record.offset < ends[partition] and record.value is not None and not _is_heartbeat(record.headers):
                        yield Notice(partition=record.partition, offset=record.offset, content=_decoded(record.value))
    except AuthorizationError as error:
        raise NoticesUnreachable(f"{access.username} may not read {notices_topic(provider_code)}") from error
    finally:
        consumer.close(autocommit=False)


def lines(notice: Notice) -> Iterator[str]:
    """Write a notice for a person, one line each."""
    content = notice.content
    match content.WhichOneof("content"):
        case "receipt":
            receipt = content.receipt
            again = ", judged again" if receipt.redriven else ""
            yield (
                f"receipt  {receipt.topic}-{receipt.partition} offsets {receipt.first_offset} to {receipt.last_offset}: "
                f"{receipt.accepted_count} accepted, {receipt.duplicate_count} duplicate, {receipt.rejected_count} rejected, "
                f"{receipt.quarantined_count} quarantined, root {receipt.merkle_root.hex()[:16]}{again}"
            )
        case "finding":
            finding = content.finding
            severity = notice_pb2.Severity.Name(finding.severity).removeprefix("SEVERITY_").lower()
            record = f"{finding.kind} {finding.record_number} revision {finding.record_revision}" if finding.record_number else "unreadable"
            yield f"finding  {severity}  {finding.rule_id}  {record}: {finding.message}"
        case "skipped":
            skipped = content.skipped
            yield (
                f"skipped  {skipped.topic}-{skipped.partition} offsets {skipped.first_offset} to {skipped.last_offset} were never read: "
                f"{skipped.reason}"
            )
        case _:
            yield f"notice of a kind that this reader does not know, at {notice.partition}:{notice.offset}"


def _is_heartbeat(headers: Sequence[tuple[str, bytes]]) -> bool:
    return (TYPE_HEADER, HEARTBEAT_TYPE) in headers


def _decoded(value: bytes) -> notice_pb2.ProviderNotice:
    message = notice_pb2.ProviderNotice()
    message.ParseFromString(value)
    return message
