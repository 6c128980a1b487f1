"""Recording topics: from where the files end, up to an offset each, or on and on."""

from __future__ import annotations

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from schemas.errors import StateError, UserError
from streams.log.base import Log, LogRecord
from streams.recording.layout import (
    Recorded,
    is_recording,
    parts_of,
    read_manifest,
    write_manifest,
)
from streams.recording.write import PartitionWriter
from streams.transport.run import Backoff

PART_ROWS: Final = 250_000
"""Records of a partition after which its file is written."""
HELD_ROWS: Final = 500_000
"""Records of all partitions after which all their files are written."""
READ_RECORDS: Final = 5_000
ROLL_S: Final = 300.0
PAUSE_S: Final = 0.5

Ends = Mapping[tuple[str, int], int]
OnProgress = Callable[[int, int], None]
"""Told of the offsets recorded, and of how many there are."""


@dataclass(frozen=True)
class Lost:
    """Offsets that a topic no longer had when they were to be recorded; ``next`` is there again."""

    topic: str
    partition: int
    first: int
    next: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition} offsets {self.first} to {self.next - 1}"


@dataclass
class Tale:
    """What a recorder did, by topic: records, those of them that do not decode, and files."""

    records: dict[str, int] = field(default_factory=dict)
    undecodable: dict[str, int] = field(default_factory=dict)
    files: int = 0
    through: dict[str, int] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    ended: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


class Recorder:
    """Records the partitions of some topics, each record once however often it is killed.

    Parameters
    ----------
    log : where the topics are.
    folder : of the recording, held by ``recorded_to``.
    topics : which, their partitions and ids.
    say : told of what a person should know.
    stop : when set, what was read is written, and that is all.
    connect : connects anew after the log did not answer; raises StateError where that is in vain.
    """

    def __init__(
        self,
        log: Log,
        folder: Path,
        topics: Mapping[str, Recorded],
        *,
        say: Callable[[str], None],
        stop: asyncio.Event,
        connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.tale = Tale(dict.fromkeys(topics, 0), dict.fromkeys(topics, 0))
        self._log = log
        self._folder = folder
        self._say = say
        self._stop = stop
        self._connect = connect
        known = dict(read_manifest(folder).topics) if is_recording(folder) else {}
        _refuse_others(folder, known, topics)
        write_manifest(folder, known | dict(topics))
        there = {topic: parts_of(folder, topic) for topic in topics}
        self._writers = [
            PartitionWriter(folder, topic, p, there[topic].get(p, ()))
            for topic, of in topics.items()
            for p in range(of.partitions)
        ]

    @property
    def places(self) -> list[tuple[str, int]]:
        """All partitions."""
        return [(w.topic, w.partition) for w in self._writers]

    @property
    def fresh(self) -> list[tuple[str, int]]:
        """Partitions of which nothing was recorded yet."""
        return [(w.topic, w.partition) for w in self._writers if w.position is None]

    async def begin(self, firsts: Ends) -> None:
        """Find where to begin: where the files end, else at ``firsts``, else with the topic."""
        for w in self._writers:
            if w.position is None:
                start = await self._log.start_offset(w.topic, w.partition)
                w.begin(max(start, firsts.get((w.topic, w.partition), 0)))
            elif w.position > (end := await self._log.end_offset(w.topic, w.partition)):
                raise UserError(
                    f"{self._folder} holds {w.topic}/{w.partition} up to offset {w.position - 1}, "
                    f"and the topic ends before {end}: it was deleted and made anew",
                    "record it into another folder",
                )

    async def up_to(self, ends: Ends, on_progress: OnProgress) -> None:
        """Record every partition up to an offset, which is excluded."""
        at = {(w.topic, w.partition): w.position or 0 for w in self._writers}
        total = sum(max(0, ends[key] - first) for key, first in at.items())

        def tell() -> None:
            on_progress(
                sum((w.position or 0) - at[w.topic, w.partition] for w in self._writers), total
            )

        for w in self._writers:
            await self._read(w, ends[w.topic, w.partition], tell)
            await self._flush(w)
        self.tale.ended = not self._stop.is_set()
        self._close()

    async def follow(self, roll_s: float, on_progress: OnProgress) -> None:
        """Record until stopped, writing files every so often."""
        failures, since = 0, monotonic()
        while not self._stop.is_set():
            try:
                if failures and self._connect is not None:
                    await self._connect()
                await self._round(on_progress)
                failures = 0
            except StateError as error:
                wait_s = Backoff().wait_s(failures)
                failures += 1
                self._say(f"{error}: trying again in {wait_s:g} s")
                await self._sleep(wait_s)
            held = sum(w.rows for w in self._writers)
            if held >= HELD_ROWS or (held and monotonic() - since >= roll_s):
                await self._flush_all()
                since = monotonic()
            await self._sleep(PAUSE_S)
        await self._flush_all()
        self._close()

    async def _round(self, on_progress: OnProgress) -> None:
        """Read every partition up to where it ends now."""
        behind = 0
        for w in self._writers:
            end = await self._log.end_offset(w.topic, w.partition)
            if end < (w.position or 0):
                await self._flush_all()  # nobody can read it again
                raise UserError(
                    f"{w.topic}/{w.partition} was deleted and made anew while it was recorded",
                    "record it into another folder",
                )
            await self._read(w, end, lambda: None)
            behind += max(0, end - (w.position or 0))
        done = sum(self.tale.records.values())
        on_progress(done, done + behind)

    async def _read(self, w: PartitionWriter, end: int, tell: Callable[[], None]) -> None:
        while (at := w.position or 0) < end and not self._stop.is_set():
            records = await self._log.read(w.topic, w.partition, at, READ_RECORDS)
            if not records or records[0].offset > at:
                await self._skip_lost(w, at, records)
            within = [record for record in records if record.offset < end]
            if within:
                self._take(w, within)
            if len(within) < len(records) or not records:
                w.cover(end)  # transactions leave marks that nobody sees
            if w.rows >= PART_ROWS:
                await self._flush(w)
            tell()

    def _take(self, w: PartitionWriter, records: Sequence[LogRecord]) -> None:
        before = w.undecodable
        w.add(records)
        self.tale.records[w.topic] += len(records)
        self.tale.undecodable[w.topic] += w.undecodable - before

    async def _skip_lost(self, w: PartitionWriter, at: int, records: Sequence[LogRecord]) -> None:
        start = await self._log.start_offset(w.topic, w.partition)
        if records:  # which were there: more may have been deleted since
            start = min(start, records[0].offset)
        if start > at:
            lost = Lost(w.topic, w.partition, at, start)
            self.tale.lost.append(lost)
            self._say(f"lost: {lost} were deleted before they were recorded")
            await to_thread(w.begin, start)

    async def _flush(self, w: PartitionWriter) -> None:
        self.tale.files += await to_thread(w.flush)

    async def _flush_all(self) -> None:
        for w in self._writers:
            await self._flush(w)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def _close(self) -> None:
        self.tale.through = {f"{w.topic}/{w.partition}": w.position or 0 for w in self._writers}


def _refuse_others(
    folder: Path, known: Mapping[str, Recorded], topics: Mapping[str, Recorded]
) -> None:
    for topic, now in topics.items():
        then = known.get(topic, now)
        if then.id != now.id:
            raise UserError(
                f"{folder} holds another topic {topic}, which was deleted since",
                "record it into another folder",
            )
        if then.partitions != now.partitions:
            raise UserError(
                f"{folder} holds {topic} of {then.partitions} partitions, and it has "
                f"{now.partitions} now",
                "record it into another folder",
            )
