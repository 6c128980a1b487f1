"""A recording read as the log it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import InputFileError
from streams.log.base import LogRecord
from streams.recording.layout import Part, day_of, parts_of, read_manifest

_COLUMNS: Final = ["offset", "ts_log_ms", "key", "value"]
_BATCH: Final = 4_096


class RecordingReader:
    """A recording's topics; log times are those that workers read, which never fall.

    Raises InputFileError where the folder is no recording that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._topics = {name: of.partitions for name, of in read_manifest(folder).topics.items()}
        self._parts: dict[tuple[str, int], list[Part]] = {}
        for topic, count in self._topics.items():
            found = parts_of(folder, topic)
            for p in range(count):
                self._parts[topic, p] = found.pop(p, [])
            if found:
                raise InputFileError(
                    f"{folder} holds {topic}/{min(found)}, and the topic had {count} partitions",
                    "keep recordings of different topics apart",
                )

    def topics(self) -> Mapping[str, int]:
        """Partitions of each topic."""
        return self._topics

    def start_offset(self, topic: str, partition: int) -> int:
        """Give the first offset recorded; 0 where nothing is."""
        parts = self._parts[topic, partition]
        return parts[0].first if parts else 0

    def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset after the last recorded."""
        parts = self._parts[topic, partition]
        return parts[-1].next if parts else 0

    def offset_before(self, topic: str, partition: int, log_ms: int) -> int:
        """Give the first offset of the day of a log time; the end where all is of days before."""
        day = day_of(log_ms)
        for part in self._parts[topic, partition]:
            if part.day >= day:
                return part.first
        return self.end_offset(topic, partition)

    def holes(self, topic: str, partition: int) -> Sequence[tuple[int, int]]:
        """Offsets between files: the topic no longer had them when they were to be recorded."""
        parts = self._parts[topic, partition]
        return [(a.next, b.first) for a, b in pairwise(parts) if a.next < b.first]

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        """Every record of a partition from an offset on, a few thousand at a time."""
        for part in self._parts[topic, partition]:
            if part.next > offset:
                yield from _records_of(part, topic, partition, offset)


def _records_of(part: Part, topic: str, partition: int, offset: int) -> Iterator[LogRecord]:
    try:
        with pq.ParquetFile(part.path, memory_map=False, pre_buffer=False) as file:
            for batch in file.iter_batches(_BATCH, columns=_COLUMNS, use_threads=False):
                columns = (batch[name].to_pylist() for name in _COLUMNS)
                for at, log_ms, key, value in zip(*columns, strict=True):
                    if at >= offset:
                        yield LogRecord(topic, partition, at, log_ms, key, value)
    except (pa.ArrowException, OSError) as error:
        why = str(error).split("\n", 1)[0][:200]
        raise InputFileError(
            f"{part.path} cannot be read: {why}", "copy it again from where it was recorded"
        ) from None
