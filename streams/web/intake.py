"""Lines of JSON in, records in the log: what is acknowledged is durable, what is not is named."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from schemas.decode import MAX_RECORD_BYTES, decode_record
from schemas.errors import RecordError
from schemas.records import DeadLetter, Gap, Heartbeat, Record
from schemas.topics import BY_NAME, DEAD_LETTERS, TOPICS
from streams.log.base import Item, Log
from streams.log.sqlite import wall_clock_ms
from streams.web.lines import Line, LineSplitter

BATCH_LINES: Final = 1_000
MAX_LISTED: Final = 100
_RAW_INPUTS: Final = tuple(spec.name for spec in TOPICS if spec.raw_input)


class RecordSink(Protocol):
    """Takes records (streams.sources.ingest)."""

    async def append(self, records: Sequence[Record]) -> object:
        """Append records in order, all or none; they are durable when this returns."""
        ...


class Observer(Protocol):
    """Who counts (streams.metrics)."""

    def count_records(self, source: str, outcome: str, count: int = 1) -> None:
        """Count records of a source with an outcome."""

    def count_dead_letters(self, source: str, code: str, count: int = 1) -> None:
        """Count dead letters by code."""

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Note the time a batch took in a stage."""


class LineError(Struct, frozen=True):
    """Why one line was not taken."""

    line: int
    code: str
    field: str
    problem: str
    remedy: str


@dataclass
class Receipt:
    """What became of the lines given so far.

    Parameters
    ----------
    accepted : records that are durable.
    rejected : lines that are not; all counted, the first ``MAX_LISTED`` of them in ``errors``.
    """

    accepted: int = 0
    rejected: int = 0
    errors: list[LineError] = field(default_factory=list)

    def reject(self, line: Line, error: RecordError) -> None:
        """Note a line that was not taken."""
        self.rejected += 1
        if len(self.errors) < MAX_LISTED:
            self.errors.append(
                LineError(line.number, error.code, error.field, error.problem, error.remedy)
            )


class Intake:
    """Decodes lines and appends them; what cannot be used becomes a dead letter.

    Parameters
    ----------
    sink : appends records.
    log : holds the dead letters.
    source : where lines come from (``http``, ``stdin``), the metrics' label.
    observer : who counts; nobody by default.

    Examples
    --------
    ::

        intake = Intake(run.ingest, run.log, source="stdin", observer=metrics)
        receipt = await intake.feed_stream(chunks, place="stdin")
    """

    def __init__(
        self, sink: RecordSink, log: Log, *, source: str, observer: Observer | None = None
    ) -> None:
        self.log = log
        self._sink = sink
        self._source = source
        self._observer = observer

    async def feed(self, lines: Sequence[Line], receipt: Receipt, *, place: str) -> None:
        """Append the records of some lines and add to the receipt; both are durable on return.

        ``place`` names the request or file, for the dead letters. Raises what the sink raises;
        the receipt then holds what was durable before.
        """
        for start in range(0, len(lines), BATCH_LINES):
            await self._batch(lines[start : start + BATCH_LINES], receipt, place)

    async def feed_stream(self, chunks: AsyncIterable[bytes], *, place: str) -> Receipt:
        """Append the records of a stream of bytes, such as standard input, to its end."""
        receipt, splitter = Receipt(), LineSplitter()
        async for chunk in chunks:
            await self.feed(splitter.feed(chunk), receipt, place=place)
        await self.feed(splitter.finish(), receipt, place=place)
        return receipt

    async def _batch(self, lines: Sequence[Line], receipt: Receipt, place: str) -> None:
        records: list[Record] = []
        rejects: list[tuple[Line, RecordError]] = []
        for line in lines:
            try:
                records.append(_record_of(line))
            except RecordError as error:
                rejects.append((line, error))
        if records:
            await self._sink.append(records)
            receipt.accepted += len(records)
            if self._observer is not None:
                self._observer.count_records(self._source, "accepted", len(records))
        if rejects:
            await self._bury(rejects, place)
            for line, why in rejects:
                receipt.reject(line, why)

    async def _bury(self, rejects: Sequence[tuple[Line, RecordError]], place: str) -> None:
        now_ms = wall_clock_ms()
        items = [
            Item(None, msgspec.json.encode(_letter(line, error, f"{place}:{line.number}", now_ms)))
            for line, error in rejects
        ]
        await self.log.append(DEAD_LETTERS, 0, items)
        if self._observer is not None:
            for code in (error.code for _, error in rejects):
                self._observer.count_records(self._source, code)
                self._observer.count_dead_letters(self._source, code)


def _record_of(line: Line) -> Record:
    if line.size > MAX_RECORD_BYTES:
        raise RecordError(
            "too_large",
            f"line of {line.size:,} bytes",
            remedy=f"send at most {MAX_RECORD_BYTES:,} bytes a record",
        )
    if line.raw.startswith(b"["):
        raise RecordError(
            "wrong_shape", "a JSON array", remedy="write one record a line: jq -c '.[]' does it"
        )
    record = decode_record(line.raw)
    if isinstance(record, Heartbeat | Gap) and record.topic not in (None, *_RAW_INPUTS):
        known = "no input topic" if record.topic in BY_NAME else "unknown"
        raise RecordError(
            "wrong_shape",
            f"{record.topic!r} is {known}",
            field="topic",
            remedy=f"use {', '.join(_RAW_INPUTS)}, or leave it out for all",
        )
    return record


def _letter(line: Line, error: RecordError, place: str, now_ms: int) -> DeadLetter:
    return DeadLetter(
        code=error.code,
        problem=error.problem,
        place=place,
        ts_log_ms=now_ms,
        field=error.field,
        remedy=error.remedy,
        raw=line.raw,
    )
