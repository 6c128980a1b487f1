"""Checkpoints: engine state and the input positions it covers, as one unit, in a compacted topic.

A checkpoint is chunks under a megabyte and, last, a manifest with their hash. Only a manifest whose
chunks are all there and hash to what it says makes a checkpoint; anything else is as if it had
never been. The two last whole ones are kept, and some of the hour before; the others, and what a
crash left behind, are tombstoned after a later one is whole.
"""

from __future__ import annotations

import secrets
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import zstandard

from schemas.errors import StateError
from schemas.topics import CHECKPOINTS
from streams.log.base import Item, Log, LogRecord
from streams.worker.checkpoint_book import (
    FORMAT,
    MANIFEST,
    Book,
    Checkpoint,
    Earlier,
    Foreign,
    Manifest,
    Packed,
    chunks_of,
    enter,
    foreign_of,
    key_of,
    manifest_of,
    names_of,
    sha256_of,
)

CHUNK_BYTES: Final = 900_000
KEPT: Final = 2
QUARTER_MS: Final = 900_000
QUARTERS: Final = 5
_READ_LIMIT: Final = 64
_TAIL: Final = 16
"""Records at a partition's end that are looked at first."""
_TORN_HELD: Final = 4
_ZSTD_LEVEL: Final = 3


@dataclass
class _Written:
    """Keys this writer knows to be in the log, by checkpoint id, oldest first."""

    keys: dict[str, list[bytes]] = field(default_factory=dict)
    whole: list[tuple[str, int]] = field(default_factory=list)
    sequence: int = 0

    def names(self) -> tuple[Earlier, ...]:
        """What a manifest says of it."""
        closed = dict(self.whole)
        return tuple(Earlier(name, len(keys), closed.get(name)) for name, keys in self.keys.items())


_ENCODER: Final = msgspec.json.Encoder()


class CheckpointStore:
    """Writes and finds the checkpoints of detector partitions.

    Parameters
    ----------
    log : where ``checkpoints.v1`` is; partition p holds those of detector partition p.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._written: dict[int, _Written] = {}
        self._foreign: dict[int, list[Foreign]] = {}

    async def load(self, partition: int) -> Checkpoint | None:
        """The last whole checkpoint of a partition, or None: then the log's start is the position.

        A torn or damaged one is passed over for the whole one before it.
        """
        async for packed in self.candidates(partition):
            try:
                return await packed.unpacked()
            except StateError:
                continue
        return None

    async def candidates(self, partition: int) -> AsyncIterator[Packed]:
        """Every whole checkpoint of a partition, the newest first; all are read only if all are wanted.

        Until they are compacted, superseded ones lie before the newest: an hour of them, or more.
        """
        near = await self._newest(partition)
        for packed in near:
            yield packed
        known = {packed.manifest.checkpoint for packed in near}
        for packed in await self.whole(partition):
            if packed.manifest.checkpoint not in known:
                yield packed

    async def whole(self, partition: int) -> list[Packed]:
        """Every whole checkpoint of a partition, the newest first, all of them read."""
        book = Book()
        start = await self._log.start_offset(CHECKPOINTS, partition)
        end = await self._log.end_offset(CHECKPOINTS, partition)
        async for record in self._between(partition, start, end):
            enter(book, record, partition)
        return self._know(partition, book, ())

    async def _newest(self, partition: int) -> list[Packed]:
        """Whole checkpoints at a partition's end, the newest first; none where all must be read."""
        start = await self._log.start_offset(CHECKPOINTS, partition)
        low = await self._log.end_offset(CHECKPOINTS, partition)
        size, records = _TAIL, list[LogRecord]()
        while low - size > start:
            high, low = low, low - size
            records[:0] = [record async for record in self._between(partition, low, high)]
            size *= 2
            book = Book()
            for record in records:
                enter(book, record, partition)
            if book.whole:
                earlier = book.whole[-1][0].earlier
                return [] if earlier is None else self._know(partition, book, earlier)
        return []

    async def _between(self, partition: int, offset: int, end: int) -> AsyncIterator[LogRecord]:
        while offset < end:
            limit = min(_READ_LIMIT, end - offset)
            records = await self._log.read(CHECKPOINTS, partition, offset, limit)
            for record in records:
                if record.offset < end:
                    yield record
            offset = records[-1].offset + 1 if records else end

    def _know(self, partition: int, book: Book, earlier: Sequence[Earlier]) -> list[Packed]:
        """Remember what a look found, for who writes the next one; the whole ones, newest first.

        ``earlier`` is what the newest of them says was there before it.
        """
        before = {each.name for each in earlier}
        keys = {
            each.name: [key_of(partition, each.name, str(n)) for n in range(each.chunks)]
            + [key_of(partition, each.name, MANIFEST)]
            for each in earlier
        }
        for name, pieces in book.pieces.items():
            if name not in before:
                keys[name] = [key_of(partition, name, piece) for piece in pieces]
        whole = [(each.name, each.closed_ms) for each in earlier if each.closed_ms is not None]
        whole += [(m.checkpoint, m.closed_ms) for m, _ in book.whole if m.checkpoint not in before]
        self._foreign[partition] = list(book.foreign.values())
        self._written[partition] = _Written(
            keys, kept_of(whole) if earlier else whole, book.sequence
        )
        return [
            Packed(m, tuple(book.pieces[m.checkpoint][str(n)] for n in range(m.chunks)), written_ms)
            for m, written_ms in reversed(book.whole)
        ]

    def foreign(self, partition: int) -> list[Foreign]:
        """Checkpoints of other formats that the last look at a partition found: of no use."""
        return self._foreign.get(partition, [])

    async def save(
        self,
        partition: int,
        state: bytes,
        *,
        positions: dict[str, int],
        alerts_end: int,
        fingerprint: str,
        closed_ms: int,
    ) -> int:
        """Write a checkpoint; it is durable and whole when this returns. Its bytes in the log.

        ``load``, ``candidates`` or ``whole`` must have been called for the partition: it says what there is to
        supersede.
        """
        book = self._written[partition]
        earlier = book.names()
        packed, sha256 = await to_thread(_pack, state)
        chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
        book.sequence += 1
        name = f"{book.sequence}-{secrets.token_hex(4)}"  # two writers never share a key
        keys = book.keys.setdefault(name, [])
        for n, chunk in enumerate(chunks):
            keys.append(key_of(partition, name, str(n)))
            await self._log.append(CHECKPOINTS, partition, [Item(keys[-1], chunk)])
        manifest = Manifest(
            FORMAT,
            name,
            book.sequence,
            partition,
            len(chunks),
            sha256,
            len(state),
            positions,
            alerts_end,
            fingerprint,
            closed_ms,
            earlier,
        )
        keys.append(key_of(partition, name, MANIFEST))
        await self._log.append(CHECKPOINTS, partition, [Item(keys[-1], _ENCODER.encode(manifest))])
        book.whole.append((name, closed_ms))
        await self._supersede(partition, book)
        return len(packed)

    async def _supersede(self, partition: int, book: _Written) -> None:
        """Tombstone everything older than the last whole ones, but for those that incidents want."""
        if len(book.whole) < KEPT:
            return
        book.whole = kept_of(book.whole)
        kept = {name for name, _ in book.whole}
        gone = [name for name in book.keys if name not in kept]
        if not gone:
            return
        tombstones = [Item(key, None) for name in gone for key in book.keys[name]]
        await self._log.append(CHECKPOINTS, partition, tombstones)
        for name in gone:
            del book.keys[name]


