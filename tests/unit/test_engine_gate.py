"""The gate before the scores lets through the very bars whose scores run high."""

from __future__ import annotations

from collections import Counter

import numpy as np

from detectors.engine import Engine
from detectors.kernels.features import N_COUNTS, count_first, count_long, count_rest, scores
from detectors.kernels.gate import HOT, LEAST_HOT, is_hot, runs_hot
from detectors.kernels.maths import Y_UNIT, stabilise
from detectors.layout import BAR_MS, FEATURES, N_BASELINES, N_FEATURES, N_Z
from detectors.snapshot import unpack_snapshot
from tests.helpers.logs import SETTINGS, T0, random_log
from tests.helpers.models import crowd_model

LOG_START_MS = T0 - 30 * 60_000


def test_the_least_that_may_be_hot_is_not_hot_above_silence() -> None:
    assert stabilise(float(LEAST_HOT)) < HOT * Y_UNIT <= stabilise(LEAST_HOT + 0.1)


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
