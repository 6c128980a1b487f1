"""One line that moves on a terminal, on standard error, for commands that read much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

EVERY_S: Final = 0.1


class Show(Protocol):
    """Draw the line anew, now and then: what is done, how much of how much, and a word beside it."""

    def __call__(self, stage: str, done: int, total: int | None, told: str, *, last: bool) -> None:
        """``total`` is None where unknown; the ``last`` is always drawn."""


@contextmanager
def progress_line(stage: str) -> Iterator[Show]:
    """A line that begins with ``stage``; nothing where standard error is no terminal."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task(stage, total=None, told="")
        shown = 0.0

        def show(stage: str, done: int, total: int | None, told: str, *, last: bool) -> None:
            nonlocal shown
            if monotonic() - shown < EVERY_S and not last:
                return
            shown = monotonic()
            bars.update(task, description=stage, total=total, completed=done, told=told)

        yield show
