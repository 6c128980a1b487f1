"""The engine alone: records as columns from memory, every default feature, the shipped model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def batches_of(columns: Columns, batch: int) -> list[Columns]:
    """The records in batches, which share their memory."""
    return [columns.take(slice(at, at + batch)) for at in range(0, len(columns), batch)]


def play(engine: Engine, batches: Iterable[Columns]) -> int:
    """Push all batches; returns how many alerts were raised."""
    alerts, through = 0, -1
    for batch in batches:
        through += len(batch)
        alerts += len(engine.push("log", batch, through, int(batch.ts_log_ms[-1])).alerts)
    return alerts


def measure_rates(
    name: str, columns: Columns, batches: Sequence[int], runs: int
) -> list[dict[str, Any]]:
    """Best of a few runs for each batch size; the alerts must not depend on it."""
    rows = []
    for batch in batches:
        parts = batches_of(columns, batch)
        seconds, alerts = best(lambda of=parts: play(new_engine(), of), runs)
        rate = len(columns) / seconds
        rows.append({"workload": name, "batch": batch, "records_per_cpu_s": rate, "alerts": alerts})
    if len({row["alerts"] for row in rows}) > 1:
        msg = f"alerts depend on the batch size: {rows}"
        raise AssertionError(msg)
    return rows
