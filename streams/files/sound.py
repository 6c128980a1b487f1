"""Which rows are sound: what ``schemas.decode`` checks of one record, on whole columns."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.batch.text_table import TOKENS, TextTable
from schemas.decode import (
    MAX_ORDER,
    MAX_PRICE_USD,
    MAX_REACH,
    MAX_TIME_MS,
    MAX_VALUE_USD,
    MIN_PRICE_USD,
    MIN_TIME_MS,
)
from schemas.records import MAX_ID_CHARS, MAX_TOKENS_PER_MENTION
from schemas.tokens import is_token
from streams.files.arrow import B1, doubles, ints, is_plain, numbers, sizes, valid
from streams.files.rows import I8

SAFE_TEXT_BYTES: Final = 8_000
"""Longer posts may exceed what a record may weigh as JSON: they take the way by JSON, as do other
texts with more bytes than they may have characters."""
_SIDES: Final = TextTable(lambda side: int(side in {"buy", "sell"}))


def sound_ticks(batch: pa.RecordBatch, rows: I8) -> B1:
    """Which of these rows, which rise, are good ticks, bool[len(rows)].

    None are where money is kept as text or decimals.
    """
    ok = _sound(batch, rows, "id", "trader_id", "token")
    for name in ("price_usd", "value_usd", "liquidity_usd"):
        if name in batch.schema.names and not is_plain(batch[name].type):
            return np.zeros(len(rows), np.bool_)
    price, value = doubles(batch, "price_usd", rows), doubles(batch, "value_usd", rows)
    ok &= (
        (price >= MIN_PRICE_USD)
        & (price <= MAX_PRICE_USD)
        & (value >= 0)
        & (value <= MAX_VALUE_USD)
    )
    if "liquidity_usd" in batch.schema.names:
        depth = doubles(batch, "liquidity_usd", rows)
        known = valid(batch["liquidity_usd"])[rows]
        ok &= ~known | ((depth >= 0) & (depth <= MAX_VALUE_USD))
    ok &= _are(_SIDES, batch["side"], rows)
    if "usd_rate" in batch.schema.names and is_plain(batch["usd_rate"].type):
        ok &= ~np.isinf(doubles(batch, "usd_rate", rows))
    return ok & _are(TOKENS, batch["token"], rows)


def sound_mentions(batch: pa.RecordBatch, rows: I8) -> B1:
    """Which of these rows, which rise, are good mentions, bool[len(rows)]."""
    ok = _sound(batch, rows, "id", "author_id")
    reach = ints(batch, "reach", 0, rows)
    ok &= (reach >= 0) & (reach <= MAX_REACH)
    ok &= sizes(batch["platform"], rows) <= 32
    ok &= valid(batch["platform"])[rows]
    names = batch.schema.names
    if "text" in names:
        ok &= sizes(batch["text"], rows) <= SAFE_TEXT_BYTES
    if "lang" in names and batch["lang"].null_count < batch.num_rows:
        ok &= sizes(batch["lang"], rows) <= MAX_ID_CHARS
    if "ts_post_ms" in names and batch["ts_post_ms"].null_count < batch.num_rows:
        post = ints(batch, "ts_post_ms", MIN_TIME_MS, rows)
        ok &= (post >= MIN_TIME_MS) & (post < MAX_TIME_MS)
    if "tokens" in names and batch["tokens"].null_count < batch.num_rows:
        counts = pc.list_value_length(batch["tokens"]).fill_null(0)
        ok &= counts.to_numpy(zero_copy_only=False)[rows] <= MAX_TOKENS_PER_MENTION
        flat = pc.list_flatten(batch["tokens"])
        wrong = {t for t in flat.unique().to_pylist() if t is None or not is_token(t)}
        if wrong:
            lists = batch["tokens"].to_pylist()
            ok &= np.array([not any(t in wrong for t in each or ()) for each in lists])[rows]
    return ok


def _sound(batch: pa.RecordBatch, rows: I8, *texts: str) -> B1:
    event = ints(batch, "ts_event_ms", 0, rows)
    log_ms = ints(batch, "ts_log_ms", MIN_TIME_MS, rows)
    order = ints(batch, "order", 0, rows)
    ok = (event >= MIN_TIME_MS) & (event < MAX_TIME_MS)
    ok &= (log_ms >= MIN_TIME_MS) & (log_ms < MAX_TIME_MS)
    ok &= (order >= -MAX_ORDER) & (order <= MAX_ORDER)
    for name in texts:
        length = sizes(batch[name], rows)
        ok &= (length >= 1) & (length <= MAX_ID_CHARS)
    return ok


def _are(table: TextTable, column: pa.Array, rows: I8) -> B1:
    return valid(column)[rows] & (numbers(table, column, rows) > 0)
