"""What others would use for a part of the same job, measured in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from detectors.columns import Columns

SHORT_BARS = 12
HOUR_BARS = 720
BAR_MS = 5_000


def polars_three_scores(columns: Columns) -> int:
    """Z-scores of mentions, volume and return alone, a minute against the hour before it.

    No authors, traders, day, copies, late records, classifier, episodes. Returns the rows scored.
    """
    frame = pl.DataFrame(
        {
            "token": columns.token,
            "bar": columns.ts_event_ms // BAR_MS,
            "mention": columns.kind == 0,
            "value": columns.b,
            "price": (columns.a >> 8).astype(float),
        }
    )
    tick = ~pl.col("mention")
    bars = (
        frame.group_by("token", "bar")
        .agg(
            mentions=pl.col("mention").sum().cast(pl.Int64),
            volume=pl.col("value").filter(tick).sum(),
            price=pl.col("price").filter(tick).last(),
        )
        .sort("token", "bar")
        .with_columns(change=pl.col("price").log(2).forward_fill().diff().over("token"))
    )
    scored = bars.with_columns(
        _score(pl.col("mentions").cast(pl.Float64), "z_mentions"),
        _score(pl.col("volume").cast(pl.Float64), "z_volume"),
        _score(pl.col("change"), "z_return"),
    )
    return scored.height


def _score(series: pl.Expr, name: str) -> pl.Expr:
    def total(of: pl.Expr, bars: int) -> pl.Expr:
        return of.rolling_sum_by("bar", f"{bars}i").over("token")

    short = total(series, SHORT_BARS)
    first = total(series, HOUR_BARS + SHORT_BARS) - short
    second = total(series**2, HOUR_BARS + SHORT_BARS) - total(series**2, SHORT_BARS)
    mean = first / HOUR_BARS
    deviation = (second / HOUR_BARS - mean**2).clip(0).sqrt()
    return ((short - SHORT_BARS * mean) / (deviation * SHORT_BARS**0.5 + 1)).alias(name)
