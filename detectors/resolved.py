"""Resolved mentions as one message, and back to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from detectors.batch.strings import Strings
from detectors.batch.xxh64 import hashes
from detectors.columns import ARRAYS, MENTION, Columns, columns_of_mentions
from schemas.errors import StateError
from schemas.records import SCHEMA_VERSION, Mention, ResolvedBatch

_DECODER: Final = msgspec.msgpack.Decoder(ResolvedBatch)
_ENCODER: Final = msgspec.msgpack.Encoder()
_FIELDS: Final = {
    "token": ("token", "<i4"),
    "platform": ("aux", "<i8"),
    "ts_event_ms": ("ts_event_ms", "<i8"),
    "ts_log_ms": ("ts_log_ms", "<i8"),
    "order": ("order", "<i8"),
    "author": ("who", "<i8"),
    "text": ("a", "<i8"),
    "reach": ("b", "<i8"),
}


def pack_batch(
    rows: Sequence[tuple[str, Mention, int]], offsets: Sequence[int], **about: Any
) -> bytes:
    """Message of resolved mentions (token id, mention, clamped log time) and their progress.

    ``offsets`` and ``about`` as in ``pack_columns``.
    """
    return pack_columns(columns_of_mentions(rows), np.asarray(offsets, np.int64), **about)


def pack_columns(
    columns: Columns | None,
    offsets: NDArray[np.int64],
    *,
    topic: str,
    partition: int,
    from_offset: int,
    through_offset: int,
    through_log_ms: int,
    log_start_ms: int | None,
    lexicon: str,
) -> bytes:
    """Message of resolved mentions as columns, and their progress.

    ``offsets`` are the rows' upstream offsets, rising; from and through are both included. None is
    progress without rows.
    """
    progress = ResolvedBatch(
        SCHEMA_VERSION, topic, partition, from_offset, through_offset, through_log_ms, log_start_ms,
        lexicon,
    )  # fmt: skip
    if columns is None or not len(columns):
        return _ENCODER.encode(progress)
    columns = columns.compact()
    batch = replace(
        progress,
        tokens=tuple(columns.tokens),
        ids=tuple(columns.ids or ()),
        offset=offsets.astype("<i8").tobytes(),
        **{
            name: getattr(columns, at).astype(kind).tobytes()
            for name, (at, kind) in _FIELDS.items()
        },
    )
    return _ENCODER.encode(batch)


def decode_batch(raw: bytes) -> ResolvedBatch:
    """Decode a message of the resolved topic; StateError where it is none of ours."""
    try:
        batch = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"not a resolved batch: {error}"
        raise StateError(msg) from None
    if batch.schema_version != SCHEMA_VERSION:
        msg = (
            f"resolved batch of schema {batch.schema_version}; this version reads {SCHEMA_VERSION}"
        )
        raise StateError(msg)
    return batch


def _check(batch: ResolvedBatch) -> None:
    n = len(batch.ids)
    widths = {"offset": 8} | {name: int(kind[2]) for name, (_, kind) in _FIELDS.items()}
    torn = [name for name, width in widths.items() if len(getattr(batch, name)) != n * width]
    if not torn and n:
        token = np.frombuffer(batch.token, "<i4")
        if not 0 <= int(token.min()) <= int(token.max()) < len(batch.tokens):
            torn = ["token"]
    if torn:
        msg = f"resolved batch of {n} rows has a torn column: {', '.join(torn)}"
        raise StateError(msg)


def unpack_batch(batch: ResolvedBatch, after_offset: int) -> Columns:
    """Columns of the rows whose upstream offset lies beyond ``after_offset``.

    Raises StateError where the columns do not fit each other: kernels check no bounds.
    """
    _check(batch)
    keep = np.flatnonzero(np.frombuffer(batch.offset, "<i8") > after_offset)
    whole = len(keep) == len(batch.ids)
    arrays = {name: np.zeros(len(keep), np.int64) for name in ARRAYS}
    for name, (at, kind) in _FIELDS.items():
        column = np.frombuffer(getattr(batch, name), kind)
        arrays[at] = column if whole else column[keep]
    ids = batch.ids if whole else [batch.ids[i] for i in keep.tolist()]
    return Columns(
        list(batch.tokens),
        token=np.ascontiguousarray(arrays["token"], np.int32),
        kind=np.full(len(keep), MENTION, np.uint8),
        aux=np.ascontiguousarray(arrays["aux"], np.uint8),
        id=hashes(Strings.of(ids)),
        ids=ids,
        **{
            name: np.ascontiguousarray(arrays[name], np.int64)
            for name in ("ts_event_ms", "ts_log_ms", "order", "who", "a", "b", "c")
        },
    )
