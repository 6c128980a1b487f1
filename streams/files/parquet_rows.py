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

from detectors.batch.flat import N_NUMBERS, Flat
from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import Strings
from detectors.batch.text_table import PLATFORMS, TextTable
from detectors.batch.xxh64 import hash_rows
from detectors.columns import MENTION, TICK, UNKNOWN
from schemas.decode import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    decode_record,
)
from schemas.errors import RecordError
from schemas.records import Record
from schemas.tokens import canonical_token
from streams.files.arrow import doubles, ints, is_plain, numbers, strings, valid
from streams.files.ndjson import decode_records
from streams.files.numbers import micro_usds, pack_prices
from streams.files.rows import I8, BadRecord, Decoded
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


REPEATED: Final = ("type", "platform", "token", "side")
"""Columns of few different texts, which may come as dictionaries."""
_ODD: Final = 255
_TYPES: Final = TextTable(lambda name: {"mention": MENTION, "tick": TICK}.get(name, _ODD))
_SIDES: Final = TextTable(lambda side: int(side == "sell"))
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
        kind = np.full(n, _ODD, np.int64)
        flat = np.flatnonzero(~valid(batch["record"]) & valid(batch["type"]))
        kind[flat] = numbers(_TYPES, batch["type"], flat)
        ok = np.zeros(n, np.bool_)
        ticks, mentions = np.flatnonzero(kind == TICK), np.flatnonzero(kind == MENTION)
        if len(ticks):
            need(batch.schema.names, TICK_NEEDS, "tick", self.place)
            ok[ticks] = sound_ticks(batch, ticks)
        if len(mentions):
            need(batch.schema.names, MENTION_NEEDS, "mention", self.place)
            ok[mentions] = sound_mentions(batch, mentions)
        sound, odd = np.flatnonzero(ok), np.flatnonzero(~ok)
        out = Decoded()
        if len(odd):
            out = decode_records(self._records(odd), odd, self.times, sound)
        if len(sound):
            good = int(np.count_nonzero(ok[ticks]))
            out.counts.update(tick=good, mention=len(sound) - good)
            out.rows.append(_Rows(sound, batch, kind))
        return out

    def records(self) -> Sequence[Record | BadRecord]:
        """The rows as records, for who writes them on."""
        return self._records(np.arange(self.batch.num_rows))

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
    if name in REPEATED and column.type == pa.dictionary(pa.int32(), pa.string()):
        return column
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
        times = np.where(valid(batch["ts_log_ms"]), times, event)
    else:
        times = event
    usable = (times >= MIN_TIME_MS) & (times < MAX_TIME_MS)
    if usable.all():
        return times
    last = np.maximum.accumulate(np.where(usable, np.arange(len(times)), -1))
    return np.where(last >= 0, times[last], before_ms)


@dataclass
class _Rows:
    """Sound ticks and mentions of a record batch; ``kind`` is of all its rows."""

    at: I8
    _batch: pa.RecordBatch
    _kind: I8

    def flat(self, ts_log_ms: I8, resolver: BatchResolver) -> Flat:
        at, n = self.at, self._batch.num_rows
        batch = self._batch
        kind = self._kind[at]
        ticks, mentions = at[kind == TICK], at[kind == MENTION]
        columns = np.zeros((N_NUMBERS, n), np.int64)
        event, order, id_, who, a, b, c = columns
        aux, token = np.zeros((2, n), np.int64)
        event[:], order[:] = ints(batch, "ts_event_ms", 0), ints(batch, "order", 0)
        hash_rows(strings(batch["id"]), at, id_)
        texts, named = strings(pa.nulls(n, pa.string())), {}
        if len(ticks):
            aux[ticks] = numbers(_SIDES, batch["side"], ticks)
            hash_rows(strings(batch["trader_id"]), ticks, who)
            token[ticks] = numbers(resolver.token_numbers, batch["token"], ticks)
            a[ticks] = pack_prices(doubles(batch, "price_usd", ticks))
            b[ticks] = micro_usds(doubles(batch, "value_usd", ticks))
            c[ticks] = _depths(batch, ticks)
        if len(mentions):
            aux[mentions] = numbers(PLATFORMS, batch["platform"], mentions)
            hash_rows(strings(batch["author_id"]), mentions, who)
            b[mentions] = ints(batch, "reach", 0, mentions)
            texts, named = _texts(batch), _named(batch, mentions)
        return Flat(
            kind=kind.astype(np.uint8),
            aux=aux[at].astype(np.uint8),
            ts_log_ms=ts_log_ms,
            numbers=columns.take(at, axis=1) if len(at) < n else columns,
            ids=strings(batch["id"]).take(at),
            token=token[at],
            texts=texts.take(mentions),
            mention_at=np.flatnonzero(kind == MENTION),
            named=named,
        )


def _depths(batch: pa.RecordBatch, ticks: I8) -> I8:
    """Liquidity of sound ticks; what bad rows hold may not even fit."""
    if "liquidity_usd" not in batch.schema.names:
        return np.full(len(ticks), UNKNOWN, np.int64)
    known = valid(batch["liquidity_usd"])[ticks]
    depth = np.where(known, doubles(batch, "liquidity_usd", ticks), 0.0)
    return np.where(known, micro_usds(depth), UNKNOWN)


def _texts(batch: pa.RecordBatch) -> Strings:
    if "text" not in batch.schema.names:
        return strings(pa.nulls(batch.num_rows, pa.string()))
    texts, there = strings(batch["text"]), valid(batch["text"])
    return Strings(texts.data, texts.starts, np.where(there, texts.ends, texts.starts))


def _named(batch: pa.RecordBatch, mentions: I8) -> dict[int, Sequence[str]]:
    """Tokens that the source names, by place among the mentions."""
    if "tokens" not in batch.schema.names or batch["tokens"].null_count == batch.num_rows:
        return {}
    lists = batch["tokens"].take(pa.array(mentions)).to_pylist()
    return {i: sorted({canonical_token(t) for t in each}) for i, each in enumerate(lists) if each}


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
