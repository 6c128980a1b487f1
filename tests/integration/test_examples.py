"""The examples run on what the demo writes and a replay finds, and print numbers that are right."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.decode import decode_record
from schemas.records import Heartbeat, Mention, Tick
from streams.cli.main import exit_code
from streams.files.write import write_records
from tests.helpers.logs import T0, TOKENS

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.append(str(EXAMPLES))  # where a script finds what is beside it
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Demo:
    out: Path
    records: Path
    alerts: list[dict[str, Any]]
    trades: dict[str, list[tuple[int, float]]]  # by token: (log time, price), in order


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    records, out = folder / "records", folder / "out"
    assert exit_code(["demo", "--write", str(records)]) == 0
    lexicon = str(records / "lexicon.json")
    args = [str(records), "--lexicon", lexicon, "--out", str(out), "--scores", "gated"]
    assert exit_code(["replay", *args]) == 0
    alerts = [json.loads(line) for line in (out / "alerts.ndjson").read_bytes().splitlines()]
    trades = defaultdict(list)
    with (records / "records.ndjson").open("rb") as lines:
        for line in lines:
            if b'"type":"tick"' in line:
                tick = json.loads(line)
                trades[tick["token"]].append((tick["ts_log_ms"], float(tick["price_usd"])))
    return Demo(out, records / "records.ndjson", alerts, dict(trades))


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _printed(name: str, *args: Path | str) -> str:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _later(trades: list[tuple[int, float]], ts: int) -> list[tuple[int, float]]:
    return [trade for trade in trades if trade[0] > ts]


def _candidates(demo: Demo) -> list[dict[str, Any]]:
    found = [a for a in demo.alerts if a["kind"] == "candidate"]
    assert len(found) >= 4
    return sorted(found, key=lambda a: (a["ts_available_ms"], a["symbol"]))


def test_arrow_episodes(demo: Demo) -> None:
    rows = _module("arrow_episodes").episodes(demo.out).to_pylist()
    expected = []
    for candidate in _candidates(demo):
        key = ("token", "ts_episode_start_ms")
        own = [a for a in demo.alerts if all(a[k] == candidate[k] for k in key)]
        fading = [float(a["price_usd"]) for a in own if a["kind"] == "fading"]
        at = float(candidate["price_usd"])
        best = max(float(a["price_usd"]) for a in own)
        ratio = fading[-1] / at if fading else None
        expected.append((candidate["symbol"], at, best, len(own), ratio))
    names = ("symbol", "price_at_candidate", "best_price_told", "alerts", "fading_over_candidate")
    assert [tuple(row[name] for name in names) for row in rows] == expected
    printed = _printed("arrow_episodes", demo.out)
    assert f"{len(expected)} episodes of " in printed
    momo = next(row for row in rows if row["symbol"] == "MOMO")
    assert f"{momo['fading_over_candidate']:.2f}x" in printed


def test_arrow_episodes_of_posts_alone_have_neither_price_nor_probability(tmp_path: Path) -> None:
    """Six posts an hour for a day and a half, then one every 20 s: an episode of attention alone."""
    times = [*range(0, 30 * 3_600, 600), *range(30 * 3_600, 31 * 3_600, 20)]
    posts = [Mention(f"m{at}", T0 + at * 1_000, "x", f"a{at}", tokens=(TOKENS[0],)) for at in times]
    write_records([*posts, Heartbeat("end", T0 + 33 * 3_600_000)], tmp_path / "log.parquet")
    config, out = tmp_path / "posts.toml", tmp_path / "out"
    config.write_text("[engine]\nticks = false\nmin_authors_15m = 5\n")
    args = ["replay", str(tmp_path / "log.parquet"), "--config", str(config), "--out", str(out)]
    assert exit_code(args) == 0
    alerts = pq.read_table(out / "alerts.parquet")
    assert alerts["kind"].to_pylist()[:2] == ["candidate", "fading"]
    for name in ("price_usd", "probability", "logit_micro"):
        assert alerts[name].null_count == len(alerts), name
    _, row, _ = _printed("arrow_episodes", out).splitlines()
    assert row.split()[2:] == ["?", "?", "?", "?", "?"]  # symbol, P, price, best, ratio


@pytest.mark.parametrize("delay_s", [0.0, 30.0])
def test_duckdb_forward_returns(demo: Demo, delay_s: float) -> None:
    rows = _module("duckdb_forward_returns").forward_returns(demo.out, demo.records, delay_s)
    candidates = _candidates(demo)
    assert [row["symbol"] for row in rows] == [c["symbol"] for c in candidates]
    for row, candidate in zip(rows, candidates, strict=True):
        known_ms = candidate["ts_available_ms"] + int(delay_s * 1000)
        path = _later(demo.trades[candidate["token"]], known_ms)
        entry_ms, entry = path[0]
        assert row["entry"] == entry
        for minutes in (5, 60, 1440):
            last = [price for ts, price in path if ts <= entry_ms + minutes * 60_000][-1]
            assert row[f"after_{minutes}_min"] == pytest.approx(last / entry, rel=1e-12)
        best = max(price for ts, price in path if ts <= entry_ms + DAY_MS)
        assert row["best_1d"] == pytest.approx(best / entry, rel=1e-12)


def test_duckdb_reads_parquet_too_and_prints_what_it_computes(demo: Demo, tmp_path: Path) -> None:
    momo = next(a["token"] for a in demo.alerts if a["symbol"] == "MOMO")
    with demo.records.open("rb") as lines:
        own = [line for line in lines if b'"type":"tick"' in line and momo.encode() in line]
    records = [decode_record(line) for line in own]
    assert all(isinstance(record, Tick) for record in records)
    write_records(records, tmp_path / "momo.parquet")
    compute = _module("duckdb_forward_returns").forward_returns
    from_parquet = {row["symbol"]: row for row in compute(demo.out, tmp_path / "momo.parquet")}
    from_lines = {row["symbol"]: row for row in compute(demo.out, demo.records)}
    assert from_parquet["MOMO"] == from_lines["MOMO"]
    assert from_parquet["REDNOTE"]["entry"] is None  # it does not trade in that file
    printed = _printed("duckdb_forward_returns", demo.out, demo.records)
    assert f"{from_lines['MOMO']['best_1d']:.2f}x" in printed
    assert f"{len(from_lines)} candidates" not in printed  # CAPTAINTU has more than one
    assert f"{len(_candidates(demo))} candidates; median after 1 h" in printed


def _hit(path: list[tuple[int, float]]) -> bool:
    entry_ms, entry = path[0]
    for ts, price in path:
        if ts > entry_ms + DAY_MS or price / entry <= 0.5:
            return False
        if price / entry >= 3.0:
            return True
    return False


def test_polars_precision(demo: Demo) -> None:
    module = _module("polars_precision")
    days = module.precision_by_day(demo.out, demo.records)
    expected: dict[str, list[bool]] = defaultdict(list)
    for candidate in _candidates(demo):
        path = _later(demo.trades[candidate["token"]], candidate["ts_available_ms"])
        day = str(datetime.fromtimestamp(candidate["ts_available_ms"] / 1000, UTC).date())
        expected[day].append(_hit(path))
    found = {
        str(row["day"]): (row["candidates"], row["hits"]) for row in days.iter_rows(named=True)
    }
    assert found == {day: (len(hits), sum(hits)) for day, hits in expected.items()}
    hits, candidates = days["hits"].sum(), days["candidates"].sum()
    moments, rate = module.base_rate(demo.out, demo.records)
    assert 500 < moments < 5_000
    assert hits / candidates > 3 * rate  # the demo's alerts beat its base rate by far
    printed = _printed("polars_precision", demo.out, demo.records)
    assert f"precision {hits}/{candidates}; base rate {rate:.1%} of {moments:,} scored" in printed


def test_polars_labels_moments_one_by_one(demo: Demo) -> None:
    module = _module("polars_precision")
    pl = module.pl
    token = next(a["token"] for a in demo.alerts if a["symbol"] == "CAPTAINTU")
    trades = demo.trades[token]
    moments = [trades[i][0] for i in range(0, len(trades) - 1, len(trades) // 40)]
    table = pl.DataFrame({"token": [token] * len(moments), "ts": moments})
    hits = module.labelled(table, module.ticks(demo.records))["hit"].to_list()
    assert hits == [_hit(_later(trades, ts)) for ts in moments]
    assert 0 < sum(hits) < len(hits)


def test_a_folder_of_records_is_taken_whole_and_outputs_in_it_are_not(
    demo: Demo, tmp_path: Path
) -> None:
    folder = tmp_path / "records"
    (folder / "deep").mkdir(parents=True)
    (folder / "_old").mkdir()
    lines = demo.records.read_bytes().splitlines(keepends=True)
    momo = next(a["token"] for a in demo.alerts if a["symbol"] == "MOMO").encode()
    own = [line for line in lines if b'"type":"tick"' in line and momo in line]
    others = [line for line in lines if not (b'"type":"tick"' in line and momo in line)]
    write_records(map(decode_record, own), folder / "deep" / "momo.parquet")
    (folder / "a.ndjson").write_bytes(b"".join(others[::2]))
    (folder / "b.jsonl").write_bytes(b"".join(others[1::2]))
    (folder / "_old" / "c.ndjson").write_bytes(b"".join(lines))
    shutil.copytree(demo.out, folder / "out")
    returns = _module("duckdb_forward_returns").forward_returns
    assert returns(demo.out, folder) == returns(demo.out, demo.records)
    ticks = _module("polars_precision").ticks
    order = ["ts", "token", "price"]
    whole = ticks(demo.records)
    assert ticks(folder).sort(order).equals(whole.sort(order)) and whole.height > 100_000


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("arrow_episodes", [], "usage: python examples/arrow_episodes.py OUT"),
        ("arrow_episodes", ["none"], "none is no output of a replay: "),
        ("arrow_episodes", ["text"], "text is no output of a replay: "),
        ("duckdb_forward_returns", ["OUT"], "usage: "),
        ("duckdb_forward_returns", ["OUT", "RECORDS", "soon"], "usage: "),
        ("duckdb_forward_returns", ["OUT", "RECORDS", "inf"], "usage: "),
        ("duckdb_forward_returns", ["OUT", "none"], "no such file: none"),
        ("duckdb_forward_returns", ["none", "RECORDS"], "IO Error: No files found"),
        ("duckdb_forward_returns", ["OUT", "empty"], "empty holds no .ndjson, .jsonl or .parquet"),
        ("polars_precision", ["OUT"], "usage: python examples/polars_precision.py OUT RECORDS"),
        ("polars_precision", ["OUT", "none"], "no such file: none"),
        ("polars_precision", ["none", "RECORDS"], "No such file"),
        ("polars_precision", ["OUT", "empty"], "empty holds no .ndjson, .jsonl or .parquet"),
        ("polars_precision", ["text", "RECORDS"], "parquet"),
    ],
)
def test_a_mistake_is_one_line(
    demo: Demo, tmp_path: Path, name: str, args: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "alerts.parquet").write_text("no table")
    given = [{"OUT": str(demo.out), "RECORDS": str(demo.records)}.get(arg, arg) for arg in args]
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["arrow_episodes", "duckdb_forward_returns", "polars_precision"])
def test_a_symbol_that_reverses_what_follows_is_printed_as_escapes(name: str) -> None:
    assert _module(name).shown("MO\u202eMO 小粉龙 \x1b[2J") == "MO\\u202eMO 小粉龙 \\x1b[2J"
