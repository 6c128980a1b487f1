"""Pumps are judged by candidates in time and runs of them elsewhere, on logs of trades alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.pumps import Pump, Told, judge, read_events, summary
from schemas.errors import UserError

ROOT = Path(__file__).parents[2]
ONSET_MS = 1_600_000_000_000
HEAD = "event,symbol,announced,onset_5s\n"


def test_found_is_a_bar_that_ends_within_two_minutes() -> None:
    for after_ms, delay_ms in ((-5_000, None), (0, 0), (120_000, 120_000), (125_000, None)):
        told = judge([ONSET_MS + after_ms], ONSET_MS, 1.0)
        assert told == Told(delay_ms, 0, 1.0), after_ms


def test_runs_outside_are_counted_once() -> None:
    hour = 3_600_000
    ends = [
        ONSET_MS + ms for ms in (-9 * hour, -9 * hour + 500_000, -125_000, 5_000, hour, 2 * hour)
    ]
    assert judge(ends, ONSET_MS, 2.0) == Told(5_000, 2, 2.0)  # one run reaches into what is near


def test_rates_are_of_those_with_an_onset_and_of_all_days() -> None:
    pumps = [Pump("a", 1), Pump("b", 1), Pump("c", None)]
    found = summary(pumps, [Told(5_000, 0, 4.0), Told(None, 1, 4.0), Told(None, 3, 2.0)])
    assert found["recall"] == 0.5
    assert found["false_alarms_a_coin_day"] == 0.4
    assert found["median_delay_s"] == 5.0
    assert summary([], [])["recall"] is None


def test_an_event_without_a_time_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(HEAD + "A,A,2020-01-01 00:00:00,\nB,B,2020-01-01 00:00:00,soon\n", "utf-8")
    with pytest.raises(UserError, match="line 3: Invalid isoformat string: 'soon'"):
        read_events(path)
    path.write_text("event\nA\n", "utf-8")
    with pytest.raises(UserError, match="line 2: 'onset_5s'"):
        read_events(path)


def test_a_pump_is_told_and_ordinary_hours_are_not(tmp_path: Path) -> None:
    """Two hours of a trade every ten seconds; then fifty at rising prices within five."""
    rows = [(ONSET_MS - 7_200_000 + k * 10_000, 100 + k % 2) for k in range(720)]
    rows += [(ONSET_MS + k * 100, 100 + k) for k in range(50)]
    rows += [(ONSET_MS + 10_000 + k * 10_000, 120 - k % 2) for k in range(360)]
    lines = (f"E,{ms},buy,{price / 1e8:.8f},1000,0\n" for ms, price in rows)
    (tmp_path / "trades.csv").write_text(
        "event,ts_ms,side,price,amount,btc_volume\n" + "".join(lines), "utf-8"
    )
    onset = datetime.fromtimestamp(ONSET_MS / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    (tmp_path / "events.csv").write_text(f"{HEAD}E,E,{onset},{onset}\n", "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.pumps", str(tmp_path), "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(ran.stdout)
    assert (found["found"], found["with_onset"], found["false_alarms"]) == (1, 1, 0)
    assert found["median_delay_s"] <= 10
    missing = subprocess.run(
        [sys.executable, "-m", "benchmarks.pumps", str(tmp_path / "none")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr
    assert "events.csv" in missing.stderr
