"""What is done about batches that kafka-python cannot read, on bytes as a broker would send them."""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords, MemoryRecordsBuilder

from services.common import kafka
from services.common.kafka import UnreadableBatch


class HostileName(str):
    """A header name whose bytes are not UTF-8."""

    def encode(self, *arguments: object) -> bytes:
        return b"\xff-name"


def batches(*headers: list[tuple[str, bytes]], compression: int = 0) -> bytearray:
    builder = MemoryRecordsBuilder(magic=2, compression_type=compression, batch_size=1 << 20)
    for number, one in enumerate(headers):
        builder.append(timestamp=1_000 + number, key=b"k", value=str(number).encode(), headers=one)
    builder.close()
    return bytearray(builder.buffer())


def partition_records(buffer: bytes, drained: list[object], made: type = kafka._PartitionRecords) -> Fetcher.PartitionRecords:
    return made(
        0,
        TopicPartition("t", 3),
        MemoryRecords(buffer),
        check_crcs=True,
        isolation_level=IsolationLevel.READ_COMMITTED,
        aborted_transactions=None,
        metric_aggregator=None,
        on_drain=drained.append,
    )


class TestPartitionRecords:
    def test_reads_what_can_be_read_as_the_library_does(self) -> None:
        buffer = batches([("a", b"1")], [], [("b", b"\xff")])
        ours = partition_records(buffer, []).take(10)
        theirs = partition_records(buffer, [], Fetcher.PartitionRecords).take(10)
        assert ours == theirs
        assert len(ours) == 3

    @pytest.mark.parametrize("compression", [0, 1, 4])
    def test_reads_header_names_that_are_no_text_and_all_records_around_them(self, compression: int) -> None:
        buffer = batches([("a", b"1")], [(HostileName("x"), b"2"), ("好", b"3")], [("c", b"4")], compression=compression)
        records = partition_records(buffer, []).take(10)
        assert [record.value for record in records] == [b"0", b"1", b"2"]
        assert records[1].headers == [("\\xff-name", b"2"), ("好", b"3")]
        assert type(records[2].value) is bytes
        assert type(records[2].key) is bytes

    def test_lets_a_damaged_batch_go_and_says_where_it_was(self) -> None:
        buffer = batches([], [])
        buffer[-1] ^= 0xFF
        drained: list[object] = []
        records = partition_records(buffer, drained)
        with pytest.raises(UnreadableBatch) as caught:
            records.take(10)
        assert (caught.value.partition, caught.value.offset) == (TopicPartition("t", 3), 0)
        # Nothing is left for a further poll to turn around on.
        assert not records
        assert drained == [records]

    @pytest.mark.parametrize("compression", [1, 4])
    def test_a_batch_that_unpacks_beyond_the_limit_is_unreadable(self, monkeypatch: pytest.MonkeyPatch, compression: int) -> None:
        buffer = batches(*[[("name", b"x" * 1000)]] * 50, compression=compression)
        assert len(buffer) < 2000
        assert len(partition_records(bytearray(buffer), []).take(100)) == 50
        monkeypatch.setattr(kafka, "_UNPACKED_BYTES_MAX", 50_000)
        with pytest.raises(UnreadableBatch, match="BatchUnpacksTooLarge"):
            partition_records(buffer, []).take(100)

    def test_a_batch_of_a_codec_that_is_not_installed_is_unreadable_not_fatal(self) -> None:
        buffer = batches([], compression=4)
        with pytest.raises(UnreadableBatch):
            partition_records(_recompressed_as(buffer, 2), []).take(10)


def _recompressed_as(buffer: bytearray, codec: int) -> bytearray:
    """Claim another codec in the attributes and mend the checksum."""
    from kafka.record.util import calc_crc32c

    buffer[22] = (buffer[22] & ~0x07) | codec
    buffer[17:21] = calc_crc32c(memoryview(buffer)[21:]).to_bytes(4, "big")
    return buffer
