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
def margin(
    f: NDArray[Any],
    feat: NDArray[Any],
    thr: NDArray[Any],
    missing_left: NDArray[Any],
    leaf: NDArray[Any],
    base: float,
) -> float:
    """Sum of perfect depth-5 trees for one feature vector, in tree order.

    ``feat``, ``thr``, ``missing_left`` have shape (trees, 31), ``leaf`` (trees, 32). Unknown
    (NaN) goes where training sent it.
    """
    total = base
    for t in range(feat.shape[0]):
        j = 0
        for _ in range(DEPTH):
            x = f[feat[t, j]]
            left = x <= thr[t, j] or (x != x and missing_left[t, j])
            j = 2 * j + (1 if left else 2)
        total += leaf[t, j - INNER]
    return total


@jit
def logit_micro(
    f: NDArray[Any],
    feat: NDArray[Any],
    thr: NDArray[Any],
    missing_left: NDArray[Any],
    leaf: NDArray[Any],
    base: float,
) -> Int64:
    """The margin in millionths of a logit, rounded: an integer before any threshold."""
    total = margin(f, feat, thr, missing_left, leaf, base)
    return np.int64(math.floor(total * 1.0e6 + 0.5))


@jit
def contributions(
    f: NDArray[Any],
    feat: NDArray[Any],
    thr: NDArray[Any],
    missing_left: NDArray[Any],
    expected: NDArray[Any],
) -> NDArray[Any]:
    """What each feature added along the trees' paths, in logits; ``expected`` is (trees, 63)."""
    out = np.zeros(len(f))
    for t in range(feat.shape[0]):
        j = 0
        for _ in range(DEPTH):
            k = feat[t, j]
            x = f[k]
            left = x <= thr[t, j] or (x != x and missing_left[t, j])
            child = 2 * j + (1 if left else 2)
            out[k] += expected[t, child] - expected[t, j]
            j = child
    return out
