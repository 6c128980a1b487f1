"""What is imported is replayed: nothing is rejected, the same bytes come again, memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.cli.main import exit_code
from tests.helpers.imports import MINT, OTHER, T0_S, imported, swap, table, trade

SOURCES: dict[str, Any] = {
    "x-mentions": (
        [
            {"t": T0_S // 60 + i // 2, "coin": "AB"[i % 2], "tweets": 3, "users": 2}
            for i in range(600)
        ],
        [],
    ),
    "solana-swaps": (
        [swap(i, mint=(MINT, OTHER)[i % 2], sol=0.01 * (i % 9)) for i in range(600)],
        ["--sol-usd", 150],
    ),
    "binance-trades": (
        [trade(7 * (i % 300), event=f"NXS_{i // 300}") for i in range(300)]
        + [trade(7 * i) for i in range(300)],
        ["--quote-usd", 20_000],
    ),
    "csv": (
        [
            {"id": i, "ts_event_ms": T0_S + i, "platform": "x", "author_id": f"a{i % 40}",
             "text": "to the moon", "token": "WIF"}
            for i in range(600)
        ],
        ["--kind", "mention", "--token-as", "ticker", "--time-unit", "s"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("turned", [False, True])
def test_an_import_replays_whole_and_comes_again_byte_for_byte(
    name: str, turned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, options = SOURCES[name]
    ending = "csv" if name == "csv" else "parquet"
    path = table(tmp_path / f"source.{ending}", rows[::-1] if turned else rows)
    done = imported(capsys, name, path, "--out", tmp_path / "a", *options)
    imported(capsys, name, path, "--out", tmp_path / "b", *options)
    names = {p.name for p in (tmp_path / "a").iterdir()}
    assert {"records.parquet", "manifest.json", "_rejected.ndjson"} <= names
    for each in names:
        assert (tmp_path / "a" / each).read_bytes() == (tmp_path / "b" / each).read_bytes(), each
    lexicon = ["--lexicon", done["lexicon"]] if done["lexicon"] else []
    args = ["replay", str(tmp_path / "a"), "--out", str(tmp_path / "r"), *lexicon, "--json"]
    assert exit_code(args) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = sum(done["records"].values())
    assert found["records"]["read"] == wanted
    assert found["records"]["mentions"] == done["records"].get("mention", 0)
    assert found["records"]["ticks"] == done["records"].get("tick", 0)
    for what in ("rejected", "out_of_order", "late", "mentions_unresolved"):
        assert found["records"][what] == 0, what
    assert found["records"]["duplicates"] == 0
    # the heartbeat closes the bar of the last record
    last = max(pq.read_table(tmp_path / "a" / "records.parquet")["ts_event_ms"].to_pylist()[:-1])
    assert found["closed_through_ms"] > last


CHILD = """
import sys
from pathlib import Path
from streams.imports.delays import Delays
from streams.imports.run import run_import
from streams.imports.x_mentions import XMentions
from streams.replay.run import peak_memory_bytes
for k, path in enumerate(sys.argv[1:-1]):
    run_import(XMentions(Path(path), Delays()), Path(sys.argv[-1]) / str(k))
    print(peak_memory_bytes())
"""


@pytest.mark.slow
def test_four_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    paths = []
    for n in (300_000, 300_000, 1_200_000):
        t = [T0_S // 60 + i // 50 for i in range(n)]
        coins = pa.array([f"C{i % 50}" for i in range(n)]).dictionary_encode()
        ones = pa.array([1] * n)
        paths.append(tmp_path / f"{len(paths)}.parquet")
        pq.write_table(pa.table({"t": t, "coin": coins, "tweets": ones, "users": ones}), paths[-1])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *paths, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _, small, large = map(int, done.stdout.split())
    # 900,000 mentions more, of at least 100 bytes each once expanded
    assert large - small < 40_000_000, (small, large)
