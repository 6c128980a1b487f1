"""Precision of candidates by day, beside the base rate of all scored moments, with polars.

python examples/polars_precision.py OUT RECORDS

OUT is a folder that `goldendog replay --scores gated` wrote, RECORDS the records it read: a file (.ndjson
or .jsonl with prices as numbers, or .parquet) or a folder of them. A moment is a hit if the price reaches 3x the next traded one within a day, before it
falls to half of it. The base rate says how often that is so at moments that passed the first gate: what a
threshold has to beat.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from common import files, shown, stop

TARGET_X = 3.0
STOP_X = 0.5
HORIZON_MS = 86_400_000
SCHEMA = {
    "type": pl.String,
    "token": pl.String,
    "ts_event_ms": pl.Int64,
    "ts_log_ms": pl.Int64,
    "price_usd": pl.Float64,
}


def ticks(records: Path) -> pl.DataFrame:
    """Trades: token, ts (log time, in ms) and price (US dollars), in order of time."""
    rows = [pl.scan_parquet(path) for path in files(records, ".parquet")]
    if lines := files(records, ".ndjson", ".jsonl"):
        rows.append(pl.scan_ndjson(lines, schema=SCHEMA))
    if not rows:
        raise ValueError(f"{records} holds no .ndjson, .jsonl or .parquet; unpack what is packed")
    trades = [
        each.filter(pl.col("type") == "tick").select(
            "token",
            ts=pl.coalesce("ts_log_ms", "ts_event_ms"),
            price=pl.col("price_usd").cast(pl.Float64),
        )
        for each in rows
    ]
    return pl.concat(trades).collect().sort("ts", maintain_order=True)


def labelled(moments: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    """Moments (token, ts) with their entry price and whether they were hits.

    Moments after which nothing trades are left out.
    """
    entered = moments.sort("ts").join_asof(
        trades.with_columns(entry_ts="ts").rename({"price": "entry"}),
        on="ts",
        by="token",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    entered = entered.drop_nulls("entry").with_row_index("moment")
    paths = entered.join(trades.rename({"ts": "at"}), on="token").filter(
        (pl.col("at") >= pl.col("entry_ts")) & (pl.col("at") <= pl.col("entry_ts") + HORIZON_MS)
    )
    multiple = pl.col("price") / pl.col("entry")
    ends = paths.group_by("moment").agg(
        target_at=pl.col("at").filter(multiple >= TARGET_X).min(),
        stop_at=pl.col("at").filter(multiple <= STOP_X).min(),
    )
    hit = pl.col("target_at").is_not_null() & (
        pl.col("stop_at").is_null() | (pl.col("target_at") < pl.col("stop_at"))
    )
    return entered.join(ends, on="moment").with_columns(hit=hit).sort("ts", "token")


def precision_by_day(out: Path, records: Path) -> pl.DataFrame:
    """Candidates and hits of each UTC day."""
    candidates = (
        pl.read_parquet(out / "alerts.parquet")
        .filter(pl.col("kind") == "candidate")
        .select("token", "symbol", "probability", ts="ts_available_ms")
    )
    day = pl.from_epoch("ts", time_unit="ms").dt.date()
    return (
        labelled(candidates, ticks(records))
        .group_by(day=day)
        .agg(
            candidates=pl.len(),
            hits=pl.col("hit").sum(),
            symbols=pl.col("symbol").unique().sort().str.join(" "),
        )
        .with_columns(precision=pl.col("hits") / pl.col("candidates"))
        .sort("day")
    )


def base_rate(out: Path, records: Path, per_token: int = 50) -> tuple[int, float]:
    """Scored moments looked at (``per_token`` of each token, spread evenly), and the share of hits."""
    scores = pl.read_parquet(out / "scores.parquet", columns=["token", "ts_bar_end_ms"])
    step = pl.max_horizontal(pl.len() // per_token, 1)
    moments = scores.filter((pl.int_range(pl.len()) % step == 0).over("token")).select(
        "token", ts="ts_bar_end_ms"
    )
    found = labelled(moments, ticks(records))
    return found.height, float(found["hit"].mean() or 0.0)


def main(out: Path, records: Path) -> None:
    """Print both."""
    days = precision_by_day(out, records)
    for row in days.iter_rows(named=True):
        print(
            f"{row['day']}  {row['hits']} of {row['candidates']} candidates hit  {shown(row['symbols'])}"
        )
    hits, n = days["hits"].sum(), days["candidates"].sum()
    moments, rate = base_rate(out, records)
    print(f"precision {hits}/{n}; base rate {rate:.1%} of {moments:,} scored moments")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        stop("usage: python examples/polars_precision.py OUT RECORDS")
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        stop(str(error))
