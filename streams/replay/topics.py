"""Topics of a broker, read by a replay: no group, no effect on workers, memory that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from schemas.errors import GapError
from schemas.topics import TOPICS
from streams.kafka.admin import topic_ids
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import LogRecord
from streams.operate.opened import opened
from streams.replay.log_inputs import LogInputs, Span
from streams.sources.places import Place

T = TypeVar("T")
_READ: Final = 5_000


@contextmanager
def open_topics(
    where: Connection, spans: Mapping[Place, Span] | None = None
) -> Iterator[LogInputs]:
    """Look at the topics as they are now. Raises UserError where no broker answers."""
    counts = topic_ids(where, [spec.name for spec in TOPICS if spec.raw_input])
    with asyncio.Runner() as runner:
        context = opened(where)
        log = runner.run(context.__aenter__())
        try:
            assert isinstance(log, KafkaLog)
            reader = TopicsReader(runner, log, {name: n for name, (n, _) in counts.items()})
            yield LogInputs(f"kafka://{where.bootstrap}", reader, spans)
        finally:
            runner.run(context.__aexit__(None, None, None))


class TopicsReader:
    """The topics of a broker, up to where they ended when first asked.

    Parameters
    ----------
    runner : runs what the log does.
    log : connected.
    counts : partitions of each topic.
    """

    def __init__(self, runner: asyncio.Runner, log: KafkaLog, counts: Mapping[str, int]) -> None:
        self._runner, self._log, self._counts = runner, log, counts
        self._starts: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}

    def topics(self) -> Mapping[str, int]:
        """Partitions of each topic."""
        return self._counts

    def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset held when first asked."""
        if (topic, partition) not in self._starts:
            found = self._run(self._log.start_offset(topic, partition))
            self._starts[topic, partition] = found
        return self._starts[topic, partition]

    def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset after the last that was there when first asked."""
        if (topic, partition) not in self._ends:
            self._ends[topic, partition] = self._run(self._log.end_offset(topic, partition))
        return self._ends[topic, partition]

    def offset_before(self, topic: str, partition: int, log_ms: int) -> int:
        """Give the offset of the first record of a log time or later."""
        return self._run(self._log.offset_at(topic, partition, log_ms))

    def holes(self, topic: str, partition: int) -> Sequence[tuple[int, int]]:  # noqa: ARG002
        """None that are known: what is gone is gone from the beginning on."""
        return ()

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        """Every record of a partition from an offset on. Raises GapError where some are deleted meanwhile."""
        at = max(offset, self.start_offset(topic, partition))
        end = self.end_offset(topic, partition)
        while at < end:
            records = self._run(self._log.read(topic, partition, at, _READ))
            if not records or records[0].offset > at:
                start = self._run(self._log.start_offset(topic, partition))
                if start > at:
                    raise GapError(
                        f"{topic}/{partition}: offsets {at} to {start - 1} were deleted while they "
                        "were to be replayed; record topics to keep them"
                    )
            for record in records:
                if record.offset >= end:
                    return
                yield record
            if not records:
                return
            at = records[-1].offset + 1

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(what)
