"""Labels: what came of a score, from prices that could be had after it was known."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, jit

UNKNOWN, NO, YES = -1, 0, 1
DAY_MS: Final = 86_400_000


@jit
def first_touch(
    ts_ms: NDArray[Any],
    price: NDArray[Any],
    start: Int64,
    entry: float,
    up: float,
    down: float,
    until_ms: Int64,
) -> Int64:
    """Walk prices from ``start``: YES at ``up`` times entry, NO at ``down`` times or ``until_ms``.

    UNKNOWN where the prices end before any of these.
    """
    for k in range(start, len(price)):
        if ts_ms[k] > until_ms:
            return NO
        if price[k] >= up * entry:
            return YES
        if price[k] <= down * entry:
            return NO
    return UNKNOWN


def barrier_labels(
    available_ms: NDArray[np.int64],
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    *,
    up: float = 3.0,
    down: float = 0.5,
    horizon_ms: int = DAY_MS,
    end_ms: int | None = None,
) -> NDArray[np.int8]:
    """Label each instant: whether the price reaches ``up`` times before ``down`` times, in time.

    Parameters
    ----------
    available_ms : shape (M,), when each score could be known.
    ts_ms, price : shape (K,), executed prices of the token, by time; entry is the first one after
        the instant.
    end_ms : end of the log: no price touched by then and the horizon still open is unknown (-1).

    Returns
    -------
    shape (M,): 1 yes, 0 no, -1 unknown (no price to enter at, or the log ends too early).

    Examples
    --------
    >>> ts = np.array([10, 20, 30])
    >>> price = np.array([1.0, 3.0, 1.0])
    >>> barrier_labels(np.array([5, 15, 25, 35]), ts, price, horizon_ms=100, end_ms=1_000)
    array([ 1,  0,  0, -1], dtype=int8)

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 3: triple barriers.
    """
    out = np.full(len(available_ms), UNKNOWN, np.int8)
    entries = np.searchsorted(ts_ms, available_ms, "right")
    last_ms = int(ts_ms[-1]) if end_ms is None and len(ts_ms) else end_ms or 0
    for i, at in enumerate(entries.tolist()):
        if at == len(price):
            continue
        until = int(available_ms[i]) + horizon_ms
        label = first_touch(ts_ms, price, at, price[at], up, down, until)
        out[i] = NO if label == UNKNOWN and until <= last_ms else label
    return out
