"""A batch that fails half way: nobody goes on from the state it leaves, or keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import StateError
from schemas.records import Mention, Tick, TokenInfo
from schemas.topics import ALERTS, MENTIONS
from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import DetectHandler
from streams.worker.handler import TP, Handler, Team
from streams.worker.poison import Sieve, guarded
from streams.worker.tally import Tally
from tests.helpers.logs import alert_bytes
from tests.helpers.poison import poisoned_engine
from tests.helpers.pump import FINGERPRINT, Pump, alerts_in, in_order, make_team, open_log
from tests.helpers.wire import one_engine, random_records
from tests.unit.test_worker_handlers import fill


class Refusing:
    """A log that alerts cannot be written to, from some alert on; it says so when it is let."""

    def __init__(self, log: SqliteLog, taken: int) -> None:
        self._log, self._left = log, taken
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        if topic == ALERTS:
            self._left -= len(items)
            if self._left < 0:
                self.asked.set()
                await self.told.wait()
                raise StateError("the broker did not confirm")
        return await self._log.append(topic, partition, items)


def detector(team: Team) -> DetectHandler:
    (found,) = [each for each in team.handlers if isinstance(each, DetectHandler)]
    return found


@pytest.mark.parametrize("behind", ["tick", "input"])
async def test_no_checkpoint_covers_an_alert_that_was_not_written(
    tmp_path: Path, behind: str
) -> None:
    with open_log(tmp_path) as sqlite:
        expected = await fill(sqlite, seed=3)
        log = Refusing(sqlite, taken=5)
        team, _ = make_team(log, every=1)  # type: ignore[arg-type]
        detect = detector(team)
        pump = Pump(log, team, np.random.default_rng(3))  # type: ignore[arg-type]
        await pump.start()
        at_work = asyncio.create_task(pump.run())
        await log.asked.wait()
        waiting = [asyncio.create_task(detect.tick())]
        if behind == "input":
            waiting = [
                asyncio.create_task(detect.handle(tp, records))
                for tp in map(TP, detect.topics, [0] * 3)
                if (records := await sqlite.read(*tp, detect.position(tp), 1))
            ]
        await asyncio.sleep(0)
        log.told.set()
        with pytest.raises(StateError, match="did not confirm"):
            await at_work
        await asyncio.gather(*waiting, return_exceptions=True)
        team, _ = make_team(sqlite)
        again = Pump(sqlite, team, np.random.default_rng(4))
        await again.start()
        await again.run()
        assert in_order(await alerts_in(sqlite)) == expected


class Slow:
    """A log whose every answer lets others have their turn."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        await asyncio.sleep(0)
        return await self._log.append(topic, partition, items)

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        await asyncio.sleep(0)
        return await self._log.read(topic, partition, offset, limit)


async def reading(
    log: SqliteLog, handler: Handler, tp: TP, sieve: Sieve, seed: int, most: int
) -> None:
    """Read a partition to its end in batches, as a transport does."""
    rng, at = np.random.default_rng(seed), handler.position(tp)
    while records := await log.read(*tp, at, int(rng.integers(1, most))):
        await guarded(handler, tp, records, sieve)
        at = records[-1].offset + 1


@pytest.mark.parametrize("seed", [5, 7])
async def test_poison_costs_itself_alone_while_other_inputs_wait_behind_it(
    tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    records = random_records(seed, n=700)
    names = sorted({r.id for r in records if isinstance(r, Tick | TokenInfo)})
    names += sorted({r.id for r in records if isinstance(r, Mention) and r.tokens})
    bad = {str(n) for n in rng.choice(names, 25, replace=False)}
    expected = alert_bytes(one_engine(records, fingerprint=FINGERPRINT, without=bad))
    with open_log(tmp_path) as sqlite:
        await Feeder(await Ingest.open(sqlite)).feed(records)
        log: Any = Slow(sqlite)
        team, tally = make_team(log, every=7, engine=lambda names: poisoned_engine(names, bad))
        sieve = Sieve(DeadLetters(log, tally), Tally())
        tps = [TP(topic, 0) for topic in team.topics]
        await team.restore(set(tps))
        resolve, detect = team.route(MENTIONS), detector(team)
        assert resolve is not None
        await reading(log, resolve, TP(MENTIONS, 0), sieve, seed, 30)
        tasks = [
            asyncio.create_task(reading(log, detect, tp, sieve, seed + n, 8))
            for n, tp in enumerate(tps)
            if tp.topic in detect.topics
        ]
        while not all(task.done() for task in tasks):
            await detect.tick()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert in_order(await alerts_in(sqlite)) == expected
