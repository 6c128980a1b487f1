"""Memory is bounded: four times the records take no more of it, in order or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.records import Heartbeat, Mention, Record, Tick
from streams.files.write import write_records
from tests.helpers.records import T0, TOKENS

N = 30_000
CHILD = """
import json, sys
from streams.numba_cache import prepare_numba_cache
prepare_numba_cache()
from streams.files import order
from streams.replay.run import peak_memory_bytes
from streams.replay.api import replay
from detectors.batch import numbering, text_table
numbering.KEPT = text_table.KEPT = 5_000
order.CHUNK_ROWS, order.OPEN_RECORDS, order.RUN_RECORDS = 5_000, 20_000, 10_000
peaks = []
for path in sys.argv[1:-1]:
    summary = replay(path, out=f"{sys.argv[-1]}/{len(peaks)}").summary
    peaks.append(peak_memory_bytes())
print(json.dumps([*peaks, summary["records"]["read"], summary["records"]["out_of_order"]]))
"""


def records(n: int, *, shuffled: bool) -> Iterator[Record]:
    yield Heartbeat("begin", T0, log_start_ms=T0)
    for i in range(n):
        at = T0 + 40 * (i * 7919 % n if shuffled else i)
        if i % 2:
            yield Mention(
                f"m{i}", at, "x", f"author{i % 997}", f"to the moon {i}", (TOKENS[i % 3],)
            )
        else:
            yield Tick(f"t{i}", at, TOKENS[i % 3], 0.5 + i / 1e7, 12.5, "buy", f"wallet{i % 997}")


def run(*args: Path) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".ndjson.zst", ".parquet"])
def test_four_times_the_input_takes_no_more_memory(tmp_path: Path, ending: str) -> None:
    paths = []
    for shuffled in (False, True):
        for n in (N, 4 * N):
            paths.append(tmp_path / f"{n}{shuffled}{ending}")
            write_records(records(n, shuffled=shuffled), paths[-1])
    run(paths[-1], tmp_path / "warm")  # compiling, if there is need to, takes memory of its own
    small, large, small_sorted, large_sorted, read, falls = run(*paths, tmp_path / "out")
    assert read == 4 * N + 1 and falls > 1_000
    # 90,000 records more, of some 400 bytes each once decoded: under half of that may stay.
    assert large - small < 16_000_000, (small, large)
    assert large_sorted - small_sorted < 16_000_000, (small_sorted, large_sorted)


def coins(path: Path, n: int, *, life_ms: int = 25 * 3_600_000, alive: int = 4_000) -> None:
    """Two trades of each of n coins, one coin after the other: a few thousand alive at a time."""
    schema = pa.schema(
        [
            ("type", pa.string()), ("id", pa.string()), ("ts_event_ms", pa.int64()),
            ("token", pa.string()), ("price_usd", pa.float64()), ("value_usd", pa.float64()),
            ("side", pa.string()), ("trader_id", pa.string()),
        ]
    )  # fmt: skip
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, 2 * n, 50_000):
            row = np.arange(start, min(start + 50_000, 2 * n))
            columns = {
                "type": ["tick"] * len(row),
                "id": [f"t{i}" for i in row.tolist()],
                "ts_event_ms": T0 + row // 2 * (life_ms // alive) + row % 2,
                "token": [f"eip155:1/erc20:0x{i // 2:040x}" for i in row.tolist()],
                "price_usd": 1.0 + row / 1e6,
                "value_usd": np.full(len(row), 12.5),
                "side": ["buy"] * len(row),
                "trader_id": [f"w{i % 997}" for i in row.tolist()],
            }
            writer.write_table(pa.table(columns, schema=schema))


@pytest.mark.slow
def test_coins_that_came_and_went_take_no_memory(tmp_path: Path) -> None:
    few, many = tmp_path / "few.parquet", tmp_path / "many.parquet"
    coins(few, 15_000)
    coins(many, 60_000)
    _, small, large, read, falls = run(few, few, many, tmp_path / "out")
    assert (read, falls) == (120_000, 0)
    summary = json.loads((tmp_path / "out" / "2" / "summary.json").read_text())
    tokens = summary["tokens"]
    assert (
        tokens["live"] + tokens["evicted"] == tokens["distinct"] == 59_999
    )  # the last awaits its bar
    assert tokens["live"] < 6_000
    # 45,000 coins more, of some 5 KB each were they kept.
    assert large - small < 50_000_000, (small, large)
