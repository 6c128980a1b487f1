"""Records of one millisecond in the order of their content."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, int64, jit

BLOCK: Final = 16
"""Rows that are sorted by insertion, which is quickest for few; more are merged from such blocks."""


@jit
def before(x: Record, kx: Int64, y: Record, ky: Int64) -> bool:
    """Whether record x comes before y of the same time; kx, ky are their tokens' hashes."""
    if kx != ky:
        return kx < ky
    if x["kind"] != y["kind"]:
        return x["kind"] < y["kind"]
    if x["t"] != y["t"]:
        return x["t"] < y["t"]
    if x["order"] != y["order"]:
        return x["order"] < y["order"]
    if x["id"] != y["id"]:
        return x["id"] < y["id"]
    if x["who"] != y["who"]:
        return x["who"] < y["who"]
    if x["a"] != y["a"]:
        return x["a"] < y["a"]
    if x["b"] != y["b"]:
        return x["b"] < y["b"]
    if x["c"] != y["c"]:
        return x["c"] < y["c"]
    return x["aux"] < y["aux"]


@jit
def settle_ties(
    due: NDArray[Any],
    keys: NDArray[Any],
    m: Int64,
    shift: Int64,
    hashes: NDArray[Any],
    spare: NDArray[Any],
) -> None:
    """Order records of one millisecond by content, never by arrival. keys are sorted by time.

    Whole-second stamps make thousands of such records, and what comes after an outage is all taken
    at the end of a bar: a run costs n log n. ``spare`` is as long as keys and lent for the time.
    """
    mask = (np.int64(1) << shift) - 1
    j = 1
    while j < m:
        lo = j - 1
        j += 1
        if keys[lo] >> shift != keys[lo + 1] >> shift:
            continue
        while j < m and keys[j] >> shift == keys[lo] >> shift:
            j += 1
        for block in range(lo, j, BLOCK):
            _insert(due, keys, block, min(block + BLOCK, j), mask, hashes)
        width = int64(BLOCK)
        while width < j - lo:
            for left in range(lo, j, 2 * width):
                middle = min(left + width, j)
                _merge(due, keys, left, middle, min(middle + width, j), mask, hashes, spare)
            width *= 2
        j += 1


@jit
def _insert(
    due: NDArray[Any],
    keys: NDArray[Any],
    lo: Int64,
    hi: Int64,
    mask: Int64,
    hashes: NDArray[Any],
) -> None:
    """Sort rows lo to hi by insertion; equal records stay as they are."""
    for p in range(lo + 1, hi):
        key = keys[p]
        x = due[key & mask]
        kx = hashes[x["slot"]]
        q = p
        while q > lo:
            y = due[keys[q - 1] & mask]
            if not before(x, kx, y, hashes[y["slot"]]):
                break
            keys[q] = keys[q - 1]
            q -= 1
        keys[q] = key


@jit
def _merge(
    due: NDArray[Any],
    keys: NDArray[Any],
    lo: Int64,
    middle: Int64,
    hi: Int64,
    mask: Int64,
    hashes: NDArray[Any],
    spare: NDArray[Any],
) -> None:
    """Merge the sorted rows lo to middle and middle to hi; of equal records the left comes first."""
    for p in range(lo, middle):
        spare[p] = keys[p]
    left, right, at = lo, middle, lo
    while left < middle and right < hi:
        x, y = due[keys[right] & mask], due[spare[left] & mask]
        if before(x, hashes[x["slot"]], y, hashes[y["slot"]]):
            keys[at] = keys[right]
            right += 1
        else:
            keys[at] = spare[left]
            left += 1
        at += 1
    for p in range(left, middle):  # what is left of the right lies where it belongs
        keys[at] = spare[p]
        at += 1
