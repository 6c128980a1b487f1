"""Measure the engine: ``make bench``, or ``make bench ARGS=--json``.

Records come as columns from memory, on one core, with every default feature and the shipped model.
Rates count CPU seconds, so that what else the machine does hardly matters. Workload A is 2 M records
over 24 h and 2,000 tokens; B the same with 20 M.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

from benchmarks.peers import polars_three_scores  # noqa: E402 - after the cache is set
from benchmarks.workload import workload  # noqa: E402
from detectors.columns import Columns  # noqa: E402
from detectors.engine import Engine  # noqa: E402
from detectors.layout import STATE  # noqa: E402
from detectors.settings import EngineSettings  # noqa: E402
from streams.model_store import load_default_model  # noqa: E402

LARGE = 200_000
RUNS = 3
FIRST_PUSH = """
import time; began = time.perf_counter()
from streams.numba_cache import prepare_numba_cache; prepare_numba_cache()
from benchmarks.workload import workload
from benchmarks.engine import new_engine, play
columns = workload(2_000, 20)
play(new_engine(), columns, 500)
print(time.perf_counter() - began)
"""


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


def cpu_seconds(what: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process that a call takes, and what it gives."""
    began = time.process_time()
    result = what()
    return time.process_time() - began, result


def measure_rates(name: str, columns: Columns, batches: tuple[int, ...]) -> list[dict[str, Any]]:
    """Best of a few runs for each batch size; alerts must not depend on it."""
    rows = []
    for batch in batches:
        runs = [cpu_seconds(lambda b=batch: play(new_engine(), columns, b)) for _ in range(RUNS)]
        seconds, alerts = min(runs)
        rate = len(columns) / seconds
        rows.append({"workload": name, "batch": batch, "records_per_cpu_s": rate, "alerts": alerts})
    assert len({row["alerts"] for row in rows}) == 1, "alerts depend on the batch size"
    return rows


def best_polars(columns: Columns) -> float:
    """CPU seconds that polars takes for three of the z-scores."""
    return min(cpu_seconds(lambda: polars_three_scores(columns))[0] for _ in range(RUNS))


def measure_state(columns: Columns) -> dict[str, float]:
    """Bytes a token, and the time to write and read a snapshot."""
    engine = new_engine()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    play(engine, columns, 5_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    saved, blob = cpu_seconds(engine.snapshot)
    restored, _ = cpu_seconds(lambda: new_engine().restore(blob))
    tokens = len(engine.universe())
    return {
        "tokens": tokens,
        "state_bytes_per_token": STATE.itemsize,
        "resident_growth_mb": grown / 1024,
        "snapshot_s": saved,
        "restore_s": restored,
        "snapshot_bytes_per_token": len(blob) / max(tokens, 1),
    }


def measure_start() -> dict[str, float]:
    """Seconds until a fresh process has its first alerts: kernels to compile, then from the cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GOLDENDOG_CACHE_DIR": folder}
        cold, warm = (
            float(
                subprocess.run(
                    [sys.executable, "-c", FIRST_PUSH],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for _ in range(2)
        )
    return {"cold_s": cold, "warm_s": warm}


def main() -> None:
    """Measure everything, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, as dense")
    options = parser.parse_args()
    shrink = 10 if options.quick else 1

    start = measure_start()
    small = workload(2_000_000 // shrink, 2_000, 24 / shrink)
    play(new_engine(), small.take(slice(0, 20_000)), 500)  # load the compiled kernels
    rates = measure_rates("A", small, (LARGE, 5_000, 500, 100))
    peer_rate = len(small) / best_polars(small)
    state = measure_state(small)
    del small
    large = workload(20_000_000 // shrink, 2_000, 24 / shrink)
    rates += measure_rates("B", large, (LARGE,))
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rates": rates,
        "polars_three_scores_records_per_cpu_s": peer_rate,
        "ratio_to_polars": rates[0]["records_per_cpu_s"] / peer_rate,
        "state": state,
        "start": start,
    }
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"engine, {report['machine']}; best of {RUNS} runs, CPU seconds")
    for row in rates:
        million = row["records_per_cpu_s"] / 1e6
        print(
            f"  workload {row['workload']}, batches of {row['batch']:>7,}: {million:.2f} M records/s"
        )
    print(f"  polars, three z-scores only, A:      {peer_rate / 1e6:.2f} M records/s")
    print(f"  all features to three of them:       {report['ratio_to_polars']:.1f} x")
    print(
        f"  state: {state['state_bytes_per_token']:,} B a token; {state['tokens']:,} tokens: "
        f"snapshot {state['snapshot_s']:.3f} s, restore {state['restore_s']:.3f} s"
    )
    print(f"  first push: {start['cold_s']:.1f} s with a cold cache, {start['warm_s']:.1f} s after")


if __name__ == "__main__":
    main()
