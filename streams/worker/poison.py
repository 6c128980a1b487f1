"""Poison: a record that makes a handler fail is found by halving, kept aside, and passed over.

A handler that raises what no handler may raise is given its batch once more, with its state taken
back to where it was. What fails again is halved until single records are left. Such a record
becomes a dead letter with the error and its place, and is read as silence from then on: offsets
and log time go on, nothing else of it is taken in. So alerts are those of a log without it.

What the world does (a broker, a disk, an operator's mistake) is no record's fault and stops the
worker as ever.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from aiokafka.errors import KafkaError

from schemas.decode import MIN_TIME_MS, encode_record
from schemas.errors import GoldendogError, RecordError
from schemas.records import Heartbeat
from streams.log.base import Item, Log, LogRecord
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP, Handler
from streams.worker.tally import Tally

CODE: Final = "poison"
IN_A_ROW: Final = 10
"""Records of one partition that fail one after the other before no record is blamed any more."""
_HEARTBEAT: Final = b'"heartbeat"'
_log = structlog.get_logger("goldendog.poison")


class PoisonError(GoldendogError):
    """Record after record fails: the fault lies in goldendog or the machine, not in them."""


def is_records_fault(error: Exception) -> bool:
    """Whether an error that a handler raised may be due to what it was given.

    >>> is_records_fault(ZeroDivisionError()), is_records_fault(OSError("disk full"))
    (True, False)
    """
    if isinstance(error, GoldendogError):
        return isinstance(error, RecordError)
    return not isinstance(error, KafkaError | OSError | sqlite3.Error | MemoryError)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a record that fails: what is read in its place, and what is kept aside.

    ``rest`` is None where nothing is to be read. ``rejects`` belong to ``topic``/``partition``,
    which are the record's own, or those of the records that went into it.
    """

    rest: LogRecord | None
    topic: str
    partition: int
    rejects: list[Reject]


class Trial(Protocol):
    """How records of one partition are tried out."""

    async def fails(self, records: Sequence[LogRecord]) -> Exception | None:
        """Give the error that records cause; where they cause one, nothing has changed."""
        ...

    async def apply(self, records: Sequence[LogRecord]) -> None:
        """Handle records that do not fail."""
        ...

    async def condemn(self, record: LogRecord, error: Exception) -> Verdict:
        """Say what becomes of a record that fails by itself."""
        ...


class Sieve:
    """Handles what can be handled of records that failed together, and keeps the rest aside.

    Parameters
    ----------
    dead, tally : where letters and counts go.
    in_a_row : so many records that fail one after the other are taken for a fault of our own.
    """

    def __init__(self, dead: DeadLetters, tally: Tally, in_a_row: int = IN_A_ROW) -> None:
        self._dead = dead
        self._tally = tally
        self._in_a_row = in_a_row
        self._row: Counter[TP] = Counter()

    def passed(self, tp: TP, records: Sequence[Any]) -> None:
        """Records were handled without an error."""
        # A heartbeat is no witness: it passes where every real record fails.
        if self._row[tp] and any(_HEARTBEAT not in (r.value or b"") for r in records):
            del self._row[tp]

    async def sift(self, tp: TP, records: Sequence[LogRecord], trial: Trial) -> None:
        """Handle records in order, but for those that fail by themselves.

        Raises PoisonError where that would be nearly all, and the error itself where a record
        fails even when it is read as silence.
        """
        error = await trial.fails(records)
        if error is None:
            await trial.apply(records)
            self.passed(tp, records)
            return
        if not is_records_fault(error):
            raise error
        if len(records) > 1:
            half = len(records) // 2
            await self.sift(tp, records[:half], trial)
            await self.sift(tp, records[half:], trial)
            return
        await self._pass_over(tp, records[0], error, trial)

    async def _pass_over(self, tp: TP, record: LogRecord, error: Exception, trial: Trial) -> None:
        place = f"{tp.topic}/{tp.partition}/{record.offset}"
        self._row[tp] += 1
        if self._row[tp] > self._in_a_row:
            raise PoisonError(
                f"{self._row[tp]} records in a row fail, the last at {place} with {_text(error)}: "
                "the fault is goldendog's or the machine's, not theirs"
            ) from error
        verdict = await trial.condemn(record, error)
        await self._dead.put(verdict.topic, verdict.partition, verdict.rejects)
        if verdict.rest is not None:
            if (still := await trial.fails([verdict.rest])) is not None:
                raise still
            await trial.apply([verdict.rest])
        self._tally.count(tp.topic, CODE)
        _log.error("a record was passed over: it makes the worker fail", place=place,
                   error=_text(error))  # fmt: skip


async def guarded(handler: Handler, tp: TP, records: Sequence[Any], sieve: Sieve) -> None:
    """Have a handler work on records; where it raises, on all of them but those that are poison."""
    try:
        await handler.handle(tp, records)
    except Exception as error:
        if not is_records_fault(error):
            raise
        _log.warning("a batch failed, and is looked through", topic=tp.topic,
                     partition=tp.partition, first=records[0].offset, last=records[-1].offset,
                     error=_text(error))  # fmt: skip
        await handler.rescue(tp, records, sieve)
    else:
        sieve.passed(tp, records)


def blame(error: Exception) -> RecordError:
    """The error of a dead letter for what a handler raised."""
    return RecordError(
        CODE, f"a handler failed with {_text(error)}", remedy="report it as a bug, with this record"
    )


def silence(record: Any) -> LogRecord:
    """What is read in place of a record: a heartbeat of its offset and log time."""
    beat = Heartbeat(f"poison-{record.offset}", max(record.timestamp, MIN_TIME_MS))
    return LogRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        None,
        encode_record(beat),
    )


class InEarnest:
    """A trial by the handler itself: for one that does no harm when it works on a record again."""

    def __init__(self, handler: Handler, tp: TP) -> None:
        self._handler, self._tp = handler, tp

    async def fails(self, records: Sequence[LogRecord]) -> Exception | None:
        """Work on them; give the error that causes."""
        try:
            await self._handler.handle(self._tp, records)
        except Exception as error:  # noqa: BLE001 whatever it is, the sieve judges it
            return error
        return None

    async def apply(self, records: Sequence[LogRecord]) -> None:
        """They were worked on."""

    async def condemn(self, record: LogRecord, error: Exception) -> Verdict:
        """Nothing is read in its place."""
        reject = Reject(record.offset, record.timestamp, blame(error), record.value or b"")
        return Verdict(None, *self._tp, [reject])


class Nowhere:
    """A log that can be read, and that keeps nothing of what is appended to it.

    A handler over it does all of its work but for the effects.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """Forget it."""
        del topic, partition
        return [0] * len(items)

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        """As the log has it."""
        return await self._log.read(topic, partition, offset, limit)

    async def start_offset(self, topic: str, partition: int) -> int:
        """As the log has it."""
        return await self._log.start_offset(topic, partition)

    async def end_offset(self, topic: str, partition: int) -> int:
        """As the log has it."""
        return await self._log.end_offset(topic, partition)

    async def partitions(self, topic: str) -> int:
        """As the log has it."""
        return await self._log.partitions(topic)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