def kept_of(whole: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Which of some whole checkpoints are kept, by name and event time reached, the oldest first.

    The last two are to restore from. Of the hour before them, the last of each quarter is kept, so
    that an incident of that hour can begin with a state from before it.

    >>> minutes = [("a", 2), ("b", 14), ("c", 31), ("d", 44), ("e", 61), ("f", 91), ("g", 92)]
    >>> [name for name, _ in kept_of([(name, 60_000 * at) for name, at in minutes])]
    ['d', 'e', 'f', 'g']
    """
    reached = whole[-1][1] // QUARTER_MS
    follow = [*(closed_ms for _, closed_ms in whole[1:]), 0]
    return [
        (name, closed_ms)
        for n, ((name, closed_ms), after_ms) in enumerate(zip(whole, follow, strict=True))
        if n >= len(whole) - KEPT
        # none of a state that was given up for one from further back
        or reached - QUARTERS <= closed_ms // QUARTER_MS < min(after_ms // QUARTER_MS, reached)
    ]


def told_marker(partition: int, closed_ms: int) -> Item:
    """What stands for a state that is gone: whoever rebuilds it gives no alert of bars up to then."""
    name = f"0-{secrets.token_hex(4)}"
    value = _ENCODER.encode(Foreign(0, name, closed_ms))
    return Item(key_of(partition, name, MANIFEST), value)


async def every_whole(log: Log, partition: int) -> AsyncIterator[Packed]:
    """Every whole checkpoint that a partition still holds, superseded ones too, the oldest first.

    Compaction removes those in its own time: what is older than the last two may be there or not.
    One at a time is held, and the pieces of a few that are not whole.
    """
    held: dict[str, dict[str, bytes]] = {}
    offset = await log.start_offset(CHECKPOINTS, partition)
    end = await log.end_offset(CHECKPOINTS, partition)
    while offset < end and (records := await log.read(CHECKPOINTS, partition, offset, _READ_LIMIT)):
        offset = records[-1].offset + 1
        for record in records:
            of, name, piece = names_of(record.key)
            if of != str(partition) or record.value is None:
                continue
            pieces = held.setdefault(name, {})
            pieces[piece] = record.value
            if piece == MANIFEST:
                del held[name]
                manifest = manifest_of(record.value, partition, name)
                if foreign_of(record.value) or manifest is None:
                    continue
                if (chunks := chunks_of(manifest, pieces)) is not None:
                    yield Packed(manifest, chunks, record.timestamp)
            for old in list(held)[:-_TORN_HELD]:
                del held[old]


def _pack(state: bytes) -> tuple[bytes, str]:
    packed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(state)
    return packed, sha256_of(packed)
