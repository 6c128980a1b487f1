"""Offers alerts to endpoints, and delivers them: most probable first, while they are fresh."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final, ParamSpec, Protocol, Self, TypeVar

import structlog

from schemas.errors import StateError
from schemas.records import Alert
from streams.sinks.webhook.backoff import backoff_s
from streams.sinks.webhook.budget import DAY_MS, bar
from streams.sinks.webhook.outbox import Attempt, Delivery, Outbox, State
from streams.sinks.webhook.payload import body_of
from streams.sinks.webhook.sender import Answer, Sender
from streams.sinks.webhook.settings import EndpointSettings, check_names

KEEP_MS: Final = 100 * DAY_MS
"""Ids are remembered longer than the alerts topic keeps alerts, so that none is new twice."""
GATHER_S: Final = 0.05
"""Alerts of one bar come from several partitions within moments: wait, then choose."""
MAX_HOLD_S: Final = 86_400.0
_IDLE_S: Final = 60.0
_AFTER_ERROR_S: Final = 5.0
_log = structlog.get_logger("goldendog.webhook")
P = ParamSpec("P")
R = TypeVar("R")


class Observer(Protocol):
    """Who counts what happens (streams.metrics); endpoint names are the only labels."""

    def webhook_attempt(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Count an attempt and the seconds it took."""

    def webhook_settled(self, endpoint: str, state: str, count: int) -> None:
        """Count deliveries that came to an end."""

    def webhook_waiting(self, endpoint: str, count: int, oldest_ms: int | None) -> None:
        """Note how many wait, and when the oldest became available."""

    def webhook_disabled(self, endpoint: str, *, disabled: bool) -> None:
        """Note whether the endpoint was switched off by its own 410."""


