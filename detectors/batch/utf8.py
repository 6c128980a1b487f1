"""Whether bytes are UTF-8, compiled: what ``bytes.decode`` says, without making a text of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.xxh64 import word8
from detectors.jit import Int64, jit

_TOPS: Final = np.uint64(0x8080808080808080)


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
    while i < end:
        first = int(data[np.uint64(i)])
        if first < 0x80:
            i += 1
            while i + 8 <= end and word8(data, i) & _TOPS == 0:
                i += 8
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
