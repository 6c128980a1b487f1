"""Records of one millisecond come in the order of their content, few or many."""

from __future__ import annotations

import numba
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.kernels.ties import BLOCK, settle_ties
from detectors.layout import REC

CONTENT = ("kind", "t", "order", "id", "who", "a", "b", "c", "aux")
SHIFT = 40


def rows_of(n: int, seed: int, values: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Records whose every field is one of a few values, so that many agree in most, and hashes."""
    rng = np.random.default_rng(seed)
    pend = np.zeros(n, REC)
    for name in ("slot", *CONTENT):
        pend[name] = rng.integers(0, values, n)
    return pend, rng.permutation(values).astype(np.int64) - values // 2


def settled(
    pend: NDArray[np.void], hashes: NDArray[np.int64], times: NDArray[np.int64]
) -> list[int]:
    keys = np.sort((times << SHIFT) | np.arange(len(pend)))
    settle_ties(pend, keys, len(pend), SHIFT, hashes, np.empty_like(keys))
    return (keys & ((1 << SHIFT) - 1)).tolist()


def in_order(
    pend: NDArray[np.void], hashes: NDArray[np.int64], times: NDArray[np.int64]
) -> list[int]:
    by = [pend[name] for name in reversed(CONTENT)]
    return np.lexsort((*by, hashes[pend["slot"]], times)).tolist()  # stable, as it must be


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(0, 6 * BLOCK),
    seed=st.integers(0, 2**32 - 1),
    values=st.integers(1, 4),
    instants=st.integers(1, 4),
)
@example(n=2 * BLOCK, seed=1, values=3, instants=1)
@example(n=4 * BLOCK + 1, seed=2, values=2, instants=1)
def test_ties_are_settled_by_content(n: int, seed: int, values: int, instants: int) -> None:
    pend, hashes = rows_of(n, seed, values)
    times = np.random.default_rng(seed).integers(0, instants, n)
    assert settled(pend, hashes, times) == in_order(pend, hashes, times)


def test_a_million_records_of_one_millisecond_are_sorted() -> None:
    n = 1_000 if numba.config.DISABLE_JIT else 1_000_000  # hours, where each costs what there are
    pend, hashes = rows_of(n, 3, 200)
    times = np.zeros(n, np.int64)
    assert settled(pend, hashes, times) == in_order(pend, hashes, times)
