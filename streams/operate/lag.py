"""How far the workers of a group are behind their inputs, in records and in seconds."""

from __future__ import annotations

import time
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.topics import ALERTS, CHECKPOINTS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.kafka.connection import Connection
from streams.kafka.groups import Group, group_of
from streams.log.base import Log
from streams.log.sqlite_reader import open_readonly
from streams.operate.opened import is_live, opened
from streams.worker.checkpoint import CheckpointStore
from streams.worker.handler import APP_ID

BY_CHECKPOINT: Final = (RESOLVED, TICKS, TOKEN_INFO)
"""Inputs whose position after a restart the checkpoint says, not the group's commit."""
INPUTS: Final = (MENTIONS, *BY_CHECKPOINT, ALERTS)


@dataclass(frozen=True)
class Lag:
    """One input partition.

    ``next_offset`` is the group's commit (the checkpoint's, or the log's start, where there is
    none), ``records`` the offsets between it and the end. ``seconds`` is how long the first record
    that was not worked on has waited: until now where the log stamps records, else until the log's
    last record; 0 where nothing waits, so that the marks of transactions, which fill offsets, are
    no lag. ``replayed`` is how many offsets a restart would read again.
    """

    topic: str
    partition: int
    next_offset: int
    end_offset: int
    records: int
    seconds: float
    replayed: int


@dataclass(frozen=True)
class Behind:
    """A group and its lag by input partition."""

    group: Group
    inputs: list[Lag]


async def lag_of(where: Path | Connection, group: str) -> Behind:
    """Look at a group, or at the run of a data folder.

    Raises UserError where no broker answers, or there is no log.
    """
    live = await is_live(where)
    found = _run_of(where) if isinstance(where, Path) else await to_thread(group_of, where, group)
    async with opened(where) as log:
        saved = await _saved(log)
        inputs = [
            await _one(log, topic, p, found.committed, saved, live=live)
            for topic in INPUTS
            for p in range(await log.partitions(topic))
        ]
    return Behind(found, inputs)


def _run_of(folder: Path) -> Group:
    """What the run of a data folder has committed, as if it were a group."""
    with open_readonly(folder) as log:
        return Group("Embedded", (), log.committed(APP_ID))


async def _saved(log: Log) -> dict[tuple[str, int], int]:
    """The positions of the newest whole checkpoints."""
    saved: dict[tuple[str, int], int] = {}
    for p in range(await log.partitions(CHECKPOINTS)):
        if whole := await CheckpointStore(log).whole(p):
            positions = whole[0].manifest.positions
            saved |= {(topic, p): offset for topic, offset in positions.items()}
    return saved


async def _one(
    log: Log,
    topic: str,
    p: int,
    committed: Mapping[tuple[str, int], int],
    saved: Mapping[tuple[str, int], int],
    *,
    live: bool,
) -> Lag:
    start, end = await log.start_offset(topic, p), await log.end_offset(topic, p)
    kept = saved.get((topic, p), start)
    at = min(end, max(start, committed.get((topic, p), kept)))
    again = max(0, at - max(start, kept)) if topic in BY_CHECKPOINT else 0
    first = await log.read(topic, p, at, 1) if at < end else []
    if not first:
        return Lag(topic, p, at, end, end - at, 0.0, again)
    if live:
        until_ms = time.time_ns() // 1_000_000
    else:
        until_ms = await _last_ms(log, topic, p, at, end)
    return Lag(topic, p, at, end, end - at, max(0, until_ms - first[0].timestamp) / 1000, again)


async def _last_ms(log: Log, topic: str, p: int, at: int, end: int) -> int:
    """When the last record in [at, end) was logged; at the end there may be marks of transactions."""
    back = 1
    while True:
        low = max(at, end - back)
        if records := await log.read(topic, p, low, back):
            return records[-1].timestamp
        if low == at:
            return 0
        back *= 2
