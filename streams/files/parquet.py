"""Parquet files of records, streamed by record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import InputFileError
from streams.files.kinds import RecordFile
from streams.files.parquet_rows import REPEATED, ParquetChunk, log_times, normal
from streams.files.rows import I8
from streams.files.schema import OPTIONAL, check_schema

CHUNK_ROWS: Final = 65_536
_GROUP_ROWS: Final = 1_000
"""Rows a group, on the average, below which columns are read without dictionaries: each group has its
own, which would make a chunk of each."""
_ORDER: Final = ("ts_event_ms", "ts_log_ms")


def read_parquet(
    file: RecordFile, chunk_rows: int = CHUNK_ROWS, *, repeated: Sequence[str] = REPEATED
) -> Iterator[ParquetChunk]:
    """Chunks of a file's rows, in the file's order, columns of ``repeated`` texts as dictionaries where it pays.

    Raises InputFileError on a missing or mistyped column, and where the file is damaged.
    """
    if file.size == 0:
        return
    number, before = 0, 0
    with _opened(file) as parquet:
        schema = parquet.schema_arrow
        columns = check_schema(schema, str(file.path))
        small = parquet.metadata.num_rows < _GROUP_ROWS * parquet.metadata.num_row_groups
        if not small:
            columns = _with_values(parquet.metadata, columns)
    coded = [
        name
        for name in repeated
        if not small and name in columns and schema.field(name).type == pa.string()
    ]
    with _opened(file, coded) as parquet:
        for batch in parquet.iter_batches(chunk_rows, columns=columns, use_threads=False):
            if not batch.num_rows:
                continue
            chunk = parquet_chunk(batch, number, before, str(file.path))
            number += batch.num_rows
            before = int(chunk.times[-1])
            yield chunk


def parquet_chunk(batch: pa.RecordBatch, number: int, before_ms: int, place: str) -> ParquetChunk:
    """A chunk of a batch whose first row has this number, from 0; places count rows from 1."""
    try:
        rows = normal(batch)
    except pa.ArrowInvalid as error:
        raise InputFileError(
            f"{place}: a value does not fit its column: {error}", "see docs/records.md"
        ) from None
    numbers = np.arange(number, number + batch.num_rows, dtype=np.int64)
    return ParquetChunk(rows, log_times(rows, before_ms), numbers, place)


def read_times(file: RecordFile) -> Iterator[I8]:
    """Log times of a file's rows, in the file's order, a chunk at a time."""
    if file.size == 0:
        return
    before = 0
    with _opened(file) as parquet:
        columns = check_schema(parquet.schema_arrow, str(file.path))
        wanted = [name for name in columns if name in _ORDER]
        for batch in parquet.iter_batches(CHUNK_ROWS, columns=wanted, use_threads=False):
            if batch.num_rows:
                times = log_times(normal(batch), before)
                before = int(times[-1])
                yield times


def _with_values(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[str]:
    """The columns without those that may be missing and, as the file says, are null throughout.

    Lists are kept: what the file counts is the nulls in them.
    """
    values: dict[str, int] = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for k in range(group.num_columns):
            column = group.column(k)
            if (name := column.path_in_schema) in OPTIONAL:
                told = column.statistics
                nulls = told.null_count if told is not None and told.has_null_count else 0
                values[name] = values.get(name, 0) + group.num_rows - nulls
    return [name for name in columns if values.get(name, 1)]


@contextmanager
def _opened(file: RecordFile, repeated: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(
            file.path, memory_map=False, pre_buffer=False, read_dictionary=list(repeated)
        ) as parquet:
            yield parquet
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputFileError(
            f"{file.path} is cut short or damaged ({_first_line(error)})", "copy or export it again"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(
            f"{file.path} cannot be read: {_first_line(error)}", "check the file and its disk"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
