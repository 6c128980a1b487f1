"""Random waves to train on: other seeds, shapes and paths than the RedNote scenario has.

Talk drives flows: posts appear, readers buy some time later, holders sell later still, and a pool of
constant product turns the net flow into a price. So attention leads the price, loosely, and when it
fades the sellers prevail. On top come a noise that grows with activity, pullbacks, talk that only
echoes the price, coins that are pushed, washed, shilled, or that nothing happens to. The whole is
synthetic, and no path is taken from a coin that lived.

    >>> first = next(iter(wave(1)))
    >>> first.log_start_ms is not None
    True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from detectors.columns import Columns
from schemas.platforms import N_PLATFORMS
from schemas.records import Record
from streams.scenario.coin_info import token_info
from streams.scenario.crowd import Crowd, sample_posts
from streams.scenario.emit import Tape, columns, records
from streams.scenario.grammar import pool_of_texts
from streams.scenario.market import Market, sample_trades
from streams.scenario.mint import synthetic_token
from streams.scenario.rows import F8, I8, Grid, Posts, Trades, join, smooth, take, wander
from streams.scenario.wave_kinds import Life, draw_kind, draw_life, log_uniform, talk_shape

STEP_MS: Final = 10_000
HOUR_MS: Final = 3_600_000
N_TEXTS: Final = 3_000
HEARTBEAT_EVERY_MS: Final = 60_000
_SEED: Final = 0x60_1D  # keeps these draws apart from the scenario's
_EPOCH_MS: Final = 1_609_459_200_000  # 2021-01-01
_SIX_YEARS_H: Final = 52_560


def wave(seed: int) -> Iterator[Record]:
    """One training log: a few coins over one to two days, in the order of log time."""
    return records(_tape(seed), HEARTBEAT_EVERY_MS)


def wave_columns(seed: int) -> tuple[Columns, list[tuple[I8, F8]]]:
    """The same log as the engine's columns, and the executed prices of each token in ``tokens``.

    The columns are those of ``wave(seed)``, heartbeats left out, sorted by log time; the prices
    (``ts_event_ms`` i8[k], US dollars f8[k]) are sorted by time and are what a label is made from.
    The log begins where ``wave_log_start_ms`` says.
    """
    tape = _tape(seed)
    trades = tape.trades
    prices = []
    for number in range(len(tape.tokens)):
        own = take(trades, trades.token == number)
        prices.append((own.ts_event_ms, own.price))
    return columns(tape), prices


def wave_log_start_ms(seed: int) -> int:
    """When the log of a wave starts: baselines count from it."""
    return _grid(np.random.default_rng([_SEED, seed])).start_ms


def _tape(seed: int) -> Tape:
    rng = np.random.default_rng([_SEED, seed])
    grid = _grid(rng)
    tokens, posts, trades, infos = [], [], [], []
    for number in range(int(rng.integers(3, 8))):
        token = synthetic_token(f"wave {seed} coin {number}")
        life = draw_life(rng, draw_kind(rng))
        onset_h = float(rng.uniform(3.0, 18.0))
        created_ms = grid.start_ms + int((onset_h - life.age_h) * HOUR_MS)
        coin_posts, coin_trades = _coin(rng, grid, number, life, onset_h, created_ms)
        tokens.append(token)
        posts.append(coin_posts)
        trades.append(coin_trades)
        if rng.random() < 0.9:
            told_ms = max(grid.start_ms, created_ms + int(rng.exponential(8_000.0)))
            infos.append(
                token_info(f"w{seed}.", token, f"W{number}", "", created_ms, life.supply, told_ms)
            )
    all_posts, all_trades = join(posts), join(trades)
    return Tape(
        tag=f"w{seed}.",
        tokens=tuple(tokens),
        texts=_texts(),
        posts=all_posts,
        trades=all_trades,
        others=tuple(infos),
        named=True,
        log_start_ms=grid.start_ms,
        log_end_ms=grid.end_ms + HOUR_MS,
    )


def _grid(rng: np.random.Generator) -> Grid:
    start_ms = _EPOCH_MS + int(rng.integers(0, _SIX_YEARS_H)) * HOUR_MS
    return Grid(start_ms, STEP_MS, int(rng.integers(30, 49)) * HOUR_MS // STEP_MS)


@lru_cache(maxsize=1)
def _texts() -> tuple[str, ...]:
    return tuple(pool_of_texts(_SEED, N_TEXTS))


def pasted_texts() -> tuple[str, ...]:
    """The posts that bots of the waves copy from each other."""
    return _texts()[:3]


def _coin(
    rng: np.random.Generator, grid: Grid, number: int, life: Life, onset_h: float, created_ms: int
) -> tuple[Posts, Trades]:
    hours = (np.arange(grid.n) + 0.5) * STEP_MS / HOUR_MS
    alive = (hours * HOUR_MS + grid.start_ms >= created_ms).astype(np.float64)
    talk = _talk(rng, hours, onset_h, life)
    buys = smooth(talk, life.buy_lag_s * 1_000 / STEP_MS)
    sells = smooth(buys, min(life.hold_h * HOUR_MS / STEP_MS, grid.n / 4))
    log_price = _log_price(rng, life, buys, sells, alive)
    up = np.maximum(np.diff(log_price), 0.0)
    moves = smooth(np.abs(np.diff(log_price)), 12.0)
    per_cell = STEP_MS / HOUR_MS
    day = 1.0 + 0.4 * np.sin(2 * np.pi * (hours / 24.0 + rng.random()))
    flow = _unit(buys + sells) + 0.3 * _unit(talk) + 0.3 * _unit(moves)
    orders = life.orders * flow / 1.6 + life.quiet_orders * per_cell * day
    orders *= np.exp(wander(rng, grid.n, log_uniform(rng, 6, 200), rng.uniform(0.2, 0.9)))
    echo = smooth(up, log_uniform(rng, 6.0, 60.0))
    posts = life.posts * (talk + life.echo * _unit(echo)) / (1.0 + life.echo)
    posts += life.quiet_posts * per_cell * day
    market = Market(
        token=number,
        liquidity_usd=max(life.market_cap_usd * life.liquidity_share, 800.0),
        size_usd=log_uniform(rng, 15.0, 250.0),
        size_sigma=float(rng.uniform(1.0, 2.0)),
        fresh=life.fresh_traders,
        rush=float(rng.uniform(0.0, 0.3)),
        noise=log_uniform(rng, 0.0005, 0.01),
    )
    crowd = _crowd(rng, number, life)
    base = np.log(life.market_cap_usd / life.supply)
    return (
        sample_posts(rng, grid, crowd, posts * alive),
        sample_trades(rng, grid, market, base + log_price, orders * alive),
    )


def _talk(rng: np.random.Generator, hours: F8, onset_h: float, life: Life) -> F8:
    total = talk_shape(rng, hours, onset_h, life)
    for _ in range(int(rng.choice([0, 0, 0, 1, 2]))):
        again = onset_h + life.rise_h * rng.uniform(0.5, 6.0)
        total = total + rng.uniform(0.1, 1.2) * talk_shape(
            rng, hours, again, replace(life, rise_h=life.rise_h * log_uniform(rng, 0.3, 2.0))
        )
    jagged = np.exp(wander(rng, len(hours), log_uniform(rng, 4, 120), rng.uniform(0.2, 0.9)))
    return _unit(total * jagged)


def _log_price(rng: np.random.Generator, life: Life, buys: F8, sells: F8, alive: F8) -> F8:
    """Natural logarithm of price over first price at the cells' borders, f8[n + 1]."""
    net = np.concatenate([[0.0], np.cumsum(buys - life.exits * sells)])
    top = float(net.max())
    share = net / top if top > 0.0 else net
    reserve = 1.0 + (np.sqrt(life.multiple) - 1.0) * share
    flow = 2.0 * np.log(np.maximum(reserve, 0.12))
    activity = _unit(buys + sells)
    level = np.sqrt(smooth(activity, 30.0) / max(float(activity.max()), 1e-12))
    vol = life.quiet_vol + life.wave_vol * np.clip(level, 0.0, 1.0)
    shocks = rng.standard_t(4, len(buys)) * vol * np.sqrt(STEP_MS / HOUR_MS / 2.0) * alive
    path: F8 = flow + np.concatenate([[0.0], np.cumsum(shocks)])
    path -= _pullbacks(rng, activity) + _rug(rng, life, activity)
    return path


