"""What a buyer at each candidate would have seen, in SQL: forward returns by ASOF joins.

python examples/duckdb_forward_returns.py OUT RECORDS [DELAY_S]

OUT is a folder that `goldendog replay` wrote, RECORDS the records it read: a file (.ndjson, .jsonl or
.parquet) or a folder of them. The entry is the first trade
that is logged later than the alert's `ts_available_ms` and DELAY_S seconds more: nobody buys at a
price that has traded already. Costs and slippage are not in it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from common import files, shown, stop

HORIZONS_MIN = (5, 60, 1440)
TICKS = {
    (".parquet",): "read_parquet(${name}, union_by_name = true)",
    (".ndjson", ".jsonl"): "read_json(${name}, format = 'newline_delimited', columns = {{type: "
    "'VARCHAR', token: 'VARCHAR', ts_event_ms: 'BIGINT', ts_log_ms: 'BIGINT', price_usd: 'DOUBLE'}})",
}
TICK = """SELECT token, coalesce(ts_log_ms, ts_event_ms) AS ts, price_usd::DOUBLE AS price
    FROM {source} WHERE type = 'tick'"""
QUERY = """
WITH ticks AS MATERIALIZED (
    {ticks}
), candidates AS (
    SELECT *, ts_available_ms + $delay_ms AS known_ms
    FROM read_parquet($alerts) WHERE kind = 'candidate'
), entries AS (
    SELECT c.alert_id, c.token, c.symbol, c.known_ms, c.probability, t.ts AS entry_ms, t.price AS entry
    FROM candidates c ASOF LEFT JOIN ticks t ON c.token = t.token AND c.known_ms < t.ts
), horizons AS (
    SELECT e.*, h.minutes, e.entry_ms + h.minutes * 60000 AS until_ms
    FROM entries e CROSS JOIN (SELECT unnest($horizons) AS minutes) h
), returns AS (
    SELECT h.alert_id, h.minutes, t.price / h.entry AS multiple
    FROM horizons h ASOF LEFT JOIN ticks t ON h.token = t.token AND h.until_ms >= t.ts
)
SELECT e.symbol, e.known_ms, e.probability, e.entry,
       {columns},
       (SELECT max(price) FROM ticks t
        WHERE t.token = e.token AND t.ts BETWEEN e.entry_ms AND e.entry_ms + 86400000) / e.entry AS best_1d
FROM entries e JOIN returns r USING (alert_id)
GROUP BY ALL ORDER BY e.known_ms, e.symbol
"""


def forward_returns(out: Path, records: Path, delay_s: float = 0.0) -> list[dict[str, Any]]:
    """A row a candidate: entry price, and price over entry after 5 min, 1 h, 1 day and at its best."""
    columns = ", ".join(
        f"max(r.multiple) FILTER (r.minutes = {m}) AS after_{m}_min" for m in HORIZONS_MIN
    )
    named = {kinds[0][1:]: files(records, *kinds) for kinds in TICKS}
    sources = dict(zip(named, TICKS.values(), strict=True))
    ticks = [TICK.format(source=sources[n].format(name=n)) for n in named if named[n]]
    if not ticks:
        raise ValueError(f"{records} holds no .ndjson, .jsonl or .parquet; unpack what is packed")
    found = duckdb.connect().execute(
        QUERY.format(ticks=" UNION ALL ".join(ticks), columns=columns),
        {
            **{name: paths for name, paths in named.items() if paths},
            "alerts": str(out / "alerts.parquet"),
            "delay_ms": int(delay_s * 1000),
            "horizons": list(HORIZONS_MIN),
        },
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def main(out: Path, records: Path, delay_s: float = 0.0) -> None:
    """Print the table, and the medians."""
    returns = forward_returns(out, records, delay_s)
    columns = [*(f"after_{m}_min" for m in HORIZONS_MIN), "best_1d"]
    print(
        f"{'candidate (UTC)':<20} {'symbol':<10} {'entry':>12} {'5 min':>8} {'1 h':>8} {'1 day':>8} {'best':>8}"
    )
    for row in returns:
        at = datetime.fromtimestamp(row["known_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        multiples = " ".join("" if row[c] is None else f"{row[c]:>7.2f}x" for c in columns)
        print(f"{at:<20} {shown(row['symbol'] or '?'):<10} {row['entry'] or 0:>12.4g} {multiples}")
    traded = [row for row in returns if row["entry"] is not None]
    if traded:
        after_1h, best = (median(row[c] for row in traded) for c in ("after_60_min", "best_1d"))
        print(
            f"{len(traded)} candidates; median after 1 h {after_1h:.2f}x, best within a day {best:.2f}x"
        )


if __name__ == "__main__":
    usage = "usage: python examples/duckdb_forward_returns.py OUT RECORDS [DELAY_S]"
    if len(sys.argv) not in (3, 4):
        stop(usage)
    try:
        delay_s = float(sys.argv[3]) if len(sys.argv) == 4 else 0.0
        if not 0 <= delay_s < 1e9:
            stop(usage)
    except ValueError:
        stop(usage)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), delay_s)
    except (OSError, ValueError, duckdb.Error) as error:
        stop(str(error))
