"""Kafka records as the consumer hands them on, without a broker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.common.consumer import Record
from services.reports.wire import ASSESSMENT_MADE_TOPIC

TOPIC_ID = UUID("00000000-0000-4000-8000-0000000000aa")


def record(message: Any, *, offset: int = 0, partition: int = 0) -> Record:
    """Wrap a message, or bytes that are none, in a record."""
    value = message if isinstance(message, bytes) else message.SerializeToString()
    return Record(
        topic=ASSESSMENT_MADE_TOPIC,
        topic_id=TOPIC_ID,
        partition=partition,
        offset=offset,
        key=b"key",
        value=value,
        headers={},
        timestamp_ms=1_795_219_200_000,
    )
