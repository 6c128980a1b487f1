"""An alert on a line of the demo: its time, and what ``streams.words`` says of it."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.records import Alert
from streams.features import dollars as dollars
from streams.features import duration as duration
from streams.words import facts, name_of
from streams.words import reason as reason
from streams.words import reasons as reasons


def clock(ts_ms: int) -> str:
    """Day and time, UTC.

    >>> clock(1_736_830_800_000)
    '14 Jan 05:00:00'
    """
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%d %b %H:%M:%S")


def headline(alert: Alert) -> str:
    """One line: when, what, which coin, how sure, where the price stands."""
    return f"{clock(alert.ts_available_ms)}  {alert.kind:<9}  {name_of(alert):<10} {facts(alert)}"
