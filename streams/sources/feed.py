"""Feeds records into a log in batches, and remembers in the log itself how far a file was read."""

from __future__ import annotations

import hashlib
from asyncio import to_thread
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import InputFileError
from schemas.records import DeadLetter, Record
from schemas.topics import DEAD_LETTERS
from streams.files.rows import BadRecord
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.sources.ingest import Ingest

BATCH: Final = 2_000
_NAME_CHARS: Final = 1_000
FEEDS: Final = "feeds.v1"
"""Topic of embedded logs: how far each feed was read, by its name."""
Fed = Record | BadRecord


class FeedNote(Struct, frozen=True):
    """How far a feed was read: its records in the log, bad ones included, and the last of them."""

    name: str
    records: int
    last: str


@dataclass(frozen=True)
class FeedReport:
    """What a feed gave: records appended, records kept as dead letters, records passed over."""

    appended: int
    rejected: int
    passed_over: int


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
    """Appends records to a log, a batch at a time; those that are bad become dead letters.

    Parameters
    ----------
    ingest : where they go.
    """

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def feed(self, records: Iterable[Fed], name: str | None = None) -> FeedReport:
        """Append records; with a ``name``, those that an earlier run appended are passed over.

        The name stands for one fixed sequence that may have grown at its end. Each batch and the
        note of how far it reached are one transaction, so that a killed run neither loses nor
        doubles a record. Raises InputFileError where the sequence begins otherwise than it did.
        """
        source = iter(records)
        passed = 0 if name is None else await self._pass_over(source, name)
        name = None if name is None else short(name)
        done, rejected = passed, 0
        while batch := await to_thread(_take, source):
            done += len(batch)
            bad = [each for each in batch if isinstance(each, BadRecord)]
            beside: list[tuple[str, int, list[Item]]] = []
            if bad:
                beside.append((DEAD_LETTERS, 0, [_letter(each) for each in bad]))
                rejected += len(bad)
            if name is not None:
                note = msgspec.json.encode(FeedNote(name, done, _id_of(batch[-1])))
                beside.append((FEEDS, 0, [Item(name.encode(), note)]))
            await self._ingest.append(
                [each for each in batch if not isinstance(each, BadRecord)],
                beside=beside,
                reached_ms=max((each.ts_log_ms for each in bad), default=-1),
            )
        return FeedReport(done - passed - rejected, rejected, passed)

    async def _pass_over(self, source: Iterator[Fed], name: str) -> int:
        notes = await notes_of(self._ingest.log)
        note = notes.get(short(name), notes.get(name))  # whole names were written once
        if note is None:
            return 0
        last = await to_thread(_skip, source, note.records)
        if last is None or _id_of(last) != note.last:
            raise InputFileError(
                f"{short(name)} is not what was fed into this data folder before: "
                f"record {note.records:,} was {note.last!r}",
                "start a new data folder, or feed it under another name",
            )
        return note.records


def short(name: str) -> str:
    """The name of a feed as it is kept, with each batch: that of thousands of files is cut.

    >>> short("a.ndjson"), len(short("b" * 100_000))
    ('a.ndjson', 568)
    """
    if len(name) <= _NAME_CHARS:
        return name
    return f"{name[:500]}... {hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()}"


def _take(source: Iterator[Fed]) -> list[Fed]:
    return list(islice(source, BATCH))


def _skip(source: Iterator[Fed], n: int) -> Fed | None:
    return next(islice(source, n - 1, n), None)


def _id_of(fed: Fed) -> str:
    return fed.place if isinstance(fed, BadRecord) else fed.id


def _letter(bad: BadRecord) -> Item:
    error = bad.error
    letter = DeadLetter(
        code=error.code,
        problem=error.problem,
        place=bad.place,
        ts_log_ms=bad.ts_log_ms,
        field=error.field,
        remedy=error.remedy,
        raw=bad.raw,
    )
    return Item(None, msgspec.json.encode(letter))
