"""``goldendog`` that kills itself, as by ``kill -9``, at a point that ``DOOM`` in the environment names.

``append:TOPIC:N:before`` and ``append:TOPIC:N:after``: at its Nth append to a topic, before it is
sent, or when the broker has confirmed it and all appends before it. Later ones are never sent.
``handle:TOPIC:N``: when the Nth batch of a topic is handled and not yet acknowledged.
``EAGER_CHECKPOINTS`` has them written every second. ``SMALL_BUFFER`` makes the producer's buffer tiny; ``POISON_RESOLVER`` and ``POISON_ENGINE`` are
those of ``tests.kafka.poisoned``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer

from streams.cli.main import main
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.worker import app
from streams.worker.detect import Cadence
from tests.kafka.poisoned import poison


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def doom_append(topic: str, at: int, when: str) -> None:
    append: Any = KafkaLog.append
    calls = 0
    under_way: set[int] = set()

    async def doomed(self: KafkaLog, to: str, partition: int, items: Sequence[Item]) -> list[int]:
        nonlocal calls
        if to != topic:
            offsets: list[int] = await append(self, to, partition, items)
            return offsets
        calls += 1
        mine = calls
        if mine > at:
            await asyncio.sleep(3_600)
        if mine == at and when == "before":
            die()
        under_way.add(mine)
        offsets = await append(self, to, partition, items)
        under_way.discard(mine)
        while mine == at:
            if not under_way:
                die()
            await asyncio.sleep(0.001)
        return offsets

    KafkaLog.append = doomed  # type: ignore[method-assign]


def doom_handle(topic: str, at: int) -> None:
    guarded: Any = app.guarded
    calls = 0

    async def doomed(handler: Any, tp: Any, records: Any, sieve: Any) -> None:
        nonlocal calls
        await guarded(handler, tp, records, sieve)
        if tp.topic == topic:
            calls += 1
            if calls == at:
                die()

    app.guarded = doomed  # type: ignore[attr-defined]


def small_buffer() -> None:
    """A producer whose buffer is full after a few records: what is sent then has to wait."""
    init: Any = AIOKafkaProducer.__init__

    def tight(self: Any, **options: Any) -> None:
        init(self, **options | {"max_batch_size": 4_096})

    AIOKafkaProducer.__init__ = tight


def doom(point: str) -> None:
    kind, _, rest = point.partition(":")
    if kind == "append":
        topic, at, when = rest.split(":")
        doom_append(topic, int(at), when)
    elif kind == "handle":
        topic, at = rest.split(":")
        doom_handle(topic, int(at))
    elif kind:
        raise ValueError(point)


if __name__ == "__main__":
    poison()
    if os.environ.get("SMALL_BUFFER"):
        small_buffer()
    if os.environ.get("EAGER_CHECKPOINTS"):
        Cadence.__init__.__defaults__ = (1_000, 1.0)  # type: ignore[misc]
    doom(os.environ.get("DOOM", ""))
    main()
