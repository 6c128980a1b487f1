"""A text's matching copy, compiled: ``detectors.resolve.normalise`` on the bytes of a text.

Here and beside it, what is written at an unsigned index is so for speed: a signed one is looked at
first, whether it counts from the end.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import (
    BLANK,
    BLANK_AT,
    CHAR,
    CLASSES,
    GONE,
    HIDDEN,
    LIMIT,
    MANY,
    SEVERAL,
    SLOW,
    SPACE,
    SPECIAL,
    UNSURE,
)
from detectors.batch.xxh64 import TOPS, word8
from detectors.jit import Int64, int64, jit

CHARS_PER_BYTE: Final = 6
"""NFKC makes 18 characters of one of three bytes, and of no other as many."""


@jit
def point_at(data: NDArray[Any], i: Int64) -> tuple[Int64, Int64]:
    """The code point, not of ASCII, that begins at byte i, and how many bytes it has."""
    b = int(data[i])
    if b < 0xE0:
        return (b & 31) << 6 | int(data[i + 1]) & 63, 2
    if b < 0xF0:
        return (b & 15) << 12 | (int(data[i + 1]) & 63) << 6 | int(data[i + 2]) & 63, 3
    high = (b & 7) << 18 | (int(data[i + 1]) & 63) << 12
    return high | (int(data[i + 2]) & 63) << 6 | int(data[i + 3]) & 63, 4


@jit
def fold_row(
    data: NDArray[Any], start: Int64, end: Int64, tables: NDArray[Any], copy: NDArray[Any]
) -> tuple[Int64, Int64]:
    """Write the copy of ``data[start:end]``, characters with their bits.

    Returns the copy's length, -1 where the plain way must fold it; and the bits of all its characters together. A copy
    has at most CHARS_PER_BYTE characters for a byte.
    """
    n = bits = last = int64(0)
    before = int64(BLANK)  # what was written last; nothing is as good as a space
    i = start
    while i < end:
        if i + 8 <= end and word8(data, i) & TOPS == 0:
            # Eight of ASCII, without a branch for each: most of what is written.
            every = doubled = int64(0)
            last_one = before
            for k in range(8):
                entry = int64(tables[np.uint64(data[np.uint64(i + k)])])
                copy[np.uint64(n + k)] = entry
                every |= entry
                doubled |= last_one & entry
                last_one = entry
            if not every & SPECIAL and not doubled & BLANK:
                n, i, bits, before, last = n + 8, i + 8, bits | every, last_one, int64(0)
                continue
        point = int64(data[np.uint64(i)])
        if point < 0x80:
            i += 1
        else:
            point, size = point_at(data, i)
            i += size
            if point >= LIMIT:
                return int64(-1), bits
        entry = int64(tables[np.uint64(point)])
        if not entry & SPECIAL:
            # Without a branch that depends on where words end: those are what a text costs.
            copy[np.uint64(n)] = entry
            bits |= entry
            n += _more(before, entry)
            before = entry
            last = int64(0)
            continue
        classes = int(tables[CLASSES + point])
        if classes & HIDDEN:
            continue
        to = int(tables[SLOW + point])
        if to == UNSURE or 0 < classes & 255 < last:
            return int64(-1), bits
        ends = classes >> 8 & 255
        last = ends if to != GONE else max(last, ends)
        k = stop = int64(0)
        if to <= SEVERAL:
            k = MANY + SEVERAL - to + 1
            stop = k + int(tables[k - 1])
            to = int(tables[k])
        while to >= 0:
            entry = int64(tables[to]) & ~SPECIAL
            copy[n] = entry
            bits |= entry
            n += _more(before, entry)
            before = entry
            k += 1
            if k >= stop:
                break
            to = int(tables[k])
    return n - (before >> BLANK_AT & int64(n > 0)), bits


@jit
def _more(before: Int64, entry: Int64) -> Int64:
    """1 for one more character of a copy, 0 for a space after another."""
    return 1 ^ (before & entry) >> BLANK_AT & 1


@jit
def _in_scheme(c: Int64) -> bool:
    return 97 <= c <= 122 or 48 <= c <= 57 or c == 43 or c == 45 or c == 46


@jit
def blank_links(copy: NDArray[Any], n: Int64, words: NDArray[Any]) -> None:
    """Write the copy with links blanked to ``words``: ``[a-z][a-z0-9+.-]{1,15}://[!-~]*``."""
    for i in range(n):
        words[i] = copy[i]
    free = int64(0)  # where the last link ended
    q = int64(0)
    while q + 2 < n:
        if copy[q] & CHAR != 58 or copy[q + 1] & CHAR != 47 or copy[q + 2] & CHAR != 47:
            q += 1
            continue
        begin = int64(-1)
        p = q - 1
        while p >= max(free, q - 16) and _in_scheme(int(copy[p] & CHAR)):
            if p < q - 1 and 97 <= copy[p] & CHAR <= 122:
                begin = p
            p -= 1
        q += 3
        if begin >= 0:
            while q < n and 33 <= copy[q] & CHAR <= 126:
                q += 1
            for i in range(begin, q):
                words[i] = SPACE | BLANK
            free = q
