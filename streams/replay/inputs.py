"""What a replay reads: files as one input, or the log of an embedded run with all of its inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from detectors.batch.resolver import BatchResolver
from schemas.decode import decode_as
from schemas.errors import InputFileError, RecordError
from schemas.topics import MENTIONS, TICKS, TOKEN_INFO
from streams.files.kinds import find_files
from streams.files.ndjson import LineChunk, decode_values
from streams.files.order import Scan, Source, merged, scan, sources_of
from streams.files.rows import I8
from streams.log.base import LogRecord
from streams.log.sqlite_reader import ReadonlyLog, open_readonly
from streams.replay.steps import Step, deal, gather
from streams.replay.window import Cut
from streams.worker.inputs import KIND_OF, declared_start_ms, input_names

LOG_NAME: Final = "log"
"""The one input that files are read as."""
LOG_FILE: Final = "log.db"
OPEN_RECORDS: Final = 100_000
OnRecords = Callable[[int], None]


class Inputs(Protocol):
    """Something to replay, looked through.

    ``engines`` names the inputs of each engine. ``about`` describes what is read, for the summary;
    ``records`` is how many there are, and ``out_of_order`` how many had to be moved. ``first_ms``
    is the log time of the first, 0 where none has one.
    """

    engines: list[list[str]]
    about: list[dict[str, Any]]
    records: int
    out_of_order: int
    first_ms: int

    def steps(
        self, resolver: BatchResolver, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        """The pushes, each input's in its order, the inputs side by side in time.

        Records before ``from_ms`` are passed over, and nothing beyond ``through_ms`` is read.
        """


def opened(
    paths: Sequence[Path | str], spill: Path, on_records: OnRecords | None = None
) -> AbstractContextManager[Inputs]:
    """Look through what the paths name. Raises InputFileError, and before anything is replayed.

    A data folder of an embedded run is replayed alone. ``spill`` is a folder for files that have
    to be sorted.
    """
    folders = [path for path in map(Path, paths) if is_data_folder(path)]
    if folders and len(paths) > 1:
        raise InputFileError(
            f"{folders[0]} is the data folder of a run, which is replayed alone",
            "name nothing else beside it",
        )
    return _open_log(folders[0]) if folders else _open_files(paths, spill, on_records)


def is_data_folder(path: Path) -> bool:
    """Whether a path is an embedded run's data folder, or the log in it."""
    return (path / LOG_FILE).is_file() or (path.name == LOG_FILE and path.is_file())


@contextmanager
def _open_files(
    paths: Sequence[Path | str], spill: Path, on_records: OnRecords | None
) -> Iterator[Inputs]:
    scans: list[Scan] = []
    for file in find_files(paths):
        before = sum(each.records for each in scans)
        tell = None if on_records is None else (lambda n, b=before: on_records(b + n))
        scans.append(scan(file, tell))
    sources = [
        source
        for i, found in enumerate(scans)
        for source in sources_of(found, spill / str(i))
    ]  # fmt: skip
    yield _Files(scans, sources)


