"""When heartbeats are sent: right after the moments at which bars may close."""

from __future__ import annotations

import asyncio

import pytest

from schemas.records import Heartbeat
from streams.worker import heartbeat
from streams.worker.heartbeat import Heartbeats

T0 = 1_736_812_800_000


class Clock:
    """A clock that moves as its users sleep, and by what telling takes."""

    def __init__(self, now_ms: float, telling_ms: float = 0) -> None:
        self.now_ms = now_ms
        self.telling_ms = telling_ms
        self.told: list[int] = []
        self.enough = asyncio.Event()

    def __call__(self) -> int:
        return int(self.now_ms)

    async def tell(self, beat: Heartbeat) -> None:
        self.told.append(beat.ts_event_ms - T0)
        self.now_ms += self.telling_ms
        if len(self.told) == 8:
            self.enough.set()
            await asyncio.Event().wait()

    async def sleep(self, seconds: float) -> None:
        self.now_ms += seconds * 1000


async def beats(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(heartbeat, "sleep", clock.sleep)
    some = Heartbeats(clock.tell, clock_ms=clock)
    some.start()
    await clock.enough.wait()
    await some.stop()
    return clock.told


async def test_a_heartbeat_follows_each_fifth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    told = await beats(Clock(T0 + 77), monkeypatch)
    assert told == [77, 205, 405, 605, 805, 1_005, 1_205, 1_405]


async def test_the_time_that_telling_takes_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    told = await beats(Clock(T0, telling_ms=130), monkeypatch)
    assert told == [0, 205, 405, 605, 805, 1_005, 1_205, 1_405]


async def test_a_slow_log_is_not_told_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    told = await beats(Clock(T0, telling_ms=300), monkeypatch)
    assert told[:4] == [0, 350, 700, 1_050]
