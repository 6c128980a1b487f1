"""What others would use for a part of the same job: polars, over a whole log at once.

Both functions score mentions, volume and return alone: no authors, traders, day, copies, late
records, classifier, episodes or alerts, and no record is held back or could come in a later batch.
``same_scores`` has the engine's definitions and gives its numbers; ``rolling_scores`` is what one
would write first, with definitions that suit polars: an hour of single bars is the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from detectors.layout import LOG2_OF_TEN

if TYPE_CHECKING:
    from detectors.columns import Columns

SHORT_BARS: Final = 12
HOUR_BARS: Final = 720
HOUR_MINUTES: Final = 60
LEAST_MINUTES: Final = 5
BAR_MS: Final = 5_000
Q20: Final = 1_048_576
UNIT: Final = 1_024
RETURN_UNIT: Final = 30
EVENT_MICRO_USD: Final = 50_000_000
_TOKEN: Final = 1 << 32
"""Token times this, plus bar or minute: one sorted key finds any bar of any token."""


def same_scores(columns: Columns) -> pl.DataFrame:
    """Z-scores as the engine defines them; columns token, bar, z_mentions, z_volume, z_return.

    One row for each bar of a token that holds a record; unknown scores are null. Every record must
    have come within the lateness, and the log be shorter than 25 h.
    """
    bars = _bars(columns)
    minutes = _minutes(bars)
    first_ms = int(columns.ts_log_ms[0])
    token, bar = pl.col("token"), pl.col("bar")
    started = bar.first().over("token") * BAR_MS
    last_minute = (bar - SHORT_BARS + 1) // SHORT_BARS - 1
    known = pl.min_horizontal(started, pl.lit(first_ms)) // (SHORT_BARS * BAR_MS)
    bars = bars.with_columns(
        upto=_place(minutes["key"], token * _TOKEN + last_minute),
        before=_place(minutes["key"], token * _TOKEN + last_minute - HOUR_MINUTES),
        gone=_place(bars["key"], pl.col("key") - SHORT_BARS),
        n=(last_minute - known + 1).clip(0, HOUR_MINUTES),
    ).with_columns(
        mentions=_slid("mentions_sum"), volume=_slid("volume_sum"), then=_price_then(bars)
    )
    return bars.select(
        "token",
        "bar",
        _score(_stabilised(pl.col("mentions")), minutes, "mentions", UNIT),
        _score(_stabilised(pl.col("volume") / EVENT_MICRO_USD), minutes, "volume", UNIT),
        _score((pl.col("price") - pl.col("then")) // UNIT, minutes, "return", RETURN_UNIT),
    )


def _bars(columns: Columns) -> pl.DataFrame:
    """Counts, volume and last price of every bar of a token, by key, with their running sums."""
    frame = pl.DataFrame(
        {
            "key": columns.token.astype(np.int64) * _TOKEN + columns.ts_event_ms // BAR_MS,
            "tick": columns.kind == 1,
            "t": columns.ts_event_ms,
            "order": columns.order,
            "id": columns.id,
            "a": columns.a,
            "volume": columns.b,
        }
    ).lazy()
    ticks = (
        frame.filter("tick")
        .sort("t", "order", "id")
        .group_by("key")
        .agg(pl.col("volume").sum(), pl.col("a").last())
    )
    mentions = frame.filter(~pl.col("tick")).group_by("key").agg(mentions=pl.len().cast(pl.Int64))
    of_ten = pl.Series(LOG2_OF_TEN)
    return (
        mentions.join(ticks, on="key", how="full", coalesce=True)
        .sort("key")
        .with_columns(
            pl.col("mentions", "volume").fill_null(0),
            token=pl.col("key") // _TOKEN,
            bar=pl.col("key") % _TOKEN,
            price=((pl.col("a") // 256).log(2) * Q20 + 0.5).floor().cast(pl.Int64)
            + pl.lit(of_ten).gather(pl.col("a") % 256),
        )
        .with_columns(
            pl.col("price").forward_fill().over("token"),
            mentions_sum=pl.col("mentions").cum_sum(),
            volume_sum=pl.col("volume").cum_sum(),
        )
        .collect()
    )


def _minutes(bars: pl.DataFrame) -> pl.DataFrame:
    """Running sums of every busy minute's stabilised values, and of their squares, by key."""
    minutes = (
        bars.lazy()
        .group_by(
            key=pl.col("token") * _TOKEN + pl.col("bar") // SHORT_BARS,
            maintain_order=True,
        )
        .agg(pl.col("token").first(), pl.col("mentions", "volume").sum(), pl.col("price").last())
        .with_columns(change=(pl.col("price").diff().over("token") // UNIT).fill_null(0))
        .select(
            "key",
            mentions=_stabilised(pl.col("mentions")).cast(pl.Int64),
            volume=_stabilised(pl.col("volume") / EVENT_MICRO_USD).cast(pl.Int64),
            **{"return": pl.col("change")},
        )
    )
    values = pl.col("mentions", "volume", "return")
    return minutes.select(
        "key", values.cum_sum(), (values * values).cum_sum().name.suffix("_squares")
    ).collect()


def _stabilised(events: pl.Expr) -> pl.Expr:
    y = (2 * UNIT * (events + 0.375).sqrt() + 0.5).floor() - 1254
    return y.clip(upper_bound=1 << 24)


def _place(keys: pl.Series, key: pl.Expr) -> pl.Expr:
    """Rows whose key is at most this."""
    return pl.lit(keys).search_sorted(key, side="right").cast(pl.Int64)


def _at(running: pl.Series, rows: str) -> pl.Expr:
    """Running sum of so many rows."""
    padded = pl.concat([pl.Series([0], dtype=pl.Int64), running.cast(pl.Int64)])
    return pl.lit(padded).gather(pl.col(rows))


def _slid(name: str) -> pl.Expr:
    """Sum of the short window: running sums of other tokens cancel."""
    earlier = pl.col(name).gather((pl.col("gone") - 1).clip(0))
    return pl.col(name) - pl.when(pl.col("gone") > 0).then(earlier).otherwise(0)


def _price_then(bars: pl.DataFrame) -> pl.Expr:
    """Price at the end of the bar a minute ago; null where this token had none."""
    row = (pl.col("gone") - 1).clip(0)
    same = (pl.col("gone") > 0) & (pl.lit(bars["token"]).gather(row) == pl.col("token"))
    return pl.when(same).then(pl.lit(bars["price"]).gather(row))


def _score(now: pl.Expr, minutes: pl.DataFrame, name: str, floor: int) -> pl.Expr:
    """``now`` against the hour's minutes: those without a record are zeros."""
    n = pl.col("n").cast(pl.Float64)
    squares = f"{name}_squares"
    total = (_at(minutes[name], "upto") - _at(minutes[name], "before")).cast(pl.Float64)
    square = (_at(minutes[squares], "upto") - _at(minutes[squares], "before")).cast(pl.Float64)
    deviation = ((n * square - total * total) / (n * n) + floor * floor).sqrt()
    z = (now * n - total) / n / deviation
    return pl.when(pl.col("n") >= LEAST_MINUTES).then(z).alias(f"z_{name}")


def rolling_scores(columns: Columns) -> pl.DataFrame:
    """Z-scores by polars' own rolling sums; a minute against the hour of bars before it."""
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
    return bars.select(
        "token",
        "bar",
        _rolled(pl.col("mentions").cast(pl.Float64), "z_mentions"),
        _rolled(pl.col("volume").cast(pl.Float64), "z_volume"),
        _rolled(pl.col("change"), "z_return"),
    )


def _rolled(series: pl.Expr, name: str) -> pl.Expr:
    def total(of: pl.Expr, bars: int) -> pl.Expr:
        return of.rolling_sum_by("bar", f"{bars}i").over("token")

    short = total(series, SHORT_BARS)
    first = total(series, HOUR_BARS + SHORT_BARS) - short
    second = total(series**2, HOUR_BARS + SHORT_BARS) - total(series**2, SHORT_BARS)
    mean = first / HOUR_BARS
    deviation = (second / HOUR_BARS - mean**2).clip(0).sqrt()
    return ((short - SHORT_BARS * mean) / (deviation * SHORT_BARS**0.5 + 1)).alias(name)