def wall_clock_ms() -> int:
    """Return the time now, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Dispatcher:
    """Delivers alerts to endpoints, each by its own sender, one alert at a time.

    Parameters
    ----------
    outbox : where alerts are kept until they are settled; this object closes it.
    endpoints : the receivers; ConfigError where two share a name.
    replayed : the alerts are of a recorded or accelerated run: only endpoints that say
        ``deliver_replayed`` get them, and their age counts from when they are offered.
    shared : other workers deliver, too, each from an outbox of its own: the candidate of a follow-up
        that this outbox does not know was another's to send.
    observer : who counts; nobody by default.
    clock_ms, jitter : the wall clock in ms, and numbers in [0, 1), for tests.

    Examples
    --------
    ::

        async with Dispatcher(Outbox(data_dir / "webhooks.sqlite"), endpoints) as dispatcher:
            await dispatcher.offer(alerts)  # on disk when it returns
    """

    def __init__(
        self,
        outbox: Outbox,
        endpoints: Sequence[EndpointSettings],
        *,
        replayed: bool = False,
        shared: bool = False,
        observer: Observer | None = None,
        clock_ms: Callable[[], int] = wall_clock_ms,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        check_names(endpoints)
        self._outbox = outbox
        self._endpoints = [e for e in endpoints if not replayed or e.deliver_replayed]
        self._replayed = replayed
        self._shared = shared
        self._observer = observer
        self._clock_ms = clock_ms
        self._jitter = jitter
        self._wake = {e.name: asyncio.Event() for e in self._endpoints}
        self._disk = ThreadPoolExecutor(1, "webhook-outbox")  # one thread: one transaction a time
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._next_prune_ms = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to deliver what waits in the outbox, and what is offered."""
        for endpoint in self._endpoints:
            digest = hashlib.sha256(endpoint.url.encode()).hexdigest()
            await self._on_disk(self._outbox.know, endpoint.name, digest)
        self._tasks = [
            asyncio.create_task(self._run(e), name=f"webhook {e.name}") for e in self._endpoints
        ]

    async def stop(self, drain_s: float = 5.0) -> None:
        """Send what is due, for at most ``drain_s`` seconds; say what still waits; close the outbox.

        Nobody else sends what is left in this outbox, and this process may not come back.
        """
        self._stopping = True
        for event in self._wake.values():
            event.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for endpoint in self._endpoints:
                await self._say_what_waits(endpoint)
        self._disk.shutdown(wait=True)
        self._outbox.close()

    async def _say_what_waits(self, endpoint: EndpointSettings) -> None:
        if waiting := len(await self._on_disk(self._outbox.pending, endpoint.name)):
            _log.warning(
                "alerts wait in the outbox: a process with the same data folder will send them",
                endpoint=endpoint.name,
                waiting=waiting,
            )

    async def offer(self, alerts: Sequence[Alert]) -> int:
        """Keep alerts for every endpoint that wants their kind; durable when it returns.

        Alerts offered before, by id, are passed over. Returns how many deliveries are new. Raises
        StateError where they cannot be kept, on a full disk, say.
        """
        now_ms = self._clock_ms()
        if now_ms >= self._next_prune_ms:
            self._next_prune_ms = now_ms + DAY_MS
            await self._on_disk(self._outbox.prune, now_ms - KEEP_MS)
        rows = []
        for endpoint in self._endpoints:
            if await self._on_disk(self._outbox.disabled, endpoint.name):
                self._settled(endpoint, "failed", sum(a.kind in endpoint.kinds for a in alerts))
                continue
            age_ms = round(endpoint.max_age_s * 1000)
            for alert in alerts:
                if alert.kind in endpoint.kinds:
                    # A log clock that runs ahead must not keep an alert fresh for ever.
                    since = now_ms if self._replayed else min(now_ms, alert.ts_available_ms)
                    rows.append(
                        (endpoint.name, alert, since + age_ms, body_of(alert, endpoint.max_age_s))
                    )
        if not rows:
            return 0
        try:
            new, stale = await self._on_disk(self._outbox.offer, rows, now_ms)
        except sqlite3.Error as error:
            what = f"the webhook outbox {self._outbox.path} cannot be written: {error}"
            raise StateError(what) from error
        for endpoint in self._endpoints:
            self._settled(endpoint, "expired", stale.get(endpoint.name, 0))
            self._wake[endpoint.name].set()
        return new

    async def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until nothing waits any more; False where something still did after that time."""
        ends = time.monotonic() + timeout_s
        while time.monotonic() < ends:
            waiting = [
                d
                for e in self._endpoints
                if not await self._on_disk(self._outbox.disabled, e.name)
                for d in await self._on_disk(self._outbox.pending, e.name)
            ]
            if not waiting:
                return True
            await asyncio.sleep(0.02)
        return False

    async def _run(self, endpoint: EndpointSettings) -> None:
        sender = Sender(endpoint)
        wake = self._wake[endpoint.name]
        try:
            while True:
                wake.clear()
                last = self._stopping
                try:
                    idle_s = await self._round(endpoint, sender)
                except Exception:  # noqa: BLE001 - a full disk, say: counted, and tried again
                    _log.exception("webhook delivery stumbled", endpoint=endpoint.name)
                    self._attempted(endpoint, "error", 0.0)
                    idle_s = _AFTER_ERROR_S
                if last:
                    return
                try:
                    async with asyncio.timeout(idle_s):
                        await wake.wait()
                    await asyncio.sleep(GATHER_S)
                except TimeoutError:
                    pass
        finally:
            await sender.close()

    async def _round(self, endpoint: EndpointSettings, sender: Sender) -> float:
        """Send what is due, one by one; returns seconds until something may be due again."""
        while True:
            disabled = await self._on_disk(self._outbox.disabled, endpoint.name)
            if self._observer is not None:
                self._observer.webhook_disabled(endpoint.name, disabled=disabled)
            now_ms = self._clock_ms()
            waiting = await self._on_disk(self._outbox.pending, endpoint.name)
            if disabled:
                await self._finish(endpoint, waiting, "failed", "endpoint disabled", now_ms)
                return _IDLE_S
            stale = [d for d in waiting if d.expires_ms <= now_ms]
            await self._finish(endpoint, stale, "expired", "too old", now_ms)
            waiting = [d for d in waiting if d.expires_ms > now_ms]
            if self._observer is not None:
                oldest = min((d.ts_available_ms for d in waiting), default=None)
                self._observer.webhook_waiting(endpoint.name, len(waiting), oldest)
            held_ms = await self._on_disk(self._outbox.held_until_ms, endpoint.name)
            heads = _heads(waiting)
            due = next((d for d in heads if max(d.next_ms, held_ms) <= now_ms), None)
            if due is None:
                times = [max(d.next_ms, held_ms) for d in heads] + [d.expires_ms for d in waiting]
                return min([_IDLE_S, *((ms - now_ms) / 1000 for ms in times)])
            if await self._may_go(endpoint, due, now_ms):
                await self._attempt(endpoint, sender, due)

    async def _may_go(self, endpoint: EndpointSettings, due: Delivery, now_ms: int) -> bool:
        """Admit a candidate to its day's budget, a follow-up to its sent candidate; or settle it."""
        if due.admitted:
            return True
        if due.kind != "candidate":
            state = await self._on_disk(self._outbox.candidate_state, due)
            if state == "delivered" or (state is None and self._shared):
                return True
            await self._finish(endpoint, [due], "skipped", "its candidate was not sent", now_ms)
            return False
        spent = await self._on_disk(self._outbox.spent, endpoint.name, due.day)
        least = bar(endpoint.min_probability, endpoint.max_per_day, spent, due.ts_available_ms)
        if due.probability < least:
            reason = f"{due.probability:.3f} is below the bar {least:.3f} after {spent} sent"
            await self._finish(endpoint, [due], "dropped_by_budget", reason, now_ms)
            return False
        await self._on_disk(self._outbox.admit, due, now_ms)
        return True

    async def _attempt(self, endpoint: EndpointSettings, sender: Sender, due: Delivery) -> None:
        body = await self._on_disk(self._outbox.body, endpoint.name, due.alert_id)
        now_ms = self._clock_ms()
        left_s = (due.expires_ms - now_ms) / 1000
        if left_s <= 0:
            return  # the next round settles it
        begun = time.monotonic()
        answer = await sender.send(
            due.alert_id, body, now_s=now_ms / 1000, timeout_s=min(endpoint.timeout_s, left_s)
        )
        took_s = time.monotonic() - begun
        self._attempted(endpoint, answer.outcome, took_s)
        await self._conclude(endpoint, due, answer, took_s)

    async def _conclude(
        self, endpoint: EndpointSettings, due: Delivery, answer: Answer, took_s: float
    ) -> None:
        now_ms = self._clock_ms()
        wait_s = min(answer.retry_after or 0.0, MAX_HOLD_S)
        next_ms = now_ms + round(1000 * max(wait_s, backoff_s(due.attempts + 1, self._jitter())))
        state: State
        if answer.outcome == "delivered":
            state = "delivered"
        elif not answer.retried:
            state = "failed"
        else:
            state = "pending" if next_ms < due.expires_ms else "expired"
        await self._on_disk(
            partial(
                self._outbox.record,
                Attempt(
                    endpoint.name,
                    due.alert_id,
                    now_ms,
                    answer.outcome,
                    answer.status,
                    answer.detail,
                    round(took_s * 1000),
                ),
                state,
                next_ms=next_ms,
                reached=answer.reached,
                now_ms=now_ms,
            )
        )
        if state != "pending":
            self._settled(endpoint, state, 1)
        if answer.outcome == "gone":
            await self._on_disk(self._outbox.disable, endpoint.name, now_ms)
        elif answer.status in (429, 503) and wait_s > 0:
            await self._on_disk(self._outbox.hold, endpoint.name, now_ms + round(1000 * wait_s))
        if answer.outcome != "delivered":
            _log.warning(
                "webhook attempt failed",
                endpoint=endpoint.name,
                alert_id=due.alert_id,
                outcome=answer.outcome,
                detail=answer.detail,
                state=state,
            )

    async def _finish(
        self,
        endpoint: EndpointSettings,
        deliveries: Sequence[Delivery],
        state: State,
        reason: str,
        now_ms: int,
    ) -> None:
        if deliveries:
            await self._on_disk(self._outbox.finish, deliveries, state, reason, now_ms)
            self._settled(endpoint, state, len(deliveries))

    def _attempted(self, endpoint: EndpointSettings, outcome: str, seconds: float) -> None:
        if self._observer is not None:
            self._observer.webhook_attempt(endpoint.name, outcome, seconds)

    def _settled(self, endpoint: EndpointSettings, state: State, count: int) -> None:
        if self._observer is not None and count:
            self._observer.webhook_settled(endpoint.name, state, count)

    async def _on_disk(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk, partial(call, *args, **kwargs))


def _heads(waiting: Sequence[Delivery]) -> list[Delivery]:
    """Of each episode the first that waits: a receiver never sees an end before its beginning."""
    first: dict[tuple[str, int], Delivery] = {}
    for each in waiting:
        episode = (each.token, each.ts_episode_start_ms)
        if episode not in first or each.sequence < first[episode].sequence:
            first[episode] = each
    chosen = {d.alert_id for d in first.values()}
    return [d for d in waiting if d.alert_id in chosen]
