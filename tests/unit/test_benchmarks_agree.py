"""Engine, polars and plain Python give the same scores where they compute the same thing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import agree
from benchmarks import measure as measure_module
from benchmarks.agree import disagreement, python_scores
from benchmarks.clock import in_turn
from benchmarks.measure import FULL, PARTS, QUICK, Sizes, agreement, measure, measure_peers
from benchmarks.peers import rolling_scores, same_scores
from benchmarks.report import lines
from benchmarks.workload import workload
from detectors.columns import TICK

TINY = Sizes(4_000, 2.0, 8_000, 20, 50, 2_000, 4_000, 2_000, shrink=1_000, runs=1, rounds=2)
PEERS = ("polars_same", "polars_rolling", "python_events")


def test_all_three_agree_to_rounding() -> None:
    apart = disagreement(workload(12_000, 40, 3.0))
    assert apart["bars"] > 6_000
    assert apart["known"] > 12_000
    assert apart["unmatched"] == 0
    assert max(apart["polars"], apart["python"]) < 1e-9


def test_a_difference_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shifted = pl.col("z_volume") + 0.01
    monkeypatch.setattr(agree, "same_scores", lambda c: same_scores(c).with_columns(shifted))
    with pytest.raises(AssertionError, match="do not agree"):
        agreement(TINY)


def test_python_and_rolling_polars_score_every_bar_with_a_record() -> None:
    columns = workload(3_000, 10, 1.0)
    bars = set(zip(columns.token.tolist(), (columns.ts_event_ms // 5_000).tolist(), strict=True))
    for scored in (python_scores(columns), rolling_scores(columns), same_scores(columns)):
        assert set(scored.select("token", "bar").rows()) == bars


def test_newborn_tokens_appear_all_through_the_log_and_every_token_trades() -> None:
    hours, n_tokens, newborn = 24.0, 1_000, 200
    columns = workload(20_000, n_tokens, hours, newborn=newborn)
    assert len(columns) == 20_000
    assert set(columns.token[columns.kind == TICK].tolist()) == set(range(n_tokens))
    at = (columns.ts_event_ms - columns.ts_event_ms.min()) / 3_600_000
    first = np.full(n_tokens, np.inf)
    np.minimum.at(first, columns.token, at)
    later = np.sort(first[first > 1.0])
    assert abs(len(later) - newborn * 23 / 24) <= 2
    by_hour = np.bincount(later.astype(int), minlength=24)[1:24]
    assert by_hour.min() >= 7
    assert by_hour.max() <= 10


def test_peers_are_compared_within_a_round_and_the_median_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"engine": [1.0, 2.0, 8.0]} | {name: [4.0, 6.0, 8.0] for name in PEERS}
    monkeypatch.setattr(measure_module, "in_turn", lambda calls, _: {n: seconds[n] for n in calls})
    columns = workload(1_000, 10, 1.0)
    found = measure_peers(columns, replace(TINY, events=500))
    assert [found[f"ratio_to_{name}"] for name in PEERS] == [3.0, 3.0, 6.0]  # it got half of them
    rates = [found[f"{name}_records_per_cpu_s"] for name in PEERS]
    assert rates == [250.0, 250.0, 125.0]


def test_calls_run_in_turn() -> None:
    order: list[str] = []
    taken = in_turn({name: partial(order.append, name) for name in "ab"}, 3)
    assert order == ["a", "b"] * 3
    assert [len(seconds) for seconds in taken.values()] == [3, 3]


def test_a_report_has_its_declared_keys_and_fits_the_screen() -> None:
    report = dict(measure(TINY, ("agreement", "engine", "tokens")))
    assert set(report) == {"machine", "sizes", "agreement", "engine", "tokens"}
    assert set(report["engine"]) == {"rates", "peers"}
    assert [(r["workload"], r["batch"]) for r in report["engine"]["rates"]] == [
        ("A", 200_000),
        ("A", 5_000),
        ("A", 500),
        ("A", 100),
        ("B", 200_000),
    ]
    peers = report["engine"]["peers"]
    for name in PEERS:
        assert peers[f"ratio_to_{name}"] > 0
        assert peers[f"{name}_records_per_cpu_s"] > 0
    state = report["tokens"]["state"]
    assert state["tokens"] == TINY.many
    assert state["snapshot_bytes_per_token"] > state["state_bytes_per_token"] > 1_000
    told = [line for name, part in report.items() for line in lines(name, part)]
    assert max(map(len, told)) <= 90
    assert sum("M records/s" in line for line in told) == 5 + 3 + 2
    assert any("50 live tokens" in line for line in told)


def test_the_command_prints_json_of_the_parts_asked_for() -> None:
    asked = ["--quick", "--json", "--only", "agreement"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", *asked],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    report = json.loads(ran.stdout)
    assert list(report) == ["machine", "sizes", "agreement"]
    assert report["sizes"]["day"] == QUICK.day
    assert set(report["agreement"]) == {"bars", "known", "unmatched", "polars", "python"}
    assert report["agreement"]["known"] > 50_000


def test_quick_is_as_dense_as_the_whole() -> None:
    assert QUICK.day / QUICK.hours == pytest.approx(FULL.day / FULL.hours)
    assert QUICK.busy / QUICK.hours == pytest.approx(FULL.busy / FULL.hours)
    assert FULL.day / FULL.many == QUICK.day / QUICK.many
    assert PARTS == ("start", "agreement", "engine", "tokens", "files", "sweep")
