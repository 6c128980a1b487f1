"""Checkpoints seen from outside the workers: which there are, whether they are whole, ending them."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgspec

from schemas.errors import StateError, UserError
from schemas.topics import CHECKPOINTS, RESOLVED, TICKS, TOKEN_INFO
from streams.log.base import Item, Log
from streams.worker.checkpoint import CheckpointStore
from streams.worker.checkpoint_book import FORMAT, Foreign, Manifest, Packed

INPUTS: Final = (RESOLVED, TICKS, TOKEN_INFO)
_KEY: Final = re.compile(rb"(\d{1,9})/(\d{1,18}-[0-9a-f]+)/(\d{1,9}|manifest)\Z")


@dataclass(frozen=True)
class Found:
    """A checkpoint as it is in the log; what a torn one covers nobody knows.

    ``problem`` says why one cannot be used; empty for a good one, or where it was not looked at.
    A crash leaves torn ones behind; ``damaged`` are those that had been written to their end.
    """

    partition: int
    checkpoint: str
    whole: bool
    size: int
    written_ms: int
    manifest: Manifest | None
    problem: str = ""
    damaged: bool = False

    def as_dict(self, now_ms: int) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = asdict(self) | {"age_s": max(0, now_ms - self.written_ms) / 1000}
        manifest = plain.pop("manifest")
        if self.manifest is not None:
            manifest = {
                name: getattr(self.manifest, name)
                for name in ("sequence", "positions", "fingerprint", "closed_ms", "state_bytes")
            }
        return plain | {"manifest": manifest}


@dataclass
class _Pieces:
    size: int = 0
    written_ms: int = 0
    manifest: bytes = b""
    keys: set[bytes] = field(default_factory=set)


async def checkpoints_of(log: Log, *, verify: bool = False) -> list[Found]:
    """Every checkpoint of every partition, the newest of each first; ``verify`` unpacks whole ones."""
    found: list[Found] = []
    for p in range(await log.partitions(CHECKPOINTS)):
        whole = await CheckpointStore(log).whole(p)
        for packed in whole:
            problem = await _problem_of(packed) if verify else ""
            m = packed.manifest
            found.append(
                Found(
                    p, m.checkpoint, True, packed.size, packed.written_ms, m, problem, bool(problem)
                )
            )
        names = {packed.manifest.checkpoint for packed in whole}
        for name, pieces in sorted((await _pieces_of(log, p)).items(), reverse=True):
            if name not in names:
                why, damaged = _why_not_whole(pieces.manifest)
                found.append(
                    Found(p, name, False, pieces.size, pieces.written_ms, None, why, damaged)
                )
    return found


def _why_not_whole(manifest: bytes) -> tuple[str, bool]:
    """What is wrong with a checkpoint that is not whole, and whether it is damage."""
    if not manifest:
        return "torn: whoever wrote it died", False
    try:
        number = msgspec.json.decode(manifest, type=Foreign).format
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "damaged: its manifest cannot be read", True
    if number != FORMAT:
        return f"of format {number}, this version reads {FORMAT}: state is rebuilt", False
    return "damaged: its chunks are not those that its manifest tells of", True


async def _problem_of(packed: Packed) -> str:
    try:
        await packed.unpacked()
    except StateError as error:
        return str(error)
    return ""


async def _pieces_of(log: Log, p: int) -> dict[str, _Pieces]:
    """What is in a partition, by the checkpoint's name."""
    pieces: dict[str, _Pieces] = {}
    held: dict[bytes, int] = {}
    offset, end = await log.start_offset(CHECKPOINTS, p), await log.end_offset(CHECKPOINTS, p)
    while offset < end and (records := await log.read(CHECKPOINTS, p, offset, 64)):
        for record in records:
            key = _KEY.match(record.key or b"")
            if key is None or int(key[1]) != p:
                continue
            name = key[2].decode()
            of = pieces.setdefault(name, _Pieces())
            of.size += len(record.value or b"") - held.pop(key[0], 0)
            of.keys.discard(key[0])
            if record.value is not None:
                held[key[0]] = len(record.value)
                of.keys.add(key[0])
                of.written_ms = record.timestamp
            if key[3] == b"manifest":
                of.manifest = record.value or b""
        offset = records[-1].offset + 1
    return {name: of for name, of in pieces.items() if of.keys}


@dataclass(frozen=True)
class Reset:
    """What a reset did, or would do: partitions, checkpoints ended, where reading begins again."""

    partitions: list[int]
    ended: int
    starts: dict[str, int]
    lost: dict[str, int]
    """Input partitions whose log begins later than with its first record, and where."""


async def plan_reset(log: Log, partitions: list[int] | None = None) -> Reset:
    """Look at what a reset of these partitions (all where None) would do."""
    count = await log.partitions(CHECKPOINTS)
    chosen = sorted(set(partitions)) if partitions else list(range(count))
    if wrong := [p for p in chosen if not 0 <= p < count]:
        raise UserError(f"there is no partition {wrong[0]}", f"choose of 0 to {count - 1}")
    starts = {f"{t}/{p}": await log.start_offset(t, p) for p in chosen for t in INPUTS}
    ended = sum([len(await _pieces_of(log, p)) for p in chosen])
    lost = {name: start for name, start in starts.items() if start > 0}
    return Reset(chosen, ended, starts, lost)


async def reset(log: Log, plan: Reset) -> None:
    """Tombstone every piece of every checkpoint of the planned partitions."""
    for p in plan.partitions:
        pieces = await _pieces_of(log, p)
        if tombstones := [Item(key, None) for of in pieces.values() for key in sorted(of.keys)]:
            await log.append(CHECKPOINTS, p, tombstones)


def now_ms() -> int:
    """Milliseconds UTC by the machine's clock."""
    return time.time_ns() // 1_000_000
