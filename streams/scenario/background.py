"""The rest of the market: coins that live on, with small bursts, spikes and slow trends.

None of them goes anywhere: a burst moves a price by some tens of percent and most of it comes back.
Volume spikes without talk, talk without trades, and listings that do both, so that false alarms are
possible.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.scenario.crowd import Crowd, sample_posts
from streams.scenario.market import Market, sample_trades
from streams.scenario.rows import F8, Grid, Posts, Trades, smooth, wander

_KINDS: Final = ("volume", "talk", "both", "both")


def ordinary_life(
    rng: np.random.Generator, grid: Grid, number: int, texts: tuple[int, int], divisor: float
) -> tuple[Posts, Trades]:
    """Posts and trades of one ordinary coin over the whole grid."""
    hour = 3_600_000 / grid.step_ms
    n = grid.n
    log_price = wander(rng, n + 1, rng.uniform(10, 60) * hour, rng.uniform(0.04, 0.22))
    log_price = log_price + wander(rng, n + 1, 0.4 * hour, rng.uniform(0.008, 0.03))
    per_hour = np.exp(rng.uniform(np.log([1.5, 0.4]), np.log([20.0, 7.0])))
    orders, posts = np.full(n, per_hour[0] / hour), np.full(n, per_hour[1] / hour)
    for _ in range(int(rng.poisson(4.0))):
        shape = _bump(rng, n, hour)
        kind = _KINDS[int(rng.integers(0, len(_KINDS)))]
        if kind != "talk":
            orders = orders + shape * rng.uniform(15, 160)
            move = smooth(shape / max(float(shape.max()), 1e-12), 0.3 * hour)
            log_price = log_price + np.append(move, move[-1]) * rng.uniform(-0.15, 0.3)
        if kind != "volume":
            posts = posts + shape * rng.uniform(8, 90)
    day = 1.0 + 0.45 * np.sin(2 * np.pi * (np.arange(n) / (24 * hour) + rng.random()))
    mood = np.exp(wander(rng, n, 1.5 * hour, 0.5))
    cap = float(np.exp(rng.uniform(np.log(2e5), np.log(4e7))))
    market = Market(
        token=number,
        liquidity_usd=cap * float(rng.uniform(0.04, 0.2)),
        size_usd=float(rng.uniform(20, 150)),
        fresh=float(rng.uniform(0.3, 0.7)),
    )
    crowd = Crowd(
        token=number,
        weights=rng.dirichlet(np.array([3.0, 2.5, 1.0, 0.6, 0.5, 0.4, 0.2, 0.2])) + 1e-9,
        texts=texts,
        fresh=float(rng.uniform(0.4, 0.8)),
        copies=float(rng.uniform(0.0, 0.3)),
    )
    return (
        sample_posts(rng, grid, crowd, posts * day * mood / divisor),
        sample_trades(
            rng, grid, market, np.log(cap / 1e9) + log_price, orders * day * mood / divisor
        ),
    )


def _bump(rng: np.random.Generator, n: int, hour: float) -> F8:
    """A short swell of unit sum: a sudden start and a slower end, minutes to hours long."""
    since = np.arange(n) - rng.uniform(0, n)
    rise, fall = np.exp(rng.uniform(np.log([0.03, 0.1]), np.log([0.8, 4.0]))) * hour
    shape = np.exp(np.where(since < 0, since / rise, -since / fall))
    out: F8 = shape / shape.sum()
    return out
