"""Puts records into a log's raw topics: the one way in for files, standard input and HTTP."""

from __future__ import annotations

from asyncio import Lock
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from schemas.decode import encode_record
from schemas.records import Heartbeat, Record
from schemas.topics import GAUGES
from streams.log.base import Item
from streams.log.sqlite import SqliteLog, wall_clock_ms
from streams.sources.places import DETECTOR_INPUTS, Place, key_of, places_of

PROGRESS_EVERY_MS: Final = 200
"""In a recorded-time log every input is told how far the log has come, this often in log time."""
RAW_TOPICS: Final = (*DETECTOR_INPUTS, GAUGES)


class Ingest:
    """Deals records over the raw topics and partitions; what ``append`` took is durable.

    In an append-time log the log stamps each record. In a recorded-time log a record keeps its own
    ``ts_log_ms``, or has its ``ts_event_ms`` for one; a time that falls is raised to the time
    reached before records are dealt, so that the number of partitions changes nothing.

    Parameters
    ----------
    log : its topics exist.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from streams.sources.embedded_log import create_topics
    >>> async def main(folder):
    ...     with SqliteLog(folder, stamp="recorded") as log:
    ...         create_topics(log, 1, 1)
    ...         ingest = await Ingest.open(log)
    ...         await ingest.append([Heartbeat("h", 1_736_812_800_000)])
    ...         return (await log.read("dex.ticks.v1", 0, 0))[0].timestamp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(folder))
    1736812800000
    """

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.recorded = log.stamp == "recorded"
        self.log_ms = -1
        """Log time reached, ms; -1 before the first record. Of recorded-time logs only."""
        self.appended = 0
        """Records taken since the process started."""
        self._partitions: dict[str, int] = {}
        self._begun = False
        self._told_ms = -1
        self._lock = Lock()

    @classmethod
    async def open(cls, log: SqliteLog) -> Ingest:
        """Go on where the log ends; an append-time log that is new gets its first heartbeats."""
        ingest = cls(log)
        ingest._partitions = {topic: await log.partitions(topic) for topic in RAW_TOPICS}
        ends = []
        for topic in DETECTOR_INPUTS:
            for p in range(ingest._partitions[topic]):
                if end := await log.end_offset(topic, p):
                    ends += await log.read(topic, p, end - 1, 1)
        ingest._begun = bool(ends)
        ingest.log_ms = ingest._told_ms = max((r.timestamp for r in ends), default=-1)
        if not ends and not ingest.recorded:
            await ingest.append(())
        return ingest

    async def append(
        self,
        records: Sequence[Record],
        *,
        beside: Sequence[tuple[str, int, Sequence[Item]]] = (),
        reached_ms: int = -1,
    ) -> None:
        """Append records in order, all or none; they are durable when this returns.

        ``beside`` are appends to other topics in the same transaction. ``reached_ms`` is a log time
        that a recorded-time source has reached beyond its records.
        """
        async with self._lock:
            before = self.log_ms, self._told_ms
            piles: dict[Place, list[Item]] = defaultdict(list)
            if not self._begun:
                self._begin(piles, records)
            for record in records:
                self._deal(piles, record)
            self.log_ms = max(self.log_ms, reached_ms)
            self._tell_progress(piles)
            appends: list[tuple[str, int, Sequence[Item]]] = [
                (topic, p, items) for (topic, p), items in piles.items()
            ]
            try:
                await self.log.append_many([*appends, *beside])
            except BaseException:
                self.log_ms, self._told_ms = before
                raise
            self._begun = self._begun or bool(piles)
            self.appended += len(records)

    async def finish(self) -> None:
        """End a recorded-time log: tell every input that it is read up to the time reached."""
        if self.recorded and self._begun:
            self._told_ms = -1
            await self.append(())

    def _begin(self, piles: dict[Place, list[Item]], records: Sequence[Record]) -> None:
        """Every input begins with a heartbeat that says when the log began, the same in all."""
        if self.recorded:
            if not records:
                return
            first = records[0]
            start = _own_log_ms(first)
            if isinstance(first, Heartbeat) and first.log_start_ms is not None:
                if first.topic is None:
                    return  # it is that heartbeat
                self._put(piles, _beat(start, log_start_ms=first.log_start_ms), start)
                return
            self._put(piles, _beat(start, log_start_ms=start), start)
        else:
            self._put(piles, _beat(wall_clock_ms(), log_start_ms=self.log.log_start_ms), None)

    def _deal(self, piles: dict[Place, list[Item]], record: Record) -> None:
        if not self.recorded:
            self._put(piles, record, None)
            return
        self.log_ms = max(self.log_ms, _own_log_ms(record))
        self._put(piles, record, self.log_ms)

    def _tell_progress(self, piles: dict[Place, list[Item]]) -> None:
        if self.recorded and self.log_ms - self._told_ms >= PROGRESS_EVERY_MS:
            self._told_ms = self.log_ms
            self._put(piles, _beat(self.log_ms), self.log_ms)

    def _put(self, piles: dict[Place, list[Item]], record: Record, log_ms: int | None) -> None:
        item = Item(key_of(record), encode_record(record), log_ms)
        for place in places_of(record, self._partitions):
            piles[place].append(item)


def _beat(ms: int, log_start_ms: int | None = None) -> Heartbeat:
    return Heartbeat(f"heartbeat-{ms}", ms, log_start_ms=log_start_ms)


def _own_log_ms(record: Record) -> int:
    return record.ts_event_ms if record.ts_log_ms is None else record.ts_log_ms
