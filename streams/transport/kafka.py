"""The Kafka transport: Faust agents over a consumer group, whole batches, awaited state.

On top of ``delivery``: fetches wait for 256 KiB or 200 ms (else a live trickle makes batches of one
record; ``gathering`` makes larger ones), aborted transactions are not read, and a process that was
frozen past Kafka's session timeout crashes instead of acting for partitions that others own by now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from time import monotonic
from typing import Any, cast

import faust
from aiokafka.client import AIOKafkaClient
from faust.transport.drivers import aiokafka as driver
from mode import Service

from schemas.errors import UserError
from streams.transport.delivery import (
    SETTLE_TIMEOUT_S,
    BatchConsumer,
    BatchTransport,
    Handover,
    Restore,
)
from streams.transport.fetched import keep_columns, records_of

FETCH_MIN_BYTES = 262_144
FETCH_MAX_WAIT_MS = 200
FREEZE_CHECK_S = 0.2
REACH_TIMEOUT_MS = 10_000


class KafkaThread(driver.AIOKafkaConsumerThread):
    """Creates the aiokafka consumer with settings that Faust hard-codes or lacks.

    It is this thread that sends heartbeats, so ``frozen_s`` tells for how long none were sent; a main
    thread that is busy keeps nobody's partitions from being ours.
    """

    _pulse_at = 0.0
    _longest_s = 0.0

    @Service.task
    async def _pulse(self) -> None:
        while not self.should_stop:
            self._pulse_at = monotonic()
            await self.sleep(FREEZE_CHECK_S)
            self._longest_s = max(self._longest_s, monotonic() - self._pulse_at)

    def frozen_s(self) -> float:
        """Longest pause between two signs of life of this thread, that since the last included."""
        now_s = monotonic() - self._pulse_at if self._pulse_at else 0.0
        return max(self._longest_s, now_s)

    def _create_worker_consumer(self, transport: KafkaTransport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Read by aiokafka when the consumer starts, which is later.
        consumer._fetch_min_bytes = transport.fetch_min_bytes  # noqa: SLF001
        consumer._fetch_max_wait_ms = transport.fetch_max_wait_ms  # noqa: SLF001
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        keep_columns(consumer._fetcher)  # noqa: SLF001
        return records_of(await super()._fetch_records(consumer, *args, **kwargs))


class KafkaConsumer(BatchConsumer, driver.Consumer):
    """Reads the partitions that the consumer group assigns to this process."""

    transport: KafkaTransport

    def _new_consumer_thread(self) -> KafkaThread:
        return KafkaThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; a topic that does not exist crashes the app.

        Subscribing all the same would wait for it silently, or have the broker create it with
        settings of its own.
        """
        wanted = set(topics)
        known = await self._thread.call_thread(self._thread._ensure_consumer().topics)  # noqa: SLF001
        if missing := sorted(wanted - set(known)):
            await self.fail(
                UserError(
                    f"the broker has no topic {', '.join(missing)}",
                    "create the topics with: goldendog topics create",
                )
            )
            return
        await super().subscribe(wanted)

    @Service.task
    async def _freeze_watch(self) -> None:
        limit_s = self.app.conf.broker_session_timeout
        while not self.should_stop:
            await self.sleep(FREEZE_CHECK_S)
            frozen_s = cast("KafkaThread", self._thread).frozen_s()
            if frozen_s > limit_s:
                await self.fail(RuntimeError(f"frozen for {frozen_s:.1f} s, others took over"))


class KafkaTransport(BatchTransport, driver.Transport):
    """A Faust transport over Kafka. Made by ``install``."""

    Consumer = KafkaConsumer

    def __init__(
        self,
        url: Any,
        app: faust.App,
        *,
        fetch_min_bytes: int = FETCH_MIN_BYTES,
        fetch_max_wait_ms: int = FETCH_MAX_WAIT_MS,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, app, **kwargs)
        self.fetch_min_bytes = fetch_min_bytes
        self.fetch_max_wait_ms = fetch_max_wait_ms

    async def reach(self) -> None:
        """Raise aiokafka's ``KafkaConnectionError`` where no broker answers.

        A Faust app that fails to start leaves a thread's loop and its sockets behind: ask first.
        """
        conf = self.app.conf
        client = AIOKafkaClient(
            bootstrap_servers=driver.server_list(self.url, self.default_port),
            client_id=conf.broker_client_id,
            request_timeout_ms=REACH_TIMEOUT_MS,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )
        look = asyncio.ensure_future(client.bootstrap())
        try:
            await asyncio.shield(look)
        finally:
            # aiokafka 0.14 leaves a connection open where its bootstrap is cancelled: let that end.
            await asyncio.wait({look})
            await client.close()


def install(
    app: faust.App,
    *,
    restore: Restore | None = None,
    handover: Handover | None = None,
    settle_timeout_s: float = SETTLE_TIMEOUT_S,
    fetch_min_bytes: int = FETCH_MIN_BYTES,
    fetch_max_wait_ms: int = FETCH_MAX_WAIT_MS,
    gathered: Collection[str] = (),
) -> KafkaTransport:
    """Let ``app`` consume in batches from its broker; before agents are declared.

    Parameters
    ----------
    restore, handover, settle_timeout_s, gathered : as in ``BatchTransport``. ``restore`` runs while
        heartbeats go on, and may take nine tenths of the app's request timeout.
    fetch_min_bytes, fetch_max_wait_ms : a fetch returns with so many bytes, or after so long.
    """
    transport = KafkaTransport(
        app.conf.broker_consumer,
        app,
        restore=restore,
        handover=handover,
        settle_timeout_s=settle_timeout_s,
        fetch_min_bytes=fetch_min_bytes,
        fetch_max_wait_ms=fetch_max_wait_ms,
        gathered=gathered,
    )
    app.transport = transport
    return transport
