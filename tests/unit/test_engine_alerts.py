"""What an alert says: prices, moves, shares, reasons, baselines, evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import getcontext

import numpy as np
import pytest

from detectors.alerts import MAX_REASONS, AlertWriter, alert_id, rounded
from detectors.kernels.explain import round_half_up
from detectors.layout import FEATURES, N_ALERT_INTS, N_BASELINES, N_Z
from detectors.model import MICRO
from schemas.records import Alert
from tests.helpers.bench import Bench, kinds
from tests.helpers.logs import SETTINGS, T0, TOKENS

HOUR = 3_600.0
DAY = 24 * HOUR


def candidate(bench: Bench, at: float = 0, price: str | float = 1) -> Alert:
    """The alert of a crowd of two bars from ``at`` on."""
    bench.crowd(at, price=price)
    bench.crowd(at + 5, price=price, who="b")
    (alert,) = bench.run(at + 13)
    assert alert.kind == "candidate"
    return alert


def test_who_when_and_how_many() -> None:
    bench = Bench(options={"symbols": {TOKENS[0]: "MOMO"}, "fingerprint": "f00"})
    alert = candidate(bench)
    assert alert.symbol == "MOMO"
    assert alert.fingerprint == "f00"
    assert alert.ts_bar_end_ms == T0 + 10_000
    assert alert.ts_available_ms == T0 + 10_000 + SETTINGS.lateness_ms
    assert alert.ts_episode_start_ms == T0 + 5_000
    assert alert.alert_id == alert_id(TOKENS[0], T0 + 5_000, "candidate", 0)
    assert alert.probability == 0.7
    assert alert.threshold_logit_micro == SETTINGS.candidate_logit_micro
    assert (alert.mentions_60s, alert.trades_60s) == (20, 20)
    assert abs(alert.authors_60s - 20) <= 1
    assert abs(alert.traders_60s - 20) <= 1
    assert alert.late_share == 0.0
    assert alert.price_share_of_peak is None
    assert alert.attention_share_of_peak is None


def test_a_token_without_history_has_no_scores_and_no_coverage() -> None:
    bench = Bench(log_start_ms=T0 - 86_400_000 * 2)
    bench.info(0, ts_created_ms=T0)
    alert = candidate(bench)
    assert alert.baseline_coverage == 0.0
    (z,) = (reason for reason in alert.reasons if reason.feature == "z_mentions")
    # that nothing is known counts too, and says so
    assert (z.value, z.baseline_mean, z.baseline_deviation, z.baseline_n) == (None, None, None, 0)


def test_scores_are_unknown_until_a_baseline_exists_and_never_zero() -> None:
    bench = Bench(options={"scores": "all"})
    for at in range(0, 1_500, 20):
        bench.post(at, "a")
        bench.trade(at, "t")
    bench.run(1_520)
    rows = [out.scores for out in bench.outputs if out.scores is not None]
    bars = np.concatenate([row.ts_bar_end_ms for row in rows])
    z = np.concatenate([row.features for row in rows])[:, FEATURES.index("z_mentions")]
    day = np.concatenate([row.features for row in rows])[:, FEATURES.index("z_mentions_day")]
    known = ~np.isnan(z)
    # five whole minutes, and the minute of the window
    assert T0 + 300_000 < bars[known].min() <= T0 + 420_000
    assert not known[: int(np.argmax(known))].any()
    assert known[int(np.argmax(known)) :].all()
    assert np.isnan(day).all()


@pytest.mark.parametrize(
    "gap_s", [24.5 * HOUR, 30 * HOUR], ids=["state kept", "silent for longer than any ring"]
)
def test_a_dormant_token_that_wakes_has_a_full_baseline(gap_s: float) -> None:
    bench = Bench()
    bench.post(0, "somebody")
    bench.trade(1, "t")
    assert bench.run(gap_s - 60) == []
    alert = candidate(bench, gap_s + 0.0)
    assert alert.baseline_coverage == 1.0
    features = {reason.feature: reason for reason in alert.reasons}
    z = features["z_mentions"]
    assert z.value is not None
    assert z.value > 6
    assert (z.baseline_mean, z.baseline_deviation, z.baseline_n) == (0.0, 1.0, 60)


def test_reasons_are_contributions_and_explain_the_logit() -> None:
    bench = Bench()
    bench.post(0, "somebody")
    alert = candidate(bench, 2 * HOUR)
    model = bench.model
    whole = model.base + float(model.expected[:, 0].sum())
    assert len(alert.reasons) <= MAX_REASONS
    told = sum(reason.contribution_logit for reason in alert.reasons)
    assert whole + told == pytest.approx(alert.logit_micro / MICRO, abs=1e-6)
    sizes = [abs(reason.contribution_logit) for reason in alert.reasons]
    assert sizes == sorted(sizes, reverse=True)
    for reason in alert.reasons:
        has_baseline = FEATURES.index(reason.feature) < N_Z
        assert (reason.baseline_n is not None) == has_baseline
        assert (reason.baseline_mean is not None) == has_baseline


def test_moves_are_price_now_over_price_then() -> None:
    bench = Bench()
    bench.trade(0, "t", "0.001")
    assert bench.run(3_590) == []
    alert = candidate(bench, 3_900, "0.004")
    assert alert.price_usd == "0.004"
    assert alert.ts_price_ms == T0 + 3_906_800
    assert alert.moved_x_1h == 4.0
    assert alert.moved_x_since_onset == 4.0  # since a minute before the first bar of the burst
    bench.trade(3_920, "t", "0.010")
    (update,) = bench.run(3_933)
    assert update.kind == "update"
    assert update.moved_x_since_onset == 10.0
    assert update.moved_x_1h == 10.0
    assert update.price_share_of_peak == 1.0
    assert update.attention_share_of_peak == 1.0


def test_moves_are_unknown_where_no_price_was_known() -> None:
    bench = Bench()
    alert = candidate(bench)
    assert alert.moved_x_1h is None
    assert alert.moved_x_since_onset is None
    for at in (20, 40, 60, 80):  # a minute on, the burst's first price is a minute old
        bench.crowd(at, price=3, who=str(at))
    alerts = bench.run(93)
    assert {update.kind for update in alerts} == {"update"}
    assert alerts[0].moved_x_since_onset is None
    bench.trade(95, "t", 6.5)
    (update,) = bench.run(103)
    assert update.moved_x_since_onset == 6.5


@pytest.mark.parametrize(("price", "text"), [("1e-12", "0.000000000001"), (1e9, "1000000000")])
def test_tiny_and_huge_prices_pass_whole(price: str | float, text: str) -> None:
    bench = Bench()
    bench.info(0, supply=1_000)
    bench.trade(0, "t", price)
    alert = candidate(bench, 70, price)
    assert alert.price_usd == text
    assert alert.market_cap_usd == rounded(float(price) * 1_000, 2)
    bench.trade(86, "t", "2.5e-12" if text.startswith("0") else "2.5e9")
    (update,) = bench.run(93)
    assert update.moved_x_since_onset == 2.5


@pytest.mark.parametrize(
    ("supply", "cap"),
    [(None, None), (4.2e17, 4.2e17), (4e18, 4e18), (12.7, 12.0)],
    ids=["unknown", "420 quadrillion", "most", "whole tokens"],
)
def test_market_cap_is_price_times_supply(supply: float | None, cap: float | None) -> None:
    bench = Bench()
    bench.info(0, supply=supply)
    assert candidate(bench).market_cap_usd == cap


def test_a_market_cap_beyond_the_world_is_none() -> None:
    bench = Bench()
    bench.info(0, supply=4e18)
    assert candidate(bench, price=100).market_cap_usd is None


def test_the_threads_decimal_precision_is_left_alone_and_does_not_matter() -> None:
    bench = Bench()
    bench.info(0, supply=123_456_789_012_345_678)
    price = "0.00123456789012345"
    before = getcontext().prec
    whole = candidate(bench, price=price)
    assert before == 28
    getcontext().prec = 6
    try:
        bench = Bench()
        bench.info(0, supply=123_456_789_012_345_678)
        assert candidate(bench, price=price) == whole
    finally:
        getcontext().prec = before


def test_facts_that_are_unknown_do_not_replace_known_ones() -> None:
    bench = Bench()
    bench.info(0, supply=50, ts_created_ms=T0 - 1_000)
    bench.info(1)
    bench.trade(2, "t", liquidity_usd=5_000)
    alert = candidate(bench)
    assert alert.market_cap_usd == 50.0
    assert alert.liquidity_usd == 5_000.0


def test_an_older_late_price_does_not_replace_a_newer_one() -> None:
    bench = Bench()
    bench.crowd(0, price=2)
    bench.crowd(5, price=2, who="b")
    bench.trade(3, "late", 7, delay_ms=6_000)
    (alert,) = bench.run(13)
    assert alert.price_usd == "2"
    assert alert.late_share == round(1 / 41, 6)


def test_evidence_names_the_first_posts_else_trades() -> None:
    bench = Bench(settings=replace(SETTINGS, min_authors_15m=0))
    bench.crowd(0)
    ids = [bench.post(5.0 + k, f"b{k}") for k in range(4)]
    for k in range(10):
        bench.trade(5.5, f"tb{k}")
    (alert,) = bench.run(13)
    assert alert.evidence == tuple(ids[:3])
    bench = Bench(settings=replace(SETTINGS, min_authors_15m=0))
    bench.crowd(0)
    ids = [bench.post(5, "b"), *(bench.trade(5.5 + k / 10, f"tb{k}") for k in range(10))]
    (alert,) = bench.run(13)
    assert alert.evidence == tuple(ids[:3])


def test_evidence_survives_a_restart_while_records_wait_for_their_bar() -> None:
    told = []
    for restart in (False, True):
        bench = Bench()
        bench.crowd(0)
        bench.crowd(5, who="b")
        assert bench.run(11) == []
        if restart:
            bench.restart()
        told.append(bench.run(13))
    assert told[0] == told[1]
    assert len(told[0][0].evidence) == 3


def test_an_alert_of_a_bar_without_records_has_no_evidence() -> None:
    bench = Bench()
    candidate(bench)
    bench.trade(16, "x", 0.39)
    alerts = bench.run(200)
    assert kinds(alerts) == ["fading", "closed"]
    assert alerts[1].evidence == ()
    assert alerts[1].mentions_60s == 0


def test_unknown_is_none() -> None:
    assert rounded(math.nan) is None
    assert rounded(-1.25, 1) == -1.2
    numbers = np.random.default_rng(5).normal(0, 1, 2_000) * 10.0 ** np.arange(-8, 12).repeat(100)
    for digits in (2, 4, 6):
        kernel = [float(round_half_up(x, 10.0**digits)) for x in numbers.tolist()]
        assert [rounded(x, digits) for x in numbers.tolist()] == kernel


def test_no_rows_are_no_alerts() -> None:
    """A sweep asks for each of its settings, also where none of them gave any."""
    bench = Bench()
    writer = AlertWriter(SETTINGS, bench.model, "f", {})
    ints, features = np.empty((0, N_ALERT_INTS), np.int64), np.empty((0, len(FEATURES)))
    means = np.empty((0, N_BASELINES))
    assert writer.write(0, str, ints, features, means, means, str) == []
