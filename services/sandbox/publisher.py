"""Publishes planned submissions as the providers would: each through a client of its own, signed in as its own principal.

The clients are set up as an agency's would be, not as our services' are: idempotent, acknowledged by all replicas, patient with
a broker that is away. Every record's future is kept and checked; flush() succeeds even where sends failed.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError

from services.common.clock import Clock
from services.common.identifiers import Ids, derived_id
from services.common.settings import KafkaSettings
from services.sandbox import signing, wire
from services.sandbox.domain.statements import PlannedSubmission, Submission

# A broker that was killed and started again is back within this time; agencies do not give up sooner.
_DELIVERY_TIMEOUT_MS = 60_000
_REQUEST_TIMEOUT_MS = 10_000
_LINGER_MS = 5
# How many unacknowledged records are remembered before the oldest is waited for.
_IN_FLIGHT_MAX = 20_000
_SAY_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """Where a record came to lie, when it was handed to the client, and when the broker's acknowledgement was seen."""

    planned: PlannedSubmission
    topic: str
    partition: int
    offset: int
    sent_at: datetime
    acknowledged_at: datetime


class NotPublished(Exception):
    """The broker did not take a record. `denied`: the principal may not write there, and trying again is no use."""

    def __init__(self, planned: PlannedSubmission, cause: KafkaError) -> None:
        super().__init__(f"{planned.provider_code} could not publish on {planned.topic}: {type(cause).__name__}: {cause}")
        self.planned = planned
        self.denied = isinstance(cause, AuthorizationError)


class InFlight:
    """A record that was handed to its provider's client."""

    def __init__(self, planned: PlannedSubmission, *, sent_at: datetime, future: Any, acknowledged: list[datetime]) -> None:
        self.planned = planned
        self.sent_at = sent_at
        self._future = future
        self._acknowledged = acknowledged

    @property
    def is_answered(self) -> bool:
        """Whether the broker has answered, one way or the other."""
        return bool(self._future.is_done)

    def outcome(self) -> Acknowledged:
        """Wait for the broker's answer.

        Raises:
            NotPublished: it refused, or did not answer in time.
        """
        try:
            metadata = self._future.get(timeout=_DELIVERY_TIMEOUT_MS / 1000 + 10)
        except KafkaError as error:
            raise NotPublished(self.planned, error) from error
        # The callback may still be under way on the client's own thread; then this moment is as good.
        acknowledged_at = self._acknowledged[0] if self._acknowledged else datetime.now(UTC)
        return Acknowledged(
            planned=self.planned,
            topic=metadata.topic,
            partition=metadata.partition,
            offset=metadata.offset,
            sent_at=self.sent_at,
            acknowledged_at=acknowledged_at,
        )


