"""Numbers of JSON, compiled: what their digits say, as prices and amounts of money are kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.xxh64 import word8
from detectors.jit import Int64, int64, jit

_DIGITS: Final = 15
_MOST: Final = 12  # digits before the point: no money reaches 10^12
_LEAST: Final = -28
_ZEROS: Final = np.uint64(0x3030303030303030)
_HIGHS: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOWS: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_SIXES: Final = np.uint64(0x0606060606060606)
_PAIRS: Final = np.uint64(0x00FF00FF00FF00FF)
_FOURS: Final = np.uint64(0x0000FFFF0000FFFF)
_POWERS: Final = np.array([10**k for k in range(19)], np.int64)


@jit
def _eight(v: Any) -> Int64:
    """The number that eight digits of ASCII say, -1 where one is no digit."""
    if v & _HIGHS != _ZEROS or (v + _SIXES) & _HIGHS != _ZEROS:
        return int64(-1)
    # Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    v = ((v & _LOWS) * np.uint64(10 << 8 | 1)) >> np.uint64(8)
    v = ((v & _PAIRS) * np.uint64(100 << 16 | 1)) >> np.uint64(16)
    return np.int64(((v & _FOURS) * np.uint64(10_000 << 32 | 1)) >> np.uint64(32))


@jit
def read_number(data: NDArray[Any], i: Int64, end: Int64) -> tuple[Int64, Int64, Int64, bool]:
    """Mantissa and exponent of the number at i, where it ends (-1 where not plain), and if whole."""
    negative = i < end and data[np.uint64(i)] == 45
    if negative:
        i += 1
    first = i
    mantissa = exponent = digits = int64(0)
    while digits <= 8 and i + 8 <= end and (digits > 0 or data[np.uint64(i)] != 48):
        more = _eight(word8(data, i))
        if more < 0:
            break
        mantissa = mantissa * 100_000_000 + more
        digits += 8
        i += 8
    while i < end and 48 <= data[np.uint64(i)] <= 57:
        mantissa = mantissa * 10 + int64(data[np.uint64(i)]) - 48
        digits += int64(mantissa > 0)
        i += 1
        if digits > 18:
            return mantissa, exponent, int64(-1), False
    if i == first or (data[first] == 48 and i > first + 1):
        return mantissa, exponent, int64(-1), False
    whole = True
    if i < end and data[np.uint64(i)] == 46:
        whole = False
        point = i
        i += 1
        while i < end and 48 <= data[np.uint64(i)] <= 57:
            mantissa = mantissa * 10 + int64(data[np.uint64(i)]) - 48
            digits += int64(mantissa > 0)
            exponent -= 1
            i += 1
            if digits > _DIGITS or exponent < 10 * _LEAST:
                return mantissa, exponent, int64(-1), False
        if i == point + 1:
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
def _digits_of(mantissa: Int64) -> Int64:
    n = int64(0)
    while n < 19 and mantissa >= _POWERS[n]:
        n += 1
    return n


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
