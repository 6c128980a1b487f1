"""A log on Kafka: awaited, idempotent appends, and reads that belong to no consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas.errors import StateError
from streams.kafka.connection import Connection
from streams.kafka.reach import reach
from streams.log.base import Item, LogRecord

ASK_TIMEOUT_S: Final = 10.0
"""Of one question to the brokers; after it they are asked whether the topic still exists."""
MAX_REQUEST_BYTES: Final = 1_048_576
_POLL_MS: Final = 1000


class KafkaLog:
    """The ``Log`` protocol over a broker. Use as an async context manager, in one event loop.

    Parameters
    ----------
    where : ``host:port[,host:port...]``, or a ``Connection`` with credentials.
    linger_ms : how long an append may wait for company in its request.

    What the brokers do not answer is tried again until ``delivery_timeout_s`` of the connection:
    they may be restarting.
    """

    def __init__(
        self,
        where: str | Connection,
        *,
        linger_ms: int = 2,
    ) -> None:
        self._connection = Connection.of(where)
        self._linger_ms = linger_ms
        self._patience_s = self._connection.delivery_timeout_s
        self._producer: Any = None
        self._consumer: Any = None
        self._reading = asyncio.Lock()
        self._assigned: TopicPartition | None = None
        self._next: int | None = None
        self._counts: dict[str, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect.

        Raises aiokafka's ``KafkaConnectionError`` where no broker answers, ``UserError`` where it
        does and a setting keeps us out.
        """
        await reach(self._connection)
        codec = self._connection.compression
        producer = AIOKafkaProducer(
            **self._connection.client_options(),
            enable_idempotence=True,
            acks="all",
            linger_ms=self._linger_ms,
            compression_type=None if codec == "none" else codec,
            max_batch_size=MAX_REQUEST_BYTES // 4,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=int(self._patience_s * 1000),
        )
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            group_id=None,
            enable_auto_commit=False,
            # Not "latest", the default: its pending reset would win over our seek after assign().
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            request_timeout_ms=int(ASK_TIMEOUT_S * 1000),
        )
        try:
            await producer.start()
            await consumer.start()
        except BaseException:
            try:
                await producer.stop()
            finally:
                await consumer.stop()
            raise
        self._producer, self._consumer = producer, consumer

    async def stop(self, patience_s: float | None = None) -> None:
        """Disconnect, after what was appended is confirmed or has failed, or after so many seconds."""
        producer, self._producer = self._producer, None
        consumer, self._consumer = self._consumer, None
        self._assigned = self._next = None
        try:
            if producer is not None:
                async with asyncio.timeout(patience_s):
                    await producer.stop()
        except TimeoutError:
            await producer.client.close()
        finally:  # what could not be sent must not leave connections open
            if consumer is not None:
                await consumer.stop()

    async def partitions(self, topic: str) -> int:
        """How many partitions ``topic`` has; ``StateError`` where it does not exist."""
        if topic not in self._counts:
            # All topics first: asking for one that is not there would wait, or create it.
            if topic not in await self._open_consumer().topics():
                raise StateError(f"the broker has no topic {topic}")
            self._counts[topic] = len(await self._producer.partitions_for(topic))
        return self._counts[topic]

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """Append ``items`` in order; their offsets, once all replicas in sync have them.

        Raises ``StateError`` where the broker refused or did not confirm in time; a prefix of
        ``items`` may be in the log then, as may all of them.
        """
        await self._find(topic, partition)
        if self._producer is None:
            raise StateError("the log is closed")
        try:
            # Sequence numbers keep a partition's order across retries, so all may be in flight.
            sent = [
                await self._producer.send(
                    topic,
                    item.value,
                    key=item.key,
                    partition=partition,
                    timestamp_ms=item.ts_log_ms,
                )
                for item in items
            ]
            return [metadata.offset for metadata in await asyncio.gather(*sent)]
        except KafkaError as exc:
            raise StateError(f"append to {topic}/{partition} failed: {exc}") from exc

    async def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset still held."""
        tp = await self._find(topic, partition)
        consumer = self._open_consumer()
        return int((await self._patiently(tp, lambda: consumer.beginning_offsets([tp])))[tp])

    async def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset the next record gets."""
        tp = await self._find(topic, partition)
        return await self._end(tp)

    async def offset_at(self, topic: str, partition: int, log_ms: int) -> int:
        """Give the offset of the first record of this log time or a later one; the end where none is."""
        tp = await self._find(topic, partition)
        try:
            found = (await self._open_consumer().offsets_for_times({tp: log_ms}))[tp]
        except KafkaError as exc:
            raise StateError(f"no offsets by time of {topic}/{partition}: {exc}") from exc
        if found is None:
            return await self._end(tp)
        # The brokers look at records of aborted transactions too: go on to the first that can be seen.
        offset, limit = int(found.offset), 1
        while records := await self.read(topic, partition, offset, limit):
            seen = next((r.offset for r in records if r.timestamp >= log_ms), None)
            if seen is not None:
                return seen
            offset, limit = records[-1].offset + 1, 1000
        return await self._end(tp)

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        """Up to ``limit`` records from ``offset`` on; empty at the end.

        Raises ``StateError`` where the broker does not deliver what it says it has.
        """
        tp = await self._find(topic, partition)
        async with self._reading:
            if offset >= self._ends.get(tp, 0) and offset >= await self._end(tp):
                return []
            self._go_to(tp, offset)
            try:
                async with asyncio.timeout(self._patience_s):
                    records = await self._fetch(tp, limit)
            except (TimeoutError, KafkaError) as exc:
                self._assigned = None
                raise StateError(f"cannot read {topic}/{partition} at {offset}: {exc!r}") from exc
            except BaseException:
                self._assigned = None  # the position is unknown: cancelled in mid-fetch
                raise
            self._rest(tp)
            return records

    def _rest(self, tp: TopicPartition) -> None:
        """Fetch no more of what is read to its end.

        A fetch that waits there for records holds up whatever is asked on the same connection.
        """
        if self._next is not None and self._next >= self._ends[tp]:
            self._open_consumer().pause(tp)

    def _go_to(self, tp: TopicPartition, offset: int) -> None:
        consumer = self._open_consumer()
        if tp != self._assigned:
            consumer.assign([tp])
            self._assigned, self._next = tp, None
        consumer.resume(tp)
        if offset != self._next:
            # An explicit seek: seek_to_beginning() after assign() has been seen to end at the end.
            consumer.seek(tp, offset)

    async def _fetch(self, tp: TopicPartition, limit: int) -> list[LogRecord]:
        while True:
            fetched = await self._consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=limit)
            records = [
                LogRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value)
                for r in fetched.get(tp, ())
            ]
            if records:
                self._next = records[-1].offset + 1
                return records
            # Nothing, though the end lies further on: a slow broker, or only control records left.
            position = await self._consumer.position(tp)
            if position >= self._ends[tp]:
                self._next = position
                return []

    async def _end(self, tp: TopicPartition) -> int:
        consumer = self._open_consumer()
        end = int((await self._patiently(tp, lambda: consumer.end_offsets([tp])))[tp])
        self._ends[tp] = end
        return end

    async def _patiently(self, tp: TopicPartition, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until the brokers answer. Raises StateError where patience or the topic ends."""
        since = monotonic()
        while True:
            try:
                return await ask()
            except KafkaTimeoutError as exc:
                told = await self._told_topics()
                if told and tp.topic not in told:
                    raise StateError(f"the broker has no topic {tp.topic} any more") from exc
                if monotonic() - since > self._patience_s:
                    raise StateError(
                        f"no broker said within {self._patience_s:g} s where {tp.topic}/"
                        f"{tp.partition} begins and ends"
                    ) from exc
            except KafkaError as exc:
                raise StateError(f"no start and end of {tp.topic}/{tp.partition}: {exc!r}") from exc

    async def _told_topics(self) -> set[str]:
        """Topics as the brokers have them now; empty where they do not answer."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return set(await self._open_consumer().topics())
        except (KafkaError, TimeoutError):
            return set()

    async def _find(self, topic: str, partition: int) -> TopicPartition:
        if not 0 <= partition < await self.partitions(topic):
            raise StateError(f"the broker has no partition {topic}/{partition}")
        return TopicPartition(topic, partition)

    def _open_consumer(self) -> Any:
        if self._consumer is None:
            raise StateError("the log is closed")
        return self._consumer
