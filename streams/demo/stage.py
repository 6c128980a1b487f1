"""What the demo is played on: it takes records, and tells how far the detectors are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

from detectors.model import Model
from schemas.records import Alert, Record
from streams.demo.board import Board
from streams.embedded import EmbeddedOptions, EmbeddedRun, run_embedded
from streams.scenario.coins import lexicon_text
from streams.worker.detect import Cadence

T = TypeVar("T")
OnAlert = Callable[[Alert], None]


class Stage(Protocol):
    """A log with detectors behind it."""

    def closed_ms(self) -> int:
        """Event time up to which bars are closed; 0 before the first."""
        ...

    async def append(self, records: Sequence[Record]) -> None:
        """Take records; they are durable on return."""
        ...

    async def watch(self, work: Awaitable[T]) -> T:
        """Await some work, but raise what stopped the detectors as soon as something has."""
        ...

    async def finish(self) -> None:
        """Wait until everything taken was worked on, and its alerts were told of."""
        ...


Open = Callable[[Board, OnAlert], AbstractAsyncContextManager[Stage]]
"""Opens a stage that tells a board its scores, and of each alert."""


class _Embedded:
    """The embedded run as a stage."""

    def __init__(self, run: EmbeddedRun) -> None:
        self.append, self.watch, self.finish = run.append, run.watch, run.finish
        self._run = run

    def closed_ms(self) -> int:
        """Event time up to which bars are closed."""
        return self._run.progress().closed_ms


def embedded_stage(model: Model) -> Open:
    """In this process, over a folder that is gone afterwards."""

    @asynccontextmanager
    async def opened(board: Board, on_alert: OnAlert) -> AsyncIterator[Stage]:
        with TemporaryDirectory(prefix="goldendog-demo-") as folder:
            options = EmbeddedOptions(
                Path(folder),
                recorded_time=True,
                partitions=1,
                mention_partitions=1,
                lexicon=lexicon_text().encode(),
                model=model,
                scores="gated",
                cadence=Cadence(records=500_000, seconds=3_600.0),
            )
            async with run_embedded(options, on_alert=on_alert, on_scores=board.scored) as run:
                yield _Embedded(run)

    return opened
