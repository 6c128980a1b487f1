"""What a replay reads: files as one input, or a log with all of its inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from schemas.errors import InputFileError
from streams.files.kinds import find_files
from streams.files.order import Scan, Source, merged, scan, sources_of
from streams.log.sqlite_reader import open_readonly
from streams.recording.layout import is_recording
from streams.recording.read import RecordingReader
from streams.replay.following import Names
from streams.replay.log_inputs import LogInputs
from streams.replay.steps import Step, gather
from streams.replay.window import Cut

LOG_NAME: Final = "log"
"""The one input that files are read as."""
LOG_FILE: Final = "log.db"
OnRecords = Callable[[int], None]


class Inputs(Protocol):
    """Something to replay, looked through.

    ``engines`` names the inputs of each engine. ``about`` describes what is read, for the summary;
    ``records`` is how many there are, and ``out_of_order`` how many had to be moved. ``first_ms``
    is the log time of the first, 0 where none has one. ``notes`` say what is not as it was.
    """

    engines: list[list[str]]
    about: list[dict[str, Any]]
    records: int
    out_of_order: int
    first_ms: int
    notes: list[str]

    def steps(
        self, names: Names, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        """The pushes, each input's in its order, the inputs side by side in time.

        Records before ``from_ms`` are passed over, and nothing beyond ``through_ms`` is read.
        """


def opened(
    paths: Sequence[Path | str], spill: Path, on_records: OnRecords | None = None
) -> AbstractContextManager[Inputs]:
    """Look through what the paths name. Raises InputFileError, and before anything is replayed.

    A data folder of an embedded run, or a recording of topics, is replayed alone. ``spill`` is a
    folder for files that have to be sorted.
    """
    for what, is_one, open_one in (
        ("the data folder of a run", is_data_folder, _open_log),
        ("a recording of topics", is_recording, _open_recording),
    ):
        for path in filter(is_one, map(Path, paths)):
            if len(paths) > 1:
                raise InputFileError(
                    f"{path} is {what}, which is replayed alone", "name nothing else beside it"
                )
            return open_one(path)
    return _open_files(paths, spill, on_records)


def is_data_folder(path: Path) -> bool:
    """Whether a path is an embedded run's data folder, or the log in it."""
    return (path / LOG_FILE).is_file() or (path.name == LOG_FILE and path.is_file())


@contextmanager
def _open_files(
    paths: Sequence[Path | str], spill: Path, on_records: OnRecords | None
) -> Iterator[Inputs]:
    scans: list[Scan] = []
    before = 0
    for file in find_files(paths):
        tell = None if on_records is None else (lambda n, b=before: on_records(b + n))
        scans.append(scan(file, tell))
        before += scans[-1].records
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
        self.notes: list[str] = []
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
        self, names: Names, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        offset, begun, skipped = -1, False, 0
        cut = Cut(from_ms, through_ms)
        for whole in merged(self._sources):
            chunks = cut.chunks(whole)
            if chunks:
                columns, seen = gather(chunks, names)
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
        yield LogInputs(str(path), log)


@contextmanager
def _open_recording(path: Path) -> Iterator[Inputs]:
    yield LogInputs(str(path), RecordingReader(path))
