"""An input that stops while the others go on, and a stop under load."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from time import monotonic

from schemas.decode import encode_record
from schemas.records import Record
from schemas.topics import MENTIONS, TOPICS
from streams.log.base import Item
from streams.sources.places import Place, key_of, places_of
from streams.worker.pacing import AHEAD_MS
from tests.chaos.crew import Worker
from tests.chaos.kills import whole
from tests.chaos.stage import Stage, metrics
from tests.chaos.waves import T0

SILENT: Place = (MENTIONS, 0)
FROM_MS, TO_MS = T0 + 3 * 60_000, T0 + 13 * 60_000
SOME = 120
"""Records at a time: five seconds of log time."""
SLACK_MS = 60_000
"""What a few batches that were under way may bring beyond the point at which an input is paused."""
DRAINED_S = 10.0
THROUGH = "goldendog_input_through_timestamp_seconds"


async def silent_input(it: Stage) -> None:
    """A partition of posts stops for ten minutes of event time; the others are paused, not piled up."""
    records = whole(15)
    counts = {spec.name: await it.log.partitions(spec.name) for spec in TOPICS if spec.raw_input}
    (worker,) = await it.kept("one")
    withheld: list[Record] = []
    widest = 0.0
    for first in range(0, len(records), SOME):
        some = records[first : first + SOME]
        at_ms = some[0].ts_log_ms or 0
        if withheld and at_ms >= TO_MS:
            widest = max(widest, await _widest(it, worker, 20))
            await _produce(it, withheld, counts, only=SILENT)
            withheld = []
        silent = FROM_MS <= at_ms < TO_MS
        withheld += some if silent else []
        await _produce(it, some, counts, without=SILENT if silent else None)
        it.fed += len(some)
        if silent:
            widest = max(widest, await _widest(it, worker, 0.3))
    assert not withheld
    bound_s = (AHEAD_MS + SLACK_MS) / 1000
    assert 60 < widest < bound_s, f"inputs were {widest:.0f} s apart, the bound is {bound_s:.0f} s"
    it.notes.append(f"at most {widest:.0f} s of log time waited in memory, of 600")


async def _produce(
    it: Stage,
    records: Sequence[Record],
    counts: dict[str, int],
    *,
    without: Place | None = None,
    only: Place | None = None,
) -> None:
    piles: dict[Place, list[Item]] = defaultdict(list)
    for record in records:
        item = Item(key_of(record), encode_record(record), record.ts_log_ms)
        for place in places_of(record, counts):
            if place != without and only in (None, place):
                piles[place].append(item)
    await asyncio.gather(*(it.log.append(*place, items) for place, items in piles.items()))


async def _widest(it: Stage, worker: Worker, seconds: float) -> float:
    """The most log time, in seconds, that was seen between two inputs in a while."""
    ends, widest = monotonic() + seconds, 0.0
    while monotonic() < ends:
        assert worker.process is not None, it.tails()
        known = await metrics(worker.process)
        reached = [v for name, v in known.items() if name.startswith(THROUGH)]
        if reached:
            widest = max(widest, max(reached) - min(reached))
        await asyncio.sleep(0.2)
    return widest


async def drained(it: Stage) -> None:
    """SIGTERM under load, four times: a worker finishes what is under way and ends within 10 s."""
    records = whole(9)
    one, two = it.worker("one"), it.worker("two")
    for worker in (one, two):
        worker.start()
    await it.at_work(one, two)
    feeding = asyncio.create_task(it.feed(records, per_s=300))
    for n, share in enumerate((0.15, 0.35, 0.55, 0.75)):
        await it.share(records, share)
        worker = (one, two)[n % 2]
        before = len(worker.said())
        took_s = await worker.drain()
        said = worker.said()[before:]
        assert "drained in" in said and "stopped cleanly" in said, said
        it.notes.append(f"drained in {took_s:.1f} s under load")
        worker.start()
        await it.at_work(worker)
    await feeding
