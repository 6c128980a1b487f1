"""Trying records out on a copy of a detector partition, and whether a log suffices to rebuild one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from msgspec import msgpack
from msgspec.structs import replace

from detectors.engine import Engine
from detectors.layout import HOUR_MS
from detectors.resolved import decode_batch
from schemas.errors import StateError
from schemas.records import ResolvedBatch
from schemas.topics import RESOLVED
from streams.log.base import Log, LogRecord
from streams.worker.alerts import encode_alert
from streams.worker.dead_letters import Reject
from streams.worker.handler import TP, Handler
from streams.worker.poison import Verdict, blame, silence

CLOSE_MS: Final = 1_200_000
"""How far beyond its inputs an engine is driven, to close every bar that has a record."""
_COLUMNS: Final = {
    "token": 4,
    "platform": 8,
    "offset": 8,
    "ts_event_ms": 8,
    "ts_log_ms": 8,
    "order": 8,
    "author": 8,
    "text": 8,
    "reach": 8,
}
_BATCH: Final = msgpack.Encoder()


class PartView(Protocol):
    """What a trial needs of a detector partition."""

    engine: Engine


Part = TypeVar("Part", bound=PartView)


def closes(engine: Engine) -> Exception | None:
    """Close every bar that has a record: the error this raises. The engine is spent."""
    reached = [engine.through_log_ms(name) or 0 for name in engine.inputs]
    end_ms = max(reached) + CLOSE_MS
    try:
        for name in engine.inputs:
            for alert in engine.push(name, None, engine.offset(name) + 1, end_ms).alerts:
                encode_alert(alert)
    except Exception as error:  # noqa: BLE001 whatever it is, the caller judges it
        return error
    return None


class DetectTrial(Generic[Part]):
    """Tries records out on a twin of the handler, whose bars are then closed by force.

    Parameters
    ----------
    log : where raw records are.
    tp : whose records.
    twin : makes a handler without effects, and its engine, from a partition and its state.
    take : handles records in earnest.
    part : the partition.
    """

    def __init__(
        self,
        log: Log,
        tp: TP,
        twin: Callable[[int, Part, bytes], tuple[Handler, Engine]],
        take: Callable[[TP, Part, Sequence[LogRecord]], Awaitable[None]],
        part: Part,
    ) -> None:
        self._log = log
        self._tp = tp
        self._twin = twin
        self._take = take
        self._part = part
        self._state: bytes | None = None

    async def fails(self, records: Sequence[LogRecord]) -> Exception | None:
        """Give the error that records cause, now or when their bars close."""
        if self._state is None:
            self._state = self._part.engine.snapshot()
        twin, engine = self._twin(self._tp.partition, self._part, self._state)
        try:
            await twin.handle(self._tp, records)
        except Exception as error:  # noqa: BLE001 whatever it is, the caller judges it
            return error
        return closes(engine)

    async def apply(self, records: Sequence[LogRecord]) -> None:
        """Handle them in earnest."""
        self._state = None
        await self._take(self._tp, self._part, records)

    async def condemn(self, record: LogRecord, error: Exception) -> Verdict:
        """A raw record becomes silence; of a resolved batch, only the rows that fail go."""
        raw = record.value or b""
        if self._tp.topic != RESOLVED:
            reject = Reject(record.offset, record.timestamp, blame(error), raw)
            return Verdict(silence(record), *self._tp, [reject])
        batch = decode_batch(raw)
        bad = await self._bad_rows(record, batch, list(range(len(batch.ids))))
        rows = [row for row in range(len(batch.ids)) if row not in bad]
        offsets = np.frombuffer(batch.offset, "<i8")
        times = np.frombuffer(batch.ts_log_ms, "<i8")
        rejects = {
            offset: Reject(offset, int(times[row]), blame(why), await self._raw(batch, offset))
            for row, why in bad.items()
            if (offset := int(offsets[row])) >= 0
        }
        return Verdict(_of_rows(record, batch, rows), batch.topic, batch.partition,
                       list(rejects.values()))  # fmt: skip

    async def _raw(self, batch: ResolvedBatch, offset: int) -> bytes:
        """A mention as it came; empty where the log no longer has it."""
        found = await self._log.read(batch.topic, batch.partition, offset, 1)
        return (found[0].value or b"") if found and found[0].offset == offset else b""

    async def _bad_rows(
        self, record: LogRecord, batch: ResolvedBatch, rows: list[int]
    ) -> dict[int, Exception]:
        """Rows of a batch that fail by themselves, with their errors."""
        error = await self.fails([_of_rows(record, batch, rows)])
        if error is None or not rows:
            return {}
        if len(rows) == 1:
            return {rows[0]: error}
        half = len(rows) // 2
        found = await self._bad_rows(record, batch, rows[:half])
        return found | await self._bad_rows(record, batch, rows[half:])


def _of_rows(record: LogRecord, batch: ResolvedBatch, rows: list[int]) -> LogRecord:
    """The batch with these of its rows alone; its progress is the same."""

    def cut(column: bytes, width: int) -> bytes:
        return b"".join(column[row * width : (row + 1) * width] for row in rows)

    columns = {name: cut(getattr(batch, name), width) for name, width in _COLUMNS.items()}
    part = replace(batch, ids=tuple(batch.ids[row] for row in rows), **columns)
    return LogRecord(
        record.topic, record.partition, record.offset, record.timestamp, None, _BATCH.encode(part)
    )


async def refuse_short_log(
    log: Log, p: int, topics: Sequence[str], closed_ms: int, history_ms: int
) -> None:
    """Raise StateError where a log no longer tells the state that was reached at ``closed_ms``.

    ``history_ms`` : how far back of that it shows.
    """
    for topic in topics:
        start = await log.start_offset(topic, p)
        if start == 0:
            continue
        first = await log.read(topic, p, start, 1)
        if not first or first[0].timestamp > closed_ms - history_ms:
            raise StateError(
                f"no checkpoint of partition {p} can be used, and {topic}/{p} no longer reaches "
                f"back to {history_ms // HOUR_MS} hours before it, from which its state could be "
                "rebuilt; to begin anew from what there is: goldendog checkpoint reset --force"
            )
