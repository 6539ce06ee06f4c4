"""Makes producers, consumers and admin clients that are safe by construction, and hides what kafka-python leaves dangerous.

No deserializer, no auto-commit, no offset reset, read_committed, no topic made by accident. Everything that touches the
library's insides stands here, next to the tests that pin the version's behaviour.
"""

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import zstandard
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import CorruptRecordError, KafkaConfigurationError, KafkaError, NoError, for_code
from kafka.net.compat import KafkaNetClient
from kafka.protocol.admin import AlterClientQuotasRequest, DescribeClientQuotasRequest
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState

from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)

HEARTBEAT_TYPE = b"heartbeat"
TYPE_HEADER = "ce_type"

# The library's own metrics are never read here and cost a lock per record.
_WITHOUT_METRICS = {"metrics_enabled": False}
# The ListOffsets protocol's timestamps for the two ends of a log.
_EARLIEST = -2
_LATEST = -1
# DescribeClientQuotas: every entity that has a name, not the default one.
_ANY_SPECIFIED_NAME = 2
# The broker takes records of 1 MiB; a fetch of this size holds the largest one and bounds the memory of a poll.
_PARTITION_FETCH_BYTES_MAX = 2 * 1024 * 1024
_FETCH_BYTES_MAX = 16 * 1024 * 1024
# Records of 1 MiB that pack well stay below this; a batch made to exhaust its reader's memory does not.
_UNPACKED_BYTES_MAX = 32 * 1024 * 1024
_METADATA_AGE_MAX_MS = 10_000
# Short, so that a loop that cannot reach the brokers still turns and can be stopped.
_BOOTSTRAP_TIMEOUT_MS = 5_000
# delivery_timeout_ms must exceed linger_ms + request_timeout_ms; short, because the outbox tries again by itself.
_LINGER_MS = 2
_REQUEST_TIMEOUT_MS = 5_000
_DELIVERY_TIMEOUT_MS = 8_000


@dataclass(frozen=True, kw_only=True)
class TopicDescription:
    """One incarnation of a topic: deleted and created again it has another `topic_id`."""

    topic: str
    topic_id: UUID
    partitions: int


class BatchUnpacksTooLarge(CorruptRecordError):  # type: ignore[misc]  # kafka-python has no types
    """A small batch that was made to exhaust its reader's memory."""


class UnreadableBatch(Exception):
    """A record batch of one partition cannot be read (checksum, structure, codec); nothing behind it can be either."""

    def __init__(self, partition: TopicPartition, offset: int, cause: BaseException) -> None:
        # The cause by its type only: its text may quote what could not be read.
        super().__init__(f"{partition.topic}-{partition.partition} from offset {offset}: {type(cause).__name__}")
        self.partition = partition
        self.offset = offset


def producer(settings: KafkaSettings, *, client_id: str) -> KafkaProducer:
    """Make an idempotent producer: acknowledged by all in-sync replicas, zstd, order kept within a partition.

    After it was refused once (denied, too large) its later sends fail too, also good ones: `abandon` it and make another.

    Raises:
        KafkaTimeoutError: no broker answered, or the password is wrong.
    """
    return _made(
        KafkaProducer,
        **_connection(settings, client_id),
        **_WITHOUT_METRICS,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=_LINGER_MS,
        batch_size=64 * 1024,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        delivery_timeout_ms=_DELIVERY_TIMEOUT_MS,
        # How long send() may wait for the metadata of a topic it has not seen; a missing topic must not hold up the others.
        max_block_ms=1_000,
        # Before compression; the broker's limit of 1 MiB is on the compressed batch.
        max_request_size=4 * 1024 * 1024,
        allow_auto_create_topics=False,
    )


