"""A broker of one's own, goldendog's topics on it, and what fills and empties them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from benchmarks.kafka.feeds import Feed
from kafka import TopicPartition as AdminPartition
from kafka.admin import KafkaAdminClient
from schemas.errors import UserError
from schemas.topics import CHECKPOINTS, TOPICS
from streams.kafka.admin import topics_create
from streams.kafka.log import KafkaLog
from streams.local_kafka.broker import KafkaBroker, fetch_libs
from streams.log.partition import partition_of
from streams.operate.checkpoints import plan_reset, reset

CACHE: Final = Path(__file__).parents[2] / ".cache" / "kafka"
PATIENCE_S: Final = 60.0
_IN_FLIGHT: Final = 200


@contextmanager
def new_broker() -> Iterator[KafkaBroker]:
    """A running broker with nothing on it, gone at the end."""
    libs = fetch_libs(CACHE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        broker = KafkaBroker(Path(folder), libs)
        broker.format()
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


class Cluster:
    """Goldendog's topics on a broker.

    Parameters
    ----------
    bootstrap : the broker's address.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)

    def close(self) -> None:
        """End the connection."""
        self._admin.close()

    def refuse_ours(self) -> None:
        """Raise UserError where goldendog's topics are there: what is measured empties them."""
        if there := sorted({spec.name for spec in TOPICS} & set(self._admin.list_topics())):
            raise UserError(
                f"the broker at {self.bootstrap} has {there[0]} already, and measuring deletes it",
                "name a broker without goldendog's topics, or leave --bootstrap out",
            )

    def create(self, partitions: int, *, log_start_ms: int, recorded: bool = True) -> None:
        """Make every topic anew; of recorded time, or of the broker's."""
        self.clear()
        topics_create(self.bootstrap, partitions, recorded=recorded, log_start_ms=log_start_ms)

    def clear(self) -> None:
        """Delete goldendog's topics, and wait until they are gone."""
        ours = {spec.name for spec in TOPICS}
        if there := ours & set(self._admin.list_topics()):
            self._admin.delete_topics(sorted(there))
        until = monotonic() + PATIENCE_S
        while ours & set(self._admin.list_topics()):
            assert monotonic() < until, "topics are not deleted"

    def ends(self, topic: str) -> dict[int, int]:
        """The next offset of each partition."""

        async def look() -> dict[int, int]:
            async with KafkaLog(self.bootstrap) as log:
                return {
                    p: await log.end_offset(topic, p) for p in range(await log.partitions(topic))
                }

        return asyncio.run(look())

    def committed(self, group: str, topic: str) -> int:
        """Records of a topic that a group has committed, from offset 0 on."""
        offsets = {}
        with suppress(KeyError):
            offsets = self._admin.list_group_offsets([group])[group]
        return sum(at.offset for tp, at in offsets.items() if tp.topic == topic)

    def drop(self, topic: str) -> None:
        """Remove every record of a topic that is not compacted."""
        ends = {AdminPartition(topic, p): end for p, end in self.ends(topic).items() if end}
        if ends:
            self._admin.delete_records(ends)

    def forget_state(self) -> None:
        """End every checkpoint: whoever comes next begins with the log."""

        async def run() -> None:
            async with KafkaLog(self.bootstrap) as log:
                await reset(log, await plan_reset(log))

        asyncio.run(run())
        assert self.ends(CHECKPOINTS)


async def fill(
    bootstrap: str,
    topic: str,
    feed: Feed,
    partitions: int,
    *,
    batch_bytes: int = 16_384,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Produce a feed, each value its own message, by its keys.

    ``batch_bytes`` is at most in a batch; few large ones come faster than many small ones.
    ``ready`` is called when all is made up for sending, so that what follows costs a producer little.
    """
    owners = {key: partition_of(key, partitions) for key in set(feed.keys)}
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=batch_bytes
    )
    await producer.start()
    try:
        open_: dict[int, Any] = {}
        piles: list[tuple[int, Any]] = []
        for key, value, ts in zip(*feed, strict=True):
            p = owners[key]
            pile = open_.get(p)
            if pile is None or pile.append(key=key, value=value, timestamp=ts) is None:
                pile = open_[p] = producer.create_batch()
                piles.append((p, pile))
                assert pile.append(key=key, value=value, timestamp=ts) is not None
        ready()
        for start in range(0, len(piles), _IN_FLIGHT):
            some = piles[start : start + _IN_FLIGHT]
            sent = [await producer.send_batch(pile, topic, partition=p) for p, pile in some]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def tell_silence(bootstrap: str, topics: tuple[str, ...], until_ms: int) -> None:
    """A heartbeat into every partition of recorded inputs: nothing more comes until then."""
    from schemas.decode import encode_record
    from schemas.records import Heartbeat
    from streams.log.base import Item

    beat = encode_record(Heartbeat(f"end-{until_ms}", until_ms, ts_log_ms=until_ms))
    async with KafkaLog(bootstrap) as log:
        for topic in topics:
            for p in range(await log.partitions(topic)):
                await log.append(topic, p, [Item(None, beat, until_ms)])
