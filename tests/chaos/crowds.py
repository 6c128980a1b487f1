"""Workers that join, leave, freeze, and do each other's work."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.kills import whole
from tests.chaos.stage import Stage

FROZEN_S = 10.0
"""Longer than the Kafka session timeout of the stage's workers."""


async def join_and_leave(it: Stage) -> None:
    """A second and a third worker join and leave under load."""
    records = whole(9)
    await it.kept("one")
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    two, three = it.worker("two"), it.worker("three")
    for share, worker in ((0.1, two), (0.3, three)):
        await it.share(records, share)
        worker.start()
        await it.at_work(worker)
    for share, worker in ((0.6, two), (0.8, three)):
        await it.share(records, share)
        it.notes.append(f"{worker.name} left in {await worker.drain():.1f} s under load")
    await feeding


async def frozen(it: Stage) -> None:
    """SIGSTOP of a worker past Kafka's session timeout, and SIGCONT when others have its partitions."""
    records = whole(8)
    one, _ = await it.kept("one", "two")
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    for share in (0.2, 0.6):
        await it.share(records, share)
        await it.at_work(one)
        lives = one.starts
        one.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        one.signal(signal.SIGCONT)
        await it.until(lambda n=lives: one.starts > n, "the frozen worker has ended", 60)
    await feeding


async def twin_resolver(it: Stage) -> None:
    """A zombie resolves everything a second time, in batches of its own cut."""
    records = whole(8)
    one = it.worker("one")
    zombie = it.worker("zombie", "--role", "resolve", GOLDENDOG_KAFKA__GROUP="zombies")
    one.start()
    await it.at_work(one)
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    await it.share(records, 0.2)
    zombie.keep()
    for share in (0.5, 0.7):
        await it.share(records, share)
        await it.at_work(zombie)
        await zombie.kill()
    await feeding
    await it.at_work(zombie)
