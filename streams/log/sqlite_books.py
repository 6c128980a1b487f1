"""What a SQLite log keeps in memory of its partitions, and how records enter the tables."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import StateError
from streams.log.base import Item, Stamp
from streams.log.sqlite_file import OFFSET_BITS

KEPT_TOMBSTONES: Final = 1000
"""The newest tombstones of a compacted partition that stay, for readers on their way through."""


@dataclass
class Partition:
    """One partition as its writer knows it."""

    id: int
    topic: str
    number: int
    compacted: bool
    raw_input: bool
    next_offset: int
    last_log_ms: int
    latest: dict[bytes, int] = field(default_factory=dict)  # compacted: key -> its only offset
    tombstones: deque[tuple[bytes, int]] = field(default_factory=deque)

    @property
    def base(self) -> int:
        """Row id of offset 0."""
        return self.id << OFFSET_BITS


class Books:
    """All partitions of one log. Used by one thread at a time, inside its transaction.

    Parameters
    ----------
    db : an open log.
    stamp : the log's kind of time.
    """

    def __init__(self, db: sqlite3.Connection, stamp: Stamp) -> None:
        self._db = db
        self._stamp = stamp
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.last_log_ms = 0
        self.load()

    def load(self) -> None:
        """Read everything from the tables: at the start, and after a transaction was undone."""
        self.partitions = {}
        rows = self._db.execute(
            "SELECT id, topic, number, compacted, raw_input, next_offset, last_log_ms"
            " FROM partitions ORDER BY id"
        ).fetchall()
        for id_, topic, number, compacted, raw_input, next_offset, last in rows:
            partition = Partition(
                id_, topic, number, bool(compacted), bool(raw_input), next_offset, last
            )
            self.partitions[topic, number] = partition
            if compacted:
                self._load_keys(partition)
        self.last_log_ms = max((p.last_log_ms for p in self.partitions.values()), default=0)

    def find(self, topic: str, number: int) -> Partition:
        """Find a partition; raises ``StateError`` where there is none."""
        try:
            return self.partitions[topic, number]
        except KeyError:
            raise no_partition(topic, number) from None

    def create(self, topic: str, partitions: int, *, compacted: bool, raw_input: bool) -> None:
        """Create a topic, or check that the existing one is the same."""
        if not 1 <= partitions <= 1024:
            raise StateError(f"{topic}: 1 to 1024 partitions, not {partitions}")
        have = [p for p in self.partitions.values() if p.topic == topic]
        if have:
            if (len(have), have[0].compacted, have[0].raw_input) != (
                partitions,
                compacted,
                raw_input,
            ):
                raise StateError(
                    f"topic {topic} exists with {len(have)} partitions,"
                    f" compacted={have[0].compacted}, raw_input={have[0].raw_input}"
                )
            return
        for number in range(partitions):
            cursor = self._db.execute(
                "INSERT INTO partitions (topic, number, compacted, raw_input, next_offset,"
                " last_log_ms) VALUES (?, ?, ?, ?, 0, 0)",
                (topic, number, compacted, raw_input),
            )
            id_ = cursor.lastrowid
            assert id_ is not None
            self.partitions[topic, number] = Partition(
                id_, topic, number, compacted, raw_input, 0, 0
            )

    def check(self, topic: str, number: int, items: Sequence[Item]) -> Partition:
        """Raise ``StateError`` where ``items`` cannot be appended; nothing is written yet."""
        partition = self.find(topic, number)
        for item in items:
            if item.value is None and (item.key is None or not partition.compacted):
                raise StateError(f"{topic}/{number}: a tombstone needs a key and a compacted topic")
            if partition.compacted and item.key is None:
                raise StateError(f"{topic}/{number}: a compacted topic needs keys")
            if self._stamp == "recorded" and partition.raw_input and item.ts_log_ms is None:
                raise StateError(f"{topic}/{number}: a recorded-time log needs ts_log_ms")
        return partition

    def append(self, partition: Partition, items: Sequence[Item], now_ms: int) -> list[int]:
        """Insert checked ``items``; their offsets. ``now_ms`` is this transaction's stamp."""
        first = partition.next_offset
        if self._stamp == "append":
            stamps = [now_ms] * len(items)
        else:
            stamps = [now_ms if i.ts_log_ms is None else i.ts_log_ms for i in items]
        self._db.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?)",
            [
                (partition.base + first + n, ts, item.key, item.value)
                for n, (item, ts) in enumerate(zip(items, stamps, strict=True))
            ],
        )
        partition.next_offset += len(items)
        partition.last_log_ms = max(partition.last_log_ms, *stamps)
        self.last_log_ms = max(self.last_log_ms, partition.last_log_ms)
        if partition.compacted:
            self._compact(partition, first, items)
        return list(range(first, partition.next_offset))

    def forget(self, partition: Partition, before: int, before_ms: int, most: int) -> int:
        """Delete the oldest records below an offset and before a time; how many."""
        if partition.compacted or self._stamp != "append":
            raise StateError(f"{partition.topic} keeps its records")
        last = partition.base + min(before, partition.next_offset - 1) - 1
        # Stamps of a live log never fall, so what is due is the beginning.
        found, count = self._db.execute(
            "SELECT max(id), count(*) FROM (SELECT id, ts_log_ms FROM records"
            " WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?) WHERE ts_log_ms < ?",
            (partition.base, last, most, before_ms),
        ).fetchone()
        if count:
            self._db.execute(
                "DELETE FROM records WHERE id BETWEEN ? AND ?", (partition.base, found)
            )
        return int(count)

    def save(self, partition: Partition) -> None:
        """Write the partition's counters; once a transaction for each one appended to."""
        self._db.execute(
            "UPDATE partitions SET next_offset = ?, last_log_ms = ? WHERE id = ?",
            (partition.next_offset, partition.last_log_ms, partition.id),
        )

    def _compact(self, partition: Partition, first: int, items: Sequence[Item]) -> None:
        # In the same transaction as the append, so that no crash shows a key twice or not at all.
        gone: list[int] = []
        for offset, item in enumerate(items, first):
            assert item.key is not None
            if (older := partition.latest.get(item.key)) is not None:
                gone.append(older)
            partition.latest[item.key] = offset
            if item.value is None:
                partition.tombstones.append((item.key, offset))
        while len(partition.tombstones) > KEPT_TOMBSTONES:
            key, offset = partition.tombstones[0]
            if offset == partition.next_offset - 1:
                break  # a partition's last record stays, until there is another
            partition.tombstones.popleft()
            if partition.latest.get(key) == offset:
                gone.append(offset)
                del partition.latest[key]
        self._db.executemany(
            "DELETE FROM records WHERE id = ?", [(partition.base + offset,) for offset in gone]
        )

    def _load_keys(self, partition: Partition) -> None:
        for id_, key, dead in self._db.execute(
            "SELECT id, key, value IS NULL FROM records WHERE id BETWEEN ? AND ? ORDER BY id",
            (partition.base, partition.base + (1 << OFFSET_BITS) - 1),
        ):
            offset = id_ - partition.base
            partition.latest[key] = offset
            if dead:
                partition.tombstones.append((key, offset))


def no_partition(topic: str, number: int) -> StateError:
    """Make the error for a partition that does not exist."""
    return StateError(f"no partition {topic}/{number}: create the topic first")
