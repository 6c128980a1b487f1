"""Looking at partitions from outside any group: their ends, and how raw inputs begin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas.decode import decode_record
from schemas.errors import GoldendogError, RecordError
from schemas.records import Heartbeat
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog


def offsets(
    where: str | Connection, counts: Mapping[str, int]
) -> dict[TopicPartition, tuple[int, int]]:
    """Start and end offset of every partition of topics with so many partitions each."""
    tps = [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]
    with _consumer(where) as consumer:
        starts, ends = consumer.beginning_offsets(tps), consumer.end_offsets(tps)
    return {tp: (starts[tp], ends[tp]) for tp in tps}


def first_log_start_ms(where: str | Connection, counts: Mapping[str, int]) -> int | None:
    """When raw inputs say that their log starts: milliseconds UTC, None where none of them says.

    Blocking, not to be called in an event loop. Only partitions that still hold their very first record count. Raises ``GoldendogError`` where
    they disagree, or begin with something else.
    """
    begun = [tp for tp, (start, end) in offsets(where, counts).items() if start == 0 < end]
    if not begun:
        return None
    found = {
        str(tp): _log_start_ms(tp, value)
        for tp, value in asyncio.run(_firsts(where, begun)).items()
    }
    if len(set(found.values())) > 1:
        raise GoldendogError(f"raw inputs disagree on when the log starts: {found}")
    return next(iter(found.values()), None)


def _log_start_ms(tp: TopicPartition, value: bytes) -> int:
    try:
        record = decode_record(value)
    except RecordError:
        record = None
    if not isinstance(record, Heartbeat) or record.log_start_ms is None:
        raise GoldendogError(
            f"{tp.topic}/{tp.partition} does not begin with a Heartbeat that says log_start_ms:"
            " something was produced before `goldendog topics create`"
        )
    return record.log_start_ms


async def _firsts(
    where: str | Connection, tps: list[TopicPartition]
) -> dict[TopicPartition, bytes]:
    """Values of the records at offset 0."""
    # Not by kafka-python, which lacks the codecs of what may lie in the same fetch.
    async with KafkaLog(where) as log:
        firsts = {tp: await log.read(tp.topic, tp.partition, 0, limit=1) for tp in tps}
    return {tp: records[0].value or b"" for tp, records in firsts.items()}


@contextlib.contextmanager
def _consumer(where: str | Connection, **options: Any) -> Iterator[Any]:
    consumer = KafkaConsumer(
        **Connection.of(where).client_options(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **options,
    )
    try:
        yield consumer
    finally:
        consumer.close()
