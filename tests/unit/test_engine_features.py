"""Features by themselves: what one bar's records make of them, and what wakes the classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.kernels.explain import natural_mean
from detectors.layout import FEATURES
from detectors.settings import EngineSettings
from schemas.platforms import PLATFORMS
from tests.helpers.bench import Bench
from tests.helpers.logs import T0
from tests.helpers.models import stumps
from tests.helpers.wire import NEAR_TEXTS


def rows_of(bench: Bench) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bar ends in seconds after T0, and features."""
    found = [out.scores for out in bench.outputs if out.scores is not None]
    ends = np.concatenate([(row.ts_bar_end_ms - T0) // 1000 for row in found])
    return ends, np.concatenate([row.features for row in found])


def only(bench: Bench, until_s: float) -> dict[str, float]:
    """Features of the last scored bar."""
    bench.run(until_s)
    _, rows = rows_of(bench)
    return dict(zip(FEATURES, rows[-1].tolist(), strict=True))


def every() -> Bench:
    return Bench(options={"scores": "all"})


def test_fills_of_one_buyer_and_millisecond_are_a_rush() -> None:
    bench = every()
    for _ in range(3):
        bench.trade(0.5, "bot")
    bench.trade(0.5, "bot", side="sell")
    bench.trade(0.6, "bot")
    bench.trade(0.6, "other")
    f = only(bench, 10)
    assert f["rush_share"] == 3 / 6
    assert f["buy_share"] == 5 / 6
    assert f["trades_per_trader"] == 3


def test_copies_within_an_hour_are_told_and_their_authors_are_none() -> None:
    bench = every()
    for at, author, text in (
        (0, "a", "buy the golden dog"),
        (1, "b", "BUY the golden dog!!! $DOG"),
        (2, "c", "sell everything you have"),
        (3, "d", "lol"),  # too short to be a copy
        (4, "e", "lol"),
    ):
        bench.post(at, author, text=text)
    f = only(bench, 10)
    assert f["copy_share"] == 1 / 5
    assert f["authors_60s"] == 4
    bench.post(3_599, "f", text="buy the golden dog")
    assert only(bench, 3_610)["copy_share"] == 1
    bench.post(3_599 + 3_606, "g", text="buy the golden dog")
    assert only(bench, 7_300)["copy_share"] == 0


def told(*texts: str) -> float:
    """Share of copies among posts in a row."""
    bench = every()
    for k, text in enumerate(texts):
        bench.post(k / 10, f"a{k}", text=text)
    return only(bench, 10)["copy_share"]


def test_long_texts_with_a_word_changed_are_copies_and_short_ones_are_not() -> None:
    pasted = "volume is picking up fast and the whole feed talks about it"
    assert told(pasted, "Volume is picking up FAST, and my whole feed talks about it 🚀") == 1 / 2
    assert told(pasted, f"{pasted} lfg", f"gm {pasted}", f"{pasted} $MOMO 12") == 3 / 4
    assert (
        told(
            "成交量一下子起来了,回调有人接,已经翻了好几倍",
            "成交量一下子起来了,回调有人接,翻了好几倍",
        )
        == 1 / 2
    )
    assert told("buy the dip now", "buy the dip man", "buy this dip now") == 0
    assert told("buy the dip now", "BUY the dip... now", "bu y thedip now") == 2 / 3
    assert told(pasted, "holders keep climbing and someone big just bought, so early") == 0


def test_copies_of_copies_do_not_wander_off() -> None:
    assert told(*NEAR_TEXTS[:2]) == 1 / 2
    assert told(*NEAR_TEXTS[-2:]) == 1 / 2
    assert told(NEAR_TEXTS[0], NEAR_TEXTS[-1]) == 0
    first, second, third = NEAR_TEXTS[:3]
    assert told(second, third) == 1 / 2
    assert told(first, second, third) == 1 / 3, "what the second is a copy of stands, not itself"
    assert told(first, third, second) == 1 / 3


def test_a_shared_contract_address_makes_no_copies() -> None:
    mint = "2BZn3dwscTEFq2xfdoGcxM6KifMmY493oCYtaFBU6VSU"
    assert told(f"who else is in? {mint}", f"{mint} sending it", f"my friend sold {mint}") == 0
    assert told(mint, mint, f"{mint} 🚀") == 2 / 3


def test_platforms_reach_and_acceleration() -> None:
    bench = every()
    for k, platform in enumerate(["x", "x", "twitter", "telegram"]):
        bench.post(k, f"a{k}", platform=platform, reach=1_023)
    f = only(bench, 10)
    assert (f["platforms"], f["top_platform_share"]) == (2, 0.75)
    assert f["reach_per_mention_log2"] == 10
    assert f["mention_accel"] == 4 / 2  # (2 * recent - all) / sqrt(all)
    assert len(PLATFORMS) == 8


def test_ratios_without_a_denominator_are_unknown() -> None:
    bench = every()
    bench.post(0, "a")
    f = only(bench, 10)
    unknown = {"buy_share", "rush_share", "turnover", "trades_per_trader", "return_5m", "age_min"}
    assert all(np.isnan(f[name]) for name in unknown)
    bench = every()
    bench.trade(0, "t", liquidity_usd=1_000)
    f = only(bench, 10)
    assert f["turnover"] == 0.1
    assert all(np.isnan(f[name]) for name in ("copy_share", "platforms", "mention_accel"))


@pytest.mark.parametrize(("created_s", "age"), [(-600, 10), (60, 0), (-200_000, 1_440)])
def test_age_is_in_minutes_and_within_a_day(created_s: int, age: float) -> None:
    bench = every()
    bench.info(0, ts_created_ms=T0 + created_s * 1000)
    bench.post(1, "a")
    assert only(bench, 10)["age_min"] == age


CALM: dict[str, Any] = {"posts": 3, "trades": 3, "usd": 10}


@pytest.mark.parametrize(
    ("busier", "feature"),
    [
        ({"posts": 8}, "z_mentions_day"),
        ({"trades": 8, "usd": 4}, "z_trades_day"),
        ({"usd": 40}, "z_volume_day"),
    ],
)
def test_a_slow_swell_wakes_the_classifier_by_the_days_baseline(
    busier: dict[str, Any], feature: str
) -> None:
    told = {}
    for mode in ("gated", "alerts"):
        bench = Bench(
            replace(EngineSettings(), candidate_logit_micro=0, min_authors_15m=9),
            stumps((feature, 2.999, -9.0, 9.0)),
            options={"scores": mode},
        )
        for minute in range(180):
            now = CALM | (busier if minute >= 150 else {})
            for k in range(now["posts"]):
                bench.post(60 * minute + 60 * k / now["posts"], f"a{k}")
            for k in range(now["trades"]):
                at = 60 * minute + 60 * k / now["trades"]
                bench.trade(at, f"t{k}", value_usd=now["usd"])
        told[mode] = bench.run(10_800)
        if mode == "gated":
            ends, rows = rows_of(bench)
    # before any baseline everything is looked at, then nothing, then what swells
    assert not ((ends > 600) & (ends < 9_000)).any()
    swollen = rows[ends > 9_000]
    assert (swollen[:, FEATURES.index(feature)] >= 3).any()
    assert (swollen[:, :7] < 3).all()
    # without scores to write a cheaper gate stands before them: it hides nothing
    assert told["alerts"] == told["gated"]
    assert [alert.kind for alert in told["alerts"]] == ["candidate"]


@pytest.mark.parametrize("feature", ["z_authors", "z_traders"])
def test_as_much_as_ever_but_by_many_wakes_the_classifier(feature: str) -> None:
    told = {}
    for mode in ("gated", "alerts"):
        bench = Bench(
            replace(
                EngineSettings(), candidate_logit_micro=0, min_authors_15m=0, min_traders_15m=0
            ),
            stumps((feature, 2.999, -9.0, 9.0)),
            options={"scores": mode},
        )
        for k in range(15 * 16):
            crowd = k >= 15 * 15
            at = 4 * k
            bench.post(at, f"a{k}" if crowd and feature == "z_authors" else "a")
            bench.trade(at, f"t{k}" if crowd and feature == "z_traders" else "t")
        told[mode] = bench.run(970)
    assert told["alerts"] == told["gated"]
    (alert,) = told["alerts"]
    assert alert.ts_bar_end_ms > T0 + 900_000
    assert alert.mentions_60s == alert.trades_60s == 15


def test_steady_talk_without_a_price_wakes_nothing() -> None:
    for mode in ("gated", "alerts"):
        bench = Bench(options={"scores": mode})
        for k in range(720):
            bench.post(10 * k, f"a{k % 5}")
        assert bench.run(7_200) == []
        if mode == "gated":
            ends, _ = rows_of(bench)
            assert ends.max() <= 600


def test_the_baselines_return_is_in_doublings() -> None:
    assert natural_mean(6, 2_048.0) == 2.0
    assert natural_mean(6, -512.0) == -0.5
    assert natural_mean(5, -1_902.0) == pytest.approx(-100, abs=0.1)


def test_settings_are_listed_for_the_fingerprint() -> None:
    assert EngineSettings(fading_bars=7).canonical()["fading_bars"] == 7
