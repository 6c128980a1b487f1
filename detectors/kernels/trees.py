"""Boosted trees as flat arrays, evaluated in order: the same bits as scikit-learn's own sum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.grown import lines
from detectors.jit import Int64, jit, nth
from detectors.layout import LINE

DEPTH = 5
INNER = (1 << DEPTH) - 1
LEAVES = 1 << DEPTH
TOP_DEPTH = 3
TOP = (1 << TOP_DEPTH) - 1
TWIG = (1 << (DEPTH - TOP_DEPTH)) - 1
TWIG_LINE = np.dtype([("thr", "f8", TWIG), ("leaf", "f8", TWIG + 1), ("place", "u1", LINE // 8)])
TREE = np.dtype([("thr", "f8", TOP), ("place", "u1", LINE // 8), ("twigs", TWIG_LINE, TOP + 1)])
"""A tree in cache lines: its first three levels are one, the two below each of their ends another. A path
touches two lines so, where rows of thresholds, places and leaves would make it seven."""


def pack_trees(
    place: NDArray[np.uint8], thr: NDArray[np.float64], leaf: NDArray[np.float64]
) -> NDArray[np.void]:
    """Perfect trees, root first, as ``TREE``; shapes (T, 31), (T, 31), (T, 32).

    >>> leaf = np.arange(64.0).reshape(2, 32)
    >>> trees = pack_trees(np.zeros((2, 31), np.uint8), np.zeros((2, 31)), leaf)
    >>> trees["twigs"]["leaf"][1, 7].tolist()
    [60.0, 61.0, 62.0, 63.0]
    """
    n, ends = len(thr), TOP + 1
    trees = lines(n, TREE)
    twigs = trees["twigs"]
    for name, nodes in (("thr", thr), ("place", place)):
        trees[name][:, :TOP] = nodes[:, :TOP]
        twigs[name][:, :, 0] = nodes[:, TOP : TOP + ends]
        twigs[name][:, :, 1:TWIG] = nodes[:, TOP + ends :].reshape(n, ends, TWIG - 1)
    twigs["leaf"] = leaf.reshape(n, ends, TWIG + 1)
    return trees


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
def descend(values: NDArray[Any], place: NDArray[Any], thr: NDArray[Any], levels: Int64) -> Int64:
    """Which end of so many levels of nodes, from the left, the values lead to."""
    j = np.int64(0)
    for _ in range(levels):
        at = nth(j)
        j = 2 * j + 1 + np.int64(not values[place[at]] <= thr[at])
    return j + 1 - (1 << levels)


@jit
def margin(f: NDArray[Any], trees: NDArray[Any], base: float) -> float:
    """Sum of ``trees`` (of ``TREE``) for one feature vector, in tree order.

    ``place`` is where in ``twice(f)`` a node looks. Unknown (NaN) goes where training sent it.
    """
    values = twice(f)
    total = base
    for t in range(trees.shape[0]):
        tree = trees[t]
        twig = tree["twigs"][nth(descend(values, tree["place"], tree["thr"], TOP_DEPTH))]
        total += twig["leaf"][nth(descend(values, twig["place"], twig["thr"], DEPTH - TOP_DEPTH))]
    return total


@jit
def logit_micro(f: NDArray[Any], trees: NDArray[Any], base: float) -> Int64:
    """The margin in millionths of a logit, rounded: an integer before any threshold."""
    total = margin(f, trees, base)
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
