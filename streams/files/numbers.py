"""Prices and money of whole columns: the very integers of ``detectors``, many at once.

What floats can prove is done on arrays; the few values they cannot go through the exact decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.price import micro_usd, pack_price

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
_POWERS: Final = np.array([10.0**k for k in range(23)])
"""Powers of ten that a double holds exactly."""


def pack_prices(prices: F8) -> I8:
    """Packed prices of positive finite doubles, equal to ``pack_price`` of each.

    >>> pack_prices(np.array([0.0015, 1e9, 0.1 + 0.2])).tolist() == [
    ...     pack_price(0.0015),
    ...     pack_price(1e9),
    ...     pack_price(0.1 + 0.2),
    ... ]
    True
    """
    mantissa = np.zeros(len(prices), np.int64)
    exponent = np.zeros(len(prices), np.int64)
    if not len(prices):
        return mantissa
    magnitude = np.floor(np.log10(prices)).astype(np.int64)  # a hint: never trusted
    left = np.arange(len(prices))
    # m / 10**k is rounded once, so equality proves that m * 10**-k, of at most 15 digits, is the
    # decimal this double stands for: no two decimals of 15 digits share a double.
    for digits in (6, 9, 12, 15):
        x, k = prices[left], np.clip(digits - 1 - magnitude[left], 0, 22)
        m = np.rint(x * _POWERS[k])
        proven = (m / _POWERS[k] == x) & (m < 1e15)
        mantissa[left[proven]] = m[proven].astype(np.int64)
        exponent[left[proven]] = -k[proven]
        left = left[~proven]
        if not len(left):
            break
    # More digits than 15: round. The product is off by 0.18 at most, so a fraction under a quarter
    # rounds as the exact decimal does.
    x, k = prices[left], 14 - magnitude[left]
    y = x * _POWERS[np.clip(k, 0, 22)]
    m = np.rint(y)
    near = (k >= 0) & (k <= 22) & (y >= 1e14) & (m < 1e15) & (np.abs(y - m) < 0.25)
    mantissa[left[near]] = m[near].astype(np.int64)
    exponent[left[near]] = -k[near]
    for zeros in (8, 4, 2, 1):
        ends = mantissa % 10**zeros == 0
        mantissa[ends] //= 10**zeros
        exponent[ends] += zeros
    packed = mantissa * 256 + exponent + 128
    for i in left[~near].tolist():
        packed[i] = pack_price(float(prices[i]))
    return packed


def micro_usds(values: F8) -> I8:
    """Millionths of a US dollar of finite doubles, equal to ``micro_usd`` of each.

    >>> micro_usds(np.array([12.5, 0.1 + 0.2, 1e12])).tolist()
    [12500000, 300000, 1000000000000000000]
    """
    y = values * 1e6
    m = np.rint(y)
    # As above: the product is off by 0.18 at most while it stays under 1e15.
    near = (np.abs(y) < 1e15) & (np.abs(y - m) < 0.3)
    out = np.where(near, m, 0.0).astype(np.int64)
    for i in np.flatnonzero(~near).tolist():
        out[i] = micro_usd(float(values[i]), "value_usd")
    return out


def are_plain(values: Sequence[object]) -> bool:
    """Whether all are floats, or integers a double holds: so that arrays may do the work.

    >>> are_plain([1.5, 3]), are_plain(["0.1"]), are_plain([2**60])
    (True, False, False)
    """
    return all(
        type(value) is float or (type(value) is int and -(2**53) <= value <= 2**53)
        for value in values
    )
