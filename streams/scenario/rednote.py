"""The RedNote wave of January 2025, re-enacted: every record of nine days, in log order.

It passes through what was published (``anchors``); the path between the anchors, every post, trade,
author and address is synthetic. Three ordinary days, the wave, two ordinary days; MOMO asleep since
October 2024, three launches and their copycats, forty-odd other coins, and a great deal of talk that
names none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from schemas.platforms import N_PLATFORMS, platform_number
from schemas.records import Gauge, Record, TokenInfo
from streams.scenario.anchors import (
    DAY_MS,
    GAUGES,
    HOUR_MS,
    LOG_END_MS,
    LOG_START_MS,
    STORIES,
    CoinStory,
    at_ms,
)
from streams.scenario.attention import orders_of, talk_of
from streams.scenario.background import ordinary_life
from streams.scenario.coin_info import token_info
from streams.scenario.coins import ALL, COPYCATS, OTHERS, WAVE, Coin
from streams.scenario.crowd import Crowd, sample_posts
from streams.scenario.emit import Tape, records
from streams.scenario.judge import PricePath
from streams.scenario.market import Market, sample_trades, significant
from streams.scenario.paths import through
from streams.scenario.rows import F8, Grid, Posts, Trades, join, take
from streams.scenario.talk import chatter_texts, coin_texts
from streams.scenario.variation import Shape, Variation

STEP_MS: Final = 30_000
HEARTBEAT_EVERY_MS: Final = 60_000
LOOK_UP_EVERY_MS: Final = 6 * HOUR_MS
GAUGE_EVERY_MS: Final = 30 * 60_000
_SEED: Final = 0x4ED


def rednote(variation: Variation | None = None) -> Iterator[Record]:
    """The scenario's records in the order of their log time, heartbeats first and last.

    >>> first = next(rednote())
    >>> first.log_start_ms == LOG_START_MS
    True
    """
    return records(tape_of(variation or Variation()), HEARTBEAT_EVERY_MS)


def true_prices(tape: Tape) -> dict[str, PricePath]:
    """Executed prices of every coin by token id, in the order of time."""
    out = {}
    for number, token in enumerate(tape.tokens):
        own = take(tape.trades, tape.trades.token == number)
        if len(own):
            out[token] = PricePath(own.ts_event_ms, own.price)
    return out


def wave_symbols() -> dict[str, str]:
    """Token id to symbol of the wave's coins, the strongest first."""
    return {coin.token: coin.symbol for coin in WAVE}


