"""Checkpoints: engine state and the input positions it covers, as one unit, in a compacted topic.

A checkpoint is chunks under a megabyte and, last, a manifest with their hash. Only a manifest whose
chunks are all there and hash to what it says makes a checkpoint; anything else is as if it had
never been. The two last whole ones are kept; older ones, and what a crash left behind, are
tombstoned after a later one is whole.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from asyncio import to_thread
from dataclasses import dataclass, field
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from schemas.errors import StateError
from schemas.topics import CHECKPOINTS
from streams.log.base import Item, Log, LogRecord

CHUNK_BYTES: Final = 900_000
FORMAT: Final = 1
KEPT: Final = 2
_READ_LIMIT: Final = 64
_MANIFEST: Final = "manifest"
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?![0-9])")
_ZSTD_LEVEL: Final = 3
_MAX_STATE_BYTES: Final = 16 << 30


class Manifest(Struct, frozen=True):
    """What a checkpoint covers; it makes the chunks before it count.

    ``positions`` is the next offset of each input topic's partition; ``alerts_end`` where, in the
    alerts partition, alerts begin that the state has not given yet.
    ``closed_ms`` is the event time up to which bars were closed.
    """

    format: int
    checkpoint: str
    sequence: int
    partition: int
    chunks: int
    sha256: str
    state_bytes: int
    positions: dict[str, int]
    alerts_end: int
    fingerprint: str
    closed_ms: int


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: its manifest and the engine's snapshot."""

    manifest: Manifest
    state: bytes


@dataclass
class _Book:
    """What is in one partition: pieces by checkpoint id, whole checkpoints oldest first."""

    pieces: dict[str, dict[str, bytes]] = field(default_factory=dict)
    whole: list[Manifest] = field(default_factory=list)
    sequence: int = 0


@dataclass
class _Written:
    """Keys this writer knows to be in the log, by checkpoint id, oldest first."""

    keys: dict[str, list[bytes]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    sequence: int = 0


_DECODER: Final = msgspec.json.Decoder(Manifest)
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

    async def load(self, partition: int) -> Checkpoint | None:
        """The last whole checkpoint of a partition, or None: then the log's start is the position.

        A torn or damaged one is passed over for the whole one before it.
        """
        book = _Book()
        offset = await self._log.start_offset(CHECKPOINTS, partition)
        end = await self._log.end_offset(CHECKPOINTS, partition)
        while offset < end:
            records = await self._log.read(CHECKPOINTS, partition, offset, _READ_LIMIT)
            if not records:
                break
            for record in records:
                _enter(book, record, partition)
            offset = records[-1].offset + 1
        self._written[partition] = _Written(
            {
                name: [_key(partition, name, piece) for piece in pieces]
                for name, pieces in book.pieces.items()
            },
            [manifest.checkpoint for manifest in book.whole],
            book.sequence,
        )
        if not book.whole:
            return None
        last = book.whole[-1]
        state = await to_thread(_state_of, last, book.pieces[last.checkpoint])
        return Checkpoint(last, state)

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

        ``load`` must have been called for the partition: it says what there is to supersede.
        """
        book = self._written[partition]
        packed, sha256 = await to_thread(_pack, state)
        chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
        book.sequence += 1
        name = f"{book.sequence}-{secrets.token_hex(4)}"  # two writers never share a key
        keys = book.keys.setdefault(name, [])
        for n, chunk in enumerate(chunks):
            keys.append(_key(partition, name, str(n)))
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
        )
        keys.append(_key(partition, name, _MANIFEST))
        await self._log.append(CHECKPOINTS, partition, [Item(keys[-1], _ENCODER.encode(manifest))])
        book.whole.append(name)
        await self._supersede(partition, book)
        return len(packed)

    async def _supersede(self, partition: int, book: _Written) -> None:
        """Tombstone everything older than the last whole ones."""
        book.whole = book.whole[-KEPT:]
        gone = [name for name in book.keys if name not in book.whole]
        if len(book.whole) < KEPT or not gone:
            return
        tombstones = [Item(key, None) for name in gone for key in book.keys[name]]
        await self._log.append(CHECKPOINTS, partition, tombstones)
        for name in gone:
            del book.keys[name]


def _key(partition: int, name: str, piece: str) -> bytes:
    return f"{partition}/{name}/{piece}".encode()


def _enter(book: _Book, record: LogRecord, partition: int) -> None:
    """Take one record into the book; a manifest is checked against the chunks before it."""
    of, name, piece = _names(record.key)
    if of != str(partition):
        return
    if record.value is None:
        _strike(book, name, piece)
        return
    pieces = book.pieces.setdefault(name, {})
    pieces[piece] = record.value
    book.sequence = max(book.sequence, int(name.split("-")[0]))
    if piece == _MANIFEST and (manifest := _manifest_of(record.value, partition, name)):
        chunks = [pieces.get(str(n)) for n in range(manifest.chunks)]
        if None not in chunks and _sha256(b"".join(c for c in chunks if c)) == manifest.sha256:
            book.whole.append(manifest)


def _strike(book: _Book, name: str, piece: str) -> None:
    pieces = book.pieces.get(name, {})
    pieces.pop(piece, None)
    book.whole = [manifest for manifest in book.whole if manifest.checkpoint != name]
    if not pieces:
        book.pieces.pop(name, None)


def _names(key: bytes | None) -> tuple[str, str, str]:
    parts = (key or b"").decode(errors="replace").split("/")
    if len(parts) != 3 or _NUMBER.match(parts[1]) is None:
        return "", "", ""
    return parts[0], parts[1], parts[2]


def _manifest_of(raw: bytes, partition: int, name: str) -> Manifest | None:
    try:
        manifest = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    fits = (manifest.partition, manifest.checkpoint) == (partition, name)
    return manifest if fits and manifest.format == FORMAT else None


def _pack(state: bytes) -> tuple[bytes, str]:
    packed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(state)
    return packed, _sha256(packed)


def _state_of(manifest: Manifest, pieces: dict[str, bytes]) -> bytes:
    packed = b"".join(pieces[str(n)] for n in range(manifest.chunks))
    try:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MAX_STATE_BYTES)
    except zstandard.ZstdError as error:
        msg = f"checkpoint {manifest.checkpoint} cannot be unpacked: {error}"
        raise StateError(msg) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
