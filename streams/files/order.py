"""Files put in log order: looked through first, and sorted on disk where they are not in order."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import Final, NamedTuple

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
OTHER_FILES: Final = 256
"""Files that a process has open besides those it reads."""
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
    that overlap at any time, which are made smaller the more there are. Each step is made of as many
    of them as ``CHUNK_ROWS`` records take: one chunk's end at a time would cut all the others there.
    """
    most = overlap(sources)
    _allow_open(most)
    size = max(500, min(CHUNK_ROWS, OPEN_RECORDS // max(1, most)))
    waiting = sorted(sources, key=lambda source: source.first_ms, reverse=True)
    heads: list[_Head] = []  # a heap: the one whose chunk ends first comes first
    opened = 0
    while waiting or heads:
        pieces: list[_Piece] = []
        ended: list[_Head] = []
        rows = until = 0
        while rows < CHUNK_ROWS and (waiting or heads):
            if not heads or (waiting and waiting[-1].first_ms <= heads[0].end_ms):
                opened += 1
                if (head := _open(waiting.pop(), size, opened)) is not None:
                    heappush(heads, head)
                continue
            until, ended = heads[0].end_ms, []
            while heads and heads[0].end_ms == until:
                ended.append(heappop(heads))
            for head in ended:
                rows += head.take(until, pieces)
                if head.more(until):
                    heappush(heads, head)
        for head in set(heads).difference(ended):
            head.take(until, pieces)
        if pieces:
            yield [
                piece.chunk for piece in sorted(pieces, key=lambda each: (each.turn, each.number))
            ]


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


def _allow_open(files: int) -> None:
    """Let this process hold so many files open, as far as the system lets it: many start with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Piece(NamedTuple):
    """Rows of an open source, and where they stand among others of their log time."""

    turn: int
    number: int
    chunk: Chunk


@dataclass(eq=False)
class _Head:
    """An open source, its number, and the chunk it stands in.

    A chunk may begin at the log time ``same_ms`` that the one before ended at. Other sources' records
    of that time come first; ``turn`` is how many chunks have ended at it.
    """

    number: int
    chunk: Chunk
    rest: Iterator[Chunk]
    at: int = 0
    same_ms: int = -1
    turn: int = 0

    @property
    def end_ms(self) -> int:
        return int(self.chunk.times[-1])

    def __lt__(self, other: _Head) -> bool:
        return (self.end_ms, self.number) < (other.end_ms, other.number)

    def take(self, until_ms: int, pieces: list[_Piece]) -> int:
        """Add the rows up to a log time; how many they are."""
        start = self.at
        if self.turn and start == 0:
            self._cut(self.same_ms, self.turn, pieces)
        self._cut(until_ms, 0, pieces)
        return self.at - start

    def _cut(self, until_ms: int, turn: int, pieces: list[_Piece]) -> None:
        stop = int(np.searchsorted(self.chunk.times, until_ms, side="right"))
        if stop > self.at:
            pieces.append(_Piece(turn, self.number, self.chunk.part(self.at, stop)))
            self.at = stop

    def more(self, until_ms: int) -> bool:
        """Go on with the next chunk, if there is one."""
        chunk = next(self.rest, None)
        if chunk is None:
            return False
        again = int(chunk.times[0]) == until_ms
        self.turn = (self.turn + 1 if self.same_ms == until_ms else 1) if again else 0
        self.chunk, self.at, self.same_ms = chunk, 0, until_ms
        return True


def _open(source: Source, size: int, number: int) -> _Head | None:
    chunks = source.chunks(size)
    first = next(chunks, None)
    return None if first is None else _Head(number, first, chunks)


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
