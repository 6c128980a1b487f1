"""The short form, for every run of the tests: the troubles that tell most, one after the other."""

from __future__ import annotations

import asyncio

from schemas.topics import ALERTS, RESOLVED
from tests.chaos.kills import dies, whole
from tests.chaos.stage import Stage


async def in_short(it: Stage) -> None:
    """kill -9 amid a flush and after an alert, a join, kill -9 of the broker, a stop under load."""
    records = whole(6)
    some = len(records) // 8
    one, two = it.worker("one"), it.worker("two")
    await it.feed(records[:some])
    await dies(it, one, f"append:{RESOLVED}:6:after")
    await it.feed(records[some : 2 * some])
    await dies(it, one, f"append:{ALERTS}:2:after")
    one.keep()
    two.start()
    feeding = asyncio.create_task(it.feed(records[2 * some :], per_s=300))
    await it.at_work(one, two)
    await it.share(records, 0.5)
    it.broker.kill9()
    await asyncio.to_thread(it.broker.restart)
    await it.share(records, 0.8)
    await two.drain()
    await feeding
