"""What a log is: topics of partitions of records, each with an offset and the log's time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

Stamp: TypeAlias = Literal["append", "recorded"]
"""Where ``ts_log_ms`` comes from, fixed when a log is created.

``append``: the log stamps each record as it takes it in. ``recorded``: each record brings the
time it was once taken in, as recordings and scenarios do.
"""


class Item(NamedTuple):
    """One record to append.

    Parameters
    ----------
    key : partitions and compaction go by it; None for neither.
    value : the payload; None is a tombstone, which removes its key from a compacted topic.
    ts_log_ms : milliseconds UTC, for recorded-time logs; append-time logs ignore it.

    Examples
    --------
    >>> Item(b"momo", b"{}")
    Item(key=b'momo', value=b'{}', ts_log_ms=None)
    """

    key: bytes | None
    value: bytes | None
    ts_log_ms: int | None = None


class LogRecord(NamedTuple):
    """One record as read: the attributes of aiokafka's ConsumerRecord that handlers use.

    ``timestamp`` is ``ts_log_ms``, milliseconds UTC. ``value`` is None for a tombstone only.

    Examples
    --------
    >>> r = LogRecord("dex.ticks.v1", 0, 7, 1_700_000_000_000, None, b"{}")
    >>> r.offset, r.ts_log_ms
    (7, 1700000000000)
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def ts_log_ms(self) -> int:
        """The log's time of this record, milliseconds UTC."""
        return self.timestamp


class Log(Protocol):
    """A durable log, as workers, sources and sinks use it.

    Every method raises ``StateError`` where the topic or partition does not exist.
    """

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """Append ``items`` in order; their offsets. Durable, all or none, when it returns.

        An implementation on a broker may leave a prefix behind when it raises.
        """
        ...

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        """Up to ``limit`` records from ``offset`` on, oldest first; empty only at the end.

        Offsets may have holes where compaction removed records.
        """
        ...

    async def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset still held; equal to the end offset when nothing is."""
        ...

    async def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset the next record gets."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions ``topic`` has."""
        ...
