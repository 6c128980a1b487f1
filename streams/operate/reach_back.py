"""Whether a log still tells everything from which the detector's state could be made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.layout import BAR_MS, HOUR_MS
from detectors.snapshot import unpack_snapshot
from schemas.errors import StateError
from schemas.topics import CHECKPOINTS, MENTIONS, TICKS, TOKEN_INFO
from streams.control.decisions import CONTROL_INPUT
from streams.log.base import Log
from streams.run.report import utc
from streams.worker.checkpoint import CheckpointStore
from streams.worker.inputs import input_names

_NAMED: Final = 3


@dataclass(frozen=True)
class Reach:
    """How far a log reaches.

    ``told_ms`` is the event time up to which every partition's bars are closed, by its newest
    checkpoint; 0 where one has none. ``reasons`` say what a rebuilt state would lack.
    """

    told_ms: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Newest:
    """Of a partition's newest usable checkpoint: closed bars, and open episodes by their start."""

    closed_ms: int
    episodes: tuple[tuple[int, str], ...]


async def reach_back(log: Log, history_ms: int) -> Reach:
    """Look whether a state rebuilt from the log would be the one that the checkpoints hold.

    ``history_ms`` : how far back the log shows in it.
    """
    newest = [await _newest(log, p) for p in range(await log.partitions(CHECKPOINTS))]
    told_ms = min((each.closed_ms if each else 0) for each in newest)
    lost = await _lost_heads(log)
    if not lost:  # the whole log is there
        return Reach(told_ms, ())
    place, from_ms = max(lost, key=lambda each: each[1])
    if told_ms == 0:
        missing = [str(p) for p, each in enumerate(newest) if each is None]
        told = (
            f"{place} has lost its first records, and no checkpoint of partition "
            f"{', '.join(missing)} says which alerts were given"
        )
        return Reach(told_ms, (told,))
    reasons = []
    if from_ms > told_ms - history_ms:
        reasons.append(
            f"{place} reaches back to {utc(from_ms)} only, and {history_ms // HOUR_MS} hours before "
            f"{utc(told_ms)} would be needed"
        )
    old = [e for each in newest if each for e in each.episodes if e[0] < from_ms + history_ms]
    if old:
        named = ", ".join(f"{token} since {utc(start)}" for start, token in sorted(old)[:_NAMED])
        reasons.append(
            f"{len(old)} episodes opened before the log says how, and their next alert would be "
            f"lost: {named}"
        )
    return Reach(told_ms, tuple(reasons))


async def _lost_heads(log: Log) -> list[tuple[str, int]]:
    """Inputs whose first records are gone, and the log time of the first that is there."""
    found = []
    for topic in (MENTIONS, TICKS, TOKEN_INFO):
        for p in range(await log.partitions(topic)):
            if (start := await log.start_offset(topic, p)) > 0:
                first = await log.read(topic, p, start, 1)
                found.append((f"{topic}/{p}", first[0].timestamp if first else 1 << 62))
    return found


async def _newest(log: Log, p: int) -> _Newest | None:
    names = [*input_names(p, await log.partitions(MENTIONS)), CONTROL_INPUT]
    for packed in await CheckpointStore(log).whole(p):
        try:
            checkpoint = await packed.unpacked()
            parts = unpack_snapshot(checkpoint.state, packed.manifest.fingerprint, names)
        except StateError:
            continue
        state = parts.slots.state
        open_ = [
            (int(state["ep_start"][slot]) * BAR_MS, parts.slots.token(slot))
            for slot in np.flatnonzero(state["ep"]).tolist()
        ]
        return _Newest(packed.manifest.closed_ms, tuple(open_))
    return None
