"""What is done about batches that kafka-python cannot read, on bytes as a broker would send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

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


small_bytes = st.one_of(st.none(), st.binary(max_size=5), st.integers(60, 300).map(bytes))


def seen(records: Sequence[Any]) -> list[tuple[object, ...]]:
    """What a handler may see of records, in the same form for those of the library and for ours."""
    return [
        (record.offset, record.timestamp, record.key, record.value, {name: value or b"" for name, value in dict(record.headers).items()})
        for record in records
    ]


class TestPartitionRecords:
    def test_reads_what_can_be_read_as_the_library_does(self) -> None:
        buffer = batches([("a", b"1")], [], [("b", b"\xff")])
        assert seen(partition_records(buffer, []).take(10)) == seen(partition_records(buffer, [], Fetcher.PartitionRecords).take(10))

    @given(
        st.lists(
            st.tuples(st.integers(0, 2**50), small_bytes, small_bytes, st.lists(st.tuples(st.text(max_size=70), small_bytes), max_size=4))
        ),
        st.sampled_from([0, 1, 4]),
        st.integers(0, 2**40),
    )
    def test_reads_any_records_as_the_library_does(self, written: list, compression: int, base_offset: int) -> None:
        builder = MemoryRecordsBuilder(magic=2, compression_type=compression, batch_size=1 << 24)
        for timestamp, key, value, headers in written:
            builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
        builder.close()
        buffer = bytearray(builder.buffer())
        buffer[:8] = base_offset.to_bytes(8, "big")
        ours, theirs = partition_records(buffer, []), partition_records(buffer, [], Fetcher.PartitionRecords)
        # In two goes, because a poll that is full leaves the rest of a batch to the next one.
        for count in (2, 1_000):
            assert seen(ours.take(count) if ours else []) == seen(theirs.take(count) if theirs else [])
            assert ours.next_fetch_offset == theirs.next_fetch_offset

    def test_remembers_no_header_of_the_record_before_that_is_written_otherwise(self) -> None:
        buffer = batches(
            [("a", b"1"), ("b", b"2")], [("a", b"3"), ("b", b"")], [("a", b""), ("c", b"2")], [("b", b"1"), ("a", b"2")], [("a", b"1")], []
        )
        assert [record.headers for record in partition_records(buffer, []).take(10)] == [
            {"a": b"1", "b": b"2"},
            {"a": b"3", "b": b""},
            {"a": b"", "c": b"2"},
            {"b": b"1", "a": b"2"},
            {"a": b"1"},
            {},
        ]

    @pytest.mark.parametrize("place", range(61, 85))
    def test_lets_a_batch_go_whose_records_are_not_as_long_as_they_say(self, place: int) -> None:
        """Every byte of the first record that is a length or a number, raised: the checksum is right, so it was written like that."""
        buffer = batches([("name", b"value")], [("name", b"value")])
        buffer[place] = (buffer[place] + 64) % 256
        records = partition_records(_with_checksum(buffer), [])
        try:
            taken = records.take(10)
            # What cannot be read behind what can is told by the take that comes to it.
            taken += records.take(10) if records else []
        except UnreadableBatch:
            return
        # What was no length is content; no record may hold more than was written.
        assert [len(record.value or b"") for record in taken] == [1, 1]

    @pytest.mark.parametrize("compression", [0, 1, 4])
    def test_reads_header_names_that_are_no_text_and_all_records_around_them(self, compression: int) -> None:
        buffer = batches([("a", b"1")], [(HostileName("x"), b"2"), ("好", b"3")], [("c", b"4")], compression=compression)
        records = partition_records(buffer, []).take(10)
        assert [record.value for record in records] == [b"0", b"1", b"2"]
        assert records[1].headers == {"\\xff-name": b"2", "好": b"3"}
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
    buffer[22] = (buffer[22] & ~0x07) | codec
    return _with_checksum(buffer)


def _with_checksum(buffer: bytearray) -> bytearray:
    buffer[17:21] = calc_crc32c(memoryview(buffer)[21:]).to_bytes(4, "big")
    return buffer