class _Files:
    def __init__(self, scans: Sequence[Scan], sources: Sequence[Source]) -> None:
        self._sources = sources
        self.engines = [[LOG_NAME]]
        self.records = sum(each.records for each in scans)
        self.out_of_order = sum(each.falls for each in scans)
        self.first_ms = min((ms for each in scans if (ms := each.first_ms)), default=0)
        self.about = [
            {
                "path": str(each.file.path),
                "kind": each.file.kind,
                "bytes": each.file.size,
                "records": each.records,
                "out_of_order": each.falls,
            }
            for each in scans
        ]

    def steps(
        self, resolver: BatchResolver, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        offset, begun, skipped = -1, False, 0
        cut = Cut(from_ms, through_ms)
        for whole in merged(self._sources):
            chunks = cut.chunks(whole)
            if chunks:
                columns, seen = gather(chunks, resolver)
                offset += seen.records
                start = seen.first_ms if seen.declared_ms is None else seen.declared_ms
                step = Step(
                    LOG_NAME,
                    # no log time yet: nothing to tell
                    {0: cut.columns(columns)} if begun or seen.first_ms else {},
                    offset,
                    seen.through_ms,
                    cut.start_ms(start) if seen.first_ms and not begun else None,
                    seen.outcomes() + Counter(skipped=cut.skipped - skipped),
                    seen.bad,
                )
                begun = begun or seen.first_ms > 0
                skipped = cut.skipped
                yield step
            if cut.ended:
                if begun and through_ms is not None:
                    yield Step(LOG_NAME, {0: None}, offset + 1, through_ms, None)
                return


@contextmanager
def _open_log(path: Path) -> Iterator[Inputs]:
    with closing(open_readonly(path)) as log:
        topics = log.topics()
        missing = [t for t in (MENTIONS, TICKS, TOKEN_INFO) if t not in topics]
        if missing or topics[TICKS] != topics[TOKEN_INFO]:
            raise InputFileError(
                f"{path} is no log of an embedded run: it has no usable {(missing or [TICKS])[0]}",
                "name the folder that `goldendog run --embedded --data-dir` wrote",
            )
        yield _Log(path, log, topics[MENTIONS], topics[TICKS])


@dataclass
class _Head:
    """An input of a log, and how far it is read."""

    topic: str
    partition: int
    records: Iterator[LogRecord]
    cut: Cut
    log_ms: int = -1

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    def log_start_ms(self, record: LogRecord) -> int | None:
        """Where the log says it began, by the input's first record; None of a later one."""
        if self.log_ms >= 0:
            return None
        try:
            first = decode_as(record.value or b"", kind_of(self.topic))
        except RecordError:
            return record.timestamp
        return declared_start_ms(first, record.timestamp)


class _Log:
    out_of_order = 0

    def __init__(self, path: Path, log: ReadonlyLog, mention_parts: int, parts: int) -> None:
        self._log = log
        self._parts = parts
        self._places = [
            *((MENTIONS, u) for u in range(mention_parts)),
            *((topic, p) for p in range(parts) for topic in (TICKS, TOKEN_INFO)),
        ]
        self.engines = [input_names(p, mention_parts) for p in range(parts)]
        ends = {place: log.end_offset(*place) for place in self._places}
        self.records = sum(ends.values())
        firsts = (next(log.iter_topic(*place), None) for place in self._places)
        self.first_ms = min((each.timestamp for each in firsts if each is not None), default=0)
        self.about = [
            {"path": str(path), "kind": "log", "input": f"{topic}/{p}", "records": end}
            for (topic, p), end in ends.items()
        ]

    def steps(
        self, resolver: BatchResolver, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        size = max(500, OPEN_RECORDS // len(self._places))
        heads = [
            _Head(t, p, self._log.iter_topic(t, p), Cut(from_ms, through_ms))
            for t, p in self._places
        ]
        while heads:
            head = min(heads, key=lambda each: each.log_ms)
            records = list(islice(head.records, size))
            if not records:
                heads.remove(head)
                continue
            yield self._step(head, records, resolver)
            if head.cut.ended:
                heads.remove(head)

    def _step(self, head: _Head, records: Sequence[LogRecord], resolver: BatchResolver) -> Step:
        start = head.log_start_ms(records[0])
        floor = max(head.log_ms, 0)
        times = np.maximum.accumulate([floor, *(r.timestamp for r in records)])[1:]
        before, rows = head.cut.skipped, head.cut.rows(times)
        through = records[-1].offset
        head.log_ms = int(times[-1])
        if head.cut.ended and head.cut.through_ms is not None:
            head.log_ms = head.cut.through_ms
        start_ms = None if start is None else head.cut.start_ms(start)
        columns, bad = None, []
        counts = Counter(skipped=head.cut.skipped - before)
        if rows.stop > rows.start:
            chunk = _chunk(head.topic, records[rows], times[rows])
            found, seen = gather([chunk], resolver)
            columns, bad = head.cut.columns(found), seen.bad
            counts += seen.outcomes()
        dealt = deal(columns, self._parts) if head.topic == MENTIONS else {head.partition: columns}
        return Step(head.name, dealt, through, head.log_ms, start_ms, counts, bad)


def kind_of(topic: str) -> str:
    """The kind of record a topic holds."""
    return "mention" if topic == MENTIONS else KIND_OF[topic]


def _chunk(topic: str, records: Sequence[LogRecord], times: I8) -> LineChunk:
    values = [record.value or b"" for record in records]
    places = [f"{topic}/{record.partition}/{record.offset}" for record in records]
    return decode_values(values, kind_of(topic), times, places)
