"""Letting an embedded log forget what neither a restart nor a rebuilt state can need."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable
from typing import Final

import structlog

from schemas.errors import StateError
from schemas.topics import CHECKPOINTS, GAUGES, MENTIONS, RESOLVED, SCORES, TICKS, TOKEN_INFO
from streams.log.sqlite import SqliteLog
from streams.worker.checkpoint import KEPT, CheckpointStore
from streams.worker.handler import APP_ID

EVERY_S: Final = 600.0
AT_ONCE: Final = 20_000
"""Records deleted in one transaction: appends wait for it."""
_log = structlog.get_logger("goldendog.forgetting")


class Forgetting:
    """Deletes records of a live log that are older than it is to keep, and were worked on.

    Of what the detector reads, everything from the older of its two checkpoints on stays, and of
    mentions what was not resolved. Alerts, dead letters and control records are never deleted.

    Parameters
    ----------
    log : of an embedded run.
    keep_ms : how long records are kept; beyond the longest baseline, so that a state can be rebuilt.
    clock_ms : what stamps the log.
    """

    def __init__(self, log: SqliteLog, keep_ms: int, clock_ms: Callable[[], int]) -> None:
        self._log = log
        self._keep_ms = keep_ms
        self._clock_ms = clock_ms

    async def run(self) -> None:
        """Forget now and then, for ever; what cannot be deleted now can be later."""
        while True:
            try:
                await self.once()
            except StateError as error:
                _log.warning("old records are not deleted", why=str(error))
            await sleep(EVERY_S)

    async def once(self) -> int:
        """Delete what is due; how many records."""
        before_ms = self._clock_ms() - self._keep_ms
        gone = 0
        for (topic, p), offset in (await self._worked_on()).items():
            while n := await self._log.forget(topic, p, offset, before_ms, AT_ONCE):
                gone += n
        return gone

    async def _worked_on(self) -> dict[tuple[str, int], int]:
        """Offsets, by partition, below which nobody reads again."""
        found = {
            (topic, p): await self._log.end_offset(topic, p)
            for topic in (GAUGES, SCORES)
            for p in range(await self._log.partitions(topic))
        }
        committed = await self._log.committed(APP_ID)
        for u in range(await self._log.partitions(MENTIONS)):
            found[MENTIONS, u] = committed.get((MENTIONS, u), 0)
        store = CheckpointStore(self._log)
        for p in range(await self._log.partitions(CHECKPOINTS)):
            whole = await store.whole(p)
            for topic in (RESOLVED, TICKS, TOKEN_INFO):
                known = len(whole) >= KEPT
                found[topic, p] = whole[-1].manifest.positions.get(topic, 0) if known else 0
        return found
