"""A replay's progress on a terminal: one line that moves, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streams.replay.run import OnProgress, Progress

EVERY_S = 0.1


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Show records a second, event time and alerts; nothing where standard error is no terminal."""
    console = Console(stderr=True)
    bars = Bars(
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
        task = bars.add_task("looking through", total=None, told="")
        shown = 0.0

        def show(at: Progress) -> None:
            nonlocal shown
            is_last = at.total is not None and at.records >= at.total
            if monotonic() - shown < EVERY_S and not is_last:
                return
            shown = monotonic()
            name = "looking through" if at.stage == "scan" else "replaying"
            done = 0 if at.stage == "scan" else at.records
            bars.update(task, description=name, total=at.total, completed=done, told=told(at))

        yield show


def told(at: Progress) -> str:
    """What the line says beside the bar.

    >>> told(Progress("scan", 1_200, None, 0, 1.0, 0))
    '1,200 records'
    >>> told(Progress("replay", 3_000_000, 4_000_000, 1_736_812_800_000, 2.0, 5))
    '1,500,000 records/s · 2025-01-14 00:00 UTC · 5 alerts'
    """
    if at.stage == "scan":
        return f"{at.records:,} records"
    speed = at.records / max(at.seconds, 1e-9)
    alerts = "1 alert" if at.alerts == 1 else f"{at.alerts} alerts"
    return f"{speed:,.0f} records/s · {utc(at.log_ms)} · {alerts}"


def utc(ms: int) -> str:
    """Milliseconds as a date and a time to the minute.

    >>> utc(1_736_812_800_000)
    '2025-01-14 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def utc_seconds(ms: int) -> str:
    """Milliseconds as a date and a time to the second.

    >>> utc_seconds(1_736_812_805_000)
    '2025-01-14 00:00:05 UTC'
    """
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
