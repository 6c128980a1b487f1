"""The handlers fed from memory, without a broker: what decode, detect and resolve cost by themselves."""

# ruff: noqa: ARG002, D102 - NullLog has the methods of streams.log.base.Log
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.kafka.feeds import batches, lexicon, mentions, ticks
from detectors.batch.resolver import BatchResolver
from detectors.engine import Engine
from detectors.settings import EngineSettings
from schemas.topics import MENTIONS, RESOLVED, TICKS
from streams.log.base import Item, LogRecord
from streams.model_store import load_default_model
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import Cadence, DetectHandler
from streams.worker.handler import TP
from streams.worker.resolve import ResolveHandler
from streams.worker.tally import Tally


class NullLog:
    """A log that takes everything and keeps nothing but counts."""

    def __init__(self, partitions: int = 1) -> None:
        self.n = partitions
        self.ends: Counter[tuple[str, int]] = Counter()
        self.bytes: Counter[str] = Counter()

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        end = self.ends[topic, partition]
        self.ends[topic, partition] += len(items)
        self.bytes[topic] += sum(len(item.value or b"") for item in items)
        return list(range(end, end + len(items)))

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        return []

    async def start_offset(self, topic: str, partition: int) -> int:
        return 0

    async def end_offset(self, topic: str, partition: int) -> int:
        return self.ends[topic, partition]

    async def partitions(self, topic: str) -> int:
        return self.n if topic == RESOLVED else 1


def tick_engine(inputs: Sequence[str]) -> Engine:
    """An engine that waits for ticks alone, so that bars close as they come."""
    return Engine(
        EngineSettings(),
        load_default_model(),
        [name for name in inputs if name.startswith(TICKS)],
        fingerprint="benchmark",
    )


def detect_handler(log: Any, tally: Tally, seconds: float = 1e9) -> DetectHandler:
    return DetectHandler(
        log, tick_engine, dead=DeadLetters(log, tally), tally=tally,
        cadence=Cadence(records=1 << 60, seconds=seconds),
    )  # fmt: skip


async def detect_rate(n: int, size: int) -> float:
    """Ticks a CPU second, decode and detection."""
    log, tally = NullLog(), Tally()
    handler = detect_handler(log, tally)
    topics = [TP(topic, 0) for topic in handler.topics]
    records = ticks(n + 20_000).records(TICKS)
    await handler.restore(set(topics))
    began = 0.0
    for i, batch in enumerate(batches(records, size)):
        if i * size >= 20_000 and not began:
            began, start = time.process_time(), i * size
        await handler.handle(TP(TICKS, 0), batch)
    took = time.process_time() - began
    assert tally.records[TICKS, "used"] == len(records), tally.records
    return (len(records) - start) / took


async def resolve_rate(n: int, size: int, partitions: int = 8) -> float:
    """Mentions a CPU second, from JSON to resolved batches."""
    log, tally = NullLog(partitions), Tally()
    lex = lexicon()
    handler = ResolveHandler(
        log, BatchResolver(lex), lexicon=lex.sha256, dead=DeadLetters(log, tally), tally=tally
    )
    records = mentions(n + 20_000).records(MENTIONS)
    await handler.restore({TP(MENTIONS, 0)})
    began = 0.0
    for i, batch in enumerate(batches(records, size)):
        if i * size >= 20_000 and not began:
            began, start = time.process_time(), i * size
        await handler.handle(TP(MENTIONS, 0), batch)
    return (len(records) - start) / (time.process_time() - began)
