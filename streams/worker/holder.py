"""The one worker that holds the control topic: it sends heartbeats, and keeps bad control records.

The consumer group gives the topic's only partition to one worker, and to another when that one is
gone: that is the election. A second sender for a moment does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from schemas.decode import decode_as
from schemas.errors import RecordError
from schemas.records import Control
from schemas.topics import CONTROL
from streams.control.send import check_control
from streams.log.base import LogRecord
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP
from streams.worker.heartbeat import Heartbeats
from streams.worker.poison import InEarnest, Sieve
from streams.worker.tally import Tally


class HolderHandler:
    """Work of whoever holds the control topic.

    Parameters
    ----------
    dead, tally : where rejects and counts go.
    beats : sent while the topic is held; None in a recorded-time log, and where the process that
        owns the log sends them.
    on_failure : told of the error that ended the heartbeats: without them no bar closes.
    """

    stage: Final = "control"
    topics: Final = (CONTROL,)

    def __init__(
        self,
        dead: DeadLetters,
        tally: Tally,
        *,
        beats: Heartbeats | None = None,
        on_failure: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._dead = dead
        self._tally = tally
        self._beats = beats
        self.on_failure = on_failure
        self._next: dict[TP, int] = {}
        self.holds = False
        """Whether this worker has been elected."""

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition; 0 before anything was read."""
        return self._next.get(tp, 0)

    def reached_ms(self, tp: TP) -> int | None:  # noqa: ARG002 the contract's
        """None: the detector tells of the control topic."""
        return None

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Begin to send heartbeats where the topic is ours, end where it is not."""
        self._next = {}
        if self.holds and not tps:
            await self._end()
        if tps and not self.holds:
            self.holds = True
            if self._beats is not None:
                self._beats.start(self.on_failure)
        return {}

    async def handover(self, tps: set[TP]) -> None:
        """Send no more: the next holder will."""
        if tps:
            await self._end()

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Keep what cannot be used as dead letters."""
        rejects: list[Reject] = []
        for record in records:
            raw = record.value or b""
            try:
                decoded = decode_as(raw, "control")
                if isinstance(decoded, Control):
                    check_control(decoded)
            except RecordError as error:
                rejects.append(Reject(record.offset, record.timestamp, error, raw))
                continue
            self._tally.count(CONTROL, "used" if isinstance(decoded, Control) else "progress")
        await self._dead.put(tp.topic, tp.partition, rejects)
        self._next[tp] = records[-1].offset + 1

    async def rescue(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        """After ``handle`` has raised: pass over what it cannot look at."""
        await sieve.sift(tp, records, InEarnest(self, tp))
        self._next[tp] = records[-1].offset + 1

    async def _end(self) -> None:
        self.holds = False
        if self._beats is not None:
            await self._beats.stop()
