"""A set of ids that forgets by bars: buckets of one cache line, never swept.

An entry counts until ``limit_bars`` after the bar it was first seen in; its place may be taken after
that. ``over`` of a bucket is the last bar in which an id went on to the next bucket for want of room,
so a look-up knows when it need not follow.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.grown import lines
from detectors.jit import Int64, Record, int64, jit, nth

WAYS: Final = 5
BUCKET: Final = np.dtype([("key", "i8", WAYS), ("bar", "i4", WAYS), ("over", "i4")])
NEVER: Final = -(1 << 31)


def empty_table(buckets: int) -> NDArray[Any]:
    """Buckets without an entry; their number is a power of two."""
    table = lines(buckets, BUCKET)
    table["bar"] = table["over"] = NEVER
    return table


@jit
def key_of(r: Record, token_hash: Int64) -> Int64:
    """What a record is known by: its token, kind (late or not) and id."""
    return np.int64(r["id"]) ^ token_hash ^ ((np.int64(r["kind"]) & 3) << 1)


@jit
def newest_of(keys: NDArray[Any], bars: NDArray[Any], key: Int64) -> Int64:
    """The latest bar of a key among a bucket's ways."""
    newest = np.int64(NEVER)
    for k in range(WAYS):
        if keys[k] == key:
            newest = max(newest, np.int64(bars[k]))
    return newest


@jit
def is_new(table: NDArray[Any], key: Int64, bar: Int64, limit_bars: Int64) -> bool:
    """Whether the key was not seen within ``limit_bars``; learns it if so.

    A bucket with room, or one that follows a full one, is always found: the caller keeps the table
    larger than what counts.
    """
    oldest = bar - limit_bars
    mask = table.shape[0] - 1
    home = key & mask
    at = home
    while True:
        bucket = table[nth(at)]
        keys = bucket["key"]
        bars = bucket["bar"]
        same = False
        for k in range(WAYS):  # without a branch: which ways count cannot be foretold
            same |= keys[k] == key
        if same and newest_of(keys, bars, key) >= oldest:
            return False
        if bucket["over"] < oldest:
            break
        at = (at + 1) & mask
    at = home
    while True:
        bucket = table[nth(at)]
        bars = bucket["bar"]
        way = np.int64(-1)
        for k in range(WAYS):
            way = np.int64(k) if bars[k] < oldest else way
        if way >= 0:
            bucket["key"][nth(way)] = key
            bars[nth(way)] = bar
            return True
        bucket["over"] = max(np.int64(bucket["over"]), bar)
        at = (at + 1) & mask


@jit
def count_since(table: NDArray[Any], oldest_bar: Int64) -> Int64:
    """How many entries are of ``oldest_bar`` or later."""
    live = int64(0)
    for i in range(table.shape[0]):
        for k in range(WAYS):
            live += int64(table[i]["bar"][k] >= oldest_bar)
    return live


@jit
def entries_since(
    table: NDArray[Any], oldest_bar: Int64, keys: NDArray[Any], bars: NDArray[Any]
) -> Int64:
    """List the entries of ``oldest_bar`` and later; returns how many."""
    n = 0
    for i in range(table.shape[0]):
        for k in range(WAYS):
            if table[i]["bar"][k] >= oldest_bar:
                keys[n] = table[i]["key"][k]
                bars[n] = table[i]["bar"][k]
                n += 1
    return n


@jit
def learn_all(
    table: NDArray[Any], keys: NDArray[Any], bars: NDArray[Any], limit_bars: Int64
) -> None:
    """Put distinct entries, in any order, into a table with room for them; none is too old to count."""
    for i in range(keys.shape[0]):
        is_new(table, keys[i], np.int64(bars[i]), limit_bars)
