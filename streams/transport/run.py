"""Running a Faust app in our own loop: patient at the start, clean at the stop, loud at a crash."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

import faust
from aiokafka.errors import KafkaError

from schemas.errors import GoldendogError
from streams.transport.delivery import BatchTransport

log: Final = logging.getLogger(__name__)

STOP_TIMEOUT_S: Final = 60.0
AWAY_S: Final = 4.0
"""A stop waits no longer for a broker that cannot be reached; it may only be restarting."""
LOOK_EVERY_S: Final = 0.5
ABANDON_S: Final = 2.0


class WorkerCrashError(GoldendogError):
    """The app crashed: a handler raised, state could not be restored, or the process was frozen.

    Its cause is the original error. A supervisor restarts the process; acknowledged input is not
    read again, everything else is.
    """


@dataclass(frozen=True)
class Backoff:
    """Waits between attempts to start: ``first_s``, doubled each time, at most ``most_s``.

    >>> [Backoff().wait_s(attempt) for attempt in range(6)]
    [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]
    """

    first_s: float = 0.5
    most_s: float = 15.0

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number ``attempt``, counted from 0."""
        return min(self.most_s, self.first_s * 2.0 ** min(attempt, 30))


def _say(text: str) -> None:
    log.warning(text)


async def run_app(
    make_app: Callable[[], faust.App],
    stop: asyncio.Event,
    *,
    started: Callable[[faust.App], Awaitable[None]] | None = None,
    say: Callable[[str], None] = _say,
    backoff: Backoff | None = None,
) -> None:
    """Run an app until ``stop`` is set; then drain it: handlers end, state is handed over.

    While the broker cannot be reached, a fresh app from ``make_app`` is tried again and again,
    with backoff, and ``say`` is told (a Faust app does not survive a failed start). ``started``
    is awaited once the app runs.

    Raises
    ------
    WorkerCrashError : the app crashed, or there was no broker to drain it to; nothing unacknowledged
        was committed or handed over.
    """
    app = await _start(make_app, stop, say, backoff or Backoff())
    if app is None:
        return
    try:
        if started is not None:
            await started(app)
        await _until(stop, app)
    finally:
        began = monotonic()
        why = await _stop(app)
    if app.crashed:
        reason = app.crash_reason
        raise WorkerCrashError(f"the worker crashed: {reason!r}") from reason
    if why is not None:
        raise WorkerCrashError(
            f"ended without having drained: {why}; what was not committed is read again"
        )
    say(
        f"drained in {monotonic() - began:.1f} s: handlers ended, state handed over, read committed"
    )


async def run_until_signal(
    make_app: Callable[[], faust.App],
    *,
    started: Callable[[faust.App], Awaitable[None]] | None = None,
    say: Callable[[str], None] = _say,
    backoff: Backoff | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """``run_app`` until SIGTERM or SIGINT; a second signal ends the process at once, with 1.

    Pass ``stop`` to be able to end it otherwise, too.
    """
    stop = asyncio.Event() if stop is None else stop

    def on_signal(name: str) -> None:
        if stop.is_set():
            say(f"{name} again: ending at once")
            os._exit(1)
        say(f"{name}: finishing what is under way")
        stop.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, on_signal, number.name)
    try:
        await run_app(make_app, stop, started=started, say=say, backoff=backoff)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def run_process(
    make_app: Callable[[], faust.App],
    *,
    started: Callable[[faust.App], Awaitable[None]] | None = None,
    say: Callable[[str], None] = _say,
) -> int:
    """Run a worker process to its end; its exit code: 0 after a clean stop, 1 after a crash."""
    try:
        asyncio.run(run_until_signal(make_app, started=started, say=say))
    except WorkerCrashError as exc:
        log.error("worker crashed", exc_info=exc.__cause__)  # noqa: TRY400 the cause's traceback
        say(str(exc))
        return 1
    return 0


async def _start(
    make_app: Callable[[], faust.App],
    stop: asyncio.Event,
    say: Callable[[str], None],
    backoff: Backoff,
) -> faust.App | None:
    attempt = 0
    while not stop.is_set():
        app = make_app()
        try:
            await _start_one(app)
        except KafkaError as exc:
            wait_s = backoff.wait_s(attempt)
            attempt += 1
            servers = ", ".join(f"{url.host}:{url.port}" for url in app.conf.broker)
            say(f"no Kafka broker at {servers} ({exc}): trying again in {wait_s:g} s")
            await _sleep_or(stop, wait_s)
        else:
            return app
    return None


async def _start_one(app: faust.App) -> None:
    if isinstance(app.transport, BatchTransport):
        await app.transport.reach()
    try:
        await app.start()
    except BaseException:
        await _stop(app)
        raise


async def _until(stop: asyncio.Event, app: faust.App) -> None:
    waits = {
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(app.wait_until_stopped()),
    }
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _stop(app: faust.App) -> str | None:
    """Stop the app; why that had to be cut short, if it had to."""
    stopping, away = asyncio.ensure_future(app.stop()), asyncio.ensure_future(_away(app))
    why = None
    try:
        await asyncio.wait({stopping, away}, timeout=STOP_TIMEOUT_S, return_when="FIRST_COMPLETED")
        if not stopping.done():
            why = f"it took more than {STOP_TIMEOUT_S:g} s"
            if away.done():
                why = f"no broker could be reached for {AWAY_S:g} s"
            if isinstance(app.transport, BatchTransport):
                app.transport.batches.abandon()
            await asyncio.wait({stopping}, timeout=ABANDON_S)
    finally:
        away.cancel()
        stopping.cancel()
        await asyncio.gather(stopping, away, return_exceptions=True)
    error = None if stopping.cancelled() else stopping.exception()
    if error is not None:  # a stop that fails must not hide why we stop
        log.warning("the app did not stop cleanly: %r", error)
        why = why or f"it failed with {error!r}"
    return why


async def _away(app: faust.App) -> None:
    """Return when the broker could not be reached for a while."""
    since: float | None = None
    while since is None or monotonic() - since < AWAY_S:
        # First, as most stops end before a look, which they would have to wait for.
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            if isinstance(app.transport, BatchTransport):
                await app.transport.reach()
            since = None
        except (KafkaError, OSError):
            since = monotonic() if since is None else since


async def _sleep_or(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
