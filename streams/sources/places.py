"""Where a record belongs: its raw topic and partition."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from schemas.records import Control, Gap, Gauge, Heartbeat, Record, Tick, TokenInfo
from schemas.topics import CONTROL, GAUGES, MENTIONS, TICKS, TOKEN_INFO
from streams.log.partition import partition_of

DETECTOR_INPUTS: Final = (MENTIONS, TICKS, TOKEN_INFO, CONTROL)
"""Raw topics whose silence holds bars open: heartbeats and gaps go to every partition of them."""

Place = tuple[str, int]


@lru_cache(maxsize=65_536)
def token_partition(token: str, n: int) -> int:
    """Partition, in ``0..n-1``, of a token in every topic that is keyed by token.

    >>> token_partition("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:MOMO", 1)
    0
    """
    return partition_of(token.encode(), n)


def places_of(record: Record, partitions: dict[str, int]) -> list[Place]:
    """(topic, partition) of a record; heartbeats and gaps have many.

    ``partitions`` is the count of each raw topic.

    >>> beat = Heartbeat("h", 1_736_812_800_000)
    >>> counts = {"social.mentions.v1": 1, "dex.ticks.v1": 2, "tokens.info.v1": 1, "control.v1": 1}
    >>> places_of(beat, counts)[1:]
    [('dex.ticks.v1', 0), ('dex.ticks.v1', 1), ('tokens.info.v1', 0), ('control.v1', 0)]
    """
    if isinstance(record, Tick | TokenInfo):
        topic = TICKS if isinstance(record, Tick) else TOKEN_INFO
        return [(topic, token_partition(record.token, partitions[topic]))]
    if isinstance(record, Heartbeat | Gap):
        topics = DETECTOR_INPUTS if record.topic not in DETECTOR_INPUTS else (record.topic,)
        return [(topic, p) for topic in topics for p in range(partitions[topic])]
    if isinstance(record, Gauge):
        return [(GAUGES, partition_of(record.narrative.encode(), partitions[GAUGES]))]
    if isinstance(record, Control):
        return [(CONTROL, 0)]  # one order for all of them
    return [(MENTIONS, partition_of(record.id.encode(), partitions[MENTIONS]))]


def key_of(record: Record) -> bytes | None:
    """Message key of a record: its token where the topic is keyed by token."""
    return record.token.encode() if isinstance(record, Tick | TokenInfo) else None
