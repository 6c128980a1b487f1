"""Mentions resolved many at once and dealt over the token partitions, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from detectors.batch.flat import flat_mentions
from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import I8, Strings
from detectors.columns import MENTION, Columns
from schemas.records import Mention
from streams.files.rows import distinct, joined
from streams.log.slab import Slab
from streams.sources.places import token_partition
from streams.worker.dead_letters import Reject
from streams.worker.inputs import declared_start_ms
from streams.worker.scanning import Clamped, clamp, one_by_one, scanned

ROW_BYTES: Final = 80
"""What a row takes in a message, besides its id and token."""


class Dealt(NamedTuple):
    """Rows of one token partition, and the offsets they come from, rising; None where there are none."""

    columns: Columns | None
    offsets: I8


@dataclass
class Found:
    """What a run of records gave.

    Parameters
    ----------
    columns, rows : resolved mentions, and the record each is from, never falling.
    log_ms, falls : log time reached, and how many stamps fell.
    log_start_ms : when the log began, by the first record.
    used, unresolved, progress : records by what became of them.
    rejects : records that cannot be used.
    """

    columns: Columns | None
    rows: I8
    log_ms: int
    falls: int
    log_start_ms: int
    used: int = 0
    unresolved: int = 0
    progress: int = 0
    rejects: list[Reject] = field(default_factory=list)


def resolve_slab(slab: Slab, floor_ms: int, resolver: BatchResolver) -> Found:
    """Resolve the mentions of a slab; ``floor_ms`` is the log time reached."""
    resolver.begin()
    clamped = clamp(slab.timestamps, floor_ms)
    times = clamped.times
    posts = scanned(slab.values, MENTION)
    at = np.flatnonzero(posts.plain)
    out = _begun(clamped)
    others: list[tuple[int, Mention]] = []
    for row, record in one_by_one(
        slab, np.flatnonzero(~posts.plain), times, "mention", out.rejects
    ):
        if isinstance(record, Mention):
            others.append((row, record))
            continue
        out.progress += 1
        if row == 0:
            out.log_start_ms = declared_start_ms(record, out.log_start_ms)
    parts: list[tuple[Columns, I8]] = []
    if len(at):
        columns, rows = posts.flat(at, times[at], resolver.token_numbers).columns(resolver)
        parts.append((columns, at[rows]))
    if others:
        where = np.array([row for row, _ in others], np.int64)
        flat = flat_mentions([mention for _, mention in others], times[where])
        columns, rows = flat.columns(resolver)
        parts.append((columns, where[rows]))
    out.rows = np.sort(np.concatenate([rows for _, rows in parts])) if parts else out.rows
    out.columns = joined(parts)
    out.used = distinct(out.rows)
    out.unresolved = len(at) + len(others) - out.used
    return out


def deal(found: Found, offsets: I8, partitions: int) -> list[Dealt]:
    """Rows by token partition; ``offsets`` are those of the records."""
    if found.columns is None:
        return [Dealt(None, np.empty(0, np.int64))] * partitions
    columns = found.columns.compact()
    columns.ids = _texts(columns.ids)
    owners = np.array([token_partition(token, partitions) for token in columns.tokens])
    owner = owners[columns.token]
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(partitions + 1)).tolist()
    upstream = offsets[found.rows]
    dealt = []
    for start, end in pairwise(ends):
        if start == end:
            dealt.append(Dealt(None, np.empty(0, np.int64)))
            continue
        rows = order[start:end]
        dealt.append(Dealt(columns.take(rows).compact(), upstream[rows]))
    return dealt


def size_of(dealt: Dealt) -> int:
    """About how many bytes a message of these rows has, at most."""
    columns = dealt.columns
    if columns is None:
        return 0
    ids = sum(map(len, columns.ids or ()))
    tokens = np.fromiter(map(len, columns.tokens), np.int64, len(columns.tokens))
    return ROW_BYTES * len(columns) + 4 * (ids + int(tokens[columns.token].sum()))


def _begun(clamped: Clamped) -> Found:
    times, falls = clamped
    return Found(None, np.empty(0, np.int64), int(times[-1]), falls, int(times[0]))


def _texts(texts: Sequence[str] | None) -> list[str]:
    """Texts of slices, all at once."""
    if not isinstance(texts, Strings):
        return list(texts or ())
    raw = texts.data.tobytes()
    bounds = zip(texts.starts.tolist(), texts.ends.tolist(), strict=True)
    return [raw[start:end].decode() for start, end in bounds]
