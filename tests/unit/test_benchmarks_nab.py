"""Counts of posts become anomaly scores, a row for a row, that know nothing of what comes later."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.nab import (
    WEEK,
    Series,
    bar_scores,
    candidates,
    imported,
    read_series,
    row_scores,
    told_once,
    write_scores,
)
from schemas.errors import UserError

BEGIN = datetime.fromisoformat("2015-02-26 21:42:53")
ROOT = Path(__file__).parents[2]
COUNTS = [3, 2, 0, 4, 1, 3, 2, 3, 0, 2, 4, 3, 1, 2, 3, 2, 90, 120, 3, 0, 0, 2, 3, 130, 2, 1]
BURST = 16
SCORES = ("z_mentions", "z_mentions_day", "z_authors")  # the week's needs a day


def written(path: Path, posts: list[int], apart_s: int = 300) -> Path:
    rows = (f"{BEGIN + timedelta(seconds=i * apart_s)},{n}\n" for i, n in enumerate(posts))
    path.write_text("timestamp,value\n" + "".join(rows), "utf-8")
    return path


def bars_of(series: Series, folder: Path) -> pa.Table:
    shutil.rmtree(folder / "of", ignore_errors=True)
    (folder / "of").mkdir()
    return bar_scores(imported(series, "WIF", folder / "of"), folder / "of" / "out")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("nab")
    series = read_series(written(folder / "WIF.csv", COUNTS))
    bars = bars_of(series, folder)
    return {score: row_scores(series, bars, score) for score in SCORES}


def test_a_burst_stands_out_and_silence_does_not(scored: dict[str, np.ndarray]) -> None:
    for score, z in scored.items():
        assert len(z) == len(COUNTS), score
        assert z.min() >= 0 and np.isfinite(z).all(), score
        assert z[:BURST].max() < 3, score
        assert z[BURST] > 6, score
        assert not z[np.array(COUNTS) == 0].any(), score
    assert z[0] == 0  # there is no baseline yet


def test_a_row_knows_nothing_of_later_rows(scored: dict[str, np.ndarray], tmp_path: Path) -> None:
    for n in (BURST, BURST + 1, BURST + 4):
        series = read_series(written(tmp_path / "WIF.csv", COUNTS[:n]))
        bars = bars_of(series, tmp_path)
        for score in SCORES:
            assert row_scores(series, bars, score).tolist() == scored[score][:n].tolist()


def test_an_hour_that_stands_out_from_days_is_told_in_its_rows(tmp_path: Path) -> None:
    """Two days of a post or two in five minutes; then twenty in each, for an hour and a half."""
    quiet, many = 576, 18
    posts = [1 + k % 2 for k in range(quiet)] + [20] * many + [1] * 12
    series = read_series(written(tmp_path / "WIF.csv", posts))
    z = row_scores(series, candidates(imported(series, "WIF", tmp_path)), WEEK)
    (row,) = np.flatnonzero(z).tolist()
    assert quiet <= row < quiet + 6
    assert z[row] >= 3.5


def test_posts_lie_within_all_of_their_rows_five_minutes(tmp_path: Path) -> None:
    series = read_series(written(tmp_path / "WIF.csv", [0, 120]))
    ends = bars_of(series, tmp_path)["ts_bar_end_ms"].to_numpy() - series.minutes[1] * 60_000
    assert set(np.unique((ends - 1) // 60_000)) == {0, 1, 2, 3, 4}
    assert 0 < ends.min() < 30_000
    assert 270_000 < ends.max() <= 300_000


def test_a_row_has_the_highest_bar_that_ends_within_it(tmp_path: Path) -> None:
    series = read_series(written(tmp_path / "A.csv", [1, 1], apart_s=900))  # two rows are missing
    first, second = (int(minute) * 60_000 for minute in series.minutes)
    ends = [
        (first, 9.0), (first + 5_000, 1.0), (first + 10_000, None), (first + 300_000, 2.0),
        (first + 305_000, 8.0), (second, 7.0), (second + 5_000, -3.0), (second + 300_005, 6.0),
    ]  # fmt: skip
    bars = pa.table({"ts_bar_end_ms": [ms for ms, _ in ends], "z_mentions": [z for _, z in ends]})
    assert row_scores(series, bars, "z_mentions").tolist() == [2.0, 0.0]


def test_a_burst_is_told_once_while_it_does_not_rise() -> None:
    z = np.array([0.0, 4.0, 4.0, 3.0, 5.0, 1.0, 0.5, 0.6])
    assert told_once(z, rows=2).tolist() == [0.0, 4.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0]
    assert told_once(z).tolist() == [0.0, 4.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0]
    late = np.zeros(40)
    late[[0, 36, 39]] = 5.0, 4.0, 3.0  # three hours are 36 rows
    assert np.flatnonzero(told_once(late)).tolist() == [0]
    late[[36, 37]] = 0.0, 4.0
    assert np.flatnonzero(told_once(late)).tolist() == [0, 37]


def test_scores_keep_rows_times_and_order(tmp_path: Path) -> None:
    series = read_series(written(tmp_path / "A.csv", [1, 2, 3]))
    write_scores(series, np.array([0.0, 3.0, 6.0]), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["timestamp"] for row in rows] == series.times
    assert [float(row["anomaly_score"]) for row in rows] == [0.0, 3 / 4, 6 / 7]


def test_rows_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="less than 5 minutes apart"):
        read_series(written(tmp_path / "A.csv", [1, 2], apart_s=60))
    with pytest.raises(UserError, match="counts no post at all"):
        read_series(written(tmp_path / "A.csv", [0, 0]))


def test_the_command_writes_a_file_for_each_series(
    scored: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "deep" / "out"
    folder.mkdir()
    written(folder / "WIF.csv", COUNTS)
    args = [folder, "--out", out, "--score", "z_mentions_day", "--once"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.nab", *map(str, args)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stderr == f"WIF: {len(COUNTS)} rows, {sum(COUNTS)} posts\n"
    assert [path.name for path in out.iterdir()] == ["WIF.csv"]
    with (out / "WIF.csv").open(encoding="utf-8", newline="") as file:
        found = [float(row["anomaly_score"]) for row in csv.DictReader(file)]
    z = told_once(scored["z_mentions_day"])
    assert found == (z / (1 + z)).tolist()
    assert max(found) > 6 / 7
