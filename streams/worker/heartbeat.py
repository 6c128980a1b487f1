"""Heartbeats: they make silence visible, so that a quiet input does not hold bars open."""

from __future__ import annotations

from asyncio import CancelledError, Task, create_task, sleep
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from schemas.records import Heartbeat
from streams.log.sqlite import wall_clock_ms

PERIOD_S: Final = 0.2
_AFTER_MS: Final = 5
"""How long after its mark a heartbeat is sent, that the log's stamp is not before it."""


def pause_ms(sent_ms: int, now_ms: int, period_ms: int) -> float:
    """How long to wait for the next mark after a heartbeat was sent: a multiple of the period.

    Bars close at whole seconds, which are marks: a heartbeat then closes them at once. A clock that stands
    still or falls makes heartbeats neither many nor rare.

    >>> pause_ms(1_003, 1_010, 200), pause_ms(1_003, 1_410, 200), pause_ms(1_003, 500, 200)
    (195, 50.0, 205)
    """
    due_ms = (sent_ms // period_ms + 1) * period_ms + _AFTER_MS
    return min(max(due_ms - now_ms, period_ms / 4), period_ms + _AFTER_MS)


class Heartbeats:
    """Says "read up to now" into every raw input, five times a second.

    For append-time logs only: in a recorded-time log the time of the wall has no place.

    Parameters
    ----------
    tell : appends a heartbeat to every partition of every raw input.
    clock_ms : milliseconds UTC.
    period_s : between two, in seconds; they are sent when the clock passes a multiple of it.
    on_fall : told by how many ms the clock has fallen since the last one. Log time does not fall
        with it: it stands until the clock has caught up, and no bar closes meanwhile.
    reached_ms : the time the log had reached before, of which the first heartbeat may fall short.
    """

    def __init__(
        self,
        tell: Callable[[Heartbeat], Awaitable[None]],
        *,
        clock_ms: Callable[[], int] = wall_clock_ms,
        period_s: float = PERIOD_S,
        on_fall: Callable[[int], None] = lambda _: None,
        reached_ms: int = 0,
    ) -> None:
        self._tell = tell
        self._clock_ms = clock_ms
        self._period_s = period_s
        self._on_fall = on_fall
        self._last_ms = reached_ms
        self._task: Task[None] | None = None

    async def beat(self) -> None:
        """One heartbeat, now."""
        now_ms = self._clock_ms()
        if now_ms < self._last_ms:
            self._on_fall(self._last_ms - now_ms)
        self._last_ms = now_ms
        await self._tell(Heartbeat(f"heartbeat-{now_ms}", now_ms))

    def start(self, on_failure: Callable[[BaseException], None] = lambda _: None) -> None:
        """Begin; ``on_failure`` is told where a heartbeat cannot be written, and ends them."""
        self._task = create_task(self._run(), name="heartbeats")
        self._task.add_done_callback(lambda task: _tell(task, on_failure))

    async def stop(self) -> None:
        """End; returns when none is under way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(CancelledError, Exception):  # its failure was told
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await self.beat()
            period_ms = round(self._period_s * 1000)
            await sleep(pause_ms(self._last_ms, self._clock_ms(), period_ms) / 1000)


def _tell(task: Task[None], on_failure: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_failure(error)
