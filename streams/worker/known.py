"""Alerts that are in the log already, and that an engine may give once more."""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import StateError
from schemas.topics import ALERTS
from streams.log.base import Log
from streams.worker.alerts import decode_alert


class Place(NamedTuple):
    """Where an alert stands in the log, and the end of its bar."""

    offset: int
    ts_bar_end_ms: int


async def alerts_since(log: Log, partition: int, offset: int) -> dict[str, Place]:
    """Alerts of a partition from an offset on, by id: an engine gives those of open bars again."""
    known: dict[str, Place] = {}
    end = await log.end_offset(ALERTS, partition)
    while offset < end:
        records = await log.read(ALERTS, partition, offset)
        if not records:
            break
        for record in records:
            try:
                alert = decode_alert(record.value or b"")
            except StateError:  # not ours: the dispatcher keeps it as a dead letter
                continue
            known[alert.alert_id] = Place(record.offset, alert.ts_bar_end_ms)
        offset = records[-1].offset + 1
    return known


def still_open(known: dict[str, Place], closed_ms: int) -> dict[str, Place]:
    """Drop alerts of bars that are closed: what an engine has not given, it never will.

    >>> still_open({"a": Place(0, 5_000), "b": Place(1, 10_000)}, 5_000)
    {'b': Place(offset=1, ts_bar_end_ms=10000)}
    """
    return {name: place for name, place in known.items() if place.ts_bar_end_ms > closed_ms}
