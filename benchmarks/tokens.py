"""Many tokens: what an engine's state weighs, and how long saving and restoring it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.engine import LARGE, batches_of, new_engine, play
from detectors.columns import Columns
from detectors.layout import STATE


def measure_state(columns: Columns, runs: int) -> dict[str, Any]:
    """Bytes a token, and the time to write and read a snapshot in memory, on the clock and of CPU."""
    engine = new_engine()
    play(engine, batches_of(columns, LARGE))
    engine.push("log", None, len(columns), int(columns.ts_log_ms[-1]) + 60_000)  # close every bar
    tokens = len(engine.universe())
    saved = [_timed(engine.snapshot) for _ in range(runs)]
    blob = engine.snapshot()
    del engine
    restored = [_timed(lambda: new_engine().restore(blob)) for _ in range(runs)]
    return {
        "tokens": tokens,
        "state_bytes_per_token": STATE.itemsize,
        "snapshot_bytes_per_token": len(blob) / max(tokens, 1),
        "snapshot_cpu_s": min(cpu for cpu, _ in saved),
        "snapshot_wall_s": min(wall for _, wall in saved),
        "restore_cpu_s": min(cpu for cpu, _ in restored),
        "restore_wall_s": min(wall for _, wall in restored),
    }


def _timed(what: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of a call; what it gives is dropped before the next begins."""
    cpu, wall = time.process_time(), time.perf_counter()
    kept = what()
    took = time.process_time() - cpu, time.perf_counter() - wall
    del kept
    return took
