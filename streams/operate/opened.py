"""Opening a log from outside: a broker's, or the folder of an embedded run."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from aiokafka.errors import KafkaError

from schemas.errors import StateError, UserError
from schemas.topics import BY_NAME
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Item, Log, LogRecord
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_file import log_path
from streams.log.sqlite_reader import ReadonlyLog, open_readonly


@asynccontextmanager
async def opened(where: Path | Connection, *, write: bool = False) -> AsyncIterator[Log]:
    """Open the log in a data folder, or that of a broker; closed at the end.

    A folder is read beside a run that uses it; for ``write`` no run may. Raises UserError where
    there is no log, BusyError where a run has it.
    """
    if isinstance(where, Path):
        if not log_path(where).is_file():
            raise UserError(f"there is no log in {where}", "name a data folder with --data-dir")
        if write:
            with SqliteLog(where) as log:
                yield log
        else:
            with open_readonly(where) as readonly:
                yield Reading(readonly)
        return
    kafka = KafkaLog(where)
    try:
        await kafka.start()
    except KafkaError as error:
        raise UserError(
            f"no Kafka broker at {where.bootstrap} ({type(error).__name__})",
            "start it, or name another with --bootstrap",
        ) from error
    try:
        yield kafka
    finally:
        await kafka.stop()


class Reading:
    """A read-only data folder as a ``Log``."""

    def __init__(self, log: ReadonlyLog) -> None:
        self._log = log

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """Refuse: it was opened to be read."""
        raise StateError(f"{len(items)} items for {topic}/{partition}: the log is open for reading")

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        """Up to ``limit`` records from ``offset`` on."""
        return list(islice(self._log.iter_topic(topic, partition, offset), limit))

    async def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset held; the end where nothing is."""
        return self._log.start_offset(topic, partition)

    async def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset the next record gets."""
        return self._log.end_offset(topic, partition)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        counts = self._log.topics()
        if topic not in counts:
            raise StateError(f"the log has no topic {topic}")
        return counts[topic]


async def records_of(log: Log, topic: str) -> AsyncIterator[LogRecord]:
    """Every record of a topic as it is now, one partition after the other."""
    for p in range(await log.partitions(topic)):
        offset, end = await log.start_offset(topic, p), await log.end_offset(topic, p)
        while offset < end and (records := await log.read(topic, p, offset)):
            for record in records:
                yield record
            offset = records[-1].offset + 1


async def append_all(log: Log, places: list[tuple[str, int, list[Item]]]) -> list[list[int]]:
    """Append to several places; all or none where the log can do that. Their offsets."""
    if isinstance(log, SqliteLog):
        return await log.append_many(places)
    return [await log.append(*place) for place in places]


async def is_live(where: Path | Connection) -> bool:
    """Whether the log stamps records as they come, rather than keep the time each brings."""
    if isinstance(where, Path):
        async with opened(where):
            with open_readonly(where) as log:
                return log.stamp == "append"
    from streams.kafka.admin import topics_describe

    states = await to_thread(topics_describe, where)
    return all(state.stamp == "append" for state in states if BY_NAME[state.name].raw_input)
