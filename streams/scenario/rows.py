"""Posts and trades as columns, and the time grid they are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """``n`` cells of ``step_ms`` from ``start_ms``: cell i is [start + i step, start + (i+1) step).

    >>> Grid(1_000, 500, 3).end_ms, Grid(1_000, 500, 3).cell(2_100)
    (2500, 2)
    """

    start_ms: int
    step_ms: int
    n: int

    @property
    def end_ms(self) -> int:
        """The first instant after the last cell."""
        return self.start_ms + self.n * self.step_ms

    def cell(self, ts_ms: int) -> int:
        """Number of the cell an instant lies in, held within the grid."""
        return min(max((ts_ms - self.start_ms) // self.step_ms, 0), self.n - 1)

    def hours(self, ts_ms: int) -> float:
        """Hours from the grid's start to an instant."""
        return (ts_ms - self.start_ms) / 3_600_000

    def midpoints_ms(self) -> I8:
        """Middle of each cell, int64[n]."""
        return self.start_ms + self.step_ms * np.arange(self.n) + self.step_ms // 2


@dataclass(frozen=True)
class Posts:
    """Posts, one a row. ``token`` is the coin's number or -1 where the post names none.

    ``author`` numbers are per platform; ``text`` indexes the scenario's table of texts. Where a
    platform is polled, ``ts_event_ms`` is the time of observation and ``ts_post_ms`` the post's
    own; they are equal elsewhere.
    """

    token: I8
    platform: I8
    ts_event_ms: I8
    ts_post_ms: I8
    ts_log_ms: I8
    author: I8
    text: I8
    reach: I8

    def __len__(self) -> int:
        return len(self.token)


@dataclass(frozen=True)
class Trades:
    """Fills, one a row: price in US dollars (6 significant digits), value in cents' precision.

    ``order`` counts the fills of a token, as a block and log index would.
    """

    token: I8
    side: I8
    ts_event_ms: I8
    ts_log_ms: I8
    order: I8
    trader: I8
    price: F8
    value: F8
    liquidity: F8

    def __len__(self) -> int:
        return len(self.token)


T = TypeVar("T", Posts, Trades)


def join(parts: Sequence[T]) -> T:
    """One table of many of the same kind (at least one), in the order given."""
    kind = type(parts[0])
    return kind(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)}
    )


def take(table: T, rows: NDArray[np.int64] | NDArray[np.bool_]) -> T:
    """The same table with some rows."""
    kind = type(table)
    return kind(**{f.name: getattr(table, f.name)[rows] for f in fields(kind)})


def smooth(x: F8, mean_cells: float) -> F8:
    """Past values blended with weights that fall off with their age: a causal response.

    The weights are those of a gamma law of shape 2 and mean ``mean_cells``, and sum to 1.

    >>> y = smooth(np.eye(1, 50)[0], 4.0)
    >>> bool(y.sum() > 0.99), int(y.argmax()) in (1, 2, 3)
    (True, True)
    """
    lag = np.arange(min(len(x), int(10 * mean_cells) + 2))
    weight = (lag + 0.5) * np.exp(-2.0 * lag / max(mean_cells, 0.25))
    weight /= weight.sum()
    size = 1 << (len(x) + len(lag)).bit_length()
    full = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(weight, size), size)
    out: F8 = full[: len(x)]
    return np.maximum(out, 0.0) if x.min(initial=0.0) >= 0.0 else out


def wander(rng: np.random.Generator, n: int, mean_cells: float, deviation: float) -> F8:
    """A noise of zero mean that forgets itself within about ``mean_cells``, f8[n]."""
    warm = int(4 * mean_cells) + 8
    raw = smooth(rng.standard_normal(n + warm), mean_cells)[warm:]
    scale = float(raw.std())
    out: F8 = raw * (deviation / scale if scale > 0 else 0.0)
    return out