class Publisher:
    """Sends as many providers. Use as a context manager; a record is only published when its `outcome` was seen."""

    def __init__(self, *, access: Callable[[str], KafkaSettings], clock: Clock, ids: Ids) -> None:
        self._access = access
        self._clock = clock
        self._ids = ids
        self._producers: dict[str, KafkaProducer] = {}

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every client."""
        while self._producers:
            _, producer = self._producers.popitem()
            producer.close(timeout=5)

    def connect(self, provider_codes: Iterable[str]) -> None:
        """Sign in for each provider now, so that a wrong password shows before the first record and no record waits for it."""
        for provider_code in provider_codes:
            self._producer(provider_code)

    def send(self, planned: PlannedSubmission) -> InFlight:
        """Hand one record to its provider's client; records of one topic keep their order.

        Raises:
            NotPublished: the client refused it at once.
        """
        value = wire.message_bytes(planned)
        sent_at = self._clock.now()
        acknowledged: list[datetime] = []
        try:
            future = self._producer(planned.provider_code).send(
                planned.topic, value, planned.key.encode("utf-8"), headers=self._headers(planned, value, sent_at)
            )
        except KafkaError as error:
            self._forget_if_denied(planned, error)
            raise NotPublished(planned, error) from error
        future.add_callback(lambda _: acknowledged.append(self._clock.now()))
        future.add_errback(lambda error: self._forget_if_denied(planned, error))
        return InFlight(planned, sent_at=sent_at, future=future, acknowledged=acknowledged)

    def publish(
        self,
        records: Iterable[PlannedSubmission],
        *,
        rate_per_second: float | None = None,
        seen: Callable[[Acknowledged], None] = lambda _: None,
        say: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Send all records in their order and wait until each is acknowledged; return how many there were.

        With a rate, the n-th record leaves n / rate seconds after the start or as soon after as it can (open loop: a stall is
        made up for, not hidden). `seen` is called for each acknowledgement in order, `say` every two seconds with their number.

        Raises:
            NotPublished: for the first record that was not taken; those after it may have been sent.
        """
        waiting: deque[InFlight] = deque()
        started = time.monotonic()
        said = started
        done = 0
        for number, planned in enumerate(records):
            if rate_per_second is not None and (early := started + number / rate_per_second - time.monotonic()) > 0:
                time.sleep(early)
            waiting.append(self.send(planned))
            while waiting and (len(waiting) > _IN_FLIGHT_MAX or waiting[0].is_answered):
                seen(waiting.popleft().outcome())
                done += 1
            if time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                say(done)
        while waiting:
            seen(waiting.popleft().outcome())
            done += 1
        say(done)
        return done

    def _producer(self, provider_code: str) -> KafkaProducer:
        if (existing := self._producers.get(provider_code)) is not None:
            return existing
        made = KafkaProducer(**_settings(self._access(provider_code), client_id=f"sandbox-{provider_code}"))
        return self._producers.setdefault(provider_code, made)

    def _forget_if_denied(self, planned: PlannedSubmission, error: object) -> None:
        # An idempotent client that was once denied fails its later sends to allowed topics too.
        if isinstance(error, AuthorizationError):
            self._producers.pop(planned.provider_code, None)

    def _headers(self, planned: PlannedSubmission, value: bytes, sent_at: datetime) -> list[tuple[str, bytes]]:
        """CloudEvents 1.0, Kafka binding, binary mode. The same record sent again is the same event with the same id."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(_event_id(planned, value)),
            "ce_source": f"/providers/{planned.provider_code}",
            "ce_type": wire.MESSAGE_TYPE,
            "ce_time": sent_at.isoformat(timespec="microseconds"),
            "ce_subject": planned.key,
            "content-type": wire.CONTENT_TYPE,
            "traceparent": f"00-{self._ids.new().hex}-{self._ids.new().hex[:16]}-01",
        }
        encoded = [(name, text.encode("utf-8")) for name, text in headers.items()]
        if planned.provider_code in signing.SIGNERS:
            encoded.append((signing.HEADER, signing.jws(value, at=sent_at)))
        return encoded


def _event_id(planned: PlannedSubmission, value: bytes) -> UUID:
    match planned.message:
        case Submission() as message:
            return derived_id(
                "sandbox-record",
                provider_code=planned.provider_code,
                submission_kind=message.kind.value,
                record_number=message.record_number,
                record_revision=message.record_revision,
                sha256=sha256(value).hexdigest(),
            )
        case _:
            return derived_id("sandbox-record", provider_code=planned.provider_code, sha256=sha256(value).hexdigest())


def _settings(access: KafkaSettings, *, client_id: str) -> Mapping[str, Any]:
    settings: dict[str, Any] = {
        "bootstrap_servers": list(access.bootstrap_servers),
        "client_id": client_id,
        "security_protocol": access.security_protocol.value,
        "sasl_mechanism": access.sasl_mechanism,
        "sasl_plain_username": access.username,
        "sasl_plain_password": access.password_file.read(),
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "zstd",
        "linger_ms": _LINGER_MS,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        "delivery_timeout_ms": _DELIVERY_TIMEOUT_MS,
        "max_block_ms": _DELIVERY_TIMEOUT_MS,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
    if access.ca_file is not None:
        settings["ssl_cafile"] = str(access.ca_file)
    return settings
