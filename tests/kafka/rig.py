"""One test body, two transports: a rig makes topics, appends, and runs apps over either."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import faust
from faust.types import TP
from kafka.admin import KafkaAdminClient

from streams.kafka.log import KafkaLog
from streams.log.base import Item, Log
from streams.log.sqlite import SqliteLog
from streams.transport import embedded, kafka
from streams.transport.agents import batch_agent
from streams.transport.app import new_app
from streams.transport.delivery import BatchTransport, Handler
from streams.transport.run import Backoff, run_app

PATIENCE_S = 60.0


class Rig(Protocol):
    """What a test needs of a transport."""

    log: Log
    app_id: str

    async def create(self, partitions: int) -> str:
        """Make a topic; its name."""

    def new_app(self, app_id: str, **options: Any) -> tuple[faust.App, BatchTransport]:
        """Make an app with its transport; ``restore``, ``handover``, ``settle_timeout_s``."""

    async def committed(self, topic: str) -> dict[int, int]:
        """Committed offset of each partition that has one."""


class EmbeddedRig:
    def __init__(self, folder: Path) -> None:
        self.log = SqliteLog(folder)
        self.app_id = "app"

    async def create(self, partitions: int) -> str:
        topic = f"t-{uuid.uuid4().hex[:8]}"
        self.log.create_topic(topic, partitions)
        return topic

    def new_app(self, app_id: str, **options: Any) -> tuple[faust.App, BatchTransport]:
        app = new_app(app_id, commit_interval_s=0.2, request_timeout_s=20.0)
        return app, embedded.install(app, self.log, **options)

    async def committed(self, topic: str) -> dict[int, int]:
        offsets = await self.log.committed(self.app_id)
        return {number: offset for (name, number), offset in offsets.items() if name == topic}


class KafkaRig:
    def __init__(self, bootstrap: str, log: KafkaLog) -> None:
        self.bootstrap = bootstrap
        self.log = log
        self.app_id = f"app-{uuid.uuid4().hex[:8]}"

    async def create(self, partitions: int, **configs: str) -> str:
        return await asyncio.to_thread(make_topic, self.bootstrap, partitions, configs)

    def new_app(self, app_id: str, **options: Any) -> tuple[faust.App, BatchTransport]:
        app = new_app(
            app_id,
            self.bootstrap,
            commit_interval_s=0.2,
            session_timeout_s=6.0,
            request_timeout_s=20.0,
        )
        return app, kafka.install(app, **options)

    async def committed(self, topic: str) -> dict[int, int]:
        def look() -> dict[int, int]:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
            try:
                offsets = admin.list_group_offsets([self.app_id])[self.app_id]
            finally:
                admin.close()
            return {tp.partition: o.offset for tp, o in offsets.items() if tp.topic == topic}

        return await asyncio.to_thread(look)


def make_topic(bootstrap: str, partitions: int, configs: Mapping[str, str] | None = None) -> str:
    topic = f"t-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        wanted = {topic: {"num_partitions": partitions, "configs": dict(configs or {})}}
        admin.create_topics(wanted, wait_for_metadata=True)
    finally:
        admin.close()
    return topic


class Seen:
    """A handler that notes what it was given."""

    def __init__(self) -> None:
        self.batches: list[tuple[TP, list[int]]] = []
        self.offsets: dict[int, list[int]] = defaultdict(list)
        self.values: list[bytes] = []

    async def __call__(self, tp: TP, records: Sequence[Any]) -> None:
        offsets = [r.offset for r in records]
        assert {(r.topic, r.partition) for r in records} == {tuple(tp)}
        self.batches.append((tp, offsets))
        self.offsets[tp.partition] += offsets
        self.values += [r.value for r in records]

    def count(self) -> int:
        return sum(len(offsets) for _tp, offsets in self.batches)


class Running:
    """An app under way."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.started = asyncio.Event()
        self.said: list[str] = []
        self.transport: BatchTransport | None = None
        self.task: asyncio.Task[None] | None = None

    async def end(self) -> None:
        """Stop cleanly; raises what the app crashed of."""
        self.stop.set()
        assert self.task is not None
        await asyncio.wait_for(self.task, PATIENCE_S)


@contextlib.asynccontextmanager
async def running(
    rig: Rig,
    handlers: Mapping[str, Handler],
    *,
    app_id: str | None = None,
    wait: bool = True,
    apart: bool = False,
    **options: Any,
) -> AsyncIterator[Running]:
    """Run an app with a batch agent for each topic of ``handlers``; ``apart`` as in ``batch_agent``."""
    run = Running()

    def make() -> faust.App:
        app, run.transport = rig.new_app(app_id or rig.app_id, **options)
        for topic, handler in handlers.items():
            batch_agent(app, topic, handler, apart=apart)
        return app

    async def started(_app: faust.App) -> None:
        run.started.set()

    run.task = asyncio.create_task(
        run_app(make, run.stop, started=started, say=run.said.append, backoff=Backoff(0.1, 0.5))
    )
    try:
        if wait:
            begun = asyncio.create_task(run.started.wait())
            await asyncio.wait(
                {begun, run.task}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
            )
            begun.cancel()
        yield run
    finally:
        run.stop.set()
        if not run.task.done():
            await asyncio.wait({run.task}, timeout=PATIENCE_S)
        if not run.task.done():
            run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)


async def eventually(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until ``condition()`` is true; AssertionError if it never is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


async def fill(log: Log, topic: str, partitions: int, count: int, start: int = 0) -> None:
    """Append ``count`` records, numbered in their values, to each partition."""
    await asyncio.gather(
        *(
            log.append(topic, p, [Item(None, b"%d" % n) for n in range(start, start + count)])
            for p in range(partitions)
        )
    )
