"""Writing one partition into a recording: held in memory, then a file a day, each whole or not there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import UserError
from schemas.topics import DAY_MS
from streams.files.schema import STORED
from streams.log.base import LogRecord
from streams.recording.layout import Part, make_durable, part_path
from streams.recording.rows import batch_of_log

ROW_GROUP: Final = 16_384


class PartitionWriter:
    """The records of one partition on their way to files.

    A file covers a span of offsets, and its name says which: when it is there, under that name, its
    records are kept, and else none of them are. So a recorder that dies at any moment goes on from
    the last file's end, and keeps no record twice.

    Parameters
    ----------
    folder : of the recording.
    topic, partition : whose records.
    parts : files there are.
    """

    def __init__(self, folder: Path, topic: str, partition: int, parts: Sequence[Part]) -> None:
        self.topic, self.partition = topic, partition
        self.position: int | None = parts[-1].next if parts else None
        """Next offset to take; None where nothing was ever recorded."""
        self.rows = 0
        """Held in memory."""
        self.undecodable = 0
        self._folder = folder
        self._first = self.position or 0
        self._floor = _last_log_ms(parts[-1].path) if parts else -1
        self._held: list[pa.RecordBatch] = []

    def begin(self, offset: int) -> None:
        """Go on at an offset, after what was held is in its file: where recording begins, or beyond a hole."""
        self.flush()
        self.position = self._first = offset

    def add(self, records: Sequence[LogRecord]) -> None:
        """Hold records that follow those before."""
        times = np.maximum.accumulate([self._floor, *(r.timestamp for r in records)])[1:]
        self._floor = int(times[-1])
        batch, bad = batch_of_log(records, times.tolist())
        self._held.append(batch)
        self.rows += len(records)
        self.undecodable += bad
        self.position = records[-1].offset + 1

    def cover(self, offset: int) -> None:
        """Know that there is nothing more before an offset."""
        self.position = max(self.position or 0, offset)

    def flush(self) -> int:
        """Write what is held; the number of files that are there when this returns."""
        if not self.rows:
            return 0
        table = pa.Table.from_batches(self._held)
        days = table["ts_log_ms"].to_numpy() // DAY_MS
        cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        offsets = table["offset"]
        for start, stop in pairwise(cuts):
            last = stop == len(days)
            end = int(self.position or 0) if last else offsets[stop].as_py()
            self._write(table.slice(start, stop - start), (self._first, end))
            self._first = end
        self._held, self.rows = [], 0
        return len(cuts) - 1

    def _write(self, table: pa.Table, span: tuple[int, int]) -> None:
        log_ms = table["ts_log_ms"][0].as_py()
        path = part_path(self._folder, self.topic, self.partition, log_ms, span)
        part = path.with_name(f".{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, part, row_group_size=ROW_GROUP, **STORED)
            make_durable(part)
            part.rename(path)
            for folder in (path.parent, path.parent.parent, self._folder):
                make_durable(folder)
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror or error}",
                "make room, and record on: nothing is lost, and nothing is written twice",
            ) from None


def _last_log_ms(path: Path) -> int:
    """The clamped log time that a file ends at."""
    with pq.ParquetFile(path) as file:
        last = file.read_row_group(file.num_row_groups - 1, columns=["ts_log_ms"])
    return int(last["ts_log_ms"][-1].as_py())
