"""A live log that forgets: no more than it may, and the run goes on, restarts and alerts as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from detectors.settings import EngineSettings
from schemas.errors import StateError
from schemas.records import Alert, Mention, Record, Tick
from schemas.topics import ALERTS, CHECKPOINTS, CONTROL, MENTIONS, RESOLVED, TICKS
from streams.embedded import EmbeddedOptions, EmbeddedRun, run_embedded
from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.worker.checkpoint import CheckpointStore
from streams.worker.detect import Cadence
from streams.worker.forgetting import Forgetting
from tests.helpers.crowd import crowd
from tests.helpers.logs import TOKENS
from tests.kafka.rig import PATIENCE_S, eventually

HOUR_MS = 3_600_000
KEEP_MS = 26 * HOUR_MS
T0 = 1_736_812_800_000


class Clock:
    """The machine's clock, in a test's hands."""

    def __init__(self) -> None:
        self.ms = T0

    def __call__(self) -> int:
        return self.ms


EAGER = EngineSettings(
    candidate_logit_micro=-20_000_000,
    candidate_bars=1,
    fading_bars=3,
    min_authors_15m=2,
    min_traders_15m=2,
)


async def passes(run: EmbeddedRun, clock: Clock, hours: float) -> None:
    """Time passes, and bars close."""
    clock.ms += round(hours * HOUR_MS)
    await eventually(lambda: run.progress().closed_ms >= clock.ms - 10_000)


async def passes_with_a_voice(run: EmbeddedRun, clock: Clock, hours: float) -> None:
    """Time passes, and somebody names the first coin every ten minutes, so that it is not over."""
    for _ in range(round(6 * hours)):
        clock.ms += HOUR_MS // 6
        await run.append([Mention(f"v{clock.ms}", clock.ms, "x", "v", tokens=(TOKENS[0],))])
    await passes(run, clock, 0)


async def talked_of(run: EmbeddedRun, clock: Clock, token: str, told: list[Alert]) -> None:
    """A crowd comes to a coin, and an alert with it."""
    for round_ in range(6):
        records = crowd(round_ + 100 * TOKENS.index(token), clock.ms)
        await run.append([_of(record, token) for record in records])
        await passes(run, clock, 6 / 3600)
    await eventually(lambda: token in {alert.token for alert in told})


def _of(record: Record, token: str) -> Record:
    if isinstance(record, Mention):
        return replace(record, tokens=(token,))
    assert isinstance(record, Tick)
    return replace(record, token=token)


async def oldest(run: EmbeddedRun, topic: str) -> LogRecord:
    """The first record that a topic still has."""
    [record] = await run.log.read(topic, 0, await run.log.start_offset(topic, 0), 1)
    return record


async def forgotten(run: EmbeddedRun, clock: Clock, topics: Sequence[str]) -> int:
    """Forget until the topics have nothing that is older than to be kept; how many records went.

    What was worked on is committed, and in two checkpoints, only a while after its bars closed.
    """
    forgetting = Forgetting(run.log, KEEP_MS, clock)
    gone = await forgetting.once()
    async with asyncio.timeout(PATIENCE_S):
        for topic in topics:
            while (await oldest(run, topic)).timestamp < clock.ms - KEEP_MS:
                await asyncio.sleep(0.02)
                gone += await forgetting.once()
    return gone


async def test_it_forgets_what_no_restart_needs_and_goes_on(tmp_path: Path) -> None:
    clock, told = Clock(), list[Alert]()
    options = EmbeddedOptions(
        tmp_path, settings=EAGER, clock_ms=clock, cadence=Cadence(records=1, seconds=0.0)
    )
    async with run_embedded(options, on_alert=told.append) as run:
        await talked_of(run, clock, TOKENS[0], told)
        assert await Forgetting(run.log, KEEP_MS, clock).once() == 0  # it is all young
        for _ in range(5):
            await passes_with_a_voice(run, clock, 6)
        end = await run.log.end_offset(TICKS, 0)
        assert await forgotten(run, clock, (MENTIONS, TICKS, RESOLVED)) > 60
        for topic in (MENTIONS, TICKS, RESOLVED):
            assert await run.log.start_offset(topic, 0) > 0
        assert await run.log.end_offset(TICKS, 0) >= end
        for topic in (ALERTS, CONTROL):
            assert await run.log.start_offset(topic, 0) == 0
        whole = await CheckpointStore(run.log).whole(0)
        assert whole[-1].manifest.positions[TICKS] >= await run.log.start_offset(TICKS, 0)
    async with run_embedded(options, on_alert=told.append) as run:
        await passes_with_a_voice(run, clock, 1)
        await talked_of(run, clock, TOKENS[1], told)
        state = run.crew.detect
        assert state is not None
        assert state.engines[0].open_episodes == 2  # the first one lives on, its records gone
    assert [alert.token for alert in told if alert.kind == "candidate"] == TOKENS[:2]


async def test_nothing_unread_and_nothing_that_has_no_two_checkpoints_goes(tmp_path: Path) -> None:
    clock = Clock()
    options = EmbeddedOptions(tmp_path, clock_ms=clock, keep_ms=KEEP_MS)
    async with run_embedded(options) as run:
        await run.append(crowd(0, clock.ms))
        await run.drain()
        clock.ms += 40 * HOUR_MS
        await run.append(crowd(1, clock.ms))
        await Forgetting(run.log, KEEP_MS, clock).once()
        assert await run.log.start_offset(TICKS, 0) == 0  # it has one checkpoint, at the most
        committed = (await run.log.committed("goldendog")).get((MENTIONS, 0), 0)
        assert await run.log.start_offset(MENTIONS, 0) <= committed


async def test_what_a_log_refuses_to_forget(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "a", clock_ms=Clock()) as log:
        log.create_topic("t", 1)
        log.create_topic(CHECKPOINTS, 1, compacted=True)
        await log.append("t", 0, [Item(None, b"%d" % n) for n in range(10)])
        assert await log.forget("t", 0, 4, T0 + 1, 3) == 3
        assert await log.forget("t", 0, 4, T0 + 1, 3) == 1
        assert await log.forget("t", 0, 4, T0 + 1, 3) == 0
        assert await log.forget("t", 0, 10, T0, 100) == 0
        assert await log.forget("t", 0, 10, T0 + 1, 100) == 5
        [left] = await log.read("t", 0, 0)
        assert (left.offset, left.value) == (9, b"9")
        assert await log.append("t", 0, [Item(None, b"x")]) == [10]
        with pytest.raises(StateError, match="keeps its records"):
            await log.forget(CHECKPOINTS, 0, 1, T0 + 1, 1)
    with SqliteLog(tmp_path / "b", stamp="recorded") as log:
        log.create_topic("t", 1)
        with pytest.raises(StateError, match="keeps its records"):
            await log.forget("t", 0, 1, T0, 1)
