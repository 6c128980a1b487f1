"""The Arrow tables of a run: alerts, scores and the universe, flat and typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from detectors.kernels.episodes import NO_LOGIT
from detectors.layout import FEATURES
from detectors.outputs import ScoreRows
from schemas.records import Alert, Reason

REASONS: Final = 5
"""Reasons an alert has columns for; ``alerts.ndjson`` has all."""
EVIDENCE: Final = 3
_TEXT: Final = ("alert_id", "kind", "token", "symbol", "fingerprint", "trigger")
_WHOLE: Final = (
    "schema_version", "sequence", "ts_episode_start_ms", "ts_bar_end_ms", "ts_available_ms",
    "logit_micro", "threshold_logit_micro", "ts_price_ms", "mentions_60s", "authors_60s",
    "trades_60s", "traders_60s",
)  # fmt: skip
_NESTED: Final = ("reasons", "evidence")
_REASON: Final = {
    "feature": pa.string(),
    "value": pa.float64(),
    "baseline_mean": pa.float64(),
    "baseline_deviation": pa.float64(),
    "baseline_n": pa.int64(),
    "contribution_logit": pa.float64(),
}


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXT else pa.int64() if name in _WHOLE else pa.float64()


_FLAT: Final = tuple(name for name in Alert.__struct_fields__ if name not in _NESTED)
ALERT_SCHEMA: Final = pa.schema(
    [
        *((name, _type(name)) for name in _FLAT),
        *((f"reason{i}_{name}", kind) for i in range(1, REASONS + 1) for name, kind in _REASON.items()),
        *((f"evidence{i}", pa.string()) for i in range(1, EVIDENCE + 1)),
    ]
)  # fmt: skip
SCORE_SCHEMA: Final = pa.schema(
    [
        ("token", pa.string()),
        ("ts_bar_end_ms", pa.int64()),
        ("logit_micro", pa.int64()),
        *((name, pa.float64()) for name in FEATURES),
    ]
)
UNIVERSE_SCHEMA: Final = pa.schema(
    [
        ("token", pa.string()),
        ("first_seen_ms", pa.int64()),
        ("last_seen_ms", pa.int64()),
        ("evicted", pa.bool_()),
    ]
)


def alert_batch(alerts: Sequence[Alert]) -> pa.RecordBatch:
    """Alerts as rows of ``ALERT_SCHEMA``; price as a double."""
    rows = [_alert_row(alert) for alert in alerts]
    arrays = [pa.array([row[f.name] for row in rows], f.type) for f in ALERT_SCHEMA]
    return pa.record_batch(arrays, schema=ALERT_SCHEMA)


def score_batch(rows: ScoreRows) -> pa.RecordBatch:
    """Scores as rows of ``SCORE_SCHEMA``; an unknown feature is null."""
    features = [
        pa.array(np.ascontiguousarray(rows.features[:, k]), pa.float64(), from_pandas=True)
        for k in range(len(FEATURES))
    ]
    arrays = [
        pa.array(rows.token, pa.string()),
        pa.array(rows.ts_bar_end_ms, pa.int64()),
        pa.array(rows.logit_micro, pa.int64(), mask=rows.logit_micro == NO_LOGIT),
        *features,
    ]
    return pa.record_batch(arrays, schema=SCORE_SCHEMA)


def universe_batch(lives: Sequence[tuple[str, int, int]], *, evicted: bool) -> pa.RecordBatch:
    """Lives of tokens as rows of ``UNIVERSE_SCHEMA``: the start of their first and last bar."""
    columns = [list(column) for column in zip(*lives, strict=True)] if lives else [[], [], []]
    arrays = [
        pa.array(columns[0], pa.string()),
        pa.array(columns[1], pa.int64()),
        pa.array(columns[2], pa.int64()),
        pa.array([evicted] * len(lives), pa.bool_()),
    ]
    return pa.record_batch(arrays, schema=UNIVERSE_SCHEMA)


def _alert_row(alert: Alert) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(alert, name) for name in _FLAT}
    row["price_usd"] = None if alert.price_usd is None else float(alert.price_usd)
    for i in range(REASONS):
        reason: Reason | None = alert.reasons[i] if i < len(alert.reasons) else None
        for name in _REASON:
            row[f"reason{i + 1}_{name}"] = None if reason is None else getattr(reason, name)
    for i in range(EVIDENCE):
        row[f"evidence{i + 1}"] = alert.evidence[i] if i < len(alert.evidence) else None
    return row
