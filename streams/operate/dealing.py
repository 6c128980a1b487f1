"""The records of topics dealt anew over another number of partitions, in one order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from schemas.decode import decode_record
from schemas.errors import RecordError
from schemas.records import Gap, Gauge, Heartbeat, Tick, TokenInfo
from streams.log.base import LogRecord
from streams.log.partition import partition_of

_of_key = lru_cache(maxsize=65_536)(partition_of)


class Source(Protocol):
    """Topics as they were."""

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        """Every record of a partition, with log times that never fall."""
        ...


def dealt(source: Source, topic: str, was: int, now: int) -> Iterator[tuple[LogRecord, list[int]]]:
    """Every record of a topic and the partitions it goes to, in the order of its log.

    Log times of the old partitions never fall, so those of the new ones do not either: records come in
    the order of (log time, old partition, offset). A record goes where its producer's next one
    will: by its key. Heartbeats that say when the log begins are left out: new topics have their own.

    Parameters
    ----------
    was, now : partitions, before and after.
    """
    streams = (source.iter_topic(topic, p) for p in range(was))
    merged = heapq.merge(*streams, key=lambda r: (r.timestamp, r.partition, r.offset))
    for record in merged:
        if targets := targets_of(record, was, now):
            yield record, targets


def targets_of(record: LogRecord, was: int, now: int) -> list[int]:
    """Partitions, of ``now``, that a record of one of ``was`` goes to.

    A heartbeat or gap goes on telling of time: with more partitions in several of them, never twice in
    one. What cannot be decoded is kept, somewhere.
    """
    if record.key is not None:
        return [_of_key(record.key, now)]
    try:
        decoded = decode_record(record.value or b"")
    except RecordError:
        return [record.partition % now]
    if isinstance(decoded, Tick | TokenInfo):
        return [_of_key(decoded.token.encode(), now)]
    if isinstance(decoded, Gauge):
        return [partition_of(decoded.narrative.encode(), now)]
    if isinstance(decoded, Heartbeat) and decoded.log_start_ms is not None:
        return []
    if isinstance(decoded, Heartbeat | Gap):
        return [q for q in range(now) if q % was == record.partition % now]
    return [record.partition % now]
