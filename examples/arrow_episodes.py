"""Episodes of a replay, one a row, with Arrow alone.

python examples/arrow_episodes.py OUT

OUT is a folder that `goldendog replay` wrote. For each episode: when its candidate could be known, the
probability, the price then, the best price told while it was open, and the price at the fading alert.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from common import shown, stop

EPISODE = ["token", "ts_episode_start_ms"]


def episodes(out: Path) -> pa.Table:
    """One row an episode, in the order in which candidates could be known."""
    alerts = pq.read_table(out / "alerts.parquet")

    def of(kind: str, columns: dict[str, str]) -> pa.Table:
        rows = alerts.filter(pc.field("kind") == kind)
        return rows.select([*EPISODE, *columns]).rename_columns([*EPISODE, *columns.values()])

    candidates = of(
        "candidate",
        {
            "symbol": "symbol",
            "ts_available_ms": "candidate_ms",
            "probability": "probability",
            "price_usd": "price_at_candidate",
            "reason1_feature": "strongest_reason",
        },
    )
    # An episode that rises again after its fading alert has another one: the last counts.
    fading = (
        of("fading", {"ts_available_ms": "fading_ms", "price_usd": "price_at_fading"})
        .sort_by("fading_ms")
        .group_by(EPISODE, use_threads=False)
        .aggregate([("fading_ms", "last"), ("price_at_fading", "last")])
        .rename_columns([*EPISODE, "fading_ms", "price_at_fading"])
    )
    best = (
        alerts.group_by(EPISODE)
        .aggregate([("price_usd", "max"), ("kind", "count")])
        .rename_columns([*EPISODE, "best_price_told", "alerts"])
    )
    joined = candidates.join(fading, EPISODE).join(best, EPISODE)
    ratio = pc.divide(joined["price_at_fading"], joined["price_at_candidate"])
    return joined.append_column("fading_over_candidate", ratio).sort_by("candidate_ms")


def cell(value: float | None, form: str) -> str:
    """A number, or a question mark where it is unknown: in a log of posts alone there is no price."""
    return "?" if value is None else form.format(value)


def main(out: Path) -> None:
    """Print the episodes, and how many of the tokens seen had one."""
    table = episodes(out)
    print(
        f"{'candidate (UTC)':<20} {'symbol':<10} {'P':>5} {'price':>12} {'best':>12} {'fading/candidate':>17}"
    )
    for row in table.to_pylist():
        at = datetime.fromtimestamp(row["candidate_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        ratio = row["fading_over_candidate"]
        print(
            f"{at:<20} {shown(row['symbol'] or '?'):<10} {cell(row['probability'], '{:.2f}'):>5} "
            f"{cell(row['price_at_candidate'], '{:.4g}'):>12} {cell(row['best_price_told'], '{:.4g}'):>12} "
            f"{'still open' if row['fading_ms'] is None else cell(ratio, '{:.2f}x'):>17}"
        )
    tokens = len(pc.unique(pq.read_table(out / "universe.parquet")["token"]))
    print(f"{table.num_rows} episodes of {len(pc.unique(table['token']))} of {tokens} tokens")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        stop("usage: python examples/arrow_episodes.py OUT")
    try:
        main(Path(sys.argv[1]))
    except (OSError, pa.ArrowException) as error:
        stop(f"{sys.argv[1]} is no output of a replay: {error}")
