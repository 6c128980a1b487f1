"""Record batches of Parquet files to columns: arrays where a row is sound, JSON where it is not.

A row that fails any check is written as JSON and decoded like a line of NDJSON, so that both kinds
of file reject the same records with the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detectors.columns import MENTION, TICK, UNKNOWN, Columns
from detectors.hashing import text_fingerprint
from schemas.decode import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    decode_record,
)
from schemas.errors import RecordError
from schemas.platforms import platform_number
from schemas.records import Mention, Record
from schemas.tokens import canonical_token
from streams.files.arrow import bools, doubles, ints, is_plain
from streams.files.ndjson import RecordChunk
from streams.files.numbers import hashes, micro_usds, pack_prices
from streams.files.rows import I8, BadRecord, Decoded, joined
from streams.files.schema import MENTION_NEEDS, RECORD_SCHEMA, TICK_NEEDS, need
from streams.files.sound import sound_mentions, sound_ticks

B1 = NDArray[np.bool_]
_OF_TYPE: Final = {
    "mention": (
        "id", "ts_event_ms", "ts_log_ms", "order", "platform", "author_id", "text", "tokens",
        "reach", "lang", "ts_post_ms",
    ),
    "tick": (
        "id", "ts_event_ms", "ts_log_ms", "order", "token", "price_usd", "value_usd", "side",
        "trader_id", "liquidity_usd", "venue", "usd_rate",
    ),
}  # fmt: skip


_NOT_UTF8: Final = "\0not UTF-8"


@dataclass
class ParquetChunk:
    """Rows of a Parquet file: a record batch of ``normal`` columns, times, and their numbers."""

    batch: pa.RecordBatch
    times: I8
    numbers: I8
    place: str

    def part(self, start: int, stop: int) -> ParquetChunk:
        """Rows ``start`` to ``stop``, the last excluded."""
        return ParquetChunk(
            self.batch.slice(start, stop - start),
            self.times[start:stop],
            self.numbers[start:stop],
            self.place,
        )

    def decode(self) -> Decoded:
        """Columns of the rows."""
        batch, n = self.batch, self.batch.num_rows
        kind = batch["type"]
        flat = bools(batch["record"].is_null())
        is_tick = flat & bools(pc.equal(kind, "tick"))
        is_mention = flat & bools(pc.equal(kind, "mention"))
        ok = np.zeros(n, np.bool_)
        tick_at = mention_at = np.empty(0, np.int64)
        if is_tick.any():
            need(batch.schema.names, TICK_NEEDS, "tick", self.place)
            ok |= is_tick & sound_ticks(batch)
            tick_at = np.flatnonzero(is_tick & ok)
        if is_mention.any():
            need(batch.schema.names, MENTION_NEEDS, "mention", self.place)
            ok |= is_mention & sound_mentions(batch)
            mention_at = np.flatnonzero(is_mention & ok)
        out, odd_at = self._odd(np.flatnonzero(~ok))
        out.counts["tick"] += len(tick_at)
        out.counts["mention"] += len(mention_at)
        if len(tick_at):
            ticks = _tick_columns(batch.take(pa.array(tick_at)), self.times[tick_at])
            parts = [(ticks, tick_at)]
            if out.columns is not None:
                parts.append((out.columns, odd_at))
            out.columns = joined(parts)
            out.at = np.sort(np.concatenate([at for _, at in parts]))
        else:
            out.at = odd_at
        if len(mention_at):
            rows = batch.take(pa.array(mention_at))
            out.mentions.append(_Mentions(mention_at, rows, self.times[mention_at]))
        return out

    def records(self) -> Sequence[Record | BadRecord]:
        """The rows as records, for who writes them on."""
        return self._records(np.arange(self.batch.num_rows))

    def _odd(self, rows: I8) -> tuple[Decoded, I8]:
        """Decode rows of other types, and rows that are not sound, by way of JSON."""
        if not len(rows):
            return Decoded(), rows
        records = self._records(rows)
        out = RecordChunk(records, self.times[rows]).decode()
        if rows[0] != 0:
            out.start_ms = None
        for each in out.mentions:
            each.at = rows[each.at]
        return out, rows[out.at]

    def _records(self, rows: I8) -> list[Record | BadRecord]:
        records: list[Record | BadRecord] = []
        for row in self.batch.take(pa.array(rows)).to_pylist():
            i = int(rows[len(records)])
            raw = _json_of(row)
            try:
                records.append(_decoded(row, raw))
            except RecordError as error:
                place = f"{self.place}:{self.numbers[i] + 1}"
                records.append(BadRecord(place, error, raw, int(self.times[i])))
        return records


def normal(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with our column types: timestamps in ms, plain strings, missing numbers as null.

    Prices and amounts kept as text or decimals stay what they are: their digits count. Rows with
    text that is not UTF-8 lose it, and are marked in the column ``record``.
    """
    columns = list(batch.columns)
    broken = np.zeros(batch.num_rows, np.bool_)
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        for k, column in enumerate(columns):
            wrong = _not_utf8(column)
            rows = np.arange(batch.num_rows)
            columns[k] = column.take(pa.array(rows, mask=wrong)) if wrong.any() else column
            broken |= wrong
    names = batch.schema.names
    arrays = [_normal(name, array) for name, array in zip(names, columns, strict=True)]
    if "type" in names:  # not of the columns of times alone
        if "record" not in names:
            names, arrays = [*names, "record"], [*arrays, pa.nulls(batch.num_rows, pa.string())]
        if broken.any():
            at = names.index("record")
            arrays[at] = pc.if_else(pa.array(broken), _NOT_UTF8, arrays[at])
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _not_utf8(column: pa.Array) -> B1:
    wrong = np.zeros(len(column), np.bool_)
    for i, value in enumerate(column):
        try:
            value.as_py()
        except UnicodeDecodeError:
            wrong[i] = True
    return wrong


