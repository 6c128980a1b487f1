"""Whether bytes are UTF-8, compiled: what ``bytes.decode`` says, without making a text of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.batch.blocks import BLOCK, bytes_between
from detectors.jit import Int64, int64, jit, lowest


@jit
def _sound_block(data: NDArray[Any], i: Int64) -> Int64:
    """Bytes of the BLOCK from i on, where a character begins, that are whole characters; -1 where one is wrong."""
    beyond = bytes_between(data, i, 0x80, 0xFF)
    if beyond == 0:
        return int64(BLOCK)
    goes_on = bytes_between(data, i, 0x80, 0xBF)
    of_two, of_four = bytes_between(data, i, 0xC2, 0xDF), bytes_between(data, i, 0xF0, 0xF4)
    more = bytes_between(data, i, 0xE0, 0xEF) | of_four
    firsts = of_two | more
    size = int64(BLOCK)
    # A character that the block cuts off is looked at with the next.
    cut = firsts & (1 << (BLOCK - 1)) | more & (1 << (BLOCK - 2)) | of_four & (1 << (BLOCK - 3))
    if cut:
        size, cut = lowest(cut)
    here = (2 << size) - 1  # where the next begins, none before it may want to go on
    wanted = firsts << 1 | more << 2 | of_four << 3
    wrong = (beyond & ~(goes_on | firsts)) | (goes_on ^ wanted)
    e0, ed = bytes_between(data, i, 0xE0, 0xE0), bytes_between(data, i, 0xED, 0xED)
    f0, f4 = bytes_between(data, i, 0xF0, 0xF0), bytes_between(data, i, 0xF4, 0xF4)
    if e0 | ed | f0 | f4:  # those behind which not every byte goes on
        wrong |= e0 << 1 & bytes_between(data, i, 0x80, 0x9F)
        wrong |= ed << 1 & bytes_between(data, i, 0xA0, 0xBF)
        wrong |= f0 << 1 & bytes_between(data, i, 0x80, 0x8F)
        wrong |= f4 << 1 & bytes_between(data, i, 0x90, 0xBF)
    return int64(-1) if wrong & here else size


@jit
def _goes_on(data: NDArray[Any], i: Int64, end: Int64, low: Int64, high: Int64) -> bool:
    """Whether a byte within bounds follows."""
    return i < end and low <= data[np.uint64(i)] <= high


@jit
def is_utf8(data: NDArray[Any], start: Int64, end: Int64) -> bool:
    r"""Whether ``data[start:end]``, uint8, is UTF-8: no surrogates, nothing longer than it must be.

    >>> good, bad = (np.frombuffer(raw, np.uint8) for raw in ("momo 龙".encode(), b"momo \xff"))
    >>> is_utf8(good, 0, len(good)), is_utf8(bad, 0, len(bad))
    (True, False)
    """
    i = start
    while i + BLOCK <= end:
        size = _sound_block(data, i)
        if size < 0:
            return False
        i += size
    while i < end:
        first = int(data[np.uint64(i)])
        if first < 0x80:
            i += 1
            continue
        low, high = 0x80, 0xBF
        if first < 0xC2 or first > 0xF4:
            return False
        if first < 0xE0:
            more = 1
        elif first < 0xF0:
            more = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        else:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        if not _goes_on(data, i + 1, end, low, high):
            return False
        for k in range(2, more + 1):
            if not _goes_on(data, i + k, end, 0x80, 0xBF):
                return False
        i += 1 + more
    return True
