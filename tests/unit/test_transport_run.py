from __future__ import annotations

import asyncio
from typing import Any

import faust
import pytest
from aiokafka.errors import KafkaConnectionError

from streams.transport import kafka
from streams.transport.app import new_app
from streams.transport.delivery import BatchTransport
from streams.transport.run import Backoff, WorkerCrashError, run_app


async def test_a_missing_broker_is_tried_again_until_told_to_stop() -> None:
    stop, said, made = asyncio.Event(), [], []

    def make() -> faust.App:
        app = new_app("app", "127.0.0.1:1", request_timeout_s=12.0)
        kafka.install(app)
        made.append(app)
        return app

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            stop.set()

    async with asyncio.timeout(60):
        await run_app(make, stop, say=say, backoff=Backoff(0.01, 0.02))
    assert len(made) == 3  # a fresh app each time
    assert said[0].startswith("no Kafka broker at 127.0.0.1:1 (")
    assert [text.rpartition(": ")[2] for text in said] == [
        "trying again in 0.01 s",
        "trying again in 0.02 s",
        "trying again in 0.02 s",
    ]


async def test_a_stop_before_the_start_starts_nothing() -> None:
    stop = asyncio.Event()
    stop.set()
    await run_app(lambda: pytest.fail("made an app"), stop)


async def test_what_follows_the_start_may_fail() -> None:
    class App:
        transport = None
        crashed = False
        stopped = 0

        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            self.stopped += 1

    app = App()

    async def started(_app: faust.App) -> None:
        raise LookupError("no lexicon")

    with pytest.raises(LookupError, match="no lexicon"):
        await run_app(lambda: app, asyncio.Event(), started=started)
    assert app.stopped == 1


async def test_a_crash_outside_any_handler_is_told() -> None:
    class App:
        transport = None
        crashed = False
        crash_reason: Exception | None = None

        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            raise OSError("cannot even stop")

        async def wait_until_stopped(self) -> None:
            self.crashed, self.crash_reason = True, RuntimeError("out of memory")

    with pytest.raises(WorkerCrashError, match="out of memory") as caught:
        await run_app(App, asyncio.Event())
    assert isinstance(caught.value.__cause__, RuntimeError)


class Leaving(BatchTransport):
    """A transport whose broker goes away while something is still to be handed over."""

    def __init__(self) -> None:
        self.gone, self.abandoned = False, asyncio.Event()

    @property
    def batches(self) -> Any:
        return self

    def abandon(self) -> None:
        self.abandoned.set()

    async def reach(self) -> None:
        if self.gone:
            raise KafkaConnectionError


async def test_a_stop_does_not_wait_for_a_broker_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.transport.run.AWAY_S", 0.1)
    stop = asyncio.Event()

    class App:
        crashed = False

        def __init__(self) -> None:
            self.transport = Leaving()

        async def start(self) -> None:
            stop.set()

        async def stop(self) -> None:
            self.transport.gone = True
            await self.transport.abandoned.wait()

        async def wait_until_stopped(self) -> None:
            await asyncio.Event().wait()

    with pytest.raises(WorkerCrashError, match="no broker could be reached for 0"):
        await run_app(App, stop)
