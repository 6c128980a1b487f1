"""The embedded transport: Faust agents over the SQLite log of this process, without a broker."""

# ruff: noqa: ARG002 the signatures are Faust's
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import faust
from faust.transport.consumer import Fetcher
from faust.transport.producer import Producer
from faust.types import TP
from faust.types.tuples import RecordMetadata

from schemas.errors import StateError
from streams.log.base import Item, LogRecord
from streams.log.partition import partition_of
from streams.log.sqlite import SqliteLog
from streams.transport.delivery import (
    SETTLE_TIMEOUT_S,
    BatchConsumer,
    BatchTransport,
    Handover,
    Restore,
    wait_for,
)

MAX_BATCH = 2000
"""Records in one batch."""


class EmbeddedConsumer(BatchConsumer):
    """Reads the log; every partition of every topic is its own."""

    transport: EmbeddedTransport
    consumer_stopped_errors = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log = self.transport.sqlite
        self._assigned: set[TP] = set()
        self._position: dict[TP, int] = {}

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Assign all partitions of ``topics``; an unknown topic crashes the app."""
        counts = self._log.topics()
        if missing := sorted(set(topics) - set(counts)):
            await self.fail(StateError(f"the log has no topic {', '.join(missing)}"))
            return
        assigned = {TP(topic, n) for topic in topics for n in range(counts[topic])}
        self._log.watch(self.wake.set)
        # Faust waits for the subscription inside the assignment: it cannot be awaited here.
        self.add_future(self._assign(assigned))

    async def _assign(self, assigned: set[TP]) -> None:
        self.app.on_rebalance_start()
        self.app.consumer_generation_id += 1
        await self.on_partitions_revoked(set(self._assigned))
        self._assigned = assigned
        await self.on_partitions_assigned(set(assigned), self.app.consumer_generation_id)

    async def on_stop(self) -> None:
        """Stop being woken by the log."""
        await super().on_stop()
        self._log.unwatch(self.wake.set)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 Faust's name
    ) -> Mapping[TP, Sequence[LogRecord]]:
        behind = self._behind(active_partitions)
        if not behind:
            await wait_for(self.wake, timeout)
            behind = self._behind(active_partitions)
        fetched = {}
        for tp in behind:
            records = await self._log.read(tp.topic, tp.partition, self._position[tp], MAX_BATCH)
            if records:
                fetched[tp] = records
                self._position[tp] = records[-1].offset + 1
        return fetched

    def _behind(self, tps: set[TP] | None) -> list[TP]:
        return sorted(tp for tp in tps or () if self._position[tp] < self._log.end_of(*tp))

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await self._log.commit(self.app.conf.id, dict(offsets))
        return True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to the committed offsets; to the start where there is none."""
        committed = await self._log.committed(self.app.conf.id)
        self._position = {tp: committed.get(tp, 0) for tp in self._assigned}
        return dict(self._position)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go to the given offsets."""
        self._position.update(partitions)

    async def _seek(self, partition: TP, offset: int) -> None:
        self._position[partition] = offset

    async def position(self, tp: TP) -> int | None:
        """Give the next offset to read."""
        return self._position.get(tp)

    def assignment(self) -> set[TP]:
        """Give all partitions subscribed to."""
        return set(self._assigned)

    def highwater(self, tp: TP) -> int:
        """Give the end of ``tp``."""
        return self._log.end_of(*tp)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Give the ends of ``partitions``."""
        return {tp: self._log.end_of(*tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Give the oldest offsets held."""
        return {tp: await self._log.start_offset(*tp) for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        """Give the number of partitions, None for an unknown topic."""
        return self._log.topics().get(topic)

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Give the partition of ``key``."""
        return self.transport.partition(topic, key, partition)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def _to_message(self, tp: TP, record: Any) -> Any:
        # Faust declares it abstract; BatchConsumer delivers without it and never calls it.
        raise NotImplementedError("batches are delivered, not single messages")

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Create none: topics exist before workers start."""

    def close(self) -> None:
        """Keep the log open: whoever opened it closes it."""


class EmbeddedProducer(Producer):
    """Lets ``topic.send`` of plain Faust agents append to the log."""

    transport: EmbeddedTransport

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> Any:
        """Append; the future is done already, and so is the append."""
        done = asyncio.get_running_loop().create_future()
        done.set_result(await self.send_and_wait(topic, key, value, partition, timestamp, headers))
        return done

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Append durably. Headers are not kept."""
        number = self.transport.partition(topic, key, partition)
        ts_log_ms = None if timestamp is None else int(timestamp * 1000)
        item = Item(key, value, ts_log_ms)
        (offset,) = await self.transport.sqlite.append(topic, number, [item])
        return RecordMetadata(topic, number, TP(topic, number), offset, timestamp, 0)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Create none: topics exist before workers start."""

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Give the partition of ``key``."""
        return TP(topic, self.transport.partition(topic, key, None))

    async def flush(self) -> None:
        """Wait for buffered sends."""
        await self.buffer.flush()


class EmbeddedTransport(BatchTransport):
    """A Faust transport over ``sqlite``. Made by ``install``."""

    Consumer = EmbeddedConsumer
    Producer = EmbeddedProducer
    Fetcher = Fetcher
    default_port = 0
    driver_version = "embedded"

    def __init__(self, url: Any, app: faust.App, *, sqlite: SqliteLog, **kwargs: Any) -> None:
        super().__init__(url, app, **kwargs)
        self.sqlite = sqlite
        self._turn = 0

    def partition(self, topic: str, key: bytes | None, partition: int | None) -> int:
        """Give where a record goes: as told, by its key, or to each partition in turn."""
        if partition is not None:
            return partition
        counts = self.sqlite.topics()
        if topic not in counts:
            raise StateError(f"the log has no topic {topic}")
        if key is not None:
            return partition_of(key, counts[topic])
        self._turn += 1
        return self._turn % counts[topic]


def install(
    app: faust.App,
    log: SqliteLog,
    *,
    restore: Restore | None = None,
    handover: Handover | None = None,
    settle_timeout_s: float = SETTLE_TIMEOUT_S,
) -> EmbeddedTransport:
    """Let ``app`` read ``log`` instead of a broker; before agents are declared.

    The topics exist by the time the app starts. The log stays the caller's to close, after the
    app has stopped.
    """
    transport = EmbeddedTransport(
        app.conf.broker_consumer,
        app,
        sqlite=log,
        restore=restore,
        handover=handover,
        settle_timeout_s=settle_timeout_s,
    )
    app.transport = transport
    app.producer_transport = transport
    return transport
