"""The RedNote scenario passes through what was published, and is the same each time."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from schemas.decode import decode_record, encode_record
from schemas.errors import UserError
from schemas.records import Gauge, Heartbeat, Mention, Record, Tick
from schemas.tokens import is_solana_address
from streams.scenario import anchors
from streams.scenario.anchors import DAY_MS, HOUR_MS, LOG_START_MS, ORDINARY, at_ms
from streams.scenario.coins import ALL, CAPTAIN_TU, MOMO, OTHERS, REDNOTE, WAVE, XIAOYA
from streams.scenario.emit import Tape
from streams.scenario.judge import PricePath
from streams.scenario.rednote import rednote, tape_of, true_prices, wave_symbols
from streams.scenario.variation import SHAPES, Variation, published_variations

VARIATIONS = (Variation(), *published_variations()[:4])


@lru_cache(maxsize=8)
def tape(variation: Variation) -> Tape:
    return tape_of(variation)


@lru_cache(maxsize=1)
def records() -> list[Record]:
    return list(rednote())


@lru_cache(maxsize=8)
def prices(variation: Variation) -> dict[str, PricePath]:
    return true_prices(tape(variation))


def path(variation: Variation, token: str) -> PricePath:
    return prices(variation)[token]


@pytest.mark.parametrize("variation", VARIATIONS, ids=str)
def test_momo_passes_the_published_anchors(variation: Variation) -> None:
    momo = path(variation, MOMO.token)
    cap = momo.price * MOMO.supply
    asleep = momo.ts_ms < at_ms(14, 4.6)
    assert 0 < asleep.sum() < 300
    assert ((cap[asleep] > 0.1e6) & (cap[asleep] < 0.5e6)).all()
    same_day = momo.ts_ms < at_ms(14, 16.0)  # 24:00 China Standard Time
    assert cap[same_day].max() > 12e6
    assert momo.peak()[1] == pytest.approx(0.015, rel=0.01)
    assert at_ms(14, 5.0) < momo.peak()[0] < at_ms(15, 12.0)
    days_later = (momo.ts_ms > at_ms(17, 10.0)) & (momo.ts_ms < at_ms(18, 0.0))
    assert 0.0019 < np.median(momo.price[days_later]) < 0.0036
    assert momo.price[-1] < 0.2 * momo.peak()[1]


@pytest.mark.parametrize("variation", VARIATIONS, ids=str)
def test_the_smaller_coins_reach_their_caps_and_fall(variation: Variation) -> None:
    tu, rednote_coin = path(variation, CAPTAIN_TU.token), path(variation, REDNOTE.token)
    assert tu.peak()[1] == pytest.approx(0.002, rel=0.02)
    assert tu.price[tu.ts_ms > at_ms(17, 10)].max() * CAPTAIN_TU.supply < 120_000
    assert rednote_coin.peak()[1] * REDNOTE.supply == pytest.approx(940_000, rel=0.02)
    assert path(variation, XIAOYA.token).peak()[0] > path(variation, MOMO.token).peak()[0] - DAY_MS
    for token in (CAPTAIN_TU.token, REDNOTE.token, XIAOYA.token):
        assert path(variation, token).ts_ms[0] > at_ms(14, 5.0)


@pytest.mark.parametrize("variation", VARIATIONS, ids=str)
def test_ordinary_days_carry_no_wave(variation: Variation) -> None:
    for coin in ALL:
        for start, end in ORDINARY:
            own = path(variation, coin.token)
            within = own.price[(own.ts_ms >= start) & (own.ts_ms < end)]
            hours = own.ts_ms[(own.ts_ms >= start) & (own.ts_ms < end)] // (6 * HOUR_MS)
            for block in np.unique(hours):
                part = within[hours == block]
                assert part.max() / part.min() < 3.0, coin.symbol


def test_talk_leads_the_price_and_thins_out_near_the_top() -> None:
    for variation in VARIATIONS:
        made, momo = tape(variation), path(variation, MOMO.token)
        posts = made.posts.ts_event_ms[made.posts.token == 0]
        half_way = momo.ts_ms[np.argmax(momo.price > 0.003)]
        assert ((posts > at_ms(14, 4)) & (posts < half_way)).sum() > 60
        peak_ms = momo.peak()[0]
        hourly = np.histogram(posts, np.arange(at_ms(14, 0), at_ms(17, 0), HOUR_MS))[0]
        loudest_ms = at_ms(14, 0) + (int(hourly.argmax()) + 1) * HOUR_MS
        assert loudest_ms < peak_ms + 4 * HOUR_MS
        later = ((posts > peak_ms + 12 * HOUR_MS) & (posts < peak_ms + 13 * HOUR_MS)).sum()
        assert later < 0.4 * hourly.max()


def test_records_come_in_log_order_between_heartbeats() -> None:
    made = records()
    assert 150_000 < len(made) < 400_000
    assert all((a.ts_log_ms or 0) <= (b.ts_log_ms or 0) for a, b in pairwise(made))
    first, last = made[0], made[-1]
    assert isinstance(first, Heartbeat)
    assert first.log_start_ms == LOG_START_MS
    assert isinstance(last, Heartbeat)
    assert len({r.id for r in made}) == len(made)
    kinds = Counter(type(r).__name__ for r in made)
    assert set(kinds) == {"Mention", "Tick", "TokenInfo", "Gauge", "Heartbeat"}


def test_records_survive_the_wire() -> None:
    for record in records()[150_000:153_000]:
        assert decode_record(encode_record(record)) == record


def test_a_variation_is_the_same_each_time_and_seeds_differ() -> None:
    small = Variation(seed=9, volume_divisor=40)
    first, again = (b"".join(map(encode_record, rednote(small))) for _ in range(2))
    assert first == again
    assert b"".join(map(encode_record, rednote(Variation(seed=10, volume_divisor=40)))) != first


def test_gauges_pass_their_published_readings() -> None:
    gauges = [r for r in records() if isinstance(r, Gauge)]
    ranks = {r.ts_event_ms: r.value for r in gauges if r.name == "appstore_rank_us_free"}
    assert ranks[min(t for t in ranks if t >= at_ms(13, 9))] == 1
    views = [r.value for r in gauges if r.name == "tiktokrefugee_views"]
    assert views == sorted(views)
    assert min(abs(v - 460e6) for v in views) < 5e6
    assert min(abs(v - 61e6) for v in views) < 5e6


def test_a_delay_moves_the_observation_and_keeps_the_posts_own_time() -> None:
    late = [r for r in rednote(Variation(delay_s=60, volume_divisor=40)) if isinstance(r, Mention)]
    assert len(late) > 1_000
    assert {r.ts_event_ms - (r.ts_post_ms or 0) for r in late} == {60_000}


def test_the_market_looks_like_one() -> None:
    ticks = [r for r in records() if isinstance(r, Tick) and r.token == MOMO.token]
    peak_ms = path(Variation(), MOMO.token).peak()[0]
    rise = [t for t in ticks if at_ms(14, 5) < t.ts_event_ms < peak_ms]
    fall = [t for t in ticks if t.ts_event_ms > peak_ms]
    share = [sum(t.side == "buy" for t in part) / len(part) for part in (rise, fall)]
    assert share[0] > share[1]
    assert share[0] > 0.52
    sizes = np.log([float(t.value_usd) for t in ticks])
    assert 1.0 < sizes.std() < 2.2
    assert len({t.trader_id for t in ticks}) > 0.1 * len(ticks)
    assert float(ticks[-1].liquidity_usd or 0) > 1_000
    same_moment = Counter((t.ts_event_ms, t.trader_id) for t in rise if t.side == "buy")
    assert sum(n > 1 for n in same_moment.values()) > 50


def test_published_variations_cover_every_choice() -> None:
    made = published_variations()
    assert len(set(made)) == 20
    assert {v.shape for v in made} == set(SHAPES)
    assert {v.volume_divisor for v in made} == {1, 3}
    assert len({v.leading_platform for v in made}) >= 4
    assert len({v.delay_s for v in made}) >= 4
    assert len({v.seed for v in made}) == 20


@pytest.mark.parametrize(
    ("field", "value"),
    [("shape", "zigzag"), ("leading_platform", "usenet"), ("delay_s", -1), ("volume_divisor", 0)],
)
def test_a_variation_that_makes_no_sense_says_what_to_write(field: str, value: object) -> None:
    with pytest.raises(UserError, match="write"):
        Variation(**{field: value})  # type: ignore[arg-type]


def test_addresses_are_valid_and_all_different() -> None:
    assert len({c.token for c in ALL}) == len(ALL) == 4 + 5 + len(OTHERS)
    assert all(is_solana_address(c.mint) for c in ALL)
    assert list(wave_symbols().values()) == [c.symbol for c in WAVE]


def test_every_published_anchor_is_marked() -> None:
    published = [a.price_usd for s in anchors.STORIES for a in s.anchors if a.published]
    assert {0.015, 0.003, 0.002, 0.000058, 0.00094} <= set(published)
    assert msgspec.json.encode(anchors.STORIES[0].symbol) == b'"MOMO"'
