"""Logs as inputs of a replay: what workers read, partition by partition, with its clamped times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any, Final, Protocol

import numpy as np

from schemas.decode import decode_as
from schemas.errors import InputFileError, RecordError
from schemas.records import Control
from schemas.topics import CONTROL, MENTIONS, TICKS, TOKEN_INFO
from streams.control.decisions import CONTROL_INPUT, LEAD_MS
from streams.files.ndjson import LineChunk, decode_values
from streams.files.rows import I8
from streams.log.base import LogRecord
from streams.replay.following import Names
from streams.replay.steps import Step, deal, gather
from streams.replay.window import Cut
from streams.sources.places import Place
from streams.worker.inputs import KIND_OF, declared_start_ms, input_names

OPEN_RECORDS: Final = 100_000
_NEEDED: Final = (MENTIONS, TICKS, TOKEN_INFO)


class LogReader(Protocol):
    """A log that is read from outside, as it is now."""

    def topics(self) -> Mapping[str, int]:
        """Partitions of each topic."""

    def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset held; the end where nothing is."""

    def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset after the last."""

    def offset_before(self, topic: str, partition: int, log_ms: int) -> int:
        """Give an offset before which no record is of this log time or later."""

    def holes(self, topic: str, partition: int) -> Sequence[tuple[int, int]]:
        """Spans of offsets, ends excluded, whose records were lost."""

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        """Every record of a partition from an offset on, in order."""


Span = tuple[int | None, int | None]
"""Offsets to read of a partition: the first, and the one after the last; None is where the log has it."""


@dataclass(frozen=True)
class Resumed:
    """Where engines stand that have a state: next offset of each, and the log time reached, by input.

    Parameters
    ----------
    next_offsets : of each engine that reads the input.
    log_ms : reached by the one that stands first.
    """

    next_offsets: tuple[int, ...]
    log_ms: int


@dataclass
class _Head:
    """An input of a log, and how far it is read."""

    topic: str
    partition: int
    records: Iterator[LogRecord]
    cut: Cut
    start_ms: int | None
    log_ms: int = -1
    counted: int = 0
    breaks: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    def take(self, most: int) -> list[LogRecord]:
        """The next records; none from both sides of a place where an engine begins."""
        if not self.breaks:
            return list(islice(self.records, most))
        first = next(self.records, None)
        if first is None:
            return []
        while self.breaks and self.breaks[0] <= first.offset:
            self.breaks.pop(0)
        if not self.breaks:
            return [first, *islice(self.records, most - 1)]
        found = [first]
        for record in self.records:
            if record.offset >= self.breaks[0]:
                self.records = _led_by(record, self.records)
                break
            found.append(record)
            if len(found) >= most:
                break
        return found


def _led_by(first: LogRecord, rest: Iterator[LogRecord]) -> Iterator[LogRecord]:
    yield first
    yield from rest


class LogInputs:
    """The inputs that workers have, one engine a partition of tokens.

    Parameters
    ----------
    name : of the log, for summaries and errors.
    log : what is read.
    spans : offsets to read of some partitions; all of the others.
    resumed : where engines with a state stand, by input; they begin with nothing where left out.

    Raises
    ------
    InputFileError : the log lacks a topic that alerts are made from.
    """

    out_of_order = 0

    def __init__(
        self,
        name: str,
        log: LogReader,
        spans: Mapping[Place, Span] | None = None,
        resumed: Mapping[str, Resumed] | None = None,
    ) -> None:
        topics = log.topics()
        missing = [topic for topic in _NEEDED if not topics.get(topic)]
        if missing or topics[TICKS] != topics[TOKEN_INFO]:
            raise InputFileError(
                f"{name} is no log of a run: it has no usable {(missing or [TICKS])[0]}",
                "name a log that holds all raw inputs",
            )
        self._log = log
        self._resumed = dict(resumed or {})
        self._parts = topics[TICKS]
        self._has_control = bool(topics.get(CONTROL))
        mentions = topics[MENTIONS]
        places = [
            *((MENTIONS, u) for u in range(mentions)),
            *((topic, p) for p in range(self._parts) for topic in (TICKS, TOKEN_INFO)),
        ]
        self._spans = {place: self._span(place, (spans or {}).get(place)) for place in places}
        self.engines = [input_names(p, mentions) for p in range(self._parts)]
        self.records = sum(end - first for first, end in self._spans.values())
        begins = {place: first for place, (first, _) in self._spans.items()}
        firsts = {place: next(log.iter_topic(*place, begins[place]), None) for place in places}
        self._starts = {place: _log_start_ms(first) for place, first in firsts.items()}
        self.first_ms = min((r.timestamp for r in firsts.values() if r is not None), default=0)
        self.about: list[dict[str, Any]] = [
            {
                "path": name,
                "kind": "log",
                "input": f"{topic}/{p}",
                "records": end - first,
                "first_offset": first,
                "next_offset": end,
            }
            for (topic, p), (first, end) in self._spans.items()
        ]
        self.notes = self._notes()

    def steps(
        self, names: Names, from_ms: int = 0, through_ms: int | None = None
    ) -> Iterator[Step]:
        """The pushes, each input's in its order, the inputs side by side in time."""
        names.hear(list(self.controls()))
        if (step := self._control_step()) is not None:
            yield step
        size = max(500, OPEN_RECORDS // len(self._spans))
        heads = [self._head(place, from_ms, through_ms) for place in self._spans]
        while heads:
            head = min(heads, key=lambda each: each.log_ms)
            records = head.take(size)
            if not records:
                heads.remove(head)
                continue
            yield self._step(head, records, names)
            if head.cut.ended:
                heads.remove(head)

    def _span(self, place: Place, wanted: Span | None) -> tuple[int, int]:
        start, end = self._log.start_offset(*place), self._log.end_offset(*place)
        first, stop = wanted or (None, None)
        resumed = self._resumed.get(f"{place[0]}/{place[1]}")
        if resumed is not None:
            first = min(resumed.next_offsets)
        first = start if first is None else max(start, first)
        return first, max(first, end if stop is None else min(end, stop))

    def _head(self, place: Place, from_ms: int, through_ms: int | None) -> _Head:
        first, end = self._spans[place]
        cut = Cut(from_ms, through_ms)
        begin = max(first, min(end, self._log.offset_before(*place, from_ms))) if from_ms else first
        cut.skipped = begin - first
        records = takewhile(lambda r: r.offset < end, self._log.iter_topic(*place, begin))
        head = _Head(*place, records, cut, self._starts[place])
        if (resumed := self._resumed.get(head.name)) is not None:
            head.log_ms = resumed.log_ms
            head.start_ms = None if resumed.log_ms >= 0 else head.start_ms
            head.breaks = sorted(set(resumed.next_offsets))
        return head

    def _notes(self) -> list[str]:
        found = []
        for place, (first, end) in self._spans.items():
            name = f"{place[0]}/{place[1]}"
            if first > 0 and name not in self._resumed:
                found.append(
                    f"{name} is read from offset {first} on: what came before is not known, and "
                    "alerts may differ from the workers' for as long as baselines reach (25 hours of log, "
                    "170 with ticks = false)"
                )
            for hole, after in self._log.holes(*place):
                if hole < end and after > first:
                    found.append(
                        f"{name} lacks offsets {hole} to {after - 1}, which were lost before they "
                        "were recorded: alerts may differ from there on"
                    )
        if not self._has_control:
            found.append(f"{CONTROL} was not recorded: no change of settings is known of")
        return found

    def _control_step(self) -> Step | None:
        """How far the control topic is read, for engines that have it for an input."""
        if CONTROL_INPUT not in self._resumed:
            return None
        offset, log_ms = -1, -1
        for record in self._log.iter_topic(CONTROL, 0):
            offset, log_ms = record.offset, max(log_ms, record.timestamp)
        every = dict.fromkeys(range(self._parts), None)
        return Step(CONTROL_INPUT, every, offset, log_ms + LEAD_MS, None)

    def controls(self) -> Iterator[tuple[int, Control]]:
        """The log's control records; those that cannot be used are its dead letters already."""
        if not self._has_control:
            return
        log_ms = -1
        for record in self._log.iter_topic(CONTROL, 0):
            log_ms = max(log_ms, record.timestamp)
            try:
                control = decode_as(record.value or b"", "control")
            except RecordError:
                continue
            if isinstance(control, Control):
                yield log_ms, control

    def _step(self, head: _Head, records: Sequence[LogRecord], names: Names) -> Step:
        start, head.start_ms = head.start_ms, None
        floor = max(head.log_ms, 0)
        times = np.maximum.accumulate([floor, *(r.timestamp for r in records)])[1:]
        rows = head.cut.rows(times)
        through = records[-1].offset
        head.log_ms = int(times[-1])
        if head.cut.ended and head.cut.through_ms is not None:
            head.log_ms = head.cut.through_ms
        start_ms = None if start is None else head.cut.start_ms(start)
        columns, bad = None, []
        counts = Counter(skipped=head.cut.skipped - head.counted)
        head.counted = head.cut.skipped
        if rows.stop > rows.start:
            chunk = _chunk(head.topic, records[rows], times[rows])
            found, seen = gather([chunk], names)
            columns, bad = head.cut.columns(found), seen.bad
            counts += seen.outcomes()
        dealt = deal(columns, self._parts) if head.topic == MENTIONS else {head.partition: columns}
        return Step(head.name, dealt, through, head.log_ms, start_ms, counts, bad)


def _log_start_ms(first: LogRecord | None) -> int | None:
    """Where a log says it began, by its first record."""
    if first is None:
        return None
    try:
        record = decode_as(first.value or b"", kind_of(first.topic))
    except RecordError:
        return first.timestamp
    return declared_start_ms(record, first.timestamp)


def kind_of(topic: str) -> str:
    """The kind of record a topic holds."""
    return "mention" if topic == MENTIONS else KIND_OF[topic]


def _chunk(topic: str, records: Sequence[LogRecord], times: I8) -> LineChunk:
    values = [record.value or b"" for record in records]
    places = [f"{topic}/{record.partition}/{record.offset}" for record in records]
    return decode_values(values, kind_of(topic), times, places)
