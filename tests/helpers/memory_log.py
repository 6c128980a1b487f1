"""A log in memory, which loses its oldest records when told to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from streams.log.base import Item, LogRecord


class MemoryLog:
    """The ``Log`` protocol; items bring their log times."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        self.records: dict[tuple[str, int], list[LogRecord]] = defaultdict(list)
        self.starts: dict[tuple[str, int], int] = defaultdict(int)
        self.ends: dict[tuple[str, int], int] = defaultdict(int)

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        first = self.ends[topic, partition]
        self.records[topic, partition] += [
            LogRecord(topic, partition, first + i, item.ts_log_ms or 0, item.key, item.value)
            for i, item in enumerate(items)
        ]
        self.ends[topic, partition] += len(items)
        return list(range(first, first + len(items)))

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        found = self.records[topic, partition]
        return [r for r in found if r.offset >= offset][: min(limit, 7)]

    async def start_offset(self, topic: str, partition: int) -> int:
        return self.starts[topic, partition]

    async def end_offset(self, topic: str, partition: int) -> int:
        return self.ends[topic, partition]

    async def partitions(self, topic: str) -> int:
        return self.counts[topic]

    def lose(self, topic: str, partition: int, before: int) -> None:
        """What retention does."""
        found = self.records[topic, partition]
        self.records[topic, partition] = [r for r in found if r.offset >= before]
        self.starts[topic, partition] = before

    def pass_over(self, topic: str, partition: int, offsets: int) -> None:
        """What transactions do: offsets without records."""
        self.ends[topic, partition] += offsets