def consumer(settings: KafkaSettings, *, group: str, client_id: str) -> KafkaConsumer:
    """Make a consumer that never moves an offset by itself; positions come from the database.

    Every partition of a topic list is dealt out round robin: the default assignor would give the one partition of each of a
    hundred topics to the same member.

    Raises:
        KafkaTimeoutError: no broker answered, or the password is wrong.
    """
    made = _made(
        KafkaConsumer,
        **_connection(settings, client_id),
        **_WITHOUT_METRICS,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=max(300, settings.session_timeout_ms // 4),
        max_poll_interval_ms=max(60_000, settings.session_timeout_ms),
        max_partition_fetch_bytes=_PARTITION_FETCH_BYTES_MAX,
        fetch_max_bytes=_FETCH_BYTES_MAX,
        # An idle fetch waits at the broker this long; a record ends the wait, so it costs no latency.
        fetch_max_wait_ms=1_000,
        metadata_max_age_ms=_METADATA_AGE_MAX_MS,
    )
    made._fetcher.PartitionRecords = _PartitionRecords
    _finish_begun_joins(made)
    return made


def admin(settings: KafkaSettings, *, client_id: str) -> KafkaAdminClient:
    """Make an admin client with the rights of this principal, which for a service means describing its topics.

    Raises:
        KafkaTimeoutError: no broker answered, or the password is wrong.
    """
    return _made(KafkaAdminClient, **_connection(settings, client_id), request_timeout_ms=_REQUEST_TIMEOUT_MS)


def describe(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, TopicDescription]:
    """Return those of `topics` that exist and may be described by this principal, by name, with their topic ids."""
    names = sorted(set(topics))
    if not names:
        return {}
    described = {}
    for entry in client.describe_topics(names):
        if entry["error_code"] == 0:
            described[entry["name"]] = TopicDescription(
                topic=entry["name"], topic_id=UUID(str(entry["topic_id"])), partitions=len(entry["partitions"])
            )
    return described


def beginnings(client: KafkaAdminClient, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the first offset that each partition still has.

    Raises:
        KafkaError: a partition is unknown or has no leader now.
    """
    return _offsets(client, partitions, _EARLIEST)


def ends(client: KafkaAdminClient, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the offset behind the last record that a read_committed reader may see in each partition.

    Raises:
        KafkaError: a partition is unknown or has no leader now.
    """
    return _offsets(client, partitions, _LATEST)


def _offsets(client: KafkaAdminClient, partitions: Iterable[TopicPartition], which: int) -> dict[TopicPartition, int]:
    asked = dict.fromkeys(partitions, which)
    if not asked:
        return {}
    return {
        partition: found.offset
        for partition, found in client.list_partition_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED).items()
    }


def user_quotas(client: KafkaAdminClient) -> dict[str, dict[str, float]]:
    """Return the client quotas of each principal that has any of its own, by their names at the broker (`producer_byte_rate` …).

    Raises:
        KafkaError: the broker is away or this principal may not ask.
    """
    # kafka-python 3.0.12 knows the messages (KIP-546) but has no method that sends them. Match type 2: any principal.
    response = client._manager.run(
        client._manager.send, DescribeClientQuotasRequest(components=[("user", _ANY_SPECIFIED_NAME, None)], strict=True)
    )
    _raise_refusal(response.error_code, response.error_message)
    return {entry.entity[0].entity_name: {one.key: one.value for one in entry.values} for entry in response.entries or ()}


def alter_user_quotas(client: KafkaAdminClient, changes: Mapping[str, Mapping[str, float | None]]) -> None:
    """Set client quotas of principals, or remove those whose value is None; others stay as they are.

    Raises:
        KafkaError: the broker is away or refuses.
    """
    entries = [
        ([("user", user)], [(key, value if value is not None else 0.0, value is None) for key, value in sorted(quotas.items())])
        for user, quotas in sorted(changes.items())
    ]
    if not entries:
        return
    response = client._manager.run(client._manager.send, AlterClientQuotasRequest(entries=entries, validate_only=False))
    for entry in response.entries:
        _raise_refusal(entry.error_code, entry.error_message)


def _raise_refusal(error_code: int, message: str | None) -> None:
    error = for_code(error_code)
    if error is not NoError:
        raise error(message)


def is_recoverable(error: BaseException) -> bool:
    """Tell whether waiting may help: anything the brokers or the way to them can cause, but not a misuse of the library."""
    return isinstance(error, KafkaError) and not isinstance(error, KafkaConfigurationError)


def _connection(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    connection: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": client_id,
        "security_protocol": settings.security_protocol.value,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password_file.read(),
        "reconnect_backoff_max_ms": 2_000,
        "bootstrap_timeout_ms": _BOOTSTRAP_TIMEOUT_MS,
    }
    if settings.ca_file is not None:
        connection["ssl_cafile"] = str(settings.ca_file)
    return connection


def _made(kind: Callable[..., Any], **configuration: Any) -> Any:
    """Make a client, and close what it had begun when it cannot be made: its constructor would leave a thread running for ever."""
    begun: list[KafkaNetClient] = []

    def remembered(**options: Any) -> KafkaNetClient:
        begun.append(KafkaNetClient(**options))
        return begun[-1]

    try:
        return kind(**configuration, kafka_client=remembered)
    except BaseException:
        for client in begun:
            client.close()
        raise


def _finish_begun_joins(client: KafkaConsumer) -> None:
    """Have a consumer finish a join of its group that outlasted one poll().

    kafka-python 3.0.12 asks before each poll whether a join is needed, and says no as soon as the request has left: when that poll
    ends before the answer, nobody takes the answer, the heartbeat stays off, and the member is put out of the group for good.
    """
    coordinator = client._coordinator
    needed = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator.rejoining or needed()


def is_stable(client: KafkaConsumer) -> bool:
    """Tell whether the client is a member of its group with a settled assignment."""
    return bool(client.group_metadata().state is MemberState.STABLE)


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """What kafka-python 3.0.12 gets wrong when a fetched batch cannot be read.

    An error while iterating leaves the finished iterator in place, and the next poll() spins on it for ever; here the batch
    is let go and the error says where it was. A header name that is not UTF-8, which the broker accepts from anyone, would be
    such an error; here it is read with its bytes escaped. A small batch may unpack to any size; here it may not.
    """

    def take(self, n: int | None = None) -> list[Any]:
        try:
            taken: list[Any] = super().take(n)
        except Exception as error:
            where = UnreadableBatch(self.topic_partition, self.next_fetch_offset, error)
            self.drain()
            raise where from error
        return taken

    def _unpack_records(self, tp: TopicPartition, records: Any, *deserializers: Any) -> Any:
        return super()._unpack_records(tp, _TolerantBatches(records), *deserializers)


class _TolerantBatches:
    def __init__(self, records: Any) -> None:
        self._records = records

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if type(batch) is DefaultRecordBatch:
            # The class is the only way in: batches are made deep inside and have slots.
            batch.__class__ = _TolerantBatch
        return batch


class _TolerantBatch(DefaultRecordBatch):  # type: ignore[misc]
    # The attributes are slots of the base, which has no types.
    __slots__ = ()
    _buffer: Any
    _pos: Any
    _decompressed: Any

    def _maybe_uncompress(self) -> None:
        unpack = {self.CODEC_ZSTD: _unzstd, self.CODEC_GZIP: _gunzip}.get(self.compression_type)
        if not self._decompressed and unpack is not None:
            unpacked = unpack(bytes(memoryview(self._buffer)[self._pos :]), _UNPACKED_BYTES_MAX + 1)
            if len(unpacked) > _UNPACKED_BYTES_MAX:
                raise BatchUnpacksTooLarge
            self._buffer, self._pos = bytearray(unpacked), 0
            self._decompressed = True
        super()._maybe_uncompress()

    def _read_msg(self, *arguments: Any) -> Any:
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            # The position moves only after a whole record, so the same record is read again.
            self._buffer = _TolerantText(self._buffer)
            return super()._read_msg(*arguments)


def _unzstd(packed: bytes, bytes_max: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        unpacked: bytes = reader.read(bytes_max)
    return unpacked


def _gunzip(packed: bytes, bytes_max: int) -> bytes:
    """Unpack the one gzip member that a producer writes; the rest of a larger one is never unpacked."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, bytes_max)
    except zlib.error as error:
        raise CorruptRecordError(f"a batch is not gzip: {error}") from error


class _TolerantText(bytearray):
    """A buffer whose slices decode to text whatever they hold."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _TolerantText(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


def headers_of(record: Any) -> Mapping[str, bytes]:
    """Return a record's headers; of several with one name the last counts, and a missing value reads as empty."""
    return {name: value if value is not None else b"" for name, value in record.headers}


def abandon(client: KafkaProducer) -> None:
    """Close a producer at once without sending what it still holds; its own close() would first wait to send it."""
    try:
        client._sender.force_close()
        client.close(timeout=2)
    except KafkaError as error:
        _log.warning("a producer could not be closed cleanly: %s", type(error).__name__)


def close(client: KafkaConsumer | KafkaAdminClient) -> None:
    """Close a client within two seconds, whatever state it is in."""
    try:
        if isinstance(client, KafkaConsumer):
            client.close(autocommit=False, timeout_ms=2_000)
        else:
            client.close()
    except KafkaError as error:
        _log.warning("a client could not be closed cleanly: %s", type(error).__name__)
