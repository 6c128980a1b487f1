"""The demo through Apache Kafka: topics in, real workers, topics out."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import to_thread
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from detectors.layout import BAR_MS
from detectors.settings import EngineSettings
from schemas.decode import encode_record
from schemas.errors import GoldendogError
from schemas.records import Alert, Record
from schemas.topics import ALERTS, SCORES
from streams.demo.board import Board
from streams.demo.processes import WorkerProcess, worker_process
from streams.demo.stage import OnAlert, Open, Stage, T
from streams.kafka.admin import topics_create
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.log.topics import partition_counts
from streams.sources.places import Place, key_of, places_of
from streams.worker.alerts import decode_alert

WORKERS: Final = 2
PARTITIONS: Final = 2
START_TIMEOUT_S: Final = 180.0
STILL_TIMEOUT_S: Final = 120.0
"""Bars that do not close for so long, while records wait, never will."""
_ASK_EVERY_S: Final = 0.1
_POLL_MS: Final = 100


class _Shown(Struct, frozen=True):
    """Of a score's features, those that are shown."""

    mentions_15m: float | None = None
    trades_60s: float | None = None


class _Score(Struct, frozen=True):
    """Of a score, what is shown."""

    token: str
    ts_bar_end_ms: int
    logit_micro: int
    features: _Shown


_SCORE: Final = msgspec.json.Decoder(_Score)


class KafkaStage:
    """Topics on a broker, and workers on them. Made by ``kafka_stage``."""

    def __init__(
        self,
        log: KafkaLog,
        tail: Any,
        session: aiohttp.ClientSession,
        workers: Sequence[WorkerProcess],
        board: Board,
        on_alert: OnAlert,
    ) -> None:
        self._log, self._tail, self._session, self._workers = log, tail, session, workers
        self._board, self._on_alert = board, on_alert
        self._counts = partition_counts(PARTITIONS, PARTITIONS)
        self._closed: dict[int, int] = {}
        self._waiting: list[tuple[int, str, int, str, Alert]] = []
        self._end_ms = 0
        self._following: asyncio.Task[None] | None = None

    def closed_ms(self) -> int:
        """Event time up to which every partition's bars are closed."""
        return min(self._closed.values()) if len(self._closed) == PARTITIONS else 0

    async def append(self, records: Sequence[Record]) -> None:
        """Produce records, each a message of its own, as anybody's producer would."""
        piles: dict[Place, list[Item]] = defaultdict(list)
        for record in records:
            item = Item(key_of(record), encode_record(record), record.ts_log_ms)
            for place in places_of(record, self._counts):
                piles[place].append(item)
        await asyncio.gather(*(self._log.append(*place, pile) for place, pile in piles.items()))
        self._end_ms = max([self._end_ms, *(record.ts_log_ms or 0 for record in records)])

    async def watch(self, work: Awaitable[T]) -> T:
        """Await some work, but raise what stopped the workers, or what follows them."""
        assert self._following is not None
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, self._following}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._following.result()
        return await task

    async def finish(self) -> None:
        """Wait for the last bar, end the workers, and read what they wrote to its end."""
        last_ms = (self._end_ms - EngineSettings().lateness_ms) // BAR_MS * BAR_MS
        await self.watch(self._closing(last_ms))
        await self.close()
        await asyncio.gather(*(to_thread(worker.stop) for worker in self._workers))
        ends = await self._tail.end_offsets(self._tail.assignment())
        for tp, end in ends.items():
            while await self._tail.position(tp) < end:
                await self._take()
        self._tell(None)

    async def ready(self, say: Callable[[str], None]) -> None:
        """Wait until every worker has partitions, and all of them are ready."""
        say(f"starting {WORKERS} workers ...")
        until = monotonic() + START_TIMEOUT_S
        while True:
            told = await self._ask()
            theirs = [[e for e in each["partitions"] if e["stage"] == "detect"] for each in told]
            if all(each["ready"] for each in told) and all(theirs) and len(told) == WORKERS:
                break
            if monotonic() > until:
                missing = [each["checks"] for each in told] or "they do not answer"
                raise GoldendogError(f"the workers do not become ready: {missing}")
            await asyncio.sleep(_ASK_EVERY_S)
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Follow the workers no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _closing(self, last_ms: int) -> None:
        seen, since = -1, monotonic()
        while (closed := self.closed_ms()) < last_ms:
            if closed != seen:
                seen, since = closed, monotonic()
            if monotonic() - since > STILL_TIMEOUT_S:
                told = [each["checks"] for each in await self._ask()]
                raise GoldendogError(f"the workers stand still at {closed} ms: {told}")
            await asyncio.sleep(_ASK_EVERY_S)

    async def _follow(self) -> None:
        while True:
            for told in await self._ask():
                for each in told["partitions"]:
                    if each["closed_ms"]:
                        p = each["partition"]
                        self._closed[p] = max(each["closed_ms"], self._closed.get(p, 0))
            await self._take()
            self._tell(self.closed_ms())

    async def _ask(self) -> list[dict[str, Any]]:
        """What each worker says of its readiness; those that do not answer are left out."""
        told = []
        for worker in self._workers:
            worker.check()
            with suppress(aiohttp.ClientError, TimeoutError):
                url = f"http://127.0.0.1:{worker.port}/readyz"
                async with self._session.get(url) as answer:
                    told.append(await answer.json())
        return told

    async def _take(self) -> None:
        """Read on in alerts and scores."""
        fetched = await self._tail.getmany(timeout_ms=_POLL_MS)
        for tp, records in fetched.items():
            for record in records:
                if tp.topic == SCORES:
                    self._scored(_SCORE.decode(record.value))
                    continue
                alert = decode_alert(record.value)
                order = alert.ts_bar_end_ms, alert.token, alert.sequence, alert.alert_id
                heapq.heappush(self._waiting, (*order, alert))

    def _scored(self, score: _Score) -> None:
        shown = score.features
        self._board.heated(
            score.token,
            score.ts_bar_end_ms,
            score.logit_micro,
            shown.mentions_15m or 0.0,
            shown.trades_60s or 0.0,
        )

    def _tell(self, closed_ms: int | None) -> None:
        """Tell of alerts in the order of their bars, those that no partition can precede; or all."""
        while self._waiting and (closed_ms is None or self._waiting[0][0] <= closed_ms):
            self._on_alert(heapq.heappop(self._waiting)[-1])


