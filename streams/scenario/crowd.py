"""Posts that fit an intensity: platforms, their lags, authors, copies, reach, delivery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from schemas.platforms import N_PLATFORMS
from streams.scenario.rows import F8, Grid, Posts

ARRIVAL_MS: Final = np.array([600, 250, 300, 900, 900, 800, 400, 800], np.float64)
"""Median time from a post to the log, by platform number."""


@dataclass(frozen=True)
class Crowd:
    """Who talks of one coin, where, and how.

    Parameters
    ----------
    token : the coin's number; -1 for talk that names none.
    weights : share of the talk by platform number, f8[8].
    lags_s : how much later than the intensity each platform talks, in seconds, f8[8].
    delay_s : posts are observed this much after they were written, as by polling, f8[8].
    fresh : how fast new authors turn up, 0 to 1.
    copies : share of posts that bots copy from each other.
    texts : first and last + 1 of the coin's rows in the table of texts.
    reach : median followers.
    stragglers : share of posts that reach the log more than two seconds late.
    """

    token: int
    weights: F8
    texts: tuple[int, int]
    lags_s: F8 = field(default_factory=lambda: np.zeros(N_PLATFORMS))
    delay_s: F8 = field(default_factory=lambda: np.zeros(N_PLATFORMS))
    fresh: float = 0.7
    copies: float = 0.05
    reach: float = 300.0
    stragglers: float = 0.01


def sample_posts(rng: np.random.Generator, grid: Grid, crowd: Crowd, rate: F8) -> Posts:
    """Draw posts, in order of the time they were written; ``rate`` f8[n] is posts to expect a cell.

    Posts that a lag carries past the grid's end are left out.
    """
    counts = rng.poisson(np.maximum(rate, 0.0) * rng.gamma(2.0, 0.5, grid.n))
    cell = np.repeat(np.arange(grid.n), counts)
    platform = rng.choice(N_PLATFORMS, len(cell), p=crowd.weights / crowd.weights.sum())
    at = (cell + rng.random(len(cell))) * grid.step_ms + crowd.lags_s[platform] * 1000.0
    by_time = np.argsort(at, kind="stable")
    by_time = by_time[at[by_time] < grid.n * grid.step_ms]
    platform, n = platform[by_time], len(by_time)
    ts_post = grid.start_ms + at[by_time].astype(np.int64)
    ts_event = ts_post + (crowd.delay_s[platform] * 1000.0).astype(np.int64)
    arrival = ARRIVAL_MS[platform] * np.exp(0.35 * rng.standard_normal(n))
    late = rng.random(n) < crowd.stragglers
    arrival = np.where(late, arrival + 2_000.0 * rng.random(n) ** -0.7, arrival)
    copied = rng.random(n) < crowd.copies
    met = 5.0 + crowd.fresh * np.arange(n) ** (0.6 + 0.38 * crowd.fresh)
    author = 40 + max(crowd.token + 1, 0) * 10_000_000 + (met * rng.random(n) ** 1.2).astype(int)
    first, end = crowd.texts
    text = first + (rng.random(n) * (end - first)).astype(np.int64)
    return Posts(
        token=np.full(n, crowd.token, np.int64),
        platform=platform.astype(np.int64),
        ts_event_ms=ts_event,
        ts_post_ms=ts_post,
        ts_log_ms=ts_event + np.minimum(arrival, 300_000.0).astype(np.int64),
        author=np.where(copied, rng.integers(0, 40, n), author).astype(np.int64),
        text=np.where(copied, first + rng.integers(0, min(3, end - first), n), text),
        reach=np.minimum(crowd.reach * np.exp(1.7 * rng.standard_normal(n)), 3e7).astype(np.int64),
    )