def _normal(name: str, column: pa.Array) -> pa.Array:
    wanted = RECORD_SCHEMA.field(name).type
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_timestamp(plain.type):
        return plain.cast(pa.timestamp("ms", plain.type.tz), safe=False).cast(wanted)
    if pa.types.is_floating(wanted):
        if pa.types.is_integer(plain.type):
            return plain.cast(wanted, safe=False)
        if not is_plain(plain.type):
            wanted = pa.string()
    return plain if plain.type == wanted else plain.cast(wanted)


def log_times(batch: pa.RecordBatch, before_ms: int) -> I8:
    """Log times of the rows; one without a usable time has that of the row before."""
    times = ints(batch, "ts_log_ms", 0)
    event = ints(batch, "ts_event_ms", 0)
    if "ts_log_ms" in batch.schema.names:
        absent = bools(batch["ts_log_ms"].is_null())
        times = np.where(absent, event, times)
    else:
        times = event
    usable = (times >= MIN_TIME_MS) & (times < MAX_TIME_MS)
    if usable.all():
        return times
    last = np.maximum.accumulate(np.where(usable, np.arange(len(times)), -1))
    return np.where(last >= 0, times[last], before_ms)


def _tick_columns(rows: pa.RecordBatch, log_ms: I8) -> Columns:
    n = rows.num_rows
    depth = np.zeros(n)
    known = np.zeros(n, np.bool_)
    if "liquidity_usd" in rows.schema.names:
        known = bools(rows["liquidity_usd"].is_valid())
        depth = np.where(known, doubles(rows, "liquidity_usd"), 0.0)
    tokens, token = _tokens(rows["token"])
    ids = rows["id"].to_pylist()
    return Columns(
        tokens,
        token=token,
        kind=np.full(n, TICK, np.uint8),
        aux=bools(pc.equal(rows["side"], "sell")).astype(np.uint8),
        ts_event_ms=ints(rows, "ts_event_ms", 0),
        ts_log_ms=log_ms,
        order=ints(rows, "order", 0),
        id=hashes(ids, n),
        who=_hashed(rows["trader_id"]),
        a=pack_prices(doubles(rows, "price_usd")),
        b=micro_usds(doubles(rows, "value_usd")),
        c=np.where(known, micro_usds(depth), UNKNOWN),
        ids=ids,
    )


