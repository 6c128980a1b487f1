"""Numbers of JSON, compiled: what their digits say, as prices and amounts of money are kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.xxh64 import TOPS, word8
from detectors.jit import Int64, int64, jit

_DIGITS: Final = 15
_WHOLE_DIGITS: Final = 18
_MOST: Final = 12  # digits before the point: no money reaches 10^12
_LEAST: Final = -28
_ZEROS: Final = np.uint64(0x3030303030303030)
_TO_TOPS: Final = np.uint64(0x7676767676767676)
"""Takes ten and more, and no digit, to the highest bit."""
_PLACES: Final = np.uint64(0x0001020304050607)  # times 2^8k its highest byte is k
_PAIRS: Final = np.uint64(0x00FF00FF00FF00FF)
_FOURS: Final = np.uint64(0x0000FFFF0000FFFF)
_ONE: Final = np.uint64(1)
_POWERS: Final = np.array([10**k for k in range(19)], np.int64)


@jit
def _digits_of(mantissa: Int64) -> Int64:
    n = int64(0)
    while n < 19 and mantissa >= _POWERS[n]:
        n += 1
    return n


@jit
def _digits_at(data: NDArray[Any], i: Int64, end: Int64) -> tuple[Int64, Int64]:
    """How many digits follow each other from i on, eight at most, and what they say."""
    n = number = int64(0)
    if i + 8 > data.shape[0]:
        while i + n < end and n < 8 and 48 <= data[np.uint64(i + n)] <= 57:
            number = number * 10 + int64(data[np.uint64(i + n)]) - 48
            n += 1
        return n, number
    v = word8(data, i) ^ _ZEROS
    others = ((v + _TO_TOPS) | v) & TOPS  # the lowest is right, the next may be a carry
    n = int64(8)
    if others:
        lowest = (others & (~others + _ONE)) >> np.uint64(7)
        n = np.int64((lowest * _PLACES) >> np.uint64(56))
    n = min(n, end - i)
    if n <= 0:
        return int64(0), number
    v <<= np.uint64(8 * (8 - n))
    # Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    v = ((v * np.uint64(10 << 8 | 1)) >> np.uint64(8)) & _PAIRS
    v = ((v * np.uint64(100 << 16 | 1)) >> np.uint64(16)) & _FOURS
    return n, np.int64((v * np.uint64(10_000 << 32 | 1)) >> np.uint64(32))


@jit
def read_number(data: NDArray[Any], i: Int64, end: Int64) -> tuple[Int64, Int64, Int64, bool]:
    """Mantissa and exponent of the number at i, where it ends (-1 where not plain), and if whole."""
    negative = i < end and data[np.uint64(i)] == 45
    if negative:
        i += 1
    first = i
    mantissa = exponent = digits = int64(0)
    n = int64(8)
    while n == 8:
        n, more = _digits_at(data, i, end)
        digits += n
        i += n
        if digits > _WHOLE_DIGITS:
            return mantissa, exponent, int64(-1), False
        mantissa = mantissa * _POWERS[n] + more
    if digits == 0 or (data[first] == 48 and digits > 1):
        return mantissa, exponent, int64(-1), False
    whole = True
    if i < end and data[np.uint64(i)] == 46:
        whole = False
        i += 1
        point = i
        n = int64(8)
        while n == 8:
            n, more = _digits_at(data, i, end)
            digits = digits + n if mantissa > 0 else _digits_of(more)
            exponent -= n
            i += n
            if digits > _DIGITS or exponent < 10 * _LEAST:
                return mantissa, exponent, int64(-1), False
            mantissa = mantissa * _POWERS[n] + more
        if i == point:
            return mantissa, exponent, int64(-1), False
    if i < end and (data[np.uint64(i)] == 101 or data[np.uint64(i)] == 69):
        whole = False
        i += 1
        down = i < end and data[np.uint64(i)] == 45
        if i < end and (data[np.uint64(i)] == 45 or data[np.uint64(i)] == 43):
            i += 1
        first = i
        power = int64(0)
        while i < end and i < first + 3 and 48 <= data[np.uint64(i)] <= 57:
            power = power * 10 + int64(data[np.uint64(i)]) - 48
            i += 1
        if i == first:
            return mantissa, exponent, int64(-1), False
        exponent += -power if down else power
    if negative:
        if not whole or mantissa == 0:
            return mantissa, exponent, int64(-1), False
        mantissa = -mantissa
    return mantissa, exponent, i, whole


@jit
def packed_price(mantissa: Int64, exponent: Int64) -> Int64:
    """Packed price; -1 where the plain way must look at it."""
    digits = _digits_of(mantissa)
    if digits == 0 or digits > _DIGITS or digits + exponent > _MOST or exponent < _LEAST:
        return int64(-1)
    while mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    return mantissa * 256 + exponent + 128


@jit
def micros(mantissa: Int64, exponent: Int64) -> Int64:
    """Millionths, half to even; -1 where the plain way must look at it."""
    digits = _digits_of(mantissa)
    if digits > _DIGITS or (digits > 0 and digits + exponent > _MOST) or exponent < _LEAST:
        return int64(-1)
    if digits == 0:
        return int64(0)
    if exponent >= -6:
        return mantissa * _POWERS[exponent + 6]
    if exponent < -24:
        return int64(0)
    power = _POWERS[-6 - exponent]
    whole = mantissa // power
    twice = 2 * (mantissa - whole * power)
    up = twice > power or (twice == power and whole & 1 == 1)
    return whole + int64(up)
