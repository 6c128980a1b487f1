"""The gate before the scores lets through the very bars whose scores run high."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.engine import Engine
from detectors.kernels.features import N_COUNTS, count_first, count_long, count_rest, scores
from detectors.kernels.gate import HOT, amount_reaches, is_hot, net_reaches, runs_hot
from detectors.kernels.maths import (
    MONEY_MAX,
    VOLUME_UNIT,
    Y_UNIT,
    deviation,
    stabilise,
    stabilise_net,
    zscore,
)
from detectors.layout import BAR_MS, FEATURES, MIN_MINUTES, N_BASELINES, N_FEATURES, N_Z
from detectors.snapshot import unpack_snapshot
from tests.helpers.logs import SETTINGS, T0, random_log
from tests.helpers.models import crowd_model

LOG_START_MS = T0 - 30 * 60_000


def amounts_near(y: float) -> list[int]:
    """Amounts of micro-USD about where their stabilised value passes y, and far from it."""
    events = max(((y + 1254) / 2048) ** 2 - 0.375, 0.0)
    edge = round(events * VOLUME_UNIT)
    steps = [0, *(sign * 10**k for k in range(9) for sign in (1, -1))]
    return [edge + step for step in steps if 0 <= edge + step < MONEY_MAX] + [0, MONEY_MAX - 1]


@pytest.mark.parametrize("seed", range(20))
def test_an_amount_reaches_what_its_score_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(MIN_MINUTES, 97))
    values = stabilise_all(rng.lognormal(rng.uniform(10, 24), rng.uniform(0, 4), n))
    values *= rng.choice([1, -1], n) if seed % 2 else 1
    total, squares = int(values.sum()), int((values**2).sum())
    spread = deviation(n, total, squares, Y_UNIT)
    told = set()
    for amount in amounts_near(total / n + HOT * spread):
        hot = zscore(stabilise(amount / VOLUME_UNIT), n, total, spread) >= HOT
        assert bool(amount_reaches(amount, n, total, squares)) is bool(hot), amount
        told.add(bool(hot))
        for buys, sells in ((amount, 0), (0, amount), (amount, amount + 1), (amount + 7, 7)):
            net = zscore(stabilise_net(buys, sells), n, total, spread) >= HOT
            assert bool(net_reaches(buys, sells, n, total, squares)) is bool(net), (buys, sells)
    assert told == {True, False}, "amounts on both sides of the edge"


def stabilise_all(micro_usd: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.array([stabilise(float(amount) / VOLUME_UNIT) for amount in micro_usd], np.int64)


def test_what_is_sold_reaches_where_more_was_sold_before() -> None:
    n, usual = 60, -200_000
    squares = n * usual**2
    assert net_reaches(0, 50_000_000, n, n * usual, squares)
    edge = -HOT * int(Y_UNIT)  # the same in every minute: next to nothing sold is HOT above it
    assert net_reaches(0, 1, n, edge * n, n * edge**2)
    assert not net_reaches(0, 50_000_000, n, edge * n, n * edge**2)


def test_a_bar_is_hot_without_scores_where_its_scores_say_so() -> None:
    log = random_log(2, n=1_500, span_ms=3 * 3_600_000)
    engine = Engine(SETTINGS, crowd_model(), ["log"], fingerprint="test")
    engine.push("log", None, 0, T0, LOG_START_MS)
    n, long = np.zeros(N_COUNTS, np.int64), np.zeros(5, np.int64)
    f, bits = np.zeros(N_FEATURES), np.zeros(64, np.int64)
    means, devs = np.zeros(N_BASELINES), np.zeros(N_BASELINES)
    told, at = Counter[str | bool](), 0
    for bar in range(T0 // BAR_MS, int(log.ts_log_ms[-1]) // BAR_MS):
        through = (bar + 1) * BAR_MS + SETTINGS.lateness_ms
        stop = int(np.searchsorted(log.ts_log_ms, through, side="right"))
        if stop == at:
            continue
        engine.push("log", log.take(slice(at, stop)), bar, through)
        at = stop
        for s in unpack_snapshot(engine.snapshot(), "test", ("log",)).slots.state:
            if s["bar"] != bar or s["last_bar"] != bar:
                continue
            count_first(s, bar, n)
            count_long(s, long)
            hot = bool(runs_hot(s, bar, n, long, LOG_START_MS, bits))
            count_rest(s, bar, n)
            scores(s, bar, n, long, LOG_START_MS, f, means, devs, bits)
            assert hot == bool(is_hot(f, n)), (bar, f[:N_Z])
            told.update(FEATURES[k] for k in range(N_Z) if f[k] >= HOT)
            told[hot] += 1
    assert told[True] > 100
    assert told[False] > 100
    assert set(FEATURES[:N_Z]) <= set(told)
