"""How much a coin is talked about, and traded, along a price path that was given.

The crowd gathers before the price has moved: talk goes with how high the price will stand a while
later and how fast it will rise by then; it thins out around the top, while holders still hope. On
top come the echo of price jumps, and noise.
"""

from __future__ import annotations

import numpy as np

from streams.scenario.rows import F8, Grid, smooth, wander


def talk_of(rng: np.random.Generator, grid: Grid, log_price: F8, start_ms: int, peak_ms: int) -> F8:
    """Relative intensity of the talk of one coin, f8[n], 1 at its highest; 0 before the start."""
    hour = 3_600_000 / grid.step_ms
    lead = int(rng.uniform(0.08, 0.7) * hour)
    ahead = np.concatenate([log_price[lead:], np.full(lead, log_price[-1])])
    calm = smooth(ahead - ahead[0], 0.4 * hour) + ahead[0]
    slope = np.maximum(np.diff(calm), 0.0) * hour  # nats an hour
    level = np.exp(rng.uniform(0.35, 0.6) * (calm[:-1] - log_price.max()))
    hours = (grid.midpoints_ms() - start_ms) / 3_600_000
    turn_h = (peak_ms - start_ms) / 3_600_000 + rng.uniform(-1.5, 0.5)
    fade = np.exp(-np.maximum(hours - turn_h, 0.0) / rng.uniform(3.0, 7.0))
    tail = 0.02 * np.exp(-np.maximum(hours - turn_h, 0.0) / 40.0)
    talk = level * (0.3 + np.minimum(slope, 2.0)) * fade + tail * level
    jump = smooth(np.maximum(np.diff(log_price), 0.0), 0.05 * hour)
    talk = talk * (1.0 + 3.0 * np.minimum(jump / max(float(jump.max()), 1e-12), 1.0))
    talk *= np.exp(wander(rng, grid.n, 0.1 * hour, 0.45) + wander(rng, grid.n, 0.9 * hour, 0.3))
    onset = np.clip((hours + lead / hour * rng.uniform(0.3, 1.0)) / 0.4, 0.0, 1.0)
    return _to_one(talk * onset)


def orders_of(rng: np.random.Generator, grid: Grid, log_price: F8, talk: F8, start_ms: int) -> F8:
    """Relative intensity of a coin's orders, f8[n], 1 at its highest; 0 before the start.

    Readers trade some minutes after the talk, moves bring traders of their own, and a fallen
    coin is still traded by those who hold it.
    """
    hour = 3_600_000 / grid.step_ms
    late = smooth(talk, rng.uniform(0.05, 0.3) * hour)
    moves = smooth(np.abs(np.diff(log_price)), 0.1 * hour)
    height = np.exp(0.5 * (log_price[:-1] - log_price.max()))
    orders = 0.7 * late + 0.3 * _to_one(moves * height) + 0.05 * height
    orders *= np.exp(wander(rng, grid.n, 0.15 * hour, 0.5))
    return _to_one(np.where(grid.midpoints_ms() >= start_ms, orders, 0.0))


def _to_one(x: F8) -> F8:
    top = float(x.max())
    return x / top if top > 0.0 else x
