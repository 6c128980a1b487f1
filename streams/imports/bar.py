"""An import's progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streams.imports.run import OnProgress
from streams.progress_line import progress_line


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Show rows and how much is left; nothing where standard error is no terminal."""
    with progress_line("reading") as show:
        yield lambda stage, rows, total: show(
            stage, rows, total, f"{rows:,} rows", last=rows == total
        )
