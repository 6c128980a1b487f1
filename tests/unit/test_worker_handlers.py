"""Handlers over a log: the same alerts whatever the partitions, cuts and deaths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.detect import DetectHandler
from streams.worker.pacing import Pacing
from tests.helpers.logs import alert_bytes
from tests.helpers.pump import FINGERPRINT, Pump, alerts_in, in_order, make_team, open_log
from tests.helpers.wire import one_engine, random_records


class DiedError(Exception):
    """Stands for kill -9: nothing after it happens."""


class MortalLog:
    """A log whose process dies at its n-th write, before or after the write is durable."""

    def __init__(self, log: SqliteLog, writes: int, *, after: bool) -> None:
        self._log, self._left, self._after = log, writes, after

    async def append(self, topic: str, partition: int, items: list[Item]) -> list[int]:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise DiedError
        offsets = await self._log.append(topic, partition, items)
        if self._left == 0:
            raise DiedError
        return offsets

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        return await self._log.read(topic, partition, offset, limit)

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


async def fill(log: SqliteLog, seed: int) -> list[bytes]:
    """Feed a random log; the alerts it must give."""
    records = random_records(seed)
    await Feeder(await Ingest.open(log)).feed(records)
    expected = alert_bytes(one_engine(records, fingerprint=FINGERPRINT))
    assert len(expected) > 10
    return expected


@pytest.mark.parametrize("partitions", [1, 2, 8])
@pytest.mark.parametrize("mention_partitions", [1, 3])
async def test_partitions_and_cuts_change_nothing(
    tmp_path: Path, partitions: int, mention_partitions: int
) -> None:
    with open_log(tmp_path, partitions, mention_partitions) as log:
        expected = await fill(log, seed=partitions)
        team, tally = make_team(log)
        pump = Pump(log, team, np.random.default_rng(partitions))
        await pump.start()
        await pump.run()
        assert in_order(await alerts_in(log)) == expected
        assert tally.duplicates > 0
        assert tally.total("late") > 0
        assert tally.total("rejected") == 0


@pytest.mark.parametrize("seed", range(6))
async def test_dying_at_any_write_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with open_log(tmp_path, partitions=2, mention_partitions=2) as log:
        expected = await fill(log, seed)
        deaths = 0
        for _ in range(400):
            writes = int(rng.integers(1, 14))
            mortal = MortalLog(log, writes, after=bool(rng.integers(2)))
            team, _ = make_team(mortal, every=int(rng.integers(20, 400)))
            pump = Pump(mortal, team, rng, most=25)
            try:
                await pump.start()
                await pump.run()
            except DiedError:
                deaths += 1
            else:
                break
        assert deaths > 10
        assert in_order(await alerts_in(log)) == expected


async def test_a_clean_stop_goes_on_without_reading_again(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2) as log:
        expected = await fill(log, seed=3)
        again = 0
        for seed in range(50):
            team, tally = make_team(log, every=10**9)
            pump = Pump(log, team, np.random.default_rng(seed))
            await pump.start()
            await pump.run(batches=15)
            await pump.stop()
            again += tally.alerts_again + tally.total("skipped")
        await pump.run()
        assert in_order(await alerts_in(log)) == expected
        assert again == 0


async def widest_gap(pump: Pump, detect: DetectHandler) -> int:
    """Run to the end; the most log time, ms, that lay between two inputs of one engine."""
    apart = 0
    while await pump.run(batches=1):
        for engine in detect.engines.values():
            reached = [engine.through_log_ms(name) for name in engine.inputs]
            known = [at for at in reached if at is not None]
            if len(known) == len(reached):
                apart = max(apart, max(known) - min(known))
    return apart


async def test_an_input_that_runs_ahead_is_paused_and_nothing_changes(tmp_path: Path) -> None:
    apart = {}
    for paced in (False, True):
        with open_log(tmp_path / str(paced), partitions=2) as log:
            expected = await fill(log, seed=5)
            pacing = Pacing(ahead_ms=60_000, near_ms=20_000)
            team, _ = make_team(log, pacing=pacing)
            pump = Pump(log, team, np.random.default_rng(5), most=10)
            pacing.flow = pump if paced else None
            await pump.start()
            detect = team.handlers[1]
            assert isinstance(detect, DetectHandler)
            apart[paced] = await widest_gap(pump, detect)
            assert (pump.pauses > 3) is paced
            assert not pump.paused
            assert in_order(await alerts_in(log)) == expected
    assert apart[True] < 0.7 * apart[False]
