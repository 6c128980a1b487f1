"""Columns of record batches as numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.batch.strings import Strings
from detectors.batch.text_table import TextTable
from streams.files.rows import I8

B1 = NDArray[np.bool_]
F8 = NDArray[np.float64]


def ints(batch: pa.RecordBatch, name: str, default: int, rows: I8 | None = None) -> I8:
    """An integer column at ``rows``, int64; ``default`` where a value or the whole column is missing."""
    if name not in batch.schema.names:
        return np.full(batch.num_rows if rows is None else len(rows), default, np.int64)
    column = batch[name]
    if column.type != pa.int64() or column.null_count == len(column):
        return _at(column.fill_null(default).to_numpy(zero_copy_only=False).astype(np.int64), rows)
    values = _at(_buffer(column, np.dtype(np.int64)), rows)
    return np.where(_at(valid(column), rows), values, default) if column.null_count else values


def doubles(batch: pa.RecordBatch, name: str, rows: I8 | None = None) -> F8:
    """A column of doubles at ``rows``; null is NaN, which no check lets pass."""
    column = batch[name]
    if column.type != pa.float64() or column.null_count == len(column):
        return _at(column.to_numpy(zero_copy_only=False).astype(np.float64), rows)
    values = _at(_buffer(column, np.dtype(np.float64)), rows)
    return np.where(_at(valid(column), rows), values, np.nan) if column.null_count else values


def _at(values: NDArray[Any], rows: I8 | None) -> NDArray[Any]:
    return values if rows is None or len(rows) == len(values) else values[rows]


def _buffer(column: pa.Array, kind: np.dtype[Any]) -> NDArray[Any]:
    """A column's values as they lie in memory: anything may stand where it is null."""
    data = column.buffers()[1]
    return np.frombuffer(data, kind, len(column), column.offset * kind.itemsize)


def strings(column: pa.Array) -> Strings:
    """A column of plain texts, over its own buffer; what stands where it is null is not said."""
    n = len(column)
    _, offsets, data = column.buffers()
    if offsets is None or data is None:
        return Strings(np.zeros(0, np.uint8), np.zeros(n, np.int64), np.zeros(n, np.int64))
    first = column.offset
    bounds = np.frombuffer(offsets, np.int32, n + 1, 4 * first).astype(np.int64)
    return Strings(np.frombuffer(data, np.uint8), bounds[:-1], bounds[1:])


def numbers(table: TextTable, column: pa.Array, rows: I8) -> I8:
    """Numbers of a column's texts at ``rows``, which rise, int64; of what is null anything.

    Of a dictionary column, each text is looked up once. A dictionary may hold more texts than there
    are rows, all that the file had so far: then those of the rows alone.
    """
    if not pa.types.is_dictionary(column.type):
        return _at(table.numbers(strings(column), rows), rows)
    texts, codes = strings(column.dictionary), _codes(column, rows)
    if not len(texts):
        return np.zeros(len(rows), np.int64)
    used = np.unique(codes) if len(texts) > len(rows) else np.arange(len(texts))
    return table.numbers(texts, used.astype(np.int64))[codes]


def _codes(column: pa.Array, rows: I8) -> NDArray[np.int32]:
    """Places in a dictionary column's dictionary, 0 where null."""
    codes = _at(_buffer(column.indices, np.dtype(np.int32)), rows)
    if not column.null_count:
        return codes
    return np.where(_at(valid(column.indices), rows), codes, 0)


def valid(column: pa.Array) -> B1:
    """Which values are there, bool[N]."""
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    bits = column.buffers()[0]
    if bits is None:  # a column of type null
        return np.zeros(len(column), np.bool_)
    first, rest = divmod(column.offset, 8)
    packed = np.frombuffer(bits, np.uint8, (rest + len(column) + 7) // 8, first)
    return np.unpackbits(packed, bitorder="little")[rest : rest + len(column)].view(np.bool_)


def sizes(column: pa.Array, rows: I8) -> I8:
    """Bytes of each text at ``rows``; 0 where null."""
    if pa.types.is_dictionary(column.type):
        each = strings(column.dictionary).sizes
        found = each[_codes(column, rows)] if len(each) else np.zeros(len(rows), np.int64)
    else:
        found = _at(strings(column).sizes, rows)
    return np.where(_at(valid(column), rows), found, 0) if column.null_count else found


def is_plain(kind: pa.DataType) -> bool:
    """Whether numbers of this type are doubles, or become ones without loss that matters here."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))
