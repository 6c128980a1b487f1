"""Trades that fit a price path: sizes, sides, traders, orders of many fills, a pool's liquidity.

The path says where the price goes; the trades are drawn around it. A pool of constant product holds
``Q`` dollars at a price proportional to ``Q**2``, so the net flow of each cell follows from the
path, and with it the share of buyers: more buyers than sellers on the way up, fewer on the way down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.scenario.rows import F8, I8, Grid, Trades

TRADERS_PER_TOKEN: Final = 10_000_000
N_BOTS: Final = 200
"""Traders that turn up in every coin: snipers and arbitrageurs."""


@dataclass(frozen=True)
class Market:
    """How one coin trades.

    Parameters
    ----------
    token : the coin's number.
    liquidity_usd : both sides of the pool at the path's first price.
    size_usd : median trade.
    size_sigma : deviation of the logarithm of trade sizes.
    fresh : how fast new traders turn up; 1 is nearly all new, 0 a fixed handful.
    rush : share of buy orders that are filled in several parts at once.
    noise : deviation of the log price between one fill and the next.
    """

    token: int
    liquidity_usd: float
    size_usd: float = 60.0
    size_sigma: float = 1.5
    fresh: float = 0.6
    rush: float = 0.08
    noise: float = 0.002


def sample_trades(
    rng: np.random.Generator, grid: Grid, market: Market, log_price: F8, orders: F8
) -> Trades:
    """Draw the fills of one coin, in order of their time.

    ``log_price`` f8[n + 1] is the natural logarithm of the price at the cells' borders;
    ``orders`` f8[n] the orders to expect in each cell.
    """
    n_orders = rng.poisson(np.maximum(orders, 0.0) * rng.gamma(2.0, 0.5, grid.n))
    cell = np.repeat(np.arange(grid.n), n_orders)
    within = rng.random(len(cell))
    by_time = np.argsort(cell + within, kind="stable")
    cell, within = cell[by_time], within[by_time]
    path = log_price[cell] * (1.0 - within) + log_price[cell + 1] * within
    pool = 0.5 * market.liquidity_usd * np.exp(0.5 * (path - log_price[0]))
    size = market.size_usd * np.exp(market.size_sigma * rng.standard_normal(len(cell)))
    size = np.clip(size, 0.05, np.maximum(0.08 * pool, 5.0))
    sell = rng.random(len(cell)) > _buy_share(grid, market, log_price, orders)[cell]
    trader = _traders(rng, market, len(cell))
    parts = np.where(
        (rng.random(len(cell)) < market.rush) & ~sell, 1 + rng.geometric(0.55, len(cell)), 1
    )
    row = np.repeat(np.arange(len(cell)), parts)
    first = np.cumsum(parts) - parts
    part = np.arange(len(row)) - first[row]
    slip = 0.003 + 0.5 * size[row] / np.maximum(pool[row], 1.0) * (1.0 + part) / parts[row]
    toward = np.where(sell[row], -1.0, 1.0) * np.minimum(slip, 0.06)
    price = np.exp(path[row] + toward + market.noise * rng.standard_normal(len(row)))
    ts = grid.start_ms + ((cell + within) * grid.step_ms).astype(np.int64)[row]
    arrival = 350.0 * np.exp(0.5 * rng.standard_normal(len(row)))
    return Trades(
        token=np.full(len(row), market.token, np.int64),
        side=sell[row].astype(np.int64),
        ts_event_ms=ts,
        ts_log_ms=ts + arrival.astype(np.int64),
        order=np.arange(len(row), dtype=np.int64),
        trader=trader[row],
        price=significant(price),
        value=np.maximum(np.rint(size[row] / parts[row] * 100.0), 1.0) / 100.0,
        liquidity=np.rint(2.0 * pool[row]),
    )


def decimal_parts(price: F8) -> tuple[I8, I8]:
    """Six significant digits of positive prices: mantissas and powers of ten.

    >>> decimal_parts(np.array([0.00150000004]))
    (array([150000]), array([-8]))
    """
    exponent = np.floor(np.log10(price)).astype(np.int64) - 5
    mantissa = np.rint(price / 10.0**exponent).astype(np.int64)
    return mantissa, exponent


def significant(price: F8) -> F8:
    """Positive prices rounded to six significant digits, each the float its text reads as.

    >>> significant(np.array([0.000123456789])).tolist()
    [0.000123457]
    """
    mantissa, exponent = decimal_parts(price)
    down = 10.0 ** np.maximum(-exponent, 0)
    up = 10.0 ** np.maximum(exponent, 0)
    out: F8 = mantissa / down * up
    return out


def _buy_share(grid: Grid, market: Market, log_price: F8, orders: F8) -> F8:
    pool = 0.5 * market.liquidity_usd * np.exp(0.5 * (log_price - log_price[0]))
    mean_size = market.size_usd * np.exp(0.5 * market.size_sigma**2)
    mean_size = np.minimum(mean_size, 0.03 * pool[:-1] + 5.0)
    gross = np.maximum(orders * mean_size, 1e-9)
    width = max(60_000 // grid.step_ms, 1)
    kernel = np.ones(width) / width
    net = np.convolve(np.diff(pool), kernel, "same")
    gross = np.convolve(gross, kernel, "same")
    out: F8 = np.clip(0.5 + 0.5 * net / gross, 0.12, 0.88)
    return out


def _traders(rng: np.random.Generator, market: Market, n: int) -> I8:
    met = 6.0 + market.fresh * np.arange(n) ** (0.55 + 0.42 * market.fresh)
    who = (met * rng.random(n) ** 1.3).astype(np.int64)
    own = N_BOTS + market.token * TRADERS_PER_TOKEN + who
    bot = rng.random(n) < 0.06 * market.fresh
    return np.where(bot, rng.integers(0, N_BOTS, n), own)
