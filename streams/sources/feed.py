"""Feeds records into a log in batches, and remembers in the log itself how far a file was read."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import InputFileError
from schemas.records import Record
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.sources.ingest import FEEDS, Ingest

BATCH: Final = 2_000


class FeedNote(Struct, frozen=True):
    """How far a feed was read: its records in the log, and the id of the last of them."""

    name: str
    records: int
    last_id: str


async def notes_of(log: SqliteLog) -> dict[str, FeedNote]:
    """What is known of every feed, by name."""
    end = await log.end_offset(FEEDS, 0)
    found: dict[str, FeedNote] = {}
    offset = await log.start_offset(FEEDS, 0)
    while offset < end:
        records = await log.read(FEEDS, 0, offset)
        if not records:
            break
        for record in records:
            note = msgspec.json.decode(record.value or b"", type=FeedNote)
            found[note.name] = note
        offset = records[-1].offset + 1
    return found


class Feeder:
    """Appends records to a log, a batch at a time.

    Parameters
    ----------
    ingest : where they go.
    """

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def feed(self, records: Iterable[Record], name: str | None = None) -> int:
        """Append records; with a ``name``, those that an earlier run appended are passed over.

        The name stands for one fixed sequence that may have grown at its end. Each batch and the
        note of how far it reached are one transaction, so that a killed run neither loses nor
        doubles a record. Returns the number appended. Raises InputFileError where the sequence
        begins otherwise than it did.
        """
        source = iter(records)
        done = 0
        if name is not None:
            done = await self._pass_over(source, name)
        appended = 0
        while batch := await to_thread(_take, source):
            appended += len(batch)
            note = None
            if name is not None:
                feed_note = FeedNote(name, done + appended, batch[-1].id)
                note = Item(name.encode(), msgspec.json.encode(feed_note))
            await self._ingest.append(batch, note)
        return appended

    async def feed_live(self, batches: AsyncIterable[list[Record]]) -> int:
        """Append batches as they come, such as lines of standard input. Returns the number."""
        appended = 0
        async for batch in batches:
            await self._ingest.append(batch)
            appended += len(batch)
        return appended

    async def _pass_over(self, source: Iterator[Record], name: str) -> int:
        note = (await notes_of(self._ingest.log)).get(name)
        if note is None or note.records == 0:
            return 0
        last = await to_thread(_skip, source, note.records)
        if last is None or last.id != note.last_id:
            raise InputFileError(
                f"{name} is not what was fed into this data folder before: "
                f"record {note.records} was {note.last_id!r}",
                "start a new data folder, or feed it under another name",
            )
        return note.records


def _take(source: Iterator[Record]) -> list[Record]:
    return list(islice(source, BATCH))


def _skip(source: Iterator[Record], n: int) -> Record | None:
    return next(islice(source, n - 1, n), None)
