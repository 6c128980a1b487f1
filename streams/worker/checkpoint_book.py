"""What a partition of checkpoints holds: pieces of checkpoints, read and put together."""

from __future__ import annotations

import hashlib
import re
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from schemas.errors import StateError
from streams.log.base import LogRecord

FORMAT: Final = 1
MANIFEST: Final = "manifest"
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?![0-9])")
_MAX_STATE_BYTES: Final = 16 << 30


class Earlier(Struct, frozen=True, array_like=True):
    """A checkpoint of which pieces may be in the log: at most so many chunks, and a manifest.

    ``closed_ms`` is None where it was not whole.
    """

    name: str
    chunks: int
    closed_ms: int | None


class Manifest(Struct, frozen=True):
    """What a checkpoint covers; it makes the chunks before it count.

    ``positions`` is the next offset of each input topic's partition; ``alerts_end`` where, in the
    alerts partition, alerts begin that the state has not given yet.
    ``closed_ms`` is the event time up to which bars were closed. ``earlier`` is what its writer knew to be
    in the log before it; None where an earlier version wrote it.
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
    earlier: tuple[Earlier, ...] | None = None


class Foreign(Struct, frozen=True):
    """What a manifest of any format says: enough to know that there was a state, and how far."""

    format: int
    checkpoint: str = ""
    closed_ms: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: its manifest and the engine's snapshot."""

    manifest: Manifest
    state: bytes


@dataclass(frozen=True)
class Packed:
    """A whole checkpoint as it is in the log; ``written_ms`` is when, by the log's clock."""

    manifest: Manifest
    chunks: tuple[bytes, ...]
    written_ms: int

    @property
    def size(self) -> int:
        """Its bytes in the log."""
        return sum(map(len, self.chunks))

    async def unpacked(self) -> Checkpoint:
        """Unpack it. Raises StateError where that cannot be done."""
        return Checkpoint(self.manifest, await to_thread(_state_of, self))


@dataclass
class Book:
    """What is in one partition: pieces by checkpoint id, whole checkpoints oldest first."""

    pieces: dict[str, dict[str, bytes]] = field(default_factory=dict)
    whole: list[tuple[Manifest, int]] = field(default_factory=list)
    foreign: dict[str, Foreign] = field(default_factory=dict)
    sequence: int = 0


_DECODER: Final = msgspec.json.Decoder(Manifest)


def key_of(partition: int, name: str, piece: str) -> bytes:
    """The message key of a piece."""
    return f"{partition}/{name}/{piece}".encode()


def enter(book: Book, record: LogRecord, partition: int) -> None:
    """Take one record into the book; a manifest is checked against the chunks before it."""
    of, name, piece = names_of(record.key)
    if of != str(partition):
        return
    if record.value is None:
        _strike(book, name, piece)
        return
    pieces = book.pieces.setdefault(name, {})
    pieces[piece] = record.value
    book.sequence = max(book.sequence, int(name.split("-")[0]))
    if piece == MANIFEST and (foreign := foreign_of(record.value)):
        book.foreign[name] = foreign
    elif piece == MANIFEST:
        manifest = manifest_of(record.value, partition, name)
        if manifest is not None and chunks_of(manifest, pieces) is not None:
            book.whole.append((manifest, record.timestamp))


def _strike(book: Book, name: str, piece: str) -> None:
    pieces = book.pieces.get(name, {})
    pieces.pop(piece, None)
    book.foreign.pop(name, None)
    book.whole = [each for each in book.whole if each[0].checkpoint != name]
    if not pieces:
        book.pieces.pop(name, None)


def names_of(key: bytes | None) -> tuple[str, str, str]:
    """Partition, checkpoint and piece that a key names; empty where it names none."""
    parts = (key or b"").decode(errors="replace").split("/")
    if len(parts) != 3 or _NUMBER.match(parts[1]) is None:
        return "", "", ""
    return parts[0], parts[1], parts[2]


def manifest_of(raw: bytes, partition: int, name: str) -> Manifest | None:
    """Decode a manifest; None where it is none, or not that of this checkpoint."""
    try:
        manifest = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    fits = (manifest.partition, manifest.checkpoint) == (partition, name)
    return manifest if fits else None


def foreign_of(raw: bytes) -> Foreign | None:
    """A manifest of another format than ours, as far as it can be read."""
    try:
        foreign = msgspec.json.decode(raw, type=Foreign)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return foreign if foreign.format != FORMAT else None


def chunks_of(manifest: Manifest, pieces: Mapping[str, bytes]) -> tuple[bytes, ...] | None:
    """The chunks of a checkpoint; None where they are not all there, or not what was written."""
    chunks = tuple(pieces[str(n)] for n in range(manifest.chunks) if str(n) in pieces)
    whole = len(chunks) == manifest.chunks and sha256_of(b"".join(chunks)) == manifest.sha256
    return chunks if whole else None


def _state_of(packed: Packed) -> bytes:
    name, size = packed.manifest.checkpoint, packed.manifest.state_bytes
    raw = b"".join(packed.chunks)
    if sha256_of(raw) != packed.manifest.sha256:  # a chunk was written over after the manifest
        msg = f"checkpoint {name} does not hash to what its manifest says"
        raise StateError(msg)
    try:
        state = zstandard.ZstdDecompressor().decompress(raw, max_output_size=_MAX_STATE_BYTES)
    except zstandard.ZstdError as error:
        msg = f"checkpoint {name} cannot be unpacked: {error}"
        raise StateError(msg) from None
    if len(state) != size:
        msg = f"checkpoint {name} unpacks to {len(state)} bytes, its manifest says {size}"
        raise StateError(msg)
    return state


def sha256_of(data: bytes) -> str:
    """Its hash as manifests give it."""
    return hashlib.sha256(data).hexdigest()