class _Maker:
    """Collects one telling's parts."""

    def __init__(self, variation: Variation) -> None:
        self.v = variation
        self.grid = Grid(LOG_START_MS, STEP_MS, (LOG_END_MS - LOG_START_MS) // STEP_MS)
        self.texts: list[str] = []
        self.posts: list[Posts] = []
        self.trades: list[Trades] = []
        self.infos: list[TokenInfo] = []

    def rng(self, *part: int) -> np.random.Generator:
        """Random numbers of one part, so that no part disturbs another."""
        return np.random.default_rng([_SEED, self.v.seed, *part])

    def add_texts(self, texts: list[str]) -> tuple[int, int]:
        first = len(self.texts)
        self.texts += texts
        return first, len(self.texts)

    def add_info(self, coin: Coin, created_ms: int) -> None:
        """A directory that looks the coin up when it appears, and every few hours from then on."""
        told_ms = max(LOG_START_MS, created_ms + 4_000)
        about = ("r.", coin.token, coin.symbol, coin.name, created_ms, coin.supply)
        for look, ts in enumerate(range(told_ms, LOG_END_MS, LOOK_UP_EVERY_MS)):
            self.infos.append(token_info(*about, ts + len(self.infos) % 97 * (look > 0), look))

    def crowd(self, rng: np.random.Generator, number: int, texts: tuple[int, int]) -> Crowd:
        """A crowd that gathers on the leading platform first."""
        lead = platform_number(self.v.leading_platform)
        weights = rng.dirichlet(np.array([4.0, 3.0, 0.8, 0.5, 1.5, 3.0, 0.2, 0.2])) + 1e-9
        weights[lead] += 0.6
        lags_s = rng.uniform(180.0, 2_700.0, N_PLATFORMS)
        lags_s[lead] = 0.0
        return Crowd(
            token=number,
            weights=weights,
            texts=texts,
            lags_s=lags_s,
            fresh=float(rng.uniform(0.65, 0.85)),
            copies=float(rng.uniform(0.08, 0.25)),
        )


def tape_of(variation: Variation) -> Tape:
    """All the scenario's columns, not yet in order."""
    made = _Maker(variation)
    for number, story in enumerate(STORIES):
        _tell(made, number, story)
    for i, coin in enumerate(COPYCATS):
        _copycat(made, len(WAVE) + i, coin)
    for i, coin in enumerate(OTHERS):
        rng = made.rng(3, i)
        made.add_info(coin, LOG_START_MS - int(rng.uniform(20, 900) * DAY_MS))
        texts = made.add_texts(coin_texts(rng, coin, 80))
        number = len(WAVE) + len(COPYCATS) + i
        posts, trades = ordinary_life(rng, made.grid, number, texts, variation.volume_divisor)
        made.posts.append(posts)
        made.trades.append(trades)
    _chatter(made)
    return Tape(
        tag="r.",
        tokens=tuple(coin.token for coin in ALL),
        texts=tuple(made.texts),
        posts=_observed_late(join(made.posts), variation.delay_s),
        trades=join(made.trades),
        others=(*made.infos, *_gauges(made.rng(5))),
        named=False,
        log_start_ms=LOG_START_MS,
        log_end_ms=LOG_END_MS + HOUR_MS,
    )


def _tell(made: _Maker, number: int, story: CoinStory) -> None:
    """One coin of the wave, along its anchors."""
    rng, coin, grid = made.rng(1, number), WAVE[number], made.grid
    anchors = [
        (a.ts_ms + int(rng.uniform(-1, 1) * a.jitter_h * HOUR_MS), a.price_usd)
        for a in story.anchors
    ]
    start_ms = anchors[0][0]
    cap = float(np.exp(rng.uniform(*np.log(story.start_cap_usd))))
    anchors[0] = (start_ms, cap / coin.supply)
    created_ms = start_ms if coin.created_ms is None else coin.created_ms
    asleep = coin.created_ms is not None
    roughness = float(rng.uniform(0.12, 0.24))
    log_price = through(rng, grid, anchors, made.v.shape, roughness=roughness)
    peak_ms = anchors[story.peak][0]
    talk = talk_of(rng, grid, log_price, start_ms, peak_ms)
    orders = orders_of(rng, grid, log_price, talk, start_ms)
    quiet = np.where(grid.midpoints_ms() >= created_ms, 1.0, 0.0) * STEP_MS / HOUR_MS
    posts_rate = story.posts * talk / talk.sum() + quiet * 0.06
    if not asleep:
        posts_rate = np.where(quiet > 0.0, posts_rate, 0.0)
    orders_rate = story.orders * orders / orders.sum() + quiet * 0.8
    market = Market(
        token=number,
        liquidity_usd=cap * (0.12 if asleep else 0.35),
        size_usd=float(rng.uniform(50, 110)),
        fresh=float(rng.uniform(0.7, 0.85)),
        rush=float(rng.uniform(0.06, 0.16)),
    )
    made.add_info(coin, created_ms)
    crowd = made.crowd(rng, number, made.add_texts(coin_texts(rng, coin, 2_000)))
    trades = sample_trades(rng, grid, market, log_price, orders_rate / made.v.volume_divisor)
    made.posts.append(sample_posts(rng, grid, crowd, posts_rate / made.v.volume_divisor))
    made.trades.append(_topped(trades, anchors[story.peak][1]))


def _copycat(made: _Maker, number: int, coin: Coin) -> None:
    """A launch that borrows a name, is bought for an hour or so, and dies."""
    rng, grid = made.rng(2, number), made.grid
    start_ms = at_ms(14, 10.0) + int(rng.uniform(0, 48) * HOUR_MS)
    rise_h, cap = float(rng.uniform(0.15, 1.5)), float(rng.uniform(6e3, 1.5e4))
    top = cap * float(rng.uniform(1.5, 5.0))
    anchors = [
        (start_ms, cap / coin.supply),
        (start_ms + int(rise_h * HOUR_MS), top / coin.supply),
        (start_ms + int((rise_h + rng.uniform(0.5, 4.0)) * HOUR_MS), 0.35 * cap / coin.supply),
        (LOG_END_MS, 0.25 * cap / coin.supply),
    ]
    shapes: tuple[Shape, ...] = ("early", "steady")
    log_price = through(rng, grid, anchors, shapes[int(rng.integers(0, 2))], roughness=0.2)
    hours = (grid.midpoints_ms() - start_ms) / HOUR_MS
    swell = np.where(hours > 0, np.exp(-np.maximum(hours - rise_h, 0.0) / (1.2 * rise_h)), 0.0)
    swell = swell * np.clip(hours / (0.3 * rise_h), 0.2, 1.0)
    tail: F8 = np.where(hours > 0, np.exp(-np.maximum(hours, 0.0) / 20.0), 0.0) * STEP_MS / HOUR_MS
    market = Market(number, liquidity_usd=0.5 * cap, size_usd=40.0, fresh=0.5, rush=0.2)
    made.add_info(coin, start_ms)
    crowd = made.crowd(rng, number, made.add_texts(coin_texts(rng, coin, 300)))
    posts = rng.uniform(60, 350) * swell / swell.sum() + 0.5 * tail
    orders = rng.uniform(400, 1_500) * swell / swell.sum() + 3.0 * tail
    made.posts.append(sample_posts(rng, grid, crowd, posts / made.v.volume_divisor))
    trades = sample_trades(rng, grid, market, log_price, orders / made.v.volume_divisor)
    made.trades.append(_topped(trades, top / coin.supply))


def _chatter(made: _Maker) -> None:
    """Talk that names no coin: the narrative's own, and what goes on at any time."""
    day = (made.grid.midpoints_ms() - LOG_START_MS) / DAY_MS + 11.0
    tide = 1.0 + 0.5 * np.sin(2 * np.pi * (day + 0.2))
    swell = np.interp(
        day, [11, 12, 12.8, 13.5, 15, 16.2, 18, 20], [0.01, 0.03, 0.3, 0.8, 1, 1, 0.5, 0.25]
    )
    rates = {
        "refugees": 36_000 * swell / swell.sum(),
        "who is momo": 4_000 * (0.25 + swell) / (0.25 + swell).sum(),
        "other crypto": np.full(made.grid.n, 6_000 / made.grid.n),
    }
    for i, (subject, rate) in enumerate(rates.items()):
        rng = made.rng(4, i)
        texts = made.add_texts(chatter_texts(rng, subject, 1_500))
        weights = np.array([3.0, 0.6, 0.3, 1.0, 3.0, 4.0, 0.2, 0.2])
        crowd = Crowd(token=-1, weights=weights, texts=texts, fresh=0.9, reach=600.0)
        made.posts.append(sample_posts(rng, made.grid, crowd, rate * tide / made.v.volume_divisor))


def _gauges(rng: np.random.Generator) -> Iterator[Gauge]:
    for (name, platform, cumulative), points in GAUGES.items():
        times, values = zip(*points, strict=True)
        for i, ts in enumerate(range(LOG_START_MS + 1_000, LOG_END_MS, GAUGE_EVERY_MS)):
            value = float(np.interp(ts, times, values))
            yield Gauge(
                id=f"r.g.{name}.{i}",
                ts_event_ms=ts,
                narrative="RedNote",
                name=name,
                value=float(np.rint(value)),
                cumulative=cumulative,
                platform=platform,
                ts_log_ms=ts + int(rng.integers(200, 1_500)),
            )


def _observed_late(posts: Posts, delay_s: int) -> Posts:
    """Posts as a poll sees them, that long after they were written."""
    late_ms = delay_s * 1_000
    return replace(
        posts, ts_event_ms=posts.ts_event_ms + late_ms, ts_log_ms=posts.ts_log_ms + late_ms
    )


def _topped(trades: Trades, price: float) -> Trades:
    """The highest fill is the published peak: none beats it, and one reaches it."""
    peak = float(significant(np.array([price]))[0])
    capped = np.minimum(trades.price, peak)
    if len(capped):
        capped[capped.argmax()] = peak
    return replace(trades, price=capped)
