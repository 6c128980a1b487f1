"""Chunks of records on their way to the engine: what each reader gives, and how they are joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.batch.flat import Flat
from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import Chained
from detectors.columns import ARRAYS, Columns
from schemas.errors import RecordError
from schemas.records import Control

I8 = NDArray[np.int64]


@dataclass(frozen=True)
class BadRecord:
    """A record that cannot be used, with its place (file and line, or topic, partition, offset)."""

    place: str
    error: RecordError
    raw: bytes
    ts_log_ms: int


class Rows(Protocol):
    """Ticks and mentions of a chunk: ``at`` are their row numbers in it, rising."""

    at: I8

    def flat(self, ts_log_ms: I8, resolver: BatchResolver) -> Flat:
        """The rows as columns, with their clamped log times."""


_NO_ROWS: Final = np.empty(0, np.int64)


@dataclass
class Decoded:
    """A chunk as columns.

    Parameters
    ----------
    columns, at : ticks and token infos, and their row numbers in the chunk; None where none.
    rows : ticks and mentions that are still to be hashed and resolved.
    counts : records by type, those of no use to the detector included.
    bad : records that cannot be used.
    controls : control records with their log times.
    start_ms : log start that the chunk's first record declares, if it does.
    """

    columns: Columns | None = None
    at: I8 = field(default_factory=lambda: _NO_ROWS)
    rows: list[Rows] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[BadRecord] = field(default_factory=list)
    controls: list[tuple[int, Control]] = field(default_factory=list)
    start_ms: int | None = None


class Chunk(Protocol):
    """Some records of one source in log order."""

    times: I8
    """Log times, never falling. A record without a usable time has that of the one before."""

    def part(self, start: int, stop: int) -> Chunk:
        """Rows ``start`` to ``stop``, the last excluded."""

    def decode(self) -> Decoded:
        """Columns of the rows."""


def distinct(rows: I8) -> int:
    """How many different rows there are among some that never fall.

    >>> distinct(np.array([0, 0, 3])), distinct(np.array([], np.int64))
    (2, 0)
    """
    return min(len(rows), 1) + int(np.count_nonzero(rows[1:] != rows[:-1]))


def without_chunk(columns: Columns) -> Columns:
    """The same rows for whoever keeps them beyond their chunk: ids of their own, not the chunk's whole memory.

    >>> from detectors.batch.strings import Strings
    >>> rows = Columns([], *[np.zeros(1)] * 11, ids=Strings.of(["a"]))
    >>> without_chunk(rows).ids, without_chunk(replace(rows, ids=None)).ids
    (['a'], None)
    """
    return columns if columns.ids is None else replace(columns, ids=list(columns.ids))


def joined(parts: Sequence[tuple[Columns, I8]]) -> Columns | None:
    """One table of several, its rows in the order of the positions given with each.

    >>> joined([]) is None
    True
    """
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return None
    if len(parts) == 1 and bool(np.all(parts[0][1][1:] >= parts[0][1][:-1])):
        return parts[0][0]
    tokens = parts[0][0].tokens
    token = [columns.token for columns, _ in parts]
    if any(columns.tokens is not tokens for columns, _ in parts):
        numbers: dict[str, int] = {}
        for k, columns in enumerate([columns.compact() for columns, _ in parts]):
            new = [numbers.setdefault(name, len(numbers)) for name in columns.tokens]
            token[k] = np.array(new, np.int32)[columns.token]
        tokens = list(numbers)
    arrays = {
        name: np.concatenate([getattr(columns, name) for columns, _ in parts])
        for name in ARRAYS
        if name != "token"
    }
    ids = [columns.ids for columns, _ in parts if columns.ids is not None]
    known = Chained(ids) if len(ids) == len(parts) else None
    whole = Columns(tokens, token=np.concatenate(token), ids=known, **arrays)
    at = np.concatenate([at for _, at in parts])
    if bool(np.all(at[1:] >= at[:-1])):
        return whole
    return whole.take(np.argsort(at, kind="stable"))
