"""The engine alone: records as columns from memory, every default feature, the shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.clock import best
from detectors.columns import Columns
from detectors.engine import Engine
from detectors.settings import EngineSettings
from streams.model_store import load_default_model

LARGE: Final = 200_000


def new_engine() -> Engine:
    """Make an engine as ``goldendog replay`` has it."""
    return Engine(EngineSettings(), load_default_model(), ["log"], fingerprint="benchmark")


def play(engine: Engine, columns: Columns, batch: int) -> int:
    """Push all records in batches; returns how many alerts were raised."""
    alerts = 0
    for start in range(0, len(columns), batch):
        part = columns.take(slice(start, start + batch))
        through = start + len(part) - 1
        out = engine.push("log", part, through, int(part.ts_log_ms[-1]))
        alerts += len(out.alerts)
    return alerts


def measure_rates(
    name: str, columns: Columns, batches: Sequence[int], runs: int
) -> list[dict[str, Any]]:
    """Best of a few runs for each batch size; the alerts must not depend on it."""
    rows = []
    for batch in batches:
        seconds, alerts = best(lambda size=batch: play(new_engine(), columns, size), runs)
        rate = len(columns) / seconds
        rows.append({"workload": name, "batch": batch, "records_per_cpu_s": rate, "alerts": alerts})
    if len({row["alerts"] for row in rows}) > 1:
        msg = f"alerts depend on the batch size: {rows}"
        raise AssertionError(msg)
    return rows
