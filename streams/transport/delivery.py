"""What both transports share: batches in order, acknowledged ones committed, state handed over.

Stock Faust makes four tasks a message and loses the batch in which an agent raises. Here an agent
gets one event per partition and fetch, whose value is a ``Batch``. The life of an assignment:

    assigned -> ``restore`` -> seek -> deliver, handle, ack, commit ... -> revoked or stopping
    -> no new batches -> running handlers end -> ``handover`` -> commit

Every (re)assignment begins a new *epoch*. A batch of an older epoch that still sits in a queue is
dropped, never handled: the seek of the new epoch reads it again. Private names of faust-streaming
0.15.3 are used; the version is pinned for that, and the integration tests would tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import faust
from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted, ImproperlyConfigured
from faust.transport import base
from faust.transport import consumer as stock
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.transport.gathering import Gathering
from streams.transport.ledger import AckLedger

Restore: TypeAlias = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
"""Loads the state of exactly these partitions; the next offset to read of those it knows."""
Handover: TypeAlias = Callable[[set[TP]], Awaitable[None]]
"""Writes the state of these partitions, after running handlers have ended."""
Handler: TypeAlias = Callable[[TP, Sequence[Any]], Awaitable[None]]
"""Applies one batch; it is acknowledged when this returns, and the app crashes when it raises."""

MAX_IN_FLIGHT = 4
"""Batches of one partition handed to agents and not done; fetching it waits beyond that."""
FETCH_TIMEOUT_S = 0.1
SETTLE_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Batch:
    """The value of an agent's event: the records of one partition that one fetch brought."""

    tp: TP
    records: Sequence[Any]
    epoch: int


@dataclass(frozen=True)
class Jump:
    """Input that was not where it was expected: lost to retention, or its topic made anew."""

    tp: TP
    expected: int
    got: int


