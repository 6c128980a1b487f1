"""A batch that fails half way: nobody goes on from the state it leaves, or keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.engine import Engine
from detectors.resolve.lexicon import Lexicon
from schemas.errors import StateError
from schemas.records import Mention, Tick, TokenInfo
from schemas.topics import ALERTS, CONTROL, MENTIONS
from streams.control.decisions import CONTROL_INPUT, Decisions
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.embedded import EMPTY_LEXICON
from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.control import ControlReader
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import DetectHandler
from streams.worker.handler import TP, Handler, Team
from streams.worker.poison import Sieve, guarded
from streams.worker.tally import Tally
from tests.helpers.logs import SETTINGS, alert_bytes
from tests.helpers.models import crowd_model
from tests.helpers.poison import letters_in, poisoned_engine
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
        waiting = [asyncio.create_task(detect.tick(pump.sieve))]
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
            await detect.tick(sieve)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert in_order(await alerts_in(sqlite)) == expected


class Poisoned(Detection):
    """Its engines fail when a bar closes that holds a bad record."""

    bad: frozenset[str]

    def engine(self, inputs: Sequence[str]) -> Engine:
        return poisoned_engine(inputs, set(self.bad), late=True)


class Behind:
    """A log whose control topic tells no more than its first record, at first."""

    def __init__(self, log: SqliteLog) -> None:
        self._log, self.tells = log, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def end_offset(self, topic: str, partition: int) -> int:
        if topic == CONTROL and not self.tells:
            return 1
        return await self._log.end_offset(topic, partition)

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        found = await self._log.read(topic, partition, offset, limit)
        return found[: 1 - offset] if topic == CONTROL and not self.tells else found


async def test_poison_in_a_bar_that_waited_for_the_control_topic_costs_itself_alone(
    tmp_path: Path,
) -> None:
    records = random_records(3, n=700)
    bad = {sorted(r.id for r in records if isinstance(r, Tick))[200]}
    expected = alert_bytes(one_engine(records, fingerprint=FINGERPRINT, without=bad))
    with open_log(tmp_path) as sqlite:
        await Feeder(await Ingest.open(sqlite)).feed(records)
        log: Any = Behind(sqlite)
        lexicon = Lexicon.parse(EMPTY_LEXICON)
        detection = Poisoned(SETTINGS, crowd_model(), lexicon)
        object.__setattr__(detection, "bad", frozenset(bad))
        control = ControlReader(log, Decisions(detection, ControlFiles(tmp_path)), patience_s=None)
        (resolve, _), tally = make_team(log)[0].handlers, Tally()
        dead = DeadLetters(log, tally)
        detect = DetectHandler(log, detection.engine, dead=dead, tally=tally, control=control)
        pump = Pump(log, Team([resolve, detect]), np.random.default_rng(3))
        await pump.start()
        await pump.run()
        (engine,) = detect.engines.values()
        assert engine.held_by() == CONTROL_INPUT
        assert len(await alerts_in(sqlite)) < len(expected)
        log.tells = True
        await detect.tick(pump.sieve)
        assert in_order(await alerts_in(sqlite)) == expected
        assert [letter.code for letter in await letters_in(sqlite)] == ["poison"]
