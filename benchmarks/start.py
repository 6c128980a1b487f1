"""Seconds until a fresh process has its first alerts: kernels to compile, then from the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

FIRST_PUSH = """
import time; began = time.perf_counter()
from streams.numba_cache import prepare_numba_cache; prepare_numba_cache()
from benchmarks.workload import workload
from benchmarks.engine import batches_of, new_engine, play
play(new_engine(), batches_of(workload(2_000, 20), 500))
print(time.perf_counter() - began)
"""


def measure_start() -> dict[str, float]:
    """The first push of 2,000 records of a new process, with an empty cache and with a filled one."""
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
    return {"cold_wall_s": cold, "warm_wall_s": warm}
