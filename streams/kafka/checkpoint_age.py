"""How old the newest checkpoints are: from where a worker that starts now would read its inputs."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from schemas.topics import CHECKPOINTS
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog

_MANIFEST: Final = b"/manifest"
_FIRST_LOOK: Final = 16


def checkpoint_age_ms(where: str | Connection, partitions: int) -> int:
    """Age of the oldest among the newest checkpoints of each partition; 0 where there are none.

    Blocking, not to be called in an event loop. A checkpoint counts from when its manifest, which
    makes it whole, was written. Milliseconds by this machine's clock.
    """
    newest = asyncio.run(_newest(where, partitions))
    return max(0, time.time_ns() // 1_000_000 - min(newest)) if newest else 0


async def _newest(where: str | Connection, partitions: int) -> list[int]:
    async with KafkaLog(where) as log:
        found = [await _newest_of(log, partition) for partition in range(partitions)]
    return [written_ms for written_ms in found if written_ms is not None]


async def _newest_of(log: KafkaLog, partition: int) -> int | None:
    """When the last manifest of a partition was written; looked for from the end backwards."""
    start = await log.start_offset(CHECKPOINTS, partition)
    end = await log.end_offset(CHECKPOINTS, partition)
    upper, look = end, _FIRST_LOOK
    while upper > start:
        lower = max(start, upper - look)
        offset, written_ms = lower, None
        while offset < upper:
            records = await log.read(CHECKPOINTS, partition, offset)
            if not records:
                break
            for record in records:
                if record.value is not None and (record.key or b"").endswith(_MANIFEST):
                    written_ms = record.timestamp
            offset = records[-1].offset + 1
        if written_ms is not None:
            return written_ms
        upper, look = lower, 2 * look
    return None
