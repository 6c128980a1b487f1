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


def ints(batch: pa.RecordBatch, name: str, default: int) -> I8:
    """An integer column, int64[N]; ``default`` where a value or the whole column is missing."""
    if name not in batch.schema.names:
        return np.full(batch.num_rows, default, np.int64)
    column = batch[name]
    if column.type != pa.int64() or column.null_count == len(column):
        return np.asarray(column.fill_null(default).to_numpy(zero_copy_only=False), np.int64)
    values = _buffer(column, np.dtype(np.int64))
    return np.where(valid(column), values, default) if column.null_count else values


def doubles(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """A column of doubles; null is NaN, which no check lets pass."""
    column = batch[name]
    if column.type != pa.float64() or column.null_count == len(column):
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    values = _buffer(column, np.dtype(np.float64))
    return np.where(valid(column), values, np.nan) if column.null_count else values


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
    """Numbers of a column's texts at ``rows``, which are not null, int64[N]; elsewhere anything.

    Of a dictionary column, each text is looked up once.
    """
    if not pa.types.is_dictionary(column.type):
        return table.numbers(strings(column), rows)
    texts = strings(column.dictionary)
    found = table.numbers(texts, np.arange(len(texts)))
    return found[_codes(column)] if len(found) else np.zeros(len(column), np.int64)


def _codes(column: pa.Array) -> NDArray[np.int32]:
    """Places in a dictionary column's dictionary, 0 where null."""
    codes = column.indices
    if not column.null_count:
        return _buffer(codes, np.dtype(np.int32))
    return np.where(valid(codes), _buffer(codes, np.dtype(np.int32)), 0)


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


def sizes(column: pa.Array) -> I8:
    """Bytes of each text; 0 where null."""
    if pa.types.is_dictionary(column.type):
        each = strings(column.dictionary).sizes
        found = each[_codes(column)] if len(each) else np.zeros(len(column), np.int64)
    else:
        found = strings(column).sizes
    return np.where(valid(column), found, 0) if column.null_count else found


def is_plain(kind: pa.DataType) -> bool:
    """Whether numbers of this type are doubles, or become ones without loss that matters here."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))
