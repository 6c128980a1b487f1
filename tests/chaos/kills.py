"""Workers that die: at chosen points, at any moment, all at once, again and again."""

from __future__ import annotations

import asyncio
import random
import signal
from time import monotonic

from schemas.records import Record
from schemas.topics import ALERTS, CHECKPOINTS, MENTIONS, RESOLVED, TICKS
from tests.chaos.crew import Worker
from tests.chaos.stage import Stage
from tests.chaos.waves import closing, waves

POINTS = (
    f"append:{RESOLVED}:1:before",
    f"append:{RESOLVED}:6:after",
    f"append:{RESOLVED}:9:after",
    f"append:{ALERTS}:1:before",
    f"append:{ALERTS}:1:after",
    f"append:{ALERTS}:3:before",
    f"append:{ALERTS}:4:after",
    f"append:{CHECKPOINTS}:1:before",
    f"append:{CHECKPOINTS}:1:after",
    f"append:{CHECKPOINTS}:2:after",
    f"append:{CHECKPOINTS}:5:before",
    f"handle:{MENTIONS}:1",
    f"handle:{MENTIONS}:3",
    f"handle:{RESOLVED}:1",
    f"handle:{RESOLVED}:3",
    f"handle:{TICKS}:1",
    f"handle:{TICKS}:3",
    f"handle:{ALERTS}:1",
    f"handle:{ALERTS}:2",
    f"append:{RESOLVED}:11:after",
)
"""Where a worker dies: amid the batches of one flush, between an alert and its checkpoint, amid a
checkpoint, between the work on a batch and its acknowledgement."""
REACHED_S = 90.0
DELIVERIES = (1, 20, 50, 80, 110, 140)
"""Alerts that the receiver has had when the worker dies."""


def whole(minutes: float, rate: float = 24.0) -> list[Record]:
    """Waves, and what ends their log."""
    records = waves(minutes, rate=rate)
    return [*records, closing(records)]


async def at_points(it: Stage, points: tuple[str, ...] = POINTS, minutes: float = 8) -> None:
    """kill -9 of a worker at 20 chosen points, one life after the other."""
    records = whole(minutes)
    cuts = [len(records) * i // (len(points) + 1) for i in range(len(points) + 2)]
    worker = it.worker("one", EAGER_CHECKPOINTS="1")
    for n, point in enumerate(points):
        await it.feed(records[cuts[n] : cuts[n + 1]])
        await dies(it, worker, point)
    await it.feed(records[cuts[-2] :])
    worker.start()


async def between_partitions(it: Stage) -> None:
    """A resolver dies when some token partitions have their batch and others have not."""
    records = whole(8)
    others = it.worker("others", "--role", "detect", "--role", "dispatch")
    others.start()
    resolver = it.worker("resolver", "--role", "resolve", GOLDENDOG_KAFKA__GROUP="resolvers")
    calls = (5, 2, 7, 3, 9, 6)
    cuts = [len(records) * i // (len(calls) + 1) for i in range(len(calls) + 2)]
    for n, call in enumerate(calls):
        await it.feed(records[cuts[n] : cuts[n + 1]])
        await dies(it, resolver, f"append:{RESOLVED}:{call}:after")
    await it.feed(records[cuts[-2] :])
    resolver.start()


async def dies(it: Stage, worker: Worker, point: str) -> None:
    process = worker.start(point)
    await it.until(lambda: not process.alive, point, REACHED_S)
    code = await worker.wait()
    assert code == -signal.SIGKILL, f"{point}: it ended with {code}; {worker.said()[-3_000:]}"


async def all_at_once(it: Stage) -> None:
    """Three workers under load, all killed in one moment, twice."""
    records = whole(8)
    crew = await it.kept("one", "two", "three")
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    for share in (0.25, 0.6):
        await it.share(records, share)
        for worker in crew:
            if worker.process is not None:
                worker.signal(signal.SIGKILL)
    await feeding


async def static_member(it: Stage) -> None:
    """kill -9 of a static member, which gets its partitions back at once."""
    records = whole(8)
    lasting = {"GOLDENDOG_KAFKA__SESSION_TIMEOUT_S": "60"}  # longer than it takes to start again
    one, two = (
        it.worker(name, GOLDENDOG_KAFKA__INSTANCE_ID=name, **lasting) for name in ("one", "two")
    )
    for worker in (one, two):
        worker.keep()
    await it.at_work(one, two)
    feeding = asyncio.create_task(it.feed(records, per_s=300))

    def rebalances() -> int:
        return sum(worker.said().count("rebalancing") for worker in (one, two))

    await it.share(records, 0.2)
    before = rebalances()
    for n, share in enumerate((0.2, 0.4, 0.6)):
        await it.share(records, share)
        await it.at_work(one, two)
        began = monotonic()
        await (one, two)[n % 2].kill()
        await it.until(lambda w=(one, two)[n % 2]: not w.working, "it is dead")
        await it.at_work(one, two)
        it.notes.append(f"at work again {monotonic() - began:.0f} s after kill -9")
    await feeding
    it.notes.append(f"{rebalances() - before} times a worker was told of a rebalance")


async def storm(it: Stage) -> None:
    """Four workers that join, die and leave in no order, 24 times."""
    records = whole(9)
    rng = random.Random(3)
    crew = [it.worker(name) for name in ("one", "two", "three", "four")]
    crew[0].start()
    await it.at_work(crew[0])
    feeding = asyncio.create_task(it.feed(records, per_s=200))
    deeds = 0
    while deeds < 24:
        worker = rng.choice(crew)
        if worker.process is None:
            worker.start()
        elif not worker.process.alive:
            await worker.wait()
            continue
        elif worker.working and rng.random() < 0.5:
            await worker.drain()
        else:
            await worker.kill()
        deeds += 1
        await asyncio.sleep(rng.uniform(0.2, 3.0))
    await feeding
    for worker in crew:
        if worker.process is None:
            worker.keep()


async def amid_delivery(it: Stage) -> None:
    """kill -9 of a worker when a receiver has its alert and has not answered yet, six times."""
    records = whole(8)
    (worker,) = await it.kept("one")
    killed: list[str] = []

    def deadly() -> None:
        had = set(it.door.ids)
        if len(killed) < len(DELIVERIES) and len(had) >= DELIVERIES[len(killed)]:
            killed.append(it.door.ids[-1])
            worker.signal(signal.SIGKILL)

    it.door.before_answer = deadly
    await it.feed(records)
    await it.until(lambda: len(killed) == len(DELIVERIES), "the receiver has killed them all")
    # nobody said that these had come: they must come again, under the same id
    await it.until(lambda: all(it.door.ids.count(each) > 1 for each in killed), "they came again")
