"""An engine's state as bytes, and back: the format checkpoints carry."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.layout import LAYOUT_HASH, REC, STATE
from detectors.progress import Progress
from detectors.seen import Seen
from detectors.slots import RESERVED, Slots
from schemas.errors import StateError

FORMAT: Final = 2
PART_BYTES: Final = 1 << 30
"""State is written in parts of at most so much: one string of msgpack ends at 4 GiB."""


class _Snapshot(msgspec.Struct, array_like=True):
    format: int
    layout: bytes
    fingerprint: str
    next_bar: int
    progress: dict[str, tuple[int, int | None, int | None]]
    tokens: list[str]
    pend_token: bytes
    pend: bytes
    ids: list[str | None]
    seen: bytes
    seen_limit: int
    state: list[memoryview]  # last, so that it is joined on without going through the encoder


class Parts(msgspec.Struct):
    """What a snapshot holds, ready to be put into an engine."""

    progress: Progress
    slots: Slots
    seen: Seen
    pend: NDArray[np.void]
    ids: list[str | None]
    next_bar: int


_DECODER: Final = msgspec.msgpack.Decoder(_Snapshot)
_ARRAY32: Final = 0xDD
_BIN32: Final = 0xC6


def pack_snapshot(
    *,
    progress: Progress,
    slots: Slots,
    seen: Seen,
    pend: NDArray[np.void],
    ids: Sequence[str | None],
    next_bar: int,
    fingerprint: str,
) -> bytes:
    """Snapshot of an engine's parts; tokens are stored in their own order, without gaps."""
    live = slots.tokens()
    rows = np.array([slot for _, slot in live], np.int64)
    place = np.zeros(max(slots.used, 1), np.int32)
    place[rows] = np.arange(len(rows))
    head = msgspec.msgpack.encode(
        _Snapshot(
            FORMAT,
            LAYOUT_HASH,
            fingerprint,
            next_bar,
            progress.state(),
            [token for token, _ in live],
            place[pend["slot"]].tobytes(),
            pend.tobytes(),
            list(ids),
            seen.entries(next_bar),
            seen.limit_bars,
            [],
        )
    )
    return _with_state(head, slots.state, rows.tolist())


def _with_state(head: bytes, state: NDArray[np.void], rows: Sequence[int]) -> bytes:
    """Put the state of some slots where ``head`` ends in an empty array; each byte is copied once."""
    size = STATE.itemsize
    view = state.view(np.uint8).data
    part = max(PART_BYTES // size, 1)
    starts = range(0, len(rows), part)
    pieces: list[bytes | memoryview] = [head[:-1], struct.pack(">BI", _ARRAY32, len(starts))]
    for start in starts:
        slots = rows[start : start + part]
        pieces.append(struct.pack(">BI", _BIN32, len(slots) * size))
        pieces += [view[slot * size : (slot + 1) * size] for slot in slots]
    return b"".join(pieces)


def unpack_snapshot(blob: bytes, fingerprint: str, inputs: Sequence[str]) -> Parts:
    """Undo ``pack_snapshot``; StateError where the snapshot does not fit this engine."""
    try:
        snap = _DECODER.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"snapshot cannot be read: {error}"
        raise StateError(msg) from None
    if snap.format != FORMAT or snap.layout != LAYOUT_HASH:
        msg = "snapshot has another layout; rebuild the state from the log"
        raise StateError(msg)
    if snap.fingerprint != fingerprint:
        msg = f"snapshot is of fingerprint {snap.fingerprint}, this engine's is {fingerprint}"
        raise StateError(msg)
    if sorted(snap.progress) != sorted(inputs):
        msg = f"snapshot has inputs {sorted(snap.progress)}, this engine {sorted(inputs)}"
        raise StateError(msg)
    try:
        return _parts(snap, inputs)
    except ValueError as error:
        msg = f"snapshot is torn: {error}"
        raise StateError(msg) from None


def _parts(snap: _Snapshot, inputs: Sequence[str]) -> Parts:
    slots = Slots(max(len(snap.tokens), RESERVED))
    slots.of(snap.tokens, np.arange(len(snap.tokens)))
    # as bytes: numpy copies records field by field
    flat, at = slots.state.view(np.uint8), 0
    for part in snap.state:
        flat[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
    if at != len(snap.tokens) * STATE.itemsize:
        msg = f"{len(snap.tokens)} tokens, {at} bytes of state"
        raise ValueError(msg)
    pend = np.frombuffer(snap.pend, REC).copy()
    pend["slot"] = np.frombuffer(snap.pend_token, np.int32)
    seen = Seen(snap.seen_limit)
    seen.load(snap.seen)
    progress = Progress.of_state({name: snap.progress[name] for name in inputs})
    return Parts(progress, slots, seen, pend, snap.ids, snap.next_bar)