@dataclass
class _Mentions:
    """Mentions as a record batch."""

    at: I8
    _rows: pa.RecordBatch
    _log_ms: I8

    def mentions(self) -> Sequence[Mention]:
        rows, n = self._rows, self._rows.num_rows
        blank: list[Any] = [None] * n
        names = rows.schema.names
        lists = rows["tokens"].to_pylist() if "tokens" in names else blank
        return list(
            map(
                Mention,
                rows["id"].to_pylist(),
                ints(rows, "ts_event_ms", 0).tolist(),
                rows["platform"].to_pylist(),
                rows["author_id"].to_pylist(),
                rows["text"].fill_null("").to_pylist() if "text" in names else [""] * n,
                [
                    tuple(sorted({canonical_token(t) for t in each})) if each else ()
                    for each in lists
                ],
                ints(rows, "reach", 0).tolist(),
                rows["lang"].to_pylist() if "lang" in names else blank,
                ints(rows, "order", 0).tolist(),
                rows["ts_post_ms"].to_pylist() if "ts_post_ms" in names else blank,
                rows["ts_log_ms"].to_pylist() if "ts_log_ms" in names else blank,
            )
        )

    def columns(self, rows: Sequence[int], tokens: Sequence[str], log_ms: I8) -> Columns:
        n = len(rows)
        batch = self._rows.take(pa.array(rows, pa.int64()))
        numbers: dict[str, int] = {}
        token = np.array([numbers.setdefault(t, len(numbers)) for t in tokens], np.int32)
        platform = batch["platform"].dictionary_encode()
        aux = np.array([platform_number(p) for p in platform.dictionary.to_pylist()], np.uint8)
        ids = batch["id"].to_pylist()
        text = np.zeros(n, np.int64)
        if "text" in batch.schema.names and n:
            texts = batch["text"].fill_null("").dictionary_encode()
            prints = [text_fingerprint(each) for each in texts.dictionary.to_pylist()]
            text = np.array(prints, np.int64)[texts.indices.to_numpy(zero_copy_only=False)]
        return Columns(
            list(numbers),
            token=token,
            kind=np.full(n, MENTION, np.uint8),
            aux=aux[platform.indices.to_numpy(zero_copy_only=False)],
            ts_event_ms=ints(batch, "ts_event_ms", 0),
            ts_log_ms=log_ms,
            order=ints(batch, "order", 0),
            id=hashes(ids, n),
            who=_hashed(batch["author_id"]),
            a=text,
            b=ints(batch, "reach", 0),
            c=np.zeros(n, np.int64),
            ids=ids,
        )


def _decoded(row: dict[str, Any], raw: bytes) -> Record:
    if row["record"] == _NOT_UTF8:
        raise RecordError("not_utf8", "text is not valid UTF-8", remedy="encode as UTF-8")
    if row["ts_event_ms"] is None:
        raise RecordError("wrong_shape", "is null", field="ts_event_ms", remedy="fill the column")
    return decode_record(raw)


def _json_of(row: dict[str, Any]) -> bytes:
    if row["record"] not in (None, _NOT_UTF8):
        return str(row["record"]).encode()
    kind = row["type"]
    wanted = _OF_TYPE.get(kind, tuple(name for name in row if name not in ("type", "record")))
    fields = {
        name: str(row[name]) if _is_odd(row[name]) else row[name]
        for name in wanted
        if row.get(name) is not None
    }
    return msgspec.json.encode({"type": kind, **fields})


def _is_odd(value: object) -> bool:
    """NaN and the infinities, which JSON cannot say but a decimal text can."""
    return isinstance(value, float) and not -1e308 < value < 1e308


def _tokens(column: pa.Array) -> tuple[list[str], NDArray[np.int32]]:
    coded = column.dictionary_encode()
    numbers: dict[str, int] = {}
    names = [canonical_token(t) for t in coded.dictionary.to_pylist()]
    new = np.array([numbers.setdefault(t, len(numbers)) for t in names], np.int32)
    return list(numbers), new[coded.indices.to_numpy(zero_copy_only=False)]


def _hashed(column: pa.Array) -> I8:
    if not len(column):
        return np.empty(0, np.int64)
    coded = column.dictionary_encode()
    unique = coded.dictionary.to_pylist()
    found: I8 = hashes(unique, len(unique))[coded.indices.to_numpy(zero_copy_only=False)]
    return found
