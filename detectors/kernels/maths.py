"""Arithmetic with the same bits everywhere: only + - * / and sqrt, integers in and out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, jit, nth
from detectors.kernels.lanes import ones
from detectors.layout import LINEAR_COUNTING

Y_MAX = 1 << 24  # keeps 96 squares times 96 below 2**62
Y_UNIT = 1024.0
_Y_ZERO = 1254  # floor(2048 * sqrt(3/8) + 0.5)
VOLUME_UNIT = 50_000_000.0  # micro-USD: a 50-dollar trade counts as one event
MONEY_MAX = 1 << 56  # micro-USD a bucket: keeps the sums over a window below 2**63


def _stabilise(events: float) -> Int64:
    """Variance-stabilised count, less its value at zero, in 1/1024.

    ``2 sqrt(n + 3/8)``: its deviation is 1 for a Poisson count (Anscombe 1948, Biometrika 35).

    >>> int(stabilise(0.0)), int(stabilise(1.0)), int(stabilise(100.0))
    (0, 1147, 19264)
    """
    y = math.floor(2048.0 * math.sqrt(events + 0.375) + 0.5) - _Y_ZERO
    return np.int64(min(y, Y_MAX))


stabilise = jit(_stabilise)
SMALL = 512
_SMALL_Y = np.array([_stabilise(float(n)) for n in range(SMALL)], np.int64)


@jit
def stabilise_count(events: Int64) -> Int64:
    """``stabilise`` of a whole number, from a table where it is small.

    >>> int(stabilise_count(100)) == int(stabilise(100.0))
    True
    """
    if events < SMALL:
        return _SMALL_Y[nth(events)]
    return stabilise(float(events))


@jit
def stabilise_net(buys: Int64, sells: Int64) -> Int64:
    """Signed stabilised difference of two amounts in micro-USD.

    >>> int(stabilise_net(100_000_000, 0)), int(stabilise_net(0, 100_000_000))
    (1902, -1902)
    """
    if buys >= sells:
        return stabilise(float(buys - sells) / VOLUME_UNIT)
    return -stabilise(float(sells - buys) / VOLUME_UNIT)


@jit
def zscore(y: Int64, n: Int64, total: Int64, dev: float) -> float:
    """Score of y against n values of a given sum, by their ``deviation``; units are 1/1024.

    ``(y - m) / sqrt(s**2 + floor**2)``, with m and s (population) of the baseline: one post in a
    silent hour is no burst. n is at least 1.
    """
    return float(y * n - total) / float(n) / dev


@jit
def deviation(n: Int64, total: Int64, squares: Int64, floor: float) -> float:
    """The divisor of ``zscore``: deviation of n values by their exact sums, and its floor."""
    var = float(n * squares - total * total) / float(n * n)
    return math.sqrt(var + floor * floor)


@jit
def distinct(bits: NDArray[Any]) -> Int64:
    """Estimated distinct values behind one 256-bit set: exact for a handful."""
    return LINEAR_COUNTING[nth(ones(bits))]
