"""A replay's progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from streams.progress_line import progress_line
from streams.replay.run import OnProgress, Progress


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Show records a second, event time and alerts; nothing where standard error is no terminal."""
    with progress_line("looking through") as show:

        def showing(at: Progress) -> None:
            last = at.total is not None and at.records >= at.total
            if at.stage == "scan":
                show("looking through", 0, at.total, told(at), last=last)
            else:
                show("replaying", at.records, at.total, told(at), last=last)

        yield showing


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
