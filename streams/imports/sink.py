"""Record batches to one Parquet file in order of log time, ended by a heartbeat."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detectors.hashing import hash64
from schemas.records import Heartbeat
from streams.files.kinds import recognise
from streams.files.order import Scan, merged, scan, sources_of
from streams.files.parquet import read_parquet
from streams.files.parquet_rows import ParquetChunk
from streams.files.schema import RECORD_SCHEMA, STORED
from streams.files.write import batch_of

I8 = NDArray[np.int64]
RECORDS: Final = "records.parquet"
CLOSE_MS: Final = 10_000
"""From the last record to the heartbeat: a bar of 5 s, its lateness of 2 s, and a little."""
GROUP_ROWS: Final = 131_072
Settle = Callable[[pa.RecordBatch], pa.RecordBatch]
OnRows = Callable[[pa.RecordBatch], None]


def rows_of(kind: str, n: int, columns: Mapping[str, Any]) -> pa.RecordBatch:
    """N rows of one type of record; columns that are not given are null."""
    columns = {"type": pa.repeat(pa.scalar(kind), n), **columns}
    arrays = []
    for field in RECORD_SCHEMA:
        given = columns.get(field.name)
        if given is None:
            arrays.append(pa.nulls(n, field.type))
        elif isinstance(given, pa.Array):
            arrays.append(given.cast(field.type) if given.type != field.type else given)
        else:
            arrays.append(pa.array(given, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


class Sink:
    """Collects batches as they come; ``finish`` puts them in order.

    Parameters
    ----------
    folder : where ``RECORDS`` appears. What is set aside meanwhile goes beside it, on disk.
    check_ids : whether an id that comes again is left out, the first in the source's order being
        kept. It takes 8 bytes a record.
    settle : what still has to be done to batches once they are in order.
    on_duplicates : is told of the rows left out, as record batches.
    """

    def __init__(
        self,
        folder: Path,
        *,
        check_ids: bool = False,
        settle: Settle | None = None,
        on_duplicates: OnRows = lambda _batch: None,
    ) -> None:
        self._folder, self._check_ids, self._settle = folder, check_ids, settle
        self._on_duplicates = on_duplicates
        self._path = folder / RECORDS
        self._writer = _writer(self._path)
        self._high = 0
        self._falls = False
        self._hashes: list[I8] = []
        self._duplicates: I8 = np.empty(0, np.int64)
        self.counts: dict[str, int] = {}
        self.first_ms = self.last_ms = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows of ``RECORD_SCHEMA`` with their log times."""
        if not batch.num_rows:
            return
        times = batch["ts_log_ms"].to_numpy()
        self._falls |= bool(times[0] < self._high or (times[1:] < times[:-1]).any())
        self._high = max(self._high, int(times.max()))
        if self._check_ids:
            ids = batch["id"].to_pylist()
            self._hashes.append(np.fromiter(map(hash64, ids), np.int64, len(ids)))
        self._writer.write_batch(batch, GROUP_ROWS)

    def close(self) -> None:
        """Let go of the file, whole or not."""
        self._writer.close()

    def finish(self, on_rows: Callable[[int], None]) -> None:
        """Sort, leave out duplicates, settle, and end the file with a heartbeat."""
        self._find_duplicates()
        if self._falls or self._settle is not None or len(self._duplicates):
            self._again(on_rows)
        end_ms = self._high + CLOSE_MS
        self._writer.write_batch(batch_of([Heartbeat("end", end_ms, ts_log_ms=end_ms)]))
        self._writer.close()
        self._look()

    def _find_duplicates(self) -> None:
        if not self._hashes:
            return
        every = np.concatenate(self._hashes)
        self._hashes = []
        order = np.argsort(every, kind="stable")
        every = every[order]
        self._duplicates = np.sort(order[1:][every[1:] == every[:-1]])

    def _again(self, on_rows: Callable[[int], None]) -> None:
        """Write the file anew from what was written so far."""
        self._writer.close()
        source, spill = self._folder / ".unsorted.parquet", self._folder / ".sorted"
        self._path.rename(source)
        self._writer = _writer(self._path)
        done = 0
        if len(self._duplicates):
            kept = self._folder / ".kept.parquet"
            _without(source, self._duplicates, kept, self._on_duplicates)
            kept.replace(source)
        for batch in _ordered(scan(recognise(source)), spill):
            settled = batch if self._settle is None else self._settle(batch)
            if settled.num_rows:
                self._writer.write_batch(settled, GROUP_ROWS)
            done += batch.num_rows
            on_rows(done)
        source.unlink()
        shutil.rmtree(spill, ignore_errors=True)

    def _look(self) -> None:
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(GROUP_ROWS, columns=["type", "ts_log_ms"]):
                times = batch["ts_log_ms"]
                self.first_ms = self.first_ms or times[0].as_py()
                self.last_ms = times[-1].as_py()
                for each in pc.value_counts(batch["type"]).to_pylist():
                    kind = each["values"]
                    self.counts[kind] = self.counts.get(kind, 0) + each["counts"]


def _ordered(found: Scan, spill: Path) -> Iterator[pa.RecordBatch]:
    """All rows in order of log time, those of one time in the order they were written."""
    for pieces in merged(sources_of(found, spill)):
        batches = [piece.batch for piece in pieces if isinstance(piece, ParquetChunk)]
        batch = pa.Table.from_batches(batches).combine_chunks()
        order = np.argsort(batch["ts_log_ms"].to_numpy(), kind="stable")
        yield _as_written(batch, order)


def _as_written(table: pa.Table, rows: I8 | NDArray[np.bool_]) -> pa.RecordBatch:
    """Some rows of a file's, by number or by truth, with the very schema that is written."""
    chosen = pa.array(rows)
    table = table.filter(chosen) if pa.types.is_boolean(chosen.type) else table.take(chosen)
    there = table.schema.names  # what is null throughout may not have been read
    columns = [
        table[field.name].cast(field.type).combine_chunks()
        if field.name in there
        else pa.nulls(table.num_rows, field.type)
        for field in RECORD_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA)


def _without(source: Path, rows: I8, path: Path, on_rows: OnRows) -> None:
    """Copy a file but for the rows of these numbers, which rise."""
    with _writer(path) as writer:
        at = 0
        for chunk in read_parquet(recognise(source)):
            n = chunk.batch.num_rows
            keep = np.ones(n, np.bool_)
            low, high = np.searchsorted(rows, (at, at + n))
            keep[rows[low:high] - at] = False
            at += n
            table = pa.Table.from_batches([chunk.batch])
            writer.write_batch(_as_written(table, keep))
            if high > low:
                on_rows(_as_written(table, ~keep))


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, RECORD_SCHEMA, **STORED)
