"""A text's matching copy, compiled: ``detectors.resolve.normalise`` on the bytes of a text.

Here and beside it, what is written at an unsigned index is so for speed: a signed one is looked at
first, whether it counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import (
    ALNUM,
    BLANK,
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
    WORD,
)
from detectors.jit import Int64, int64, jit


@jit
def point_at(data: NDArray[Any], i: Int64) -> tuple[Int64, Int64]:
    """The code point that begins at byte i, and how many bytes it has."""
    b = int(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0:
        return (b & 31) << 6 | int(data[i + 1]) & 63, 2
    if b < 0xF0:
        return (b & 15) << 12 | (int(data[i + 1]) & 63) << 6 | int(data[i + 2]) & 63, 3
    high = (b & 7) << 18 | (int(data[i + 1]) & 63) << 12
    return high | (int(data[i + 2]) & 63) << 6 | int(data[i + 3]) & 63, 4


@jit
def fold_row(
    data: NDArray[Any],
    start: Int64,
    end: Int64,
    tables: NDArray[Any],
    copy: NDArray[Any],
    begins: NDArray[Any],
) -> tuple[Int64, Int64, Int64]:
    """Write the copy of ``data[start:end]``, characters with their bits.

    Write where words may begin to ``begins``. Returns the copy's length, -1 where a character is not
    in the tables; how many begin; and the bits of all its characters together. A copy has at most 18
    characters for three bytes.
    """
    n = m = bits = last = before = int64(0)
    blank = int64(1)  # whether what was written last is a space, or nothing
    i = start
    while i < end:
        point = int64(data[np.uint64(i)])
        if point < 0x80:
            i += 1
        else:
            point, size = point_at(data, i)
            i += size
            if point >= LIMIT:
                return int64(-1), m, bits
        entry = int64(tables[np.uint64(point)])
        if not entry & SPECIAL:
            # Without branches that depend on where words end: those are what a text costs.
            copy[np.uint64(n)] = entry
            bits |= entry
            is_blank = int64(entry & BLANK != 0)
            begins[np.uint64(m)] = n
            m += (1 - is_blank) & int64(before & entry & WORD == 0)
            before = entry
            n += 1 - (is_blank & blank)
            blank = is_blank
            last = int64(0)
            continue
        classes = int(tables[CLASSES + point])
        if classes & HIDDEN:
            continue
        to = int(tables[SLOW + point])
        if to == UNSURE or 0 < classes & 255 < last:
            return int64(-1), m, bits
        ends = classes >> 8 & 255
        last = ends if to != GONE else max(last, ends)
        at = stop = int64(0)
        if to <= SEVERAL:
            at = MANY + SEVERAL - to + 1
            stop = at + int(tables[at - 1])
            to = int(tables[at])
        while to >= 0:
            entry = int(tables[to]) & ~SPECIAL
            copy[n] = entry
            bits |= entry
            is_blank = int64(entry & BLANK != 0)
            begins[np.uint64(m)] = n
            m += (1 - is_blank) & int64(before & entry & WORD == 0)
            before = entry
            n += 1 - (is_blank & blank)
            blank = is_blank
            at += 1
            if at >= stop:
                break
            to = int(tables[at])
    return n - (blank & int(n > 0)), m, bits


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


@jit
def begins_of(text: NDArray[Any], n: Int64, begins: NDArray[Any]) -> Int64:
    """Write where words may begin, as ``fold_row`` does; returns how many."""
    m = before = int64(0)
    for i in range(n):
        entry = int64(text[i])
        begins[np.uint64(m)] = i
        m += int64(entry & BLANK == 0) & int64(before & entry & WORD == 0)
        before = entry
    return m


@jit
def has_run(copy: NDArray[Any], n: Int64, size: Int64) -> bool:
    """Whether a copy has so many letters and digits of ASCII in a row; it is no shorter than seen."""
    i = size - 1
    while i < n:
        if _is_plain(int(copy[i])):
            low = high = i
            while low > 0 and high - low < size and _is_plain(int(copy[low - 1])):
                low -= 1
            while high < n and high - low < size and _is_plain(int(copy[high])):
                high += 1
            if high - low >= size:
                return True
        i += size
    return False


@jit
def _is_plain(c: Int64) -> bool:
    return c & CHAR < 128 and c & ALNUM != 0
