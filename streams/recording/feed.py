"""A recording put back into topics: same partitions, order and log times, each record once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from schemas.decode import decode_record
from schemas.errors import RecordError, UserError
from schemas.records import Heartbeat
from schemas.topics import MENTIONS, TICKS, TOPICS
from streams.kafka.topic_state import TopicState
from streams.log.base import Item, Log, LogRecord
from streams.recording.read import RecordingReader
from streams.sources.places import Place

CHUNK: Final = 1_000
RAW: Final = tuple(spec.name for spec in TOPICS if spec.raw_input)
FOREVER: Final = -1


@dataclass(frozen=True)
class Shape:
    """What the topics must be like that a recording is fed into."""

    counts: Mapping[str, int]
    log_start_ms: int
    declared: bool
    """Whether the recording says itself when its log started."""

    def create_command(self) -> str:
        """The command that creates them."""
        return (
            f"goldendog topics create --recorded --partitions {self.counts.get(TICKS, 1)} "
            f"--mention-partitions {self.counts.get(MENTIONS, 1)} --log-start-ms {self.log_start_ms}"
        )


def shape_of(recording: RecordingReader) -> Shape:
    """What topics a recording needs. Raises UserError where it holds no raw input."""
    counts = {name: n for name, n in recording.topics().items() if name in RAW}
    places = [(topic, p) for topic, n in counts.items() for p in range(n)]
    firsts = [r for place in places if (r := next(recording.iter_topic(*place), None)) is not None]
    if not firsts:
        raise UserError("the recording holds no record of a raw input", "name another folder")
    declared = [ms for first in firsts if (ms := _declared_ms(first)) is not None]
    start = min(declared) if declared else min(first.timestamp for first in firsts)
    return Shape(counts, start, bool(declared))


def refuse_topics(states: Sequence[TopicState], shape: Shape) -> None:
    """Raise UserError where records would not stay in topics as they were, or are missing any."""
    found = {state.name: state for state in states}
    for name, count in shape.counts.items():
        state = found.get(name)
        if state is None:
            raise UserError(
                f"the broker has no topic {name}", f"add --create, or: {shape.create_command()}"
            )
        if state.partitions != count:
            raise UserError(
                f"{name} has {state.partitions} partitions, and had {count} when it was recorded",
                f"feed other topics: {shape.create_command()}",
            )
        if state.stamp != "recorded":
            raise UserError(
                f"the brokers stamp what comes into {name}, and recorded times would be lost",
                f"feed topics that keep them: {shape.create_command()}",
            )
        if state.retention_ms != FOREVER or state.compacted:
            raise UserError(
                f"{name} does not keep all for ever, and goes by the records' own times: the brokers "
                "would delete a recording at once",
                f"feed topics that do: {shape.create_command()}",
            )


@dataclass
class _Head:
    """A partition of the recording, and what of it is still to be sent."""

    place: Place
    records: Iterator[LogRecord]
    left: int
    held: list[LogRecord] = field(default_factory=list)

    def more(self) -> bool:
        self.held = self.held or list(islice(self.records, CHUNK))
        return bool(self.held)

    def take(self, until_ms: int) -> list[LogRecord]:
        n = next((i for i, r in enumerate(self.held) if r.timestamp > until_ms), len(self.held))
        taken, self.held = self.held[:n], self.held[n:]
        return taken


class Feeder:
    """Sends a recording's raw inputs to the topics of a log.

    Parameters
    ----------
    log : whose topics ``refuse_topics`` has let pass.
    recording : what is sent.
    shape : of the recording.
    """

    def __init__(self, log: Log, recording: RecordingReader, shape: Shape) -> None:
        self.sent: dict[str, int] = dict.fromkeys(shape.counts, 0)
        """Records sent by topic, all of them confirmed."""
        self.before: dict[str, int] = dict.fromkeys(shape.counts, 0)
        """Records that were there already, from an earlier run."""
        self._log = log
        self._recording = recording
        self._places = [(topic, p) for topic, n in shape.counts.items() for p in range(n)]
        self._shape = shape

    async def feed(self, on_progress: Callable[[int, int], None]) -> None:
        """Send what is not there yet. Raises UserError where the topics hold anything else."""
        heads = [await self._head(place) for place in self._places]
        total, done = sum(head.left for head in heads), 0
        while heads := [head for head in heads if head.more()]:
            until_ms = min(head.held[-1].timestamp for head in heads)
            due = [(head, found) for head in heads if (found := head.take(until_ms))]
            await asyncio.gather(*(self._send(head.place, found) for head, found in due))
            done += sum(len(found) for _, found in due)
            on_progress(min(done, total), total)

    async def _send(self, place: Place, records: Sequence[LogRecord]) -> None:
        await self._log.append(*place, [Item(r.key, r.value, r.timestamp) for r in records])
        self.sent[place[0]] += len(records)

    async def _head(self, place: Place) -> _Head:
        """Where to go on: behind the records that are there, which must be the recording's first."""
        records = self._recording.iter_topic(*place)
        span = self._recording.end_offset(*place) - self._recording.start_offset(*place)
        end = await self._log.end_offset(*place)
        known = end - await self._begun(place) if end else 0
        if known:
            fed = next(islice(records, known - 1, None), None)
            last = await self._log.read(*place, end - 1, 1)
            if fed is None or [(r.key, r.value) for r in last] != [(fed.key, fed.value)]:
                raise self._foreign(place, end - 1)
        self.before[place[0]] += known
        return _Head(place, records, max(0, span - known))

    async def _begun(self, place: Place) -> int:
        """Records at the beginning of a topic that the recording has not: 1 or none.

        Topics are created with a heartbeat that says when the log starts. One that was recorded
        from its beginning has it too; of another it is the beginning that it lacks.
        """
        there = await self._log.read(*place, 0, 1)
        first = next(self._recording.iter_topic(*place), None)
        if first is not None and there and there[0].value == first.value:
            return 0
        declares = first is not None and _declared_ms(first) is not None
        if declares or not there or _declared_ms(there[0]) != self._shape.log_start_ms:
            raise self._foreign(place, 0)
        return 1

    def _foreign(self, place: Place, offset: int) -> UserError:
        return UserError(
            f"{place[0]}/{place[1]} holds something else than the recording, at offset {offset}",
            f"feed empty topics: {self._shape.create_command()}",
        )


def _declared_ms(first: LogRecord) -> int | None:
    """When a log started, if its first record says so."""
    try:
        record = decode_record(first.value or b"")
    except RecordError:
        return None
    return record.log_start_ms if isinstance(record, Heartbeat) else None
