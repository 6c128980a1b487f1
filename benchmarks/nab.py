"""What is told of counts of posts every five minutes, in the columns that scorers of NAB read.

``python -m benchmarks.nab FOLDER --out DIR``: each ``NAME.csv`` of FOLDER (``timestamp,value``, as in the Numenta
Anomaly Benchmark's ``realTweets``) is imported as ``goldendog import x-mentions --minutes 5 --latency mentions=0``
does, replayed by itself as ``goldendog replay`` does with ``ticks = false``, and becomes DIR/``NAME.csv``:
``timestamp,anomaly_score``, one row for each that was read. A row counts where a candidate alert was raised within its
five minutes: what a trader is told, with every rule and limit. Its anomaly score is z / (1 + z), of the z that opened
the episode; all others are 0.

With ``--score z_mentions_week``, or another, no rule is asked: a row's z is then the highest of the bars that end within its
five minutes, 0 where it is below, unknown, or nothing was posted. Nobody knows who wrote, so every post has an
author of its own, and ``z_authors`` says little that ``z_mentions`` does not. With ``--once`` a row counts only where
it is above every row of the three hours before it (the default of ``refractory_bars``): a burst is then told
again only while it rises.
"""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

import pyarrow as pa  # noqa: E402 - after the cache is set
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from detectors.layout import BAR_MS  # noqa: E402
from detectors.settings import EngineSettings  # noqa: E402
from schemas.errors import UserError  # noqa: E402
from streams.imports.delays import Delays  # noqa: E402
from streams.imports.run import LEXICON, run_import  # noqa: E402
from streams.imports.x_mentions import XMentions  # noqa: E402
from streams.replay.api import replay  # noqa: E402

SCORES: Final = ("z_mentions", "z_mentions_day", "z_authors", "z_mentions_week")
WEEK: Final = "z_mentions_week"
POSTS_ALONE: Final = EngineSettings(ticks=False)
MINUTES: Final = 5
MINUTE_MS: Final = 60_000
ROW_MS: Final = MINUTES * MINUTE_MS
SILENT_ROWS: Final = EngineSettings().refractory_bars * BAR_MS // ROW_MS
F8 = NDArray[np.float64]


class Series(NamedTuple):
    """Counts of posts: times as they were written, the minute in which each row begins, posts."""

    times: list[str]
    minutes: NDArray[np.int64]
    posts: NDArray[np.int64]


def read_series(path: Path) -> Series:
    """Read ``timestamp,value``. A row that begins within a minute counts as if it began with it.

    Raises UserError where rows are less than five minutes apart, or nothing was posted.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["timestamp"], int(row["value"])) for row in csv.DictReader(file)]
    times = [time for time, _ in rows]
    began = [datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() for time in times]
    minutes = np.array(began, np.int64) // 60
    if not any(posts for _, posts in rows):
        raise UserError(f"{path} counts no post at all", "leave it out")
    if np.any(np.diff(minutes) < MINUTES):
        raise UserError(f"{path} has rows less than {MINUTES} minutes apart", "sum them up")
    return Series(times, minutes, np.array([posts for _, posts in rows], np.int64))


def imported(series: Series, coin: str, folder: Path) -> Path:
    """Import a series into a folder of records, its lexicon beside them."""
    some = np.flatnonzero(series.posts)
    lines = (f"{series.minutes[i]},{coin},{series.posts[i]},{series.posts[i]}\n" for i in some)
    counts = folder / "counts.csv"
    counts.write_text("t,coin,tweets,users\n" + "".join(lines), "utf-8")
    run_import(XMentions(counts, Delays(mentions=0), minutes=MINUTES), folder / "records")
    return folder / "records"


def candidates(records: Path) -> pa.Table:
    """Every bar that opened an episode, ``ts_bar_end_ms``, and its ``z_mentions_week``, in order of time."""
    told = replay(records, lexicon=records / LEXICON, settings=POSTS_ALONE).alerts
    opened = told.filter(pc.equal(told["kind"], "candidate"))
    return pa.table({"ts_bar_end_ms": opened["ts_bar_end_ms"], WEEK: opened["reason1_value"]})


def bar_scores(records: Path, out: Path) -> pa.Table:
    """Every bar that the engine looked at: ``ts_bar_end_ms`` and the scores, in order of time."""
    replay(records, lexicon=records / LEXICON, scores="all", out=out)
    columns = ["ts_bar_end_ms", *SCORES]
    return pq.read_table(out / "scores.parquet", columns=columns, memory_map=False)


def row_scores(series: Series, bars: pa.Table, score: str) -> F8:
    """The highest z of the bars that end within each row, at least 0."""
    begins = series.minutes * MINUTE_MS
    ends = bars["ts_bar_end_ms"].to_numpy()
    row = np.searchsorted(begins, ends, side="left") - 1
    inside = (row >= 0) & (ends <= begins[row] + ROW_MS)
    found = np.zeros(len(begins))
    np.fmax.at(found, row[inside], bars[score].to_numpy()[inside])
    return found


def told_once(z: F8, rows: int = SILENT_ROWS) -> F8:
    """Keep what is above each of the rows before it, so many of them.

    >>> told_once(np.array([1.0, 3.0, 2.0, 3.0, 2.5, 4.0]), rows=2).tolist()
    [1.0, 3.0, 0.0, 0.0, 0.0, 4.0]
    """
    before = np.concatenate([np.zeros(rows), z[:-1]])
    highest = np.lib.stride_tricks.sliding_window_view(before, rows).max(axis=1)
    return np.where(z > highest, z, 0.0)


def write_scores(series: Series, z: F8, path: Path) -> None:
    """Write ``timestamp,anomaly_score``, a row for each of the series."""
    scores = (z / (1 + z)).tolist()
    lines = (f"{time},{score!r}\n" for time, score in zip(series.times, scores, strict=True))
    path.write_text("timestamp,anomaly_score\n" + "".join(lines), "utf-8")


def main() -> None:
    """Score every series of a folder."""
    parser = argparse.ArgumentParser(description="Score counts of posts for NAB.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True)
    parser.add_argument("--score", choices=SCORES, help="of rows, instead of alerts")
    parser.add_argument("--once", action="store_true", help="tell a burst once, and while it rises")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        for path in sorted(args.folder.glob("*.csv")):
            series = read_series(path)
            with TemporaryDirectory(prefix="goldendog-nab-") as temporary:
                folder = Path(temporary)
                records = imported(series, path.stem, folder)
                bars = bar_scores(records, folder / "out") if args.score else candidates(records)
            z = row_scores(series, bars, args.score or WEEK)
            write_scores(series, told_once(z) if args.once else z, args.out / path.name)
            print(f"{path.stem}: {len(z)} rows, {int(series.posts.sum())} posts", file=sys.stderr)
    except UserError as error:
        sys.exit(f"benchmarks.nab: {error}")


if __name__ == "__main__":
    main()
