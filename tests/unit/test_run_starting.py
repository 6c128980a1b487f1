"""What a worker loads at its start, and what it does not."""

from __future__ import annotations

import gc
import subprocess
import sys

from streams.run.starting import starting

NEEDLESS = ("kafka", "pyarrow", "sklearn", "skops", "polars", "duckdb", "streams.web.app")
WORKER = f"""
from streams.numba_cache import prepare_numba_cache
prepare_numba_cache()
import sys
import streams.cli.main, streams.cli.run_cmd, streams.run.kafka, streams.transport.kafka
from streams.model_store import default_folder, load_model
from streams.run.starting import load_numba_without_blas
load_numba_without_blas()
load_model(default_folder())
from detectors.kernels.log2 import log2_q20
assert log2_q20(1 << 20) is not None
print([name for name in ({NEEDLESS!r} + ("scipy.linalg",)) if name in sys.modules])
import scipy.linalg
load_numba_without_blas()
assert sys.modules["scipy.linalg"] is scipy.linalg
"""


def test_a_worker_loads_no_library_that_it_does_not_use() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_garbage_is_let_lie_at_a_start_and_not_after() -> None:
    assert gc.isenabled()
    with starting() as over:
        assert not gc.isenabled()
        over()
        assert gc.isenabled()
        over()
    with starting():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_collects_no_garbage_goes_on_to_collect_none() -> None:
    gc.disable()
    try:
        with starting() as over:
            over()
        assert not gc.isenabled()
    finally:
        gc.enable()
