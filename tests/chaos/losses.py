"""Input that is gone before it was read: named within a minute, and never passed over in silence."""

from __future__ import annotations

import asyncio
from time import monotonic

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from schemas.records import Tick
from schemas.topics import TICKS
from tests.chaos.crew import Worker
from tests.chaos.kills import whole
from tests.chaos.stage import Stage, metrics
from tests.chaos.verdict import Prefix, expected_of
from tests.kafka.live import command

NAMED_S = 60.0
METRIC = "goldendog_lost_records_total"


async def truncated(it: Stage) -> Prefix:
    """A topic is truncated past the committed offset while no worker is there."""
    records = whole(8)
    worker = it.worker("one")
    worker.start()
    await it.at_work(worker)
    await it.feed(records[: len(records) // 2])
    await it.until_alerts(30)
    await worker.drain()
    read = (await it.committed())[TICKS, 0]
    await it.feed(records[len(records) // 2 :])
    expected = await expected_of(it)
    start = await it.log.end_offset(TICKS, 0) - 50
    assert start > read
    await asyncio.to_thread(_delete_before, it.broker.bootstrap, start)
    worker.start()
    line = f"{TICKS}/0: offsets {read} to {start - 1} were deleted before they were read"
    await _named(it, worker, line, start - read)
    assert await worker.wait(90) == 1
    return Prefix(expected)


def _delete_before(bootstrap: str, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_records({TopicPartition(TICKS, 0): offset})
    finally:
        admin.close()


async def recreated(it: Stage) -> Prefix:
    """A topic is deleted and made anew under a worker."""
    records = whole(8)
    worker = it.worker("one")
    worker.keep()
    await it.at_work(worker)
    await it.feed(records[: len(records) // 2])
    await it.until_alerts(30)
    expected = await expected_of(it)
    await asyncio.to_thread(_delete, it.broker.bootstrap)
    how = ("--partitions", str(it.partitions), "--mention-partitions", str(it.mention_partitions))
    await asyncio.to_thread(
        command, "topics", "create", "--bootstrap", it.broker.bootstrap, *how, "--recorded"
    )
    await it.renewed()
    ticks = [r for r in records[len(records) // 2 :] if isinstance(r, Tick)]
    await it.feed(ticks[:100])
    await _named(it, worker, "the topic was made anew", 0)
    await worker.unkept()
    assert worker.process is None or await worker.wait(90) == 1
    return Prefix(expected)


def _delete(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_topics([TICKS])
        ends = monotonic() + 30
        while TICKS in admin.list_topics():
            assert monotonic() < ends
    finally:
        admin.close()


async def _named(it: Stage, worker: Worker, line: str, lost: int) -> None:
    """Wait until the log and the metrics name what was lost; both within a minute."""
    began = monotonic()
    known: dict[str, float] = {}
    while line not in worker.said() or not known:
        assert monotonic() - began < NAMED_S, f"not named: {line}; {it.tails()}"
        found = {} if worker.process is None else await metrics(worker.process)
        known = known or {n: v for n, v in found.items() if n.startswith(METRIC)}
        await asyncio.sleep(0.2)
    assert all(name.startswith(f'{METRIC}{{input="{TICKS}/') for name in known), known
    assert max(known.values()) == lost, known
    it.notes.append(f"named in {monotonic() - began:.0f} s, with a metric: {lost} records")
