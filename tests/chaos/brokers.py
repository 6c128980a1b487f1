"""A broker that dies, and one that does not answer while the producer's buffer is full."""

from __future__ import annotations

import asyncio
import os
import signal
from time import monotonic

from tests.chaos.kills import whole
from tests.chaos.stage import Stage


async def restart(it: Stage) -> None:
    """kill -9 and restart of the broker under load; no worker ends."""
    records = whole(8)
    crew = await it.kept("one", "two")
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    await it.share(records, 0.35)
    it.broker.kill9()
    await asyncio.sleep(3)
    await asyncio.to_thread(it.broker.restart)
    await feeding
    assert [worker.starts for worker in crew] == [1, 1], it.tails()


async def stopped_without(it: Stage) -> None:
    """SIGTERM while the broker is away: workers end all the same, and go on when it is back."""
    records = whole(8)
    crew = [it.worker(name) for name in ("one", "two")]
    for worker in crew:
        worker.start()
    await it.at_work(*crew)
    half = len(records) // 2
    feeding = asyncio.create_task(it.feed(records[:half], per_s=300))
    await it.share(records, 0.35)
    await it.until_alerts(10)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    it.broker.kill9()
    began = monotonic()
    for worker in crew:
        worker.signal(signal.SIGTERM)
    codes = [await worker.wait() for worker in crew]
    it.notes.append(f"without a broker, SIGTERM took {monotonic() - began:.1f} s; codes {codes}")
    assert min(codes) >= 0, it.tails()  # none had to be killed
    await asyncio.to_thread(it.broker.restart)
    await it.renewed()
    for worker in crew:
        worker.start()
    await it.feed(records[it.fed :], per_s=400)


async def full_buffer(it: Stage) -> None:
    """A tiny producer's buffer, and a broker that stands still for 12 s."""
    records = whole(8)
    crew = await it.kept("one", "two", SMALL_BUFFER="1", GOLDENDOG_KAFKA__SESSION_TIMEOUT_S="30")
    feeding = asyncio.create_task(it.feed(records, per_s=400))
    await it.share(records, 0.35)
    assert it.broker.pid is not None
    os.kill(it.broker.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(12)
    finally:
        os.kill(it.broker.pid, signal.SIGCONT)
    await feeding
    assert [worker.starts for worker in crew] == [1, 1], it.tails()
