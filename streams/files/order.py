"""Files put in log order: looked through first, and sorted on disk where they are not in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from streams.files.kinds import RecordFile
from streams.files.lines import Line, read_lines
from streams.files.ndjson import LineChunk, decode_lines, log_time, read_chunks
from streams.files.parquet import CHUNK_ROWS, read_parquet, read_times
from streams.files.parquet_rows import ParquetChunk
from streams.files.rows import Chunk

RUN_RECORDS: Final = 200_000
RUN_BYTES: Final = 64 << 20
OPEN_RECORDS: Final = 200_000
"""Records held at once over all files that overlap in time."""
_SPILL_ROWS: Final = 1_024
_LINE_SCHEMA: Final = pa.schema(
    [("_ms", pa.int64()), ("_number", pa.int64()), ("_size", pa.int64()), ("_raw", pa.binary())]
)


@dataclass(frozen=True)
class Scan:
    """What a look through a file found: records, first and last log time, and times that fell."""

    file: RecordFile
    records: int
    first_ms: int
    last_ms: int
    falls: int


@dataclass(frozen=True)
class Source:
    """Records in log order. ``chunks`` opens it; the argument is records a chunk, about."""

    name: str
    first_ms: int
    last_ms: int
    chunks: Callable[[int], Iterator[Chunk]]


def scan(file: RecordFile, on_records: Callable[[int], None] | None = None) -> Scan:
    """Read a file's log times, and nothing else of it.

    Raises InputFileError where the file cannot be read to its end. ``on_records`` is told the
    count now and then.
    """
    records = falls = 0
    first = last = high = 0
    for times in _times(file):
        records += len(times)
        known = times[times > 0]
        if len(known):
            first = min(first, int(known.min())) if first else int(known.min())
            last = int(known[-1])
            falls += int(np.sum(known[1:] < known[:-1])) + int(known[0] < high)
            high = last
        if on_records is not None:
            on_records(records)
    return Scan(file, records, first, last, falls)


def sources_of(found: Scan, spill: Path) -> list[Source]:
    """A file as sources in log order: one, or the sorted runs of a file that is not in order.

    Runs are written to the folder ``spill``, which is made; whoever made the parent removes it.
    """
    if not found.records:
        return []
    file = found.file
    if not found.falls:
        read = _parquet_source if file.kind == "parquet" else _ndjson_source
        return [Source(str(file.path), found.first_ms, found.last_ms, read(file))]
    spill.mkdir(parents=True, exist_ok=True)
    runs = _parquet_runs(file, spill) if file.kind == "parquet" else _ndjson_runs(file, spill)
    return list(runs)


def merged(sources: Sequence[Source]) -> Iterator[list[Chunk]]:
    """All records in log order, as chunks side by side that end at one log time.

    A source is opened when its first record is due. Memory is bounded by the chunks of the sources
    that overlap at any time, which are made smaller the more there are.
    """
    size = max(500, min(CHUNK_ROWS, OPEN_RECORDS // max(1, overlap(sources))))
    waiting = sorted(sources, key=lambda source: source.first_ms, reverse=True)
    active: list[_Head] = []
    while waiting or active:
        if not active:
            _open(waiting.pop(), size, active)
            continue
        until = min(int(head.chunk.times[-1]) for head in active)
        if waiting and waiting[-1].first_ms <= until:
            _open(waiting.pop(), size, active)
            continue
        pieces = [piece for head in active if (piece := head.take(until)) is not None]
        active = [head for head in active if head.more()]
        yield pieces


def overlap(sources: Sequence[Source]) -> int:
    """The most sources that span one instant.

    >>> a, b, c = (
    ...     Source(n, t, t + 5, lambda _: iter(())) for n, t in (("a", 0), ("b", 4), ("c", 9))
    ... )
    >>> overlap([a, b, c])
    2
    """
    edges = sorted(
        edge for source in sources for edge in ((source.first_ms, -1), (source.last_ms, 1))
    )
    most = now = 0
    for _, step in edges:
        now -= step
        most = max(most, now)
    return most


@dataclass
class _Head:
    """An open source, and the chunk it stands in."""

    chunk: Chunk
    rest: Iterator[Chunk]
    at: int = 0

    def take(self, until_ms: int) -> Chunk | None:
        stop = int(np.searchsorted(self.chunk.times, until_ms, side="right"))
        start, self.at = self.at, max(stop, self.at)
        return self.chunk.part(start, stop) if stop > start else None

    def more(self) -> bool:
        if self.at < len(self.chunk.times):
            return True
        chunk = next(self.rest, None)
        if chunk is None:
            return False
        self.chunk, self.at = chunk, 0
        return True


def _open(source: Source, size: int, active: list[_Head]) -> None:
    chunks = source.chunks(size)
    first = next(chunks, None)
    if first is not None:
        active.append(_Head(first, chunks))


def _ndjson_source(file: RecordFile) -> Callable[[int], Iterator[Chunk]]:
    return lambda size: read_chunks(read_lines(file), str(file.path), size)


def _parquet_source(file: RecordFile) -> Callable[[int], Iterator[Chunk]]:
    return lambda size: read_parquet(file, size)


def _times(file: RecordFile) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    if file.kind == "parquet":
        yield from read_times(file)
        return
    held: list[int] = []
    for _, raw, size in read_lines(file):
        held.append((log_time(raw) or 0) if size == len(raw) else 0)
        if len(held) >= CHUNK_ROWS:
            yield np.array(held, np.int64)
            held = []
    if held:
        yield np.array(held, np.int64)


def _ndjson_runs(file: RecordFile, spill: Path) -> Iterator[Source]:
    held: list[Line] = []
    size = number = 0

    def run() -> Source:
        ms = _carried([log_time(raw) or 0 for _, raw, _ in held])
        order = np.argsort(ms, kind="stable")
        lines = [held[i] for i in order.tolist()]
        table = pa.table(
            [
                ms[order],
                [n for n, _, _ in lines],
                [s for _, _, s in lines],
                [r for _, r, _ in lines],
            ],
            schema=_LINE_SCHEMA,
        )
        return _spilled(table, spill / f"{number}.arrow", str(file.path), _thaw_lines)

    for line in read_lines(file):
        held.append(line)
        size += len(line[1])
        if len(held) >= RUN_RECORDS or size >= RUN_BYTES:
            yield run()
            held, size, number = [], 0, number + 1
    if held:
        yield run()


def _parquet_runs(file: RecordFile, spill: Path) -> Iterator[Source]:
    held: list[ParquetChunk] = []
    rows = number = 0

    def run() -> Source:
        ms = np.concatenate([chunk.times for chunk in held])
        table = pa.Table.from_batches([chunk.batch for chunk in held])
        table = table.append_column("_number", pa.array(np.concatenate([c.numbers for c in held])))
        table = table.append_column("_ms", pa.array(ms))
        table = table.take(pa.array(np.argsort(ms, kind="stable")))
        return _spilled(table, spill / f"{number}.arrow", str(file.path), _thaw_rows)

    for chunk in read_parquet(file, repeated=()):  # runs would need one dictionary for all chunks
        held.append(chunk)
        rows += len(chunk.times)
        if rows >= RUN_RECORDS:
            yield run()
            held, rows, number = [], 0, number + 1
    if held:
        yield run()


def _spilled(
    table: pa.Table, path: Path, place: str, thaw: Callable[[pa.RecordBatch, str], Chunk]
) -> Source:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=_SPILL_ROWS)
    ms = table["_ms"].to_numpy()

    def chunks(_: int) -> Iterator[Chunk]:
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as reader:
            for i in range(reader.num_record_batches):
                yield thaw(reader.get_batch(i), place)

    return Source(path.name, int(ms[0]), int(ms[-1]), chunks)


def _thaw_lines(batch: pa.RecordBatch, place: str) -> LineChunk:
    lines = list(
        zip(
            batch["_number"].to_pylist(),
            batch["_raw"].to_pylist(),
            batch["_size"].to_pylist(),
            strict=True,
        )
    )
    times = batch["_ms"].to_numpy()
    return replace(decode_lines(lines, place, int(times[0])), times=times)


def _thaw_rows(batch: pa.RecordBatch, place: str) -> ParquetChunk:
    rows = batch.drop_columns(["_number", "_ms"])
    return ParquetChunk(rows, batch["_ms"].to_numpy(), batch["_number"].to_numpy(), place)


def _carried(times: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Times, a missing one (0) replaced by the one before."""
    ms = np.array(times, np.int64)
    last = np.maximum.accumulate(np.where(ms > 0, np.arange(len(ms)), 0))
    return np.asarray(ms[last])
