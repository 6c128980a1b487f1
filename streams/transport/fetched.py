"""What a fetch brought, taken from aiokafka as columns: no object for each record that nobody needs.

aiokafka makes two objects of every record, which costs more than to decode it. Here it goes on to check
sums, transactions and positions, batch by batch, and the records of a batch pass through it as one.
Private names of aiokafka 0.14.0 are used, as elsewhere in this folder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from schemas.errors import StateError
from streams.log.base import LogRecord
from streams.log.slab import Slab, Slices
from streams.transport.record_batch import (
    KEY_END,
    KEY_START,
    MAGIC,
    OFFSET,
    TIMESTAMP,
    VALUE_END,
    VALUE_START,
    Chunk,
    chunk_of,
    count_of,
    rows_of,
    size_at,
)

FEW: Final = 8
"""Records of which fewer are handed on one by one: columns of them cost more than they save."""


def keep_columns(fetcher: Any) -> None:
    """Have a fetcher hand on records as ``records_of`` takes them; safe to repeat."""
    if isinstance(fetcher._client, _Client):  # noqa: SLF001
        return
    fetcher._client = _Client(fetcher._client)  # noqa: SLF001
    results = _Results(fetcher._client)  # noqa: SLF001
    for tp, result in fetcher._records.items():  # noqa: SLF001
        results[tp] = result
    fetcher._records = results  # noqa: SLF001


def records_of(fetched: Mapping[Any, Sequence[Any]]) -> dict[Any, Sequence[LogRecord]]:
    """What was fetched, by partition, as handlers take it."""
    given = {tp: as_records(tp.topic, tp.partition, each) for tp, each in fetched.items()}
    # of a batch that compaction has thinned out, the last offset may be all that was new
    return {tp: records for tp, records in given.items() if len(records)}


def as_records(topic: str, partition: int, fetched: Sequence[Any]) -> Sequence[LogRecord]:
    """Records of one partition as handlers take them: a slab where there are several.

    Raises StateError where a batch is not what its header says.
    """
    chunks = [each for each in fetched if isinstance(each, Chunk)]
    if len(chunks) < len(fetched):
        return _mixed(topic, partition, fetched)
    rows = rows_of(chunks)
    if rows is None:
        place = f"{topic}/{partition} at {chunks[0].base_offset}"
        raise StateError(f"the batch of records in {place} is broken, though its sum is right")
    at, keys, values = rows
    slab = Slab(
        topic, partition, at[OFFSET], at[TIMESTAMP],
        Slices(values, at[VALUE_START], at[VALUE_END]), Slices(keys, at[KEY_START], at[KEY_END]),
    )  # fmt: skip
    return slab if len(slab) >= FEW else list(slab)


def _mixed(topic: str, partition: int, fetched: Sequence[Any]) -> Sequence[LogRecord]:
    """Records of old formats, one by one, and what may be among them of newer ones."""
    records: list[LogRecord] = []
    for each in fetched:
        if isinstance(each, Chunk):
            records += as_records(topic, partition, [each])
        else:
            records.append(
                LogRecord(topic, partition, each.offset, each.timestamp, each.key, each.value)
            )
    return records


class _Client:
    """A client that keeps the bytes that fetches bring, by partition, until they are taken."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.raw: dict[TopicPartition, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any, **kwargs: Any) -> Any:
        response = await self._client.send(node_id, request, **kwargs)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for partition, *_, raw in partitions:
                    self.raw[TopicPartition(topic, partition)] = raw
        return response


class _Results(OrderedDict[Any, Any]):
    """Results that a fetcher keeps until they are asked for, made to pass on whole batches."""

    def __init__(self, client: _Client) -> None:
        super().__init__()
        self._kept = client

    def __setitem__(self, tp: Any, result: Any) -> None:
        raw = self._kept.raw.pop(tp, None)
        records = getattr(result, "_partition_records", None)  # an error has none
        if records is not None:
            records._consumer_record = lambda _, record: _fresh(record, records)  # noqa: SLF001
            if raw is not None:
                records._records = _Batches(records._records, raw)  # noqa: SLF001
        super().__setitem__(tp, result)


def _fresh(record: Any, records: Any) -> Any:
    """A record, or a batch without what lies before the position."""
    if isinstance(record, Chunk):
        return record._replace(least=records.next_fetch_offset)
    return record


class _Batches:
    """aiokafka's batches, beside their bytes."""

    def __init__(self, batches: Any, raw: bytes) -> None:
        self._batches = batches
        self._raw = raw
        self._at = 0

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        batch = self._batches.next_batch()
        size, magic = size_at(self._raw, self._at)
        mine = memoryview(self._raw)[self._at : self._at + size]
        self._at += size
        return _Batch(batch, mine) if magic == MAGIC and count_of(mine) else batch


class _Batch:
    """A batch whose records are given as one chunk."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Chunk]:
        return iter((chunk_of(self._raw),))

    def __next__(self) -> Any:  # of a control batch, its only record
        return next(self._batch)