def _pullbacks(rng: np.random.Generator, activity: F8) -> F8:
    out = np.zeros(len(activity) + 1)
    cells = np.arange(len(out))
    if activity.sum() <= 0.0:
        return out
    for at in rng.choice(len(activity), int(rng.poisson(2.5)), p=activity):
        fall, back = log_uniform(rng, 3, 60), log_uniform(rng, 30, 1_500)
        since = np.maximum(cells - at, 0.0)
        out += rng.uniform(0.05, 0.6) * (1 - np.exp(-since / fall)) * np.exp(-since / back)
    return out


def _rug(rng: np.random.Generator, life: Life, activity: F8) -> F8:
    """Empty the pool at a stroke, in some young coins."""
    out = np.zeros(len(activity) + 1)
    chance = {"launch": 0.3, "shill": 0.3, "pump": 0.1}.get(life.kind, 0.03)
    if rng.random() < chance and activity.sum() > 0.0:
        out[int(rng.choice(len(activity), p=activity)) + 1 :] = rng.uniform(1.5, 4.0)
    return out


def _crowd(rng: np.random.Generator, number: int, life: Life) -> Crowd:
    weights = rng.dirichlet(np.full(N_PLATFORMS, 0.5)) + 1e-6
    lags_s = rng.exponential(log_uniform(rng, 5.0, 3_600.0 * min(life.rise_h, 1.0)), N_PLATFORMS)
    lags_s[int(rng.choice(N_PLATFORMS, p=weights / weights.sum()))] = 0.0
    polled = rng.random(N_PLATFORMS) < 0.25
    return Crowd(
        token=number,
        weights=weights,
        texts=(0, N_TEXTS),
        lags_s=lags_s,
        delay_s=np.where(polled, log_uniform(rng, 2.0, 180.0), 0.0),
        fresh=float(rng.uniform(0.3, 0.95)),
        copies=life.copies,
        reach=log_uniform(rng, 50.0, 3_000.0),
        stragglers=float(rng.choice([0.0, 0.005, 0.03])),
    )


def _unit(x: F8) -> F8:
    total = float(x.sum())
    return x / total if total > 0.0 else x
