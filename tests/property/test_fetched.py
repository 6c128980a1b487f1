"""Records read as columns from Kafka's batches are those that aiokafka reads one by one."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import StateError
from streams.log.base import LogRecord
from streams.log.slab import Slab
from streams.transport.fetched import FEW, _Batches, _Results, as_records, records_of
from streams.transport.record_batch import HEADER, chunk_of, rows_of

TP, OTHER = TopicPartition("t", 3), TopicPartition("u", 0)
Content = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]
contents = st.lists(
    st.tuples(
        st.integers(0, 2**40),
        st.none() | st.binary(max_size=40),
        st.none() | st.binary(max_size=300) | st.text(max_size=80).map(str.encode),
        st.just([]) | st.just([("h", b"x"), ("h2", b"")]),
    ),
    min_size=1,
    max_size=30,
)


def batch(rows: list[Content], codec: int = 0, base: int = 0, magic: int = 2) -> bytes:
    """A batch as a broker keeps it."""
    if magic == 2:
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, 0, 1 << 20)
        for i, (ts, key, value, headers) in enumerate(rows):
            assert builder.append(i, ts, key, value, headers)
    else:
        builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
        for i, (ts, key, value, _) in enumerate(rows):
            assert builder.append(i, ts, key, value)
    raw = bytes(builder.build())
    return base.to_bytes(8, "big") + raw[8:]  # the sum is of what follows


def partition_records(raw: bytes, position: int) -> PartitionRecords:
    return PartitionRecords(
        TP, MemoryRecords(raw), [], position, None, None, True, READ_COMMITTED
    )  # fmt: skip


class Result:
    def __init__(self, records: PartitionRecords) -> None:
        self._partition_records = records


class Kept:
    def __init__(self, raw: bytes) -> None:
        self.raw = {TP: raw}


def columns_of(raw: bytes, position: int) -> tuple[list[LogRecord], int]:
    """What a handler gets of a fetch, and where the next one begins."""
    records = partition_records(raw, position)
    _Results(Kept(raw))[TP] = Result(records)
    given = as_records(TP.topic, TP.partition, list(records))
    return list(given), records.next_fetch_offset


def plain_of(raw: bytes, position: int) -> tuple[list[LogRecord], int]:
    """The same by aiokafka alone."""
    records = partition_records(raw, position)
    found = [
        LogRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value) for r in records
    ]
    return found, records.next_fetch_offset


@settings(deadline=None)  # the first example compiles
@given(st.lists(contents, min_size=1, max_size=4), st.integers(0, 4), st.data())
def test_any_batches_read_as_aiokafka_reads_them(
    batches: list[list[Content]], codec: int, data: st.DataObject
) -> None:
    raw, end = b"", 0
    position = data.draw(
        st.integers(0, len(batches[0]))
    )  # a fetch begins with the batch that has it
    for i, rows in enumerate(batches):
        end += data.draw(st.integers(0, 5)) if i else 0  # a hole, as compaction leaves it
        raw += batch(rows, codec, end)
        end += len(rows)
    assert columns_of(raw, position) == plain_of(raw, position)


def test_many_records_are_one_slab_and_few_are_none() -> None:
    one: Content = (5, b"k", b"v", [])
    for rows, kind in (([one] * FEW, Slab), ([one], list)):
        records = partition_records(raw := b"".join(batch(rows, base=i) for i in (0, 100)), 0)
        _Results(Kept(raw))[TP] = Result(records)
        given = as_records("t", 3, list(records))
        assert isinstance(given, kind)
        assert len(given) == 2 * len(rows)
        assert given[0] == LogRecord("t", 3, 0, 5, b"k", b"v")


def test_a_batch_of_the_broker_s_stamp_has_it_in_every_record() -> None:
    raw = bytearray(batch([(5 + i, None, b"v", []) for i in range(FEW)]))
    raw[22] |= 8  # the attribute's bit; the sum is not looked at here
    chunk = chunk_of(memoryview(raw))
    assert {r.timestamp for r in as_records("t", 3, [chunk])} == {5 + FEW - 1}


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_are_read_as_ever(magic: int) -> None:
    raw = b"".join(batch([(7, b"k", b"v%d" % i, [])], magic=magic, base=i) for i in range(2 * FEW))
    assert columns_of(raw, 0) == plain_of(raw, 0)
    assert len(columns_of(raw, 0)[0]) == 2 * FEW


@settings(deadline=None)
@given(st.integers(0, 4_000), st.integers(0, 255))
def test_a_broken_payload_is_told_and_never_read_beyond(at: int, byte: int) -> None:
    raw = bytearray(batch([(5, b"key", b"value" * 20, []) for _ in range(FEW)]))
    raw[HEADER.size + at % (len(raw) - HEADER.size)] = byte
    rows = rows_of([chunk_of(memoryview(raw))])
    if rows is not None:
        assert rows.at.shape[1] <= FEW
        assert int(rows.at[2:4].max(initial=0)) <= len(rows.keys) + 1
        assert int(rows.at[4:6].max(initial=0)) <= len(rows.values) + 1


def test_a_batch_of_which_compaction_has_left_nothing_new_brings_nothing() -> None:
    raw = batch([(5, None, b"v", []) for _ in range(FEW)])
    chunk = chunk_of(memoryview(raw))
    given = records_of({TP: [chunk._replace(least=FEW, offset=2 * FEW)], OTHER: [chunk]})
    assert list(given) == [OTHER]


def test_a_payload_cut_short_is_an_error() -> None:
    raw = batch([(5, b"key", b"value", []) for _ in range(FEW)])
    with pytest.raises(StateError, match="t/3 at 0 is broken"):
        as_records("t", 3, [chunk_of(memoryview(raw[:-3]))])


def test_bytes_of_batches_are_told_apart_by_their_sizes() -> None:
    rows: list[Content] = [(5, b"k", b"v", [])]
    raw = batch(rows) + batch(rows * FEW, base=1)
    batches = _Batches(MemoryRecords(raw), raw)
    first, second = batches.next_batch(), batches.next_batch()
    assert not batches.has_next()
    assert [next(iter(first)).n, next(iter(second)).n] == [1, FEW]
    assert [next(iter(each)).offset for each in (first, second)] == [0, FEW]
