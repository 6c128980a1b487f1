"""Whether engine, polars and plain Python agree where they compute the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from benchmarks.events import event_scores, events_of
from benchmarks.peers import BAR_MS, same_scores
from detectors.engine import Engine
from detectors.layout import FEATURES
from detectors.settings import EngineSettings
from streams.model_store import load_default_model

if TYPE_CHECKING:
    from detectors.columns import Columns

SCORES: Final = ("z_mentions", "z_volume", "z_return")
KEYS: Final = ("token", "bar")


def engine_scores(columns: Columns, batch: int = 5_000) -> pl.DataFrame:
    """The engine's three scores of every bar that it walked, NaN as null."""
    engine = Engine(
        EngineSettings(), load_default_model(), ["log"], fingerprint="benchmark", scores="all"
    )
    number = {token: i for i, token in enumerate(columns.tokens)}
    frames = []
    starts = range(0, len(columns), batch)
    for start in starts:
        part = columns.take(slice(start, start + batch))
        out = engine.push("log", part, start + len(part) - 1, int(part.ts_log_ms[-1]))
        frames.append(out.scores)
    end = int(columns.ts_log_ms[-1]) + 60_000
    frames.append(engine.push("log", None, len(columns), end).scores)
    return pl.concat(
        pl.DataFrame(
            {
                "token": [number[token] for token in rows.token],
                "bar": rows.ts_bar_end_ms // BAR_MS - 1,
                **{name: rows.features[:, FEATURES.index(name)] for name in SCORES},
            },
            schema_overrides={"token": pl.Int64},
        )
        for rows in frames
        if rows is not None
    ).with_columns(pl.col(*SCORES).fill_nan(None))


def python_scores(columns: Columns) -> pl.DataFrame:
    """The per-event implementation's scores, NaN as null."""
    rows = list(event_scores(events_of(columns)))
    frame = pl.DataFrame(rows, schema=[*KEYS, *SCORES], orient="row")
    return frame.with_columns(pl.col(*SCORES).fill_nan(None))


def disagreement(columns: Columns) -> dict[str, float]:
    """How far the three are apart on the bars that hold a record.

    ``bars`` is their number, ``known`` how many of the scores are known; ``polars`` and ``python``
    the largest distance from the engine's score; ``unmatched`` counts bars, and scores known to one
    and unknown to another.
    """
    ours = engine_scores(columns)
    out: dict[str, float] = {"bars": 0, "known": 0, "unmatched": 0}
    for name, theirs in (("polars", same_scores(columns)), ("python", python_scores(columns))):
        both = theirs.join(ours, on=KEYS, how="left", suffix="_engine", validate="1:1")
        out["bars"] = both.height
        out["known"] = sum(both[score].count() for score in SCORES)
        farthest = 0.0
        for score in SCORES:
            mine, other = both[f"{score}_engine"], both[score]
            out["unmatched"] += int((mine.is_null() != other.is_null()).sum())
            distance = (mine - other).abs().max()
            farthest = max(farthest, float(distance or 0.0))
        out[name] = farthest
        out["unmatched"] += theirs.height - theirs.join(ours, on=KEYS, how="semi").height
    return out
