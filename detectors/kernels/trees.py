"""Boosted trees as flat arrays, evaluated in order: the same bits as scikit-learn's own sum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, jit

DEPTH = 5
INNER = (1 << DEPTH) - 1
LEAVES = 1 << DEPTH


@jit
def twice(f: NDArray[Any]) -> NDArray[Any]:
    """Every feature for nodes that send an unknown right, then for those that send it left.

    An unknown (NaN) is at or below no threshold, minus infinity at or below any: one comparison
    tells where either node leads, without a branch that nobody could foretell.
    """
    out = np.empty(2 * f.shape[0])
    for k in range(f.shape[0]):
        x = f[k]
        out[2 * k] = x
        out[2 * k + 1] = -math.inf if x != x else x
    return out


@jit
def margin(
    f: NDArray[Any],
    place: NDArray[Any],
    thr: NDArray[Any],
    leaf: NDArray[Any],
    base: float,
) -> float:
    """Sum of perfect depth-5 trees for one feature vector, in tree order.

    ``place``, where in ``twice(f)`` each node looks, and ``thr`` have shape (trees, 31), ``leaf``
    (trees, 32). Unknown (NaN) goes where training sent it.
    """
    values = twice(f)
    total = base
    for t in range(place.shape[0]):
        j = np.int64(0)
        for _ in range(DEPTH):
            j = 2 * j + 1 + np.int64(not values[place[t, j]] <= thr[t, j])
        total += leaf[t, j - INNER]
    return total


@jit
def logit_micro(
    f: NDArray[Any],
    place: NDArray[Any],
    thr: NDArray[Any],
    leaf: NDArray[Any],
    base: float,
) -> Int64:
    """The margin in millionths of a logit, rounded: an integer before any threshold."""
    total = margin(f, place, thr, leaf, base)
    return np.int64(math.floor(total * 1.0e6 + 0.5))


@jit
def contributions(
    f: NDArray[Any],
    place: NDArray[Any],
    thr: NDArray[Any],
    expected: NDArray[Any],
) -> NDArray[Any]:
    """What each feature added along the trees' paths, in logits; ``expected`` is (trees, 63)."""
    values = twice(f)
    out = np.zeros(f.shape[0])
    for t in range(place.shape[0]):
        j = np.int64(0)
        for _ in range(DEPTH):
            at = place[t, j]
            child = 2 * j + 1 + np.int64(not values[at] <= thr[t, j])
            out[at >> 1] += expected[t, child] - expected[t, j]
            j = child
    return out
