"""Telling every input of live topics that time passes; the control topic seldom, for it is kept for ever."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Mapping
from typing import Final

from schemas.decode import encode_record
from schemas.records import Heartbeat
from schemas.topics import CONTROL
from streams.log.base import Item, Log
from streams.sources.places import places_of

CONTROL_EVERY_MS: Final = 10_000
"""Bars close up to a minute ahead of the control topic: one that is told so often holds none open."""
Vouch = Callable[[], bytes | None]
"""A message key for the next heartbeat of the control topic, if it is to have one."""


class Telling:
    """Appends a heartbeat to every partition of every raw input.

    Parameters
    ----------
    log : where the inputs are.
    partitions : of each of them.
    vouch : what the next heartbeat of the control topic says of what is before it.
    """

    def __init__(self, log: Log, partitions: Mapping[str, int], vouch: Vouch) -> None:
        self._log = log
        self._partitions = dict(partitions)
        self._vouch = vouch
        self._told_ms: int | None = None

    async def __call__(self, beat: Heartbeat) -> None:
        """Append it; durable on return."""
        item = Item(None, encode_record(beat), beat.ts_event_ms)
        places = places_of(beat, self._partitions)
        appends = [self._log.append(*place, [item]) for place in places if place != (CONTROL, 0)]
        if self._is_due(beat.ts_event_ms):
            self._told_ms = beat.ts_event_ms
            appends.append(self._log.append(CONTROL, 0, [item._replace(key=self._vouch())]))
        await gather(*appends)

    def _is_due(self, now_ms: int) -> bool:
        """Whether the control topic is to be told; of a clock that fell it is told at once."""
        return self._told_ms is None or not 0 <= now_ms - self._told_ms < CONTROL_EVERY_MS
