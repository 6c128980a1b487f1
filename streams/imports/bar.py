"""An import's progress on a terminal: one line that moves, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.imports.run import OnProgress

EVERY_S = 0.1


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Show rows and how much is left; nothing where standard error is no terminal."""
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
        task = bars.add_task("reading", total=None, told="")
        shown = 0.0

        def show(stage: str, rows: int, total: int | None) -> None:
            nonlocal shown
            if monotonic() - shown < EVERY_S and rows != total:
                return
            shown = monotonic()
            bars.update(task, description=stage, total=total, completed=rows, told=f"{rows:,} rows")

        yield show
