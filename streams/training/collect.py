"""Rows to train on: the features of past-the-gate scores of a wave, with what came of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns import INFO, MENTION, TICK, Columns
from detectors.columns import UNKNOWN as UNKNOWN_VALUE
from detectors.engine import Engine
from detectors.labels import UNKNOWN, barrier_labels
from detectors.layout import MODEL_FEATURES, POST_FEATURES
from detectors.model import Model, blank_model
from detectors.settings import EngineSettings
from schemas.records import Alert
from streams.scenario.rows import F8, I8
from streams.scenario.waves import wave_columns, wave_log_start_ms

AGELESS, DRY, MUTE = 0.25, 0.25, 0.2
"""Shares of coins whose age, whose pool's liquidity, or whose posts are unknown: an unknown must
say nothing, where it would say "just born" had every older coin an age."""
BATCH: Final = 50_000
ROWS_A_TOKEN: Final = 400
END_MS: Final = 3_600_000


@dataclass(frozen=True)
class Rows:
    """N labelled rows: features (N, F), labels (N,), wave number (N,), weight (N,)."""

    features: NDArray[np.float64]
    labels: NDArray[np.int8]
    waves: NDArray[np.int64]
    weights: NDArray[np.float64]


def play(
    columns: Columns, log_start_ms: int, engine: Engine
) -> tuple[list[Alert], list[tuple[list[str], NDArray[np.int64], NDArray[np.float64]]]]:
    """Push a wave through an engine whose one input is ``log``, to its end and an hour beyond."""
    alerts: list[Alert] = []
    scores = []
    for at in range(0, len(columns), BATCH):
        part = columns.take(slice(at, at + BATCH))
        out = engine.push("log", part, at + len(part), int(part.ts_log_ms[-1]), log_start_ms)
        alerts += out.alerts
        if out.scores is not None:
            scores.append((out.scores.token, out.scores.ts_bar_end_ms, out.scores.features))
    last = int(columns.ts_log_ms[-1]) + END_MS
    out = engine.push("log", None, len(columns) + 1, last, log_start_ms)
    alerts += out.alerts
    if out.scores is not None:
        scores.append((out.scores.token, out.scores.ts_bar_end_ms, out.scores.features))
    return alerts, scores


def collect(seed: int, settings: EngineSettings, model: Model | None = None) -> Rows:
    """Labelled rows of one wave: at most 400 of each token, evenly taken, weighing the same."""
    columns, prices = wave_columns(seed)
    columns, mute = with_gaps(columns, seed)
    engine = Engine(settings, model or blank_model(), ["log"], fingerprint="train", scores="gated")
    _, scores = play(columns, wave_log_start_ms(seed), engine)
    names = [token for tokens, _, _ in scores for token in tokens]
    ends = np.concatenate([ends for _, ends, _ in scores])
    features = np.concatenate([features for _, _, features in scores])
    number = {token: k for k, token in enumerate(columns.tokens)}
    token = np.array([number[name] for name in names], np.int64)
    end_ms = int(columns.ts_log_ms[-1])
    kept, labels, weights = [], [], []
    for k, (ts_ms, price) in enumerate(prices):
        rows = np.flatnonzero(token == k)
        if not len(rows) or not len(ts_ms):
            continue
        rows = rows[:: max(len(rows) // ROWS_A_TOKEN, 1)]
        found = _labels(ends[rows] + settings.lateness_ms, ts_ms, price, end_ms)
        rows, found = rows[found != UNKNOWN], found[found != UNKNOWN]
        kept.append(rows)
        labels.append(found)
        weights.append(np.full(len(rows), 1.0 / max(np.sqrt(len(rows)), 1.0)))
    if not kept:
        return Rows(
            features[:0, : len(MODEL_FEATURES)],
            np.empty(0, np.int8),
            np.empty(0, np.int64),
            np.empty(0),
        )
    chosen = np.concatenate(kept)
    features = features[chosen]
    features[np.ix_(mute[token[chosen]], POST_FEATURES)] = np.nan
    return Rows(
        features[:, : len(MODEL_FEATURES)],
        np.concatenate(labels),
        np.full(len(chosen), seed, np.int64),
        np.concatenate(weights),
    )


def with_gaps(columns: Columns, seed: int) -> tuple[Columns, NDArray[np.bool_]]:
    """The wave without what is not known of some of its coins, and which of them have no posts."""
    draws = np.random.default_rng([seed, 0x6A9]).random((len(columns.tokens), 3))
    ageless, dry, mute = (draws < (AGELESS, DRY, MUTE)).T
    tick = columns.kind == TICK
    gone = (columns.kind == INFO) & ageless[columns.token]
    gone |= (columns.kind == MENTION) & mute[columns.token]
    columns = replace(columns, c=np.where(tick & dry[columns.token], UNKNOWN_VALUE, columns.c))
    return columns.take(np.flatnonzero(~gone)), mute


def _labels(available_ms: I8, ts_ms: I8, price: F8, end_ms: int) -> NDArray[np.int8]:
    return barrier_labels(available_ms, ts_ms, price, end_ms=end_ms)
