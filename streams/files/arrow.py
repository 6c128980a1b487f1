"""Columns of record batches as numpy arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.files.rows import I8

B1 = NDArray[np.bool_]
F8 = NDArray[np.float64]


def ints(batch: pa.RecordBatch, name: str, default: int) -> I8:
    """An integer column, int64[N]; ``default`` where a value or the whole column is missing."""
    if name not in batch.schema.names:
        return np.full(batch.num_rows, default, np.int64)
    column = batch[name]
    if column.null_count:
        column = column.fill_null(default)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


def doubles(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """A column of doubles; null is NaN, which no check lets pass."""
    return np.asarray(batch[name].to_numpy(zero_copy_only=False), np.float64)


def lengths(column: pa.Array) -> I8:
    """Characters of each text; 0 where null."""
    return np.asarray(pc.utf8_length(column).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def bools(column: pa.Array) -> B1:
    """A column of truths; null is false."""
    filled = column.fill_null(False) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)


def is_plain(kind: pa.DataType) -> bool:
    """Whether numbers of this type are doubles, or become ones without loss that matters here."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))
