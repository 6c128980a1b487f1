"""How far mentions are resolved, as the resolved topic says itself: it is its own commit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.resolved import decode_batch
from schemas.errors import StateError
from schemas.topics import MENTIONS, RESOLVED
from streams.log.base import Log

LOOK_BACK: Final = 200
"""Batches that are read at a time, from the topic's end backwards."""


@dataclass
class Upstream:
    """How far one partition of mentions is read: next offset, clamped log time, log's start."""

    next_offset: int
    log_ms: int = -1
    log_start_ms: int | None = None


async def resolved_in(log: Log, out: int, wanted: set[int]) -> dict[int, Upstream]:
    """How far each partition of mentions is resolved in one token partition; none of which it says nothing.

    It is read backwards, until all that are wanted are found.
    """
    found: dict[int, Upstream] = {}
    end = await log.end_offset(RESOLVED, out)
    start = await log.start_offset(RESOLVED, out)
    while end > start and not wanted <= found.keys():
        low = max(start, end - LOOK_BACK)
        for u, at in (await _last_of_each(log, out, low, end)).items():
            if u not in found or at.next_offset > found[u].next_offset:
                found[u] = at
        end = low
    return found


async def _last_of_each(log: Log, out: int, low: int, end: int) -> dict[int, Upstream]:
    """The furthest batch of each upstream partition among offsets [low, end)."""
    found: dict[int, Upstream] = {}
    while low < end:
        records = await log.read(RESOLVED, out, low, end - low)
        for record in records:
            if record.offset >= end:
                break
            try:
                batch = decode_batch(record.value or b"")
            except StateError:  # not ours: the detector keeps it as a dead letter
                continue
            if batch.topic != MENTIONS:
                continue
            at = Upstream(batch.through_offset + 1, batch.through_log_ms, batch.log_start_ms)
            if batch.partition not in found or at.next_offset > found[batch.partition].next_offset:
                found[batch.partition] = at
        if not records:
            break
        low = records[-1].offset + 1
    return found
