"""Heartbeats: they make silence visible, so that a quiet input does not hold bars open."""

from __future__ import annotations

from asyncio import CancelledError, Task, create_task, sleep
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from schemas.records import Heartbeat
from streams.log.sqlite import wall_clock_ms

PERIOD_S: Final = 0.2


class Heartbeats:
    """Says "read up to now" into every raw input, five times a second.

    For append-time logs only: in a recorded-time log the time of the wall has no place.

    Parameters
    ----------
    tell : appends a heartbeat to every partition of every raw input.
    clock_ms : milliseconds UTC.
    period_s : pause between two, in seconds.
    on_fall : told by how many ms the clock has fallen since the last one. Log time does not fall
        with it: it stands until the clock has caught up, and no bar closes meanwhile.
    """

    def __init__(
        self,
        tell: Callable[[Heartbeat], Awaitable[None]],
        *,
        clock_ms: Callable[[], int] = wall_clock_ms,
        period_s: float = PERIOD_S,
        on_fall: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._clock_ms = clock_ms
        self._period_s = period_s
        self._on_fall = on_fall
        self._last_ms = 0
        self._task: Task[None] | None = None

    async def beat(self) -> None:
        """One heartbeat, now."""
        now_ms = self._clock_ms()
        if now_ms < self._last_ms:
            self._on_fall(self._last_ms - now_ms)
        self._last_ms = now_ms
        await self._tell(Heartbeat(f"heartbeat-{now_ms}", now_ms))

    def start(self) -> Task[None]:
        """Begin; the task fails where a heartbeat cannot be written."""
        self._task = create_task(self._run(), name="heartbeats")
        return self._task

    async def stop(self) -> None:
        """End; returns when none is under way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await self.beat()
            await sleep(self._period_s)
