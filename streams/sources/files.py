"""Files of records, one record at a time in the order of log time, as the embedded run eats them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from streams.files.kinds import find_files
from streams.files.ndjson import LineChunk
from streams.files.order import Scan, merged, scan, sources_of
from streams.files.parquet_rows import ParquetChunk
from streams.files.rows import Chunk
from streams.sources.feed import Fed


def name_of_files(paths: Sequence[Path]) -> str:
    """Name under which these files are fed: another set of files is another feed."""
    return ", ".join(sorted({str(path.resolve()) for path in paths}))


def records_of_files(paths: Sequence[Path]) -> Generator[Fed, None, None]:
    """Records of files and folders in log order; bad ones stand in their places.

    Raises InputFileError on what cannot be read, before the first record.
    """
    scans = [scan(file) for file in find_files(paths)]
    return _records(scans)


def _records(scans: Sequence[Scan]) -> Generator[Fed, None, None]:
    with tempfile.TemporaryDirectory(prefix="goldendog-sort-") as folder:
        sources = [
            source
            for i, found in enumerate(scans)
            for source in sources_of(found, Path(folder) / str(i))
        ]
        for pieces in merged(sources):
            yield from _side_by_side(pieces)


def _side_by_side(pieces: Sequence[Chunk]) -> Iterator[Fed]:
    """Records of chunks by log time; among equals, those of the first chunk come first."""
    records = [list(_of_chunk(piece)) for piece in pieces]
    if len(pieces) == 1:
        yield from records[0]
        return
    times = np.concatenate([piece.times for piece in pieces])
    flat = [record for each in records for record in each]
    for i in np.argsort(times, kind="stable").tolist():
        yield flat[i]


def _of_chunk(chunk: Chunk) -> Sequence[Fed]:
    assert isinstance(chunk, LineChunk | ParquetChunk)
    return chunk.records()
