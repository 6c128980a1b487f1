"""XXH64, compiled, over slices of a buffer: equal to ``detectors.hashing.hash64``.

Here and in ``prints`` and ``decimals`` beside it alone unsigned products wrap: every operand is uint64 and
said to be, so that compiled and plain code agree (plain numpy warns of the wrap, which callers silence).

References
----------
Y. Collet, XXH64: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.strings import I8, Strings
from detectors.jit import Int64, jit, wrapping

_P1: Final = np.uint64(0x9E3779B185EBCA87)
_P2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_P3: Final = np.uint64(0x165667B19E3779F9)
_P4: Final = np.uint64(0x85EBCA77C2B2AE63)
_P5: Final = np.uint64(0x27D4EB2F165667C5)
_P1_P2: Final = np.uint64(0x60EA27EEADC0B5D6)  # the sum of the two, and minus the first, wrapped
_MINUS_P1: Final = np.uint64(0x61C8864E7A143579)
_ZERO: Final = np.uint64(0)
_WIDTH: Final = np.uint64(64)
TOPS: Final = np.uint64(0x8080808080808080)
"""The highest bit of each byte of a word: of those of ASCII none is set."""
_MASK63: Final = np.uint64((1 << 63) - 1)


@jit
def _rotated(x: Any, by: Any) -> Any:
    return (x << by) | (x >> (_WIDTH - by))


@jit
def _round(lane: Any, word: Any) -> Any:
    return _rotated(lane + word * _P2, np.uint64(31)) * _P1


@jit
def _merged(h: Any, lane: Any) -> Any:
    return (h ^ _round(_ZERO, lane)) * _P1 + _P4


@jit
def _word4(data: NDArray[Any], i: Int64) -> Any:
    at = np.uint64(i)  # an unsigned index needs no look for negative ones, so the loads become one
    return (
        np.uint64(data[at])
        | np.uint64(data[at + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
    )


@jit
def word8(data: NDArray[Any], i: Int64) -> Any:
    """Eight bytes from i on as one uint64, the first the lowest."""
    at = np.uint64(i)  # an unsigned index needs no look for negative ones, so the loads become one
    return (
        np.uint64(data[at])
        | np.uint64(data[at + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[at + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[at + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[at + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[at + np.uint64(7)]) << np.uint64(56)
    )


@jit
def hash_slice(data: NDArray[Any], start: Int64, end: Int64) -> Int64:
    """63-bit hash of ``data[start:end]``, a uint8 array."""
    i = start
    if end - start >= 32:
        a, b, c, d = _P1_P2, _P2, _ZERO, _MINUS_P1
        while i <= end - 32:
            a = _round(a, word8(data, i))
            b = _round(b, word8(data, i + 8))
            c = _round(c, word8(data, i + 16))
            d = _round(d, word8(data, i + 24))
            i += 32
        h = _rotated(a, np.uint64(1)) + _rotated(b, np.uint64(7))
        h = h + _rotated(c, np.uint64(12)) + _rotated(d, np.uint64(18))
        h = _merged(_merged(_merged(_merged(h, a), b), c), d)
    else:
        h = _P5
    h = h + np.uint64(end - start)
    while i <= end - 8:
        h = _rotated(h ^ _round(_ZERO, word8(data, i)), np.uint64(27)) * _P1 + _P4
        i += 8
    if i <= end - 4:
        h = _rotated(h ^ (_word4(data, i) * _P1), np.uint64(23)) * _P2 + _P3
        i += 4
    while i < end:
        h = _rotated(h ^ (np.uint64(data[i]) * _P5), np.uint64(11)) * _P1
        i += 1
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    h = h ^ (h >> np.uint64(32))
    return np.int64(h & _MASK63)


@jit
def _hash_rows(
    data: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any], rows: NDArray[Any], out: I8
) -> None:
    for i in rows:
        out[i] = hash_slice(data, starts[i], ends[i])


def hash_rows(texts: Strings, rows: I8, out: I8) -> None:
    """Write ``hash64`` of some texts to their places in ``out``, int64[N]."""
    with wrapping():
        _hash_rows(texts.data, texts.starts, texts.ends, rows, out)


def hashes(texts: Strings) -> I8:
    """``hash64`` of every text, int64[N].

    >>> from detectors.hashing import hash64
    >>> hashes(Strings.of(["alice", "龙" * 30])).tolist() == [hash64("alice"), hash64("龙" * 30)]
    True
    """
    out = np.empty(len(texts), np.int64)
    hash_rows(texts, np.arange(len(texts)), out)
    return out
