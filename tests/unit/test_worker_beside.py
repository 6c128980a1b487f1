"""Partitions of posts resolved beside each other: what one waits for, or fails of, is its own affair."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from detectors.resolved import decode_batch
from schemas.decode import encode_record
from schemas.errors import StateError
from schemas.records import Mention
from schemas.topics import DEAD_LETTERS, MENTIONS, RESOLVED
from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.worker.handler import TP
from streams.worker.poison import guarded
from tests.helpers.logs import TOKENS
from tests.helpers.pump import open_log
from tests.kafka.rig import PATIENCE_S, eventually
from tests.unit.test_worker_waiting import AHEAD_MS, T0, Bench, started

ZERO, ONE = TP(MENTIONS, 0), TP(MENTIONS, 1)
Through = dict[tuple[int, int], list[int]]


class Gated:
    """A log in which resolved batches of a partition of posts wait, or fail."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.gates: dict[int, asyncio.Event] = {}
        self.waiting: defaultdict[int, int] = defaultdict(int)
        self.refuses: Callable[[int, int], bool] = lambda _u, _out: False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        if topic == RESOLVED:
            u = decode_batch(items[0].value or b"").partition
            if u in self.gates:
                self.waiting[u] += 1
                await self.gates[u].wait()
            if self.refuses(u, partition):
                raise StateError("the broker did not confirm")
        return await self._log.append(topic, partition, items)

    async def through(self) -> Through:
        """By upstream and token partition, through which offsets batches go, in their order."""
        found: Through = defaultdict(list)
        for out in range(await self._log.partitions(RESOLVED)):
            for record in await self._log.read(RESOLVED, out, 0):
                batch = decode_batch(record.value or b"")
                found[batch.partition, out].append(batch.through_offset)
        return dict(found)


async def posts(bench: Bench, partition: int, *times: int) -> Sequence[LogRecord]:
    """Posts in the log, not handled yet."""
    records = [Mention(f"m{ms}", ms, "x", "a", "", (TOKENS[0],), ts_log_ms=ms) for ms in times]
    items = [Item(None, encode_record(r), r.ts_log_ms) for r in records]
    offsets = await bench.log.append(MENTIONS, partition, items)
    return await bench.log.read(MENTIONS, partition, offsets[0])


async def gated(log: SqliteLog) -> tuple[Bench, Gated]:
    behind = Gated(log)
    return await started(behind), behind  # type: ignore[arg-type]


async def test_a_partition_whose_batches_are_on_their_way_holds_up_no_other(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2, mention_partitions=2) as sqlite:
        bench, log = await gated(sqlite)
        log.gates[0] = asyncio.Event()
        first, second = await posts(bench, 0, T0 + 1), await posts(bench, 0, T0 + 2)
        tasks = [asyncio.create_task(bench.handler.handle(ZERO, run)) for run in (first, second)]
        await eventually(lambda: log.waiting[0] == 2)  # one batch for each token partition
        async with asyncio.timeout(PATIENCE_S):
            await bench.handler.handle(ONE, await posts(bench, 1, T0 + 3))
        assert await log.through() == {(1, 0): [0], (1, 1): [0]}
        assert log.waiting[0] == 2  # the second one is not begun
        log.gates[0].set()
        await asyncio.gather(*tasks)
        found = await log.through()
        assert found[0, 0] == found[0, 1] == [0, 1]
        assert await bench.reached(0) and await bench.reached(1)


async def test_a_partition_that_cannot_be_written_is_read_again_and_no_other(
    tmp_path: Path,
) -> None:
    with open_log(tmp_path, partitions=2, mention_partitions=2) as sqlite:
        bench, log = await gated(sqlite)
        log.gates[1] = asyncio.Event()
        log.refuses = lambda u, out: (u, out) == (0, 1)
        under_way = asyncio.create_task(bench.handler.handle(ONE, await posts(bench, 1, T0 + 1)))
        await eventually(lambda: log.waiting[1] == 2)
        mine = await posts(bench, 0, T0 + 2)
        with pytest.raises(StateError, match="confirm"):
            await bench.handler.handle(ZERO, mine)
        log.gates[1].set()
        await under_way
        assert await bench.reached(1) and not await bench.reached(0)
        log.refuses = lambda _u, _out: False
        again = await started(log)  # type: ignore[arg-type]
        assert await again.reached(1) and not await again.reached(0)
        start = again.handler.position(ZERO)
        await again.handler.handle(ZERO, await sqlite.read(MENTIONS, 0, start))
        found = await log.through()
        assert found[0, 1] == [0]
        assert found[0, 0] == [0, 0]  # skipped by its offsets downstream


async def test_a_handover_waits_for_what_is_on_its_way_and_begins_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2, mention_partitions=2) as sqlite:
        bench, log = await gated(sqlite)
        for partition in (0, 1):
            await bench.post(partition, T0 + AHEAD_MS + partition)
        await bench.beat(T0 + AHEAD_MS + 1)
        log.gates[0] = asyncio.Event()
        ticking = asyncio.create_task(bench.handler.tick(bench.sieve))
        await eventually(lambda: log.waiting[0] == 2)
        handing = asyncio.create_task(bench.handler.handover({ZERO, ONE}))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not handing.done()
        log.gates[0].set()
        await asyncio.gather(ticking, handing)
        found = await log.through()
        assert found[0, 0] == found[0, 1] == [0]
        # Whether the tick or the handover was first at the other partition, it is one or the other.
        positions = await bench.handler.restore({ZERO, ONE})
        assert positions[ZERO] == 1
        assert positions[ONE] == found.get((1, 0), [-1])[-1] + 1
        log.gates.clear()
        await bench.handler.tick(bench.sieve)
        assert await log.through() == found  # nothing waits any more


async def test_a_poisoned_partition_is_looked_through_beside_one_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_log(tmp_path, partitions=2, mention_partitions=2) as sqlite:
        bench, log = await gated(sqlite)
        log.gates[1] = asyncio.Event()
        under_way = asyncio.create_task(bench.handler.handle(ONE, await posts(bench, 1, T0 + 1)))
        await eventually(lambda: log.waiting[1] == 2)
        poison = f"m{T0 + 3}"

        def deal(*args: Any) -> None:
            if args[1].id == poison:
                raise ZeroDivisionError
            real(*args)

        real = type(bench.handler)._deal
        monkeypatch.setattr(type(bench.handler), "_deal", deal)
        await guarded(
            bench.handler, ZERO, await posts(bench, 0, T0 + 2, T0 + 3, T0 + 4), bench.sieve
        )
        assert await bench.reached(0)
        (letter,) = await sqlite.read(DEAD_LETTERS, 0, 0)
        assert b"/0/1" in (letter.value or b"")
        assert [key for key in await log.through() if key[0] == 1] == []
        log.gates[1].set()
        await under_way
        assert await bench.reached(1)
