"""An episode's life: candidate, update, fading, closed, and the rest before the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.layout import FEATURES, POST_FEATURES
from schemas.records import Alert
from tests.helpers.bench import Bench, kinds
from tests.helpers.logs import SETTINGS, T0, TOKENS
from tests.helpers.models import stumps

QUARTER = 900.0
HOUR_S = 3_600.0


def opened(bench: Bench, n: int = 10, price: float = 1) -> None:
    """Two bars of a crowd in a row: a candidate at the end of the second."""
    bench.crowd(0, n, price)
    bench.crowd(5, n, price, who="b")
    assert kinds(bench.run(13)) == ["candidate"]


def test_one_bar_is_no_candidate_and_a_pause_starts_the_count_anew() -> None:
    bench = Bench()
    bench.crowd(0)
    bench.crowd(65)  # longer ago than a window
    assert bench.run(75) == []
    bench.crowd(70)
    assert kinds(bench.run(85)) == ["candidate"]


def test_a_bar_below_the_threshold_starts_the_count_anew() -> None:
    bench = Bench(settings=replace(SETTINGS, candidate_bars=3))
    bench.crowd(0)
    bench.post(60, "a")  # the crowd has left the window, few are hot: three of it
    bench.post(60, "b")
    bench.post(60, "c")
    bench.crowd(65)
    bench.crowd(70)
    assert bench.run(80) == []
    bench.crowd(75)
    assert kinds(bench.run(85)) == ["candidate"]


@pytest.mark.parametrize(
    "changes",
    [{"min_authors_15m": 11}, {"min_traders_15m": 11}],
)
def test_no_crowd_no_candidate(changes: dict[str, int]) -> None:
    bench = Bench(settings=replace(SETTINGS, **changes))
    for at in (0, 5, 10):
        bench.crowd(at)  # the same ten people
    assert bench.run(20) == []


def test_copies_of_one_text_are_one_voice() -> None:
    bench = Bench()
    for at in (0, 5, 10):
        for k in range(10):
            bench.post(at, f"a{k}", text="buy this coin now or cry")
            bench.trade(at, f"t{k}")
    assert bench.run(20) == []


def test_talk_without_any_price_opens_nothing() -> None:
    bench = Bench(settings=replace(SETTINGS, min_traders_15m=0))
    for at in (0, 5, 10):
        for k in range(10):
            bench.post(at + k / 10, f"a{k}")
    assert bench.run(20) == []
    bench.trade(15, "t", "0.5")
    for k in range(10):
        bench.post(16, f"b{k}")
        bench.post(21, f"c{k}")
    assert kinds(bench.run(28)) == ["candidate"]


@pytest.mark.parametrize(("late", "expected"), [(20, ["candidate"]), (21, [])])
def test_more_late_than_timely_records_open_nothing(late: int, expected: list[str]) -> None:
    bench = Bench(settings=replace(SETTINGS, candidate_bars=1))
    bench.crowd(5)
    for k in range(late):
        bench.post(5 + k / 100, f"late{k}", delay_ms=4_000)  # in the bar of 7 s by the log
    alerts = bench.run(13)
    assert kinds(alerts) == expected
    assert all(alert.late_share == 0.5 for alert in alerts)


def test_an_update_tells_of_a_doubled_price_once() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(16, "x", 1.99)
    assert bench.run(23) == []
    bench.trade(26, "x", 2)
    (update,) = bench.run(33)
    assert update.kind == "update"
    assert update.sequence == 1
    assert update.price_share_of_peak == 1.0
    bench.trade(36, "x", 3.9)
    assert bench.run(43) == []


def test_an_update_tells_of_a_higher_logit() -> None:
    bench = Bench(settings=replace(SETTINGS, update_step_logit_micro=1_000_000))
    for minute in range(10):  # a baseline, so that z-scores are known
        bench.trade(60 * minute, "t")
    bench.crowd(650, 7)
    bench.crowd(655, 1, who="b")
    alerts = bench.run(660)
    for k in range(200):
        bench.post(660 + k / 100, f"more{k}")  # an open episode is scored as a minute begins
        bench.trade(660 + k / 100, f"more{k % 7}")
    alerts += bench.run(670)
    assert kinds(alerts) == ["candidate", "update"]
    assert alerts[1].logit_micro - alerts[0].logit_micro == 1_250_000


def test_a_crowd_that_leaves_a_falling_price_fades_then_closes() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(16, "x", 0.9)
    assert bench.run(QUARTER - 10) == []  # all of it is within the last 15 minutes yet
    fading, closed = bench.run(QUARTER + 120)
    assert (fading.kind, closed.kind) == ("fading", "closed")
    assert fading.price_share_of_peak == 0.9
    assert fading.attention_share_of_peak is not None
    assert fading.attention_share_of_peak <= 0.6
    assert closed.ts_bar_end_ms == fading.ts_bar_end_ms + 5_000
    assert bench.engine.open_episodes == 0


def test_a_crowd_that_leaves_a_price_that_holds_does_not_fade() -> None:
    bench = Bench()
    opened(bench)
    assert bench.run(QUARTER + 120) == []
    assert bench.engine.open_episodes == 1


@pytest.mark.parametrize("patience", [0.2, 10.0])
def test_a_coin_that_nobody_trades_or_names_any_more_fades_though_its_price_stands(
    patience: float,
) -> None:
    bench = Bench(settings=replace(SETTINGS, fading_patience=patience))
    opened(bench)
    bench.trade(500, "x", 1.5)  # the highest price, and the last
    if patience > 1:  # times a rise of 99 bars: it may be a pause
        assert bench.run(500 + HOUR_S + 60) == []
    fading, closed = bench.run(500 + max(HOUR_S, patience * 495) + 60)
    assert (fading.kind, closed.kind) == ("fading", "closed")
    assert (fading.price_share_of_peak, fading.attention_share_of_peak) == (1.0, 0.0)
    assert (fading.ts_bar_end_ms - closed.ts_bar_end_ms) == -5_000
    assert fading.ts_bar_end_ms - T0 >= 1000 * (500 + HOUR_S)
    assert bench.engine.open_episodes == 0


def test_one_voice_keeps_a_price_that_stands_from_fading() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(500, "x", 1.5)
    for at in range(600, 3 * 3_600, 600):
        bench.post(at, "still here")
    assert bench.run(3 * 3_600) == []


def test_attention_follows_authors_where_they_are_many() -> None:
    bench = Bench()
    opened(bench, 40)
    bench.trade(16, "x", 0.9)
    for at in range(20, 1_200, 20):  # traders stay, and trade
        for k in range(40):
            bench.trade(at + k / 40, f"t{k}", 0.9)
    alerts = bench.run(1_200)
    fading = next(alert for alert in alerts if alert.kind == "fading")
    assert fading.attention_share_of_peak is not None
    assert fading.attention_share_of_peak <= 0.6
    assert fading.traders_60s > 30


def test_without_traders_attention_is_not_judged() -> None:
    bench = Bench(settings=replace(SETTINGS, min_traders_15m=0))
    bench.trade(0, "x", 1)
    for at in (1_200, 1_205):
        for k in range(10):
            bench.post(at, f"a{at}{k}")
    alerts = bench.run(1_215)
    bench.trade(1_208, "x", 0.9, delay_ms=8_000)  # late: its price counts, its trader does not
    alerts += bench.run(2_400)
    assert kinds(alerts) == ["candidate"]
    assert alerts[0].attention_share_of_peak is None


def test_patience_is_a_share_of_the_rise() -> None:
    bench = Bench(settings=replace(SETTINGS, fading_patience=0.5, rug_drawdown=0.99))
    opened(bench)
    bench.trade(300, "x", 1.5)  # a rise of 59 bars: 30 of patience
    bench.trade(306, "x", 1.0)
    alerts = bench.run(1_050)
    fading = next(alert for alert in alerts if alert.kind == "fading")
    assert fading.ts_bar_end_ms - fading.ts_episode_start_ms > 300_000


def test_patience_holds_a_fading_back_though_the_crowd_has_left() -> None:
    bench = Bench(settings=replace(SETTINGS, fading_patience=10.0))
    opened(bench)
    bench.trade(300, "x", 1.5)
    bench.trade(306, "x", 1.0)
    assert bench.run(2_000) == []


def test_a_broken_price_fades_at_once_and_the_episode_closes_by_time() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(16, "x", 0.39)
    alerts = bench.run(200)
    assert kinds(alerts) == ["fading", "closed"]
    bars = [(alert.ts_bar_end_ms - alerts[0].ts_bar_end_ms) // 5_000 for alert in alerts]
    assert bars == [0, SETTINGS.closed_bars]
    assert [alert.sequence for alert in alerts] == [1, 2]
    assert len({alert.ts_episode_start_ms for alert in alerts}) == 1


def test_a_price_that_recovers_opens_the_fading_episode_again() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(16, "x", 0.39)
    assert kinds(bench.run(33)) == ["fading"]
    bench.trade(36, "x", 2.5)
    assert kinds(bench.run(43)) == ["update"]
    assert bench.engine.open_episodes == 1


def test_no_new_episode_before_the_token_has_rested() -> None:
    bench = Bench()
    opened(bench)
    bench.trade(16, "x", 0.39)
    *_, closed = bench.run(140)
    assert closed.kind == "closed"
    end_s = (closed.ts_bar_end_ms - closed.ts_episode_start_ms) // 1000 + 5
    for bar in range(1, 20):
        bench.crowd(end_s + 5 * bar, who=str(bar))
    again = bench.run(end_s + 120)
    candidates = [alert for alert in again if alert.kind == "candidate"]
    assert len(candidates) == 1
    assert candidates[0].sequence == 0
    rest = (candidates[0].ts_bar_end_ms - closed.ts_bar_end_ms) // 5_000 - SETTINGS.refractory_bars
    assert 1 <= rest <= SETTINGS.candidate_bars


def test_episodes_of_many_tokens_do_not_touch_each_other() -> None:
    bench = Bench()
    for token in TOKENS:
        bench.crowd(0, token=token)
        bench.crowd(5, token=token, who="b")
    alerts = bench.run(13)
    assert [alert.token for alert in alerts] == sorted(TOKENS)
    bench.trade(16, "x", 0.3, TOKENS[2])
    assert [(a.kind, a.token) for a in bench.run(40)] == [("fading", TOKENS[2])]
    assert bench.engine.open_episodes == len(TOKENS)


@pytest.mark.parametrize(
    ("price", "limit", "expected"),
    [("0.51", 0.5, ["candidate"]), ("0.5", 0.5, []), ("0.1", 1.0, ["candidate"])],
)
def test_no_episode_opens_on_a_coin_that_has_just_collapsed(
    price: str, limit: float, expected: list[str]
) -> None:
    bench = Bench(settings=replace(SETTINGS, opening_drawdown=limit))
    bench.trade(0, "t", 1)
    for at in (65, 70):
        bench.crowd(at, price=price)
    assert kinds(bench.run(80)) == expected


def test_a_collapse_is_forgotten_after_fifteen_minutes() -> None:
    bench = Bench(settings=replace(SETTINGS, opening_drawdown=0.5))
    bench.trade(0, "t", 1)
    bench.trade(65, "t", "0.1")
    for at in (990, 995):
        bench.crowd(at, price="0.1")
    assert kinds(bench.run(1_005)) == ["candidate"]


def test_a_log_without_posts_is_asked_for_no_authors() -> None:
    def told(*, mentions: bool) -> list[Alert]:
        model = stumps(("trades_60s", 6.0, -0.5, 1.5), ("mentions_60s", 0.0, -0.25, 9.0))
        bench = Bench(replace(SETTINGS, mentions=mentions), model)
        for at in (5, 10):
            for k in range(10):
                bench.trade(at + k / 10, f"t{k}")
        return bench.run(20)

    assert told(mentions=True) == []
    (alert,) = told(mentions=False)
    assert alert.kind == "candidate"
    values = {reason.feature: reason.value for reason in alert.reasons}
    assert values == {"trades_60s": 20.0, "mentions_60s": None}


def test_what_posts_would_tell_is_unknown_without_any() -> None:
    bench = Bench(settings=replace(SETTINGS, mentions=False), options={"scores": "all"})
    for at in (5, 10):
        bench.crowd(at)
    bench.run(20)
    scores = [each.scores for each in bench.outputs if each.scores is not None]
    features = np.concatenate([each.features for each in scores])
    assert len(features)
    posts = [FEATURES[k] for k in POST_FEATURES]
    assert {"mentions_60s", "authors_15m", "z_authors", "copy_share"} <= set(posts)
    assert not any("trade" in name or "volume" in name for name in posts)
    assert np.isnan(features[:, list(POST_FEATURES)]).all()
    assert not np.isnan(features[:, FEATURES.index("trades_60s")]).any()