def kafka_stage(
    bootstrap: str, folder: Path, lexicon: bytes, log_start_ms: int, say: Callable[[str], None]
) -> Open:
    """On a broker that has none of goldendog's topics yet; ``folder`` is for the workers' files."""

    @asynccontextmanager
    async def opened(board: Board, on_alert: OnAlert) -> AsyncIterator[Stage]:
        words = folder / "lexicon.json"
        words.write_bytes(lexicon)
        await to_thread(
            topics_create,
            bootstrap,
            PARTITIONS,
            PARTITIONS,
            recorded=True,
            log_start_ms=log_start_ms,
        )
        async with AsyncExitStack() as stack:
            workers = [
                stack.enter_context(worker_process(folder, n + 1, bootstrap, words))
                for n in range(WORKERS)
            ]
            log = await stack.enter_async_context(KafkaLog(bootstrap, linger_ms=5))
            tail = AIOKafkaConsumer(
                bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
            )
            await tail.start()
            stack.push_async_callback(tail.stop)
            places = [TopicPartition(t, p) for t in (ALERTS, SCORES) for p in range(PARTITIONS)]
            tail.assign(places)
            for place in places:
                tail.seek(place, 0)
            limit = aiohttp.ClientTimeout(total=10)
            session = await stack.enter_async_context(aiohttp.ClientSession(timeout=limit))
            stage = KafkaStage(log, tail, session, workers, board, on_alert)
            stack.push_async_callback(stage.close)
            await stage.ready(say)
            yield stage

    return opened
