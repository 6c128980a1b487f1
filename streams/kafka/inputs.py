"""Looking at partitions from outside any group: their ends, and how raw inputs begin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas.errors import GoldendogError
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.kafka.shapes import said_start_ms


def offsets(
    where: str | Connection, counts: Mapping[str, int]
) -> dict[TopicPartition, tuple[int, int]]:
    """Start and end offset of every partition of topics with so many partitions each."""
    tps = [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]
    with _consumer(where) as consumer:
        starts, ends = consumer.beginning_offsets(tps), consumer.end_offsets(tps)
    return {tp: (starts[tp], ends[tp]) for tp in tps}


def log_starts(
    where: str | Connection, spans: Mapping[TopicPartition, tuple[int, int]]
) -> dict[TopicPartition, int]:
    """When raw inputs say that their log starts, milliseconds UTC, of those that still say so.

    Blocking, not to be called in an event loop. ``spans`` are the start and end offsets of their
    partitions; those that no longer hold their very first record are left out. Raises
    ``GoldendogError`` where one begins with something else.
    """
    begun = [tp for tp, (start, end) in spans.items() if start == 0 < end]
    if not begun:
        return {}
    firsts = asyncio.run(_firsts(where, begun))
    return {tp: said_start_ms(tp.topic, tp.partition, value) for tp, value in firsts.items()}


def first_log_start_ms(where: str | Connection, counts: Mapping[str, int]) -> int | None:
    """When raw inputs say that their log starts; None where none of them says.

    Blocking, as ``log_starts``. Raises ``GoldendogError`` where they disagree.
    """
    found = log_starts(where, offsets(where, counts))
    if len(set(found.values())) > 1:
        named = {f"{tp.topic}/{tp.partition}": ms for tp, ms in found.items()}
        raise GoldendogError(f"raw inputs disagree on when the log starts: {named}")
    return next(iter(found.values()), None)


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
