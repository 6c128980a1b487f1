"""The control topic, read by every worker: what is in force, and how far it is read.

It has one partition and belongs to no group. Engines have it for an input, a lead ahead: no bar
closes before all is known that could be in force for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final, Generic, TypeVar

import structlog

from detectors.engine import Engine
from detectors.outputs import Outputs
from detectors.resolve.lexicon import Lexicon
from schemas.decode import decode_as, encode_record
from schemas.errors import RecordError, StateError
from schemas.records import Control
from schemas.topics import CONTROL
from streams.control.decisions import CONTROL_INPUT, LEAD_MS, Decisions
from streams.control.vouched import EVERY, LOOK_BACK, Vouched, key_of, mark_of, vouched_by
from streams.log.base import Log, LogRecord
from streams.worker.inputs import declared_start_ms, refuse_lost, refuse_remade

R = TypeVar("R")
POLL_S: Final = 0.2
PATIENCE_S: Final = 60.0
_log = structlog.get_logger("goldendog.control")


class ControlReader:
    """Reads the control topic into ``decisions``.

    Parameters
    ----------
    log : where the topic is.
    decisions : what is in force; told of each record.
    patience_s : how long the topic may stand still while somebody waits for it; without an end where
        None, as in a recorded-time log, which moves only while it is fed.
    clock : seconds.
    """

    def __init__(
        self,
        log: Log,
        decisions: Decisions,
        *,
        patience_s: float | None = PATIENCE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.decisions = decisions
        self.through_ms = -1
        """Log time up to which the topic is read."""
        self._log = log
        self._patience_s = patience_s
        self._clock = clock
        self._next = 0
        self._last: LogRecord | None = None
        self._start_ms = 0
        self._changes: list[tuple[int, str]] = []
        self._vouched = 0  # offset up to which a heartbeat has vouched
        self._read_at = -POLL_S
        self._moved_at = clock()
        self._reading = asyncio.Lock()

    async def read(self) -> None:
        """Read on to the topic's present end."""
        async with self._reading:
            if self._next == 0:
                refuse_lost(CONTROL, 0, 0, await self._log.start_offset(CONTROL, 0))
            end = await self._log.end_offset(CONTROL, 0)
            refuse_remade(CONTROL, 0, self._next, end)
            if self._next == 0 and (vouched := await self._find_vouched(end)) is not None:
                self._take_over(vouched)
            while self._next < end:
                records = await self._log.read(CONTROL, 0, self._next)
                if not records:
                    break
                self._take(records)
            self._read_at = self._clock()

    async def poll(self) -> None:
        """Read on, where it was not read a moment ago."""
        if self._clock() - self._read_at >= POLL_S:
            await self.read()

    def vouch(self) -> bytes | None:
        """A key for the next heartbeat of the topic, where it is time to vouch for what is before it."""
        if self._last is None or self._next - self._vouched < EVERY:
            return None
        self._vouched = self._next
        return key_of(self._last, self.through_ms, self._start_ms, tuple(self._changes))

    async def _find_vouched(self, end: int) -> Vouched | None:
        """The last that is vouched for, where a heartbeat near the end says so and it is true."""
        if end <= LOOK_BACK:
            return None
        at, found = end - LOOK_BACK, None
        while at < end and (records := await self._log.read(CONTROL, 0, at)):
            at = records[-1].offset + 1
            found = next(filter(None, map(vouched_by, reversed(records))), found)
        if found is None:
            return None
        marked = await self._log.read(CONTROL, 0, found.next - 1, 1)
        if not marked or mark_of(marked[0]) != found.mark:
            _log.warning("a heartbeat vouches for another topic", offset=found.next)
            return None
        self._last = marked[0]
        return found

    def _take_over(self, vouched: Vouched) -> None:
        """Know what reading up to there would have told."""
        self._next = self._vouched = vouched.next
        self._start_ms = vouched.start_ms
        for ts_log_ms, value in vouched.changes:
            with suppress(RecordError):  # as where it stands in the topic
                self._hear(value.encode(), ts_log_ms)
        self.through_ms = vouched.through_ms
        self._moved_at = self._clock()

    def _hear(self, raw: bytes, ts_log_ms: int) -> None:
        """Take a record. Raises RecordError where it cannot be used."""
        decoded = decode_as(raw, "control")
        if self._next == 0:
            self._start_ms = declared_start_ms(decoded, ts_log_ms)
        if not isinstance(decoded, Control):
            return
        # As we write it: what we know nothing of, and pass over, need not be text.
        self._changes.append((ts_log_ms, encode_record(decoded).decode()))
        self.decisions.hear(decoded, ts_log_ms)
        _log.info("a change was heard", record=decoded.id, setting=decoded.setting)

    @property
    def known_ms(self) -> int:
        """Log time before which everything is known that may be in force."""
        return self.through_ms + LEAD_MS

    def refuse_still(self, ms: int) -> None:
        """Raise StateError where records of a log time wait, and the topic has ceased to move."""
        if self._patience_s is not None and self._clock() - self._moved_at > self._patience_s:
            raise StateError(
                f"{CONTROL} stands at {self.through_ms} ms and records have reached {ms} ms: "
                "no worker sends heartbeats"
            )

    def steer(self, engine: Engine) -> list[Outputs]:
        """Tell an engine how far the topic is read; what the bars give that may close now."""
        if self._next - 1 <= engine.offset(CONTROL_INPUT):
            return []
        engine.schedule(self.decisions.changes())
        return [engine.push(CONTROL_INPUT, None, self._next - 1, self.known_ms, self._start_ms)]

    def _take(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            if self._next == 0:
                self._start_ms = record.timestamp
            if record.timestamp > self.through_ms:
                self.through_ms = record.timestamp
                self._moved_at = self._clock()
            with suppress(RecordError):  # a dead letter, which the holder of the topic writes
                self._hear(record.value or b"", self.through_ms)
            if (vouched := vouched_by(record)) is not None:
                self._vouched = max(self._vouched, vouched.next)
            self._next, self._last = record.offset + 1, record


class Words(Generic[R]):
    """The resolver that holds at a log time: made anew when a change of lexicon is heard.

    Parameters
    ----------
    control : tells of changes.
    make : a resolver for a lexicon with all its versions.
    """

    def __init__(self, control: ControlReader, make: Callable[[Lexicon], R]) -> None:
        self._control = control
        self._make = make
        self._lexicon = control.decisions.base.lexicon
        self._resolver = make(self._lexicon)

    async def known_ms(self) -> int:
        """Log time before which ``now`` holds, the control topic being read to its end."""
        await self._control.poll()
        return self._control.known_ms

    def refuse_still(self, ms: int) -> None:
        """Raise StateError where waiting for a log time is in vain."""
        self._control.refuse_still(ms)

    def now(self) -> tuple[R, str]:
        """The resolver for log times before ``known_ms``, and its lexicon's hash."""
        lexicon = self._control.decisions.latest.lexicon
        if lexicon is not self._lexicon:
            self._lexicon, self._resolver = lexicon, self._make(lexicon)
        return self._resolver, lexicon.sha256
