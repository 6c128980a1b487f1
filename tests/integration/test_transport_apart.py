"""Partitions of one topic worked on beside each other, on the real broker and on the embedded log."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from faust.types import TP

from streams.log.base import Item
from streams.transport.run import WorkerCrashError
from tests.kafka.rig import KafkaRig, Rig, Seen, eventually, fill, running


class Gates:
    """A handler that waits at a partition's gate, if it has one."""

    def __init__(self, *shut: int) -> None:
        self.seen = Seen()
        self.gates = {p: asyncio.Event() for p in shut}
        self.begun: defaultdict[int, list[int]] = defaultdict(list)
        self.most_at_once: defaultdict[int, int] = defaultdict(int)
        self._under_way: defaultdict[int, int] = defaultdict(int)

    async def __call__(self, tp: TP, records: Sequence[Any]) -> None:
        p = tp.partition
        self.begun[p].append(records[0].offset)
        self._under_way[p] += 1
        self.most_at_once[p] = max(self.most_at_once[p], self._under_way[p])
        try:
            if p in self.gates:
                await self.gates[p].wait()
            await self.seen(tp, records)
        finally:
            self._under_way[p] -= 1


async def test_a_partition_that_waits_holds_up_no_other_and_keeps_its_order(rig: Rig) -> None:
    topic, gates = await rig.create(3), Gates(0)
    async with running(rig, {topic: gates}, apart=True) as run:
        await fill(rig.log, topic, 1, 1)
        await eventually(lambda: gates.begun[0])
        for n in range(5):
            await rig.log.append(topic, 0, [Item(None, b"%d" % n)])
            await rig.log.append(topic, 1, [Item(None, b"%d" % n)])
            await eventually(lambda n=n: len(gates.seen.offsets[1]) == n + 1)
        assert gates.seen.offsets[0] == []
        assert len(gates.begun[0]) == 1
        gates.gates[0].set()
        await eventually(lambda: len(gates.seen.offsets[0]) == 6)
        await run.end()
    assert dict(gates.seen.offsets) == {0: list(range(6)), 1: list(range(5))}
    assert dict(gates.most_at_once) == {0: 1, 1: 1}
    assert await rig.committed(topic) == {0: 6, 1: 5}


async def test_a_stop_waits_for_every_partition_and_then_hands_over(rig: Rig) -> None:
    topic, gates, handed = await rig.create(2), Gates(0, 1), []

    async def handover(tps: set[TP]) -> None:
        handed.append({p: len(offsets) for p, offsets in gates.seen.offsets.items()})

    await fill(rig.log, topic, 2, 5)
    async with running(rig, {topic: gates}, apart=True, handover=handover) as run:
        await eventually(lambda: gates.begun[0] and gates.begun[1])
        ending = asyncio.create_task(run.end())
        gates.gates[0].set()
        await eventually(lambda: gates.seen.offsets[0])
        assert handed == []  # the other one still runs
        gates.gates[1].set()
        await ending
    assert handed == [{0: 5, 1: 5}]
    assert await rig.committed(topic) == {0: 5, 1: 5}


async def test_one_partition_that_fails_ends_all_and_commits_nothing_of_it(rig: Rig) -> None:
    topic, gates, handed, ended = await rig.create(2), Gates(0), [], []

    async def handler(tp: TP, records: Sequence[Any]) -> None:
        if any(record.value == b"poison" for record in records):
            raise ValueError("cannot digest")
        try:
            await gates(tp, records)
        except asyncio.CancelledError:
            ended.append(tp.partition)
            raise

    async def handover(tps: set[TP]) -> None:
        handed.append(tps)

    async with running(rig, {topic: handler}, apart=True, handover=handover) as run:
        await rig.log.append(topic, 0, [Item(None, b"waits")])
        await eventually(lambda: gates.begun[0])
        await rig.log.append(topic, 1, [Item(None, b"poison")])
        assert run.task is not None
        with pytest.raises(WorkerCrashError, match="cannot digest") as caught:
            await asyncio.wait_for(run.task, 60)
    assert isinstance(caught.value.__cause__, ValueError)
    assert ended == [0]
    assert handed == []
    assert await rig.committed(topic) == {}


async def recorded(rig: KafkaRig) -> str:
    """A topic whose records are old from the start."""
    return await rig.create(1, **{"retention.ms": "-1"})


def beats(*times: int) -> list[Item]:
    return [Item(None, b"%d" % ms, ms) for ms in times]


@pytest.mark.broker
async def test_records_are_handed_on_by_whole_seconds_of_their_log(kafka_rig: KafkaRig) -> None:
    topic, rest = await recorded(kafka_rig), await recorded(kafka_rig)
    seen, others, t0 = Seen(), Seen(), 1_736_812_800_000
    async with running(kafka_rig, {topic: seen, rest: others}, gathered={topic}) as run:
        await kafka_rig.log.append(topic, 0, beats(t0))
        await eventually(lambda: seen.count() == 1)
        await kafka_rig.log.append(topic, 0, beats(t0 + 400, t0 + 999, t0 + 1_000))
        await eventually(lambda: seen.count() == 4)
        await kafka_rig.log.append(rest, 0, beats(t0, t0))
        await eventually(lambda: others.count() == 2)
        await kafka_rig.log.append(topic, 0, beats(t0 + 1_300))
        await eventually(lambda: seen.count() == 5)  # though the log says no more
        await run.end()
    assert seen.batches[1][1] == [1, 2, 3]
    assert await kafka_rig.committed(topic) == {0: 5}


@pytest.mark.broker
async def test_what_still_waits_at_a_stop_is_read_by_the_next(
    kafka_rig: KafkaRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.transport.gathering.PATIENCE_S", 1e9)
    topic, first, second, t0 = await recorded(kafka_rig), Seen(), Seen(), 1_736_812_800_000
    async with running(kafka_rig, {topic: first}, gathered={topic}) as run:
        await kafka_rig.log.append(topic, 0, beats(t0))
        await eventually(lambda: first.count() == 1)
        await kafka_rig.log.append(topic, 0, beats(t0 + 1, t0 + 2))
        assert run.transport is not None
        gathering = run.transport.batches.gathering
        await eventually(lambda: [held.n for held in gathering._held.values()] == [2])
        await run.end()
    assert first.offsets[0] == [0]
    assert await kafka_rig.committed(topic) == {0: 1}
    async with running(kafka_rig, {topic: second}, gathered={topic}) as run:
        await eventually(lambda: second.count() == 2)
        await run.end()
    assert second.offsets[0] == [1, 2]