class BatchTransport(base.Transport):
    """A Faust transport that delivers batches. Made by ``install``.

    Parameters
    ----------
    restore : awaited after each assignment, of nothing too, before any delivery.
    handover : awaited when partitions are revoked and at a clean stop; never after a crash.
    settle_timeout_s : seconds a running handler may take to end; beyond, the app crashes.
    gathered : topics whose records wait for company; see ``gathering``.
    """

    def __init__(
        self,
        url: Any,
        app: faust.App,
        *,
        restore: Restore | None = None,
        handover: Handover | None = None,
        settle_timeout_s: float = SETTLE_TIMEOUT_S,
        gathered: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(url, app, **kwargs)
        self.restore, self.handover = restore, handover
        self.settle_timeout_s = settle_timeout_s
        self.gathered = gathered
        self.jumps: list[Jump] = []
        self.on_jump: Callable[[Jump], None] = lambda _: None
        """Told of each."""

    @property
    def batches(self) -> BatchConsumer:
        """The consumer, which keeps the books of batches."""
        return cast("BatchConsumer", self.app.consumer)

    async def reach(self) -> None:
        """Raise aiokafka's ``KafkaConnectionError`` where the log cannot be reached."""

    def pause(self, tp: TP) -> None:
        """Fetch no more of ``tp`` until ``resume``, or until partitions are assigned anew.

        For an input that runs ahead of others. At most ``MAX_IN_FLIGHT`` batches that were
        fetched before still come. Handlers must never wait for another input instead.
        """
        self.batches.held.add(tp)

    def resume(self, tp: TP) -> None:
        """Fetch ``tp`` again, at once."""
        self.batches.held.discard(tp)
        self.batches.wake.set()

    def end_of(self, tp: TP) -> int | None:
        """End of an assigned partition as the last fetch told; None where none did yet."""
        try:
            return cast("int | None", self.batches.highwater(tp))
        except (AssertionError, AttributeError, KafkaError, ConsumerNotStarted):
            return None  # aiokafka's ways to say that it is not, or not yet, assigned

    def next_of(self, tp: TP) -> int | None:
        """Next offset to deliver of a partition; None before the first."""
        return cast("int | None", self.batches._read_offset.get(tp))  # noqa: SLF001 Faust's books

    def under_way(self, tp: TP) -> int:
        """Batches of a partition that agents have, and are not done with."""
        return self.batches.ledger.in_flight(tp)

    def paused(self) -> set[TP]:
        """Partitions that ``pause`` holds."""
        return set(self.batches.held)


class BatchConsumer(stock.Consumer):
    """The half of a Faust consumer that is the same for every log behind it."""

    transport: BatchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ledger: AckLedger[TP] = AckLedger()
        self.held: set[TP] = set()
        self.wake = asyncio.Event()
        self._fetch_lock = asyncio.Lock()
        self._epoch = 0
        self._ready = False  # positions are set for this assignment
        self._settled = True  # nothing was applied since the last handover
        self._failed = False
        self._running = 0
        self._settling: asyncio.Future[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        super().__init__(*args, **kwargs)
        self.gathering: Gathering[TP] = Gathering(self.transport.gathered)
        if not self.app.conf.stream_wait_empty or self.app.tables.changelog_topics:
            raise ImproperlyConfigured("batch transports need stream_wait_empty=True, no Tables")

    # Called by agents

    def begin(self, batch: Batch) -> bool:
        """Whether ``batch`` may be handled; if so, ``end`` must follow."""
        if batch.epoch != self._epoch or not self._ready or self._failed:
            return False
        self._running += 1
        self._idle.clear()
        return True

    def end(self, batch: Batch, *, done: bool) -> None:
        """A handler ended; ``done`` acknowledges its batch."""
        self._running -= 1
        if done:
            self.ledger.ack(batch.tp, batch.records[-1].offset)
            self.wake.set()
        if not self._running:
            self._idle.set()

    async def fail(self, reason: BaseException) -> None:
        """Crash the app; nothing more is handled, committed or handed over."""
        self._failed = True
        self._ready = False
        self._stop_delivery()
        await self.app.crash(reason)

    def abandon(self) -> None:
        """Stop without waiting for handlers, handover and commit: what was not committed is read again."""
        self._failed = True
        self._ready = False
        if self._settling is not None:
            self._settling.cancel()

    # Called by Faust

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Settle before Faust forgets what was acknowledged."""
        await self._settle(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Restore nothing where nothing was assigned: Faust seeks, and so restores, only otherwise."""
        await super().on_partitions_assigned(assigned, generation_id)
        if assigned or self.transport.restore is None or self._crashing():
            return
        try:
            await self.transport.restore(set())
        except Exception as exc:
            await self.fail(exc)
            raise

    async def wait_empty(self) -> None:
        """Settle at a stop: ``App.stop`` calls this before it cancels agents."""
        await self._settle(self.assignment())

    async def perform_seek(self) -> None:
        """Restore state and positions: Faust calls this after each assignment, before flow."""
        epoch = self._epoch
        try:
            async with self._fetch_lock:  # no fetch is under way; what came before is dropped
                self.ledger.clear()
                self.gathering.clear()
                self.held.clear()
                await super().perform_seek()
                if self.transport.restore is not None:
                    await self._restore(self.transport.restore, epoch)
                if epoch == self._epoch and not self._failed:
                    self._ready, self._settled = True, False
        except Exception as exc:
            await self.fail(exc)
            raise

    async def _restore(self, restore: Restore, epoch: int) -> None:
        # At its whole broker_request_timeout Faust would give up waiting and go on without a seek.
        limit_s = 0.9 * self.app.conf.broker_request_timeout
        offsets = dict(await asyncio.wait_for(restore(self.assignment()), limit_s))
        if epoch != self._epoch:  # revoked meanwhile: nobody may go on from what is loaded
            if not self.app.should_stop:
                await restore(set())
            return
        await self.seek_wait(offsets)
        for tp, offset in offsets.items():
            self._read_offset[tp] = offset
            if offset > max(self._committed_offset.get(tp) or 0, 0):
                self.ledger.passed(tp, offset)  # an earlier life did it, and died before it said so
            else:
                self._committed_offset[tp] = offset

    async def _settle(self, tps: set[TP]) -> None:
        self._ready = False
        self._epoch += 1
        self._stop_delivery()
        if self._settled or self._crashing():
            return
        self._settling = asyncio.ensure_future(self._hand_over(tps))
        try:
            await self._settling
        except asyncio.CancelledError:
            if not self._failed:
                raise
        finally:
            self._settling = None

    async def _hand_over(self, tps: set[TP]) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), self.transport.settle_timeout_s)
        except TimeoutError:
            await self.fail(RuntimeError("a batch handler outlived settle_timeout_s"))
            return
        if self._crashing():
            return
        try:
            if self.transport.handover is not None:
                await self.transport.handover(tps)
            await self.maybe_wait_for_commit_to_finish()  # beside one, commit() does nothing
            await self.commit()
        except Exception as exc:  # noqa: BLE001 a stop that raises would leave all the rest running
            await self.fail(exc)
            return
        self._settled = True

    def _crashing(self) -> bool:
        return self._failed or bool(self.app.crashed)

    def _stop_delivery(self) -> None:
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()

    # Fetching and delivering

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped = (*self.consumer_stopped_errors, asyncio.CancelledError)
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001
                if self.flow_active:
                    await self._fetch_once()
                else:
                    await self.wait(self.can_resume_flow)
        except stopped:
            if not self.app.should_stop:
                raise

    async def _fetch_once(self) -> None:
        self.wake.clear()
        active = {
            tp
            for tp in self._get_active_partitions()
            if tp not in self.held and self.ledger.in_flight(tp) < MAX_IN_FLIGHT
        }
        if not (active and self._ready):
            await wait_for(self.wake, FETCH_TIMEOUT_S)
            return
        async with self._fetch_lock:
            if self.flow_active:
                fetched = await self._getmany(active, FETCH_TIMEOUT_S) or {}
                for tp, records in fetched.items():
                    self.gathering.add(stock.ensure_TP(tp), records)
                await self._deliver(self.gathering.take())
        await asyncio.sleep(0)

    def _open(self) -> bool:
        return self._ready and not self.suspend_flow.is_set()

    async def _deliver(self, batches: Iterable[tuple[TP, Sequence[Any]]]) -> None:
        for tp, records in batches:
            # Not ready: a new assignment is under way, and its seek rewinds what is dropped here.
            if not self._open():
                return
            first, last = records[0], records[-1]
            expected = self._read_offset[tp]
            if expected is not None and first.offset != expected:
                await self._check_jump(tp, expected, first.offset)
                if not self._open():
                    return
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            message = ConsumerMessage(
                topic=tp.topic,
                partition=tp.partition,
                offset=last.offset,
                timestamp=last.timestamp / 1000.0,
                timestamp_type=0,
                headers=None,
                key=None,
                value=cast("bytes", Batch(tp, records, self._epoch)),
                checksum=None,
                serialized_key_size=0,
                serialized_value_size=0,
                tp=tp,
                generation_id=self.app.consumer_generation_id,
            )
            self.ledger.deliver(tp, last.offset)
            self._read_offset[tp] = last.offset + 1
            await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def _check_jump(self, tp: TP, expected: int, got: int) -> None:
        # Compaction and transactions leave holes; retention or a topic made anew lose records.
        start = (await self.earliest_offsets(tp))[tp]
        if got < expected or start > expected:
            jump = Jump(tp, expected, got)
            self.transport.jumps.append(jump)
            self.transport.on_jump(jump)
            self.log.error(
                "%r: expected offset %d, got %d (log starts at %d)", tp, expected, got, start
            )

    # Committing: the ledger instead of Faust's lists, which commit past gaps

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> list[TP]:
        return [
            tp
            for tp in self.ledger.partitions()
            if topics is None or tp in topics or tp.topic in topics
        ]

    def _new_offset(self, tp: TP) -> int | None:
        return self.ledger.committable(tp)


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event``, at most so long; whether it was set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
