"""Wires handlers to Faust agents; the same over the embedded log and over Kafka."""

from __future__ import annotations

from asyncio import Future, Task, create_task, get_running_loop, sleep
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, time_ns
from typing import Any

from detectors.batch.resolver import BatchResolver
from schemas.errors import UserError
from streams.control.decisions import Decisions
from streams.control.files import CONTROL_FILES, ControlFiles
from streams.detection import Detection
from streams.kafka.connection import Connection, Membership
from streams.log.base import Log, LogRecord
from streams.log.sqlite import SqliteLog
from streams.sources.places import DETECTOR_INPUTS
from streams.transport.agents import batch_agent
from streams.transport.app import new_app
from streams.transport.delivery import Jump
from streams.worker.control import PATIENCE_S, POLL_S, ControlReader, Words
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import Cadence, DetectHandler, OnScores
from streams.worker.dispatch import AlertSink, DispatchHandler
from streams.worker.handler import APP_ID as APP_ID
from streams.worker.handler import TP, Handler, Team
from streams.worker.heartbeat import Heartbeats
from streams.worker.holder import HolderHandler
from streams.worker.inputs import LostInputError
from streams.worker.pacing import Pacing
from streams.worker.poison import Sieve, guarded
from streams.worker.resolve import ResolveHandler
from streams.worker.standing import LOOK_EVERY_S, Standing
from streams.worker.tally import Tally
from streams.worker.telling import Vouch

ROLES = ("resolve", "detect", "dispatch")
Observe = Callable[[str, float], None]
"""Told of each batch: the stage that worked on it, and the seconds it took."""


@dataclass
class Crew:
    """The handlers of one process, and what they share."""

    team: Team
    tally: Tally
    pacing: Pacing
    sieve: Sieve
    standing: Standing
    resolve: ResolveHandler | None = None
    detect: DetectHandler | None = None
    dispatch: DispatchHandler | None = None
    holder: HolderHandler | None = None
    observe: Observe | None = None


@dataclass(frozen=True)
class CrewOptions:
    """How the handlers of a process work.

    Parameters
    ----------
    control_files : folder of lexicons and models that control records name.
    recorded : the log moves only while it is fed; no silence in it is strange.
    holds : whether this process may hold the control topic, and then sends ``beats``, given what the
        control topic's may vouch for.
    clock_ms : what stamps a live log, milliseconds UTC.
    """

    roles: Sequence[str] = ROLES
    sinks: Sequence[AlertSink] = ()
    on_scores: OnScores | None = None
    cadence: Cadence = field(default_factory=Cadence)
    force_new_fingerprint: bool = False
    control_files: Path = CONTROL_FILES
    recorded: bool = True
    holds: bool = True
    beats: Callable[[Vouch], Heartbeats] | None = None
    clock_ms: Callable[[], int] = lambda: time_ns() // 1_000_000


def make_crew(log: Log, detection: Detection, options: CrewOptions) -> Crew:
    """Handlers for the roles of this process. Raises UserError on an unknown role."""
    if unknown := sorted(set(options.roles) - set(ROLES)):
        raise UserError(f"unknown role {unknown[0]!r}", f"use {', '.join(ROLES)}")
    tally, pacing = Tally(), Pacing()
    dead = DeadLetters(log, tally)
    control = ControlReader(
        log,
        Decisions(detection, ControlFiles(options.control_files)),
        patience_s=None if options.recorded else PATIENCE_S,
    )
    handlers: list[Handler] = []
    resolve = detect = dispatch = holder = None
    if options.holds:
        beats = None if options.beats is None else options.beats(control.vouch)
        holder = HolderHandler(dead, tally, beats=beats)
        handlers.append(holder)
    if "resolve" in options.roles:
        resolve = ResolveHandler(
            log,
            BatchResolver(detection.lexicon),
            lexicon=detection.lexicon.sha256,
            dead=dead,
            tally=tally,
            words=Words(control, BatchResolver),
            pacing=pacing,
        )
        handlers.append(resolve)
    if "detect" in options.roles:
        detect = DetectHandler(
            log,
            detection.engine,
            dead=dead,
            tally=tally,
            cadence=options.cadence,
            on_scores=options.on_scores,
            control=control,
            pacing=pacing,
            force_new_fingerprint=options.force_new_fingerprint,
        )
        handlers.append(detect)
    if "dispatch" in options.roles:
        dispatch = DispatchHandler(options.sinks, dead)
        handlers.append(dispatch)
    team = Team(handlers)
    standing = Standing(
        team,
        lambda: {} if detect is None else detect.engines,
        live=not options.recorded,
        now_ms=options.clock_ms,
    )
    sieve = Sieve(dead, tally)
    return Crew(team, tally, pacing, sieve, standing, resolve, detect, dispatch, holder)


class Worker:
    """A Faust app with one agent a topic. It does not survive an error: start another.

    Parameters
    ----------
    app : made by ``new_app``.
    crew : the handlers.
    install : puts a transport under the app, given ``restore`` and ``handover``.
    """

    def __init__(self, app: Any, crew: Crew, install: Callable[..., Any]) -> None:
        self.crew = crew
        self.app = app
        self.failure: Future[None] = get_running_loop().create_future()
        """Gets the first error; done only then, or when the worker has stopped."""
        transport = install(
            app, restore=self._guard(self._restore), handover=self._guard(self._hand_over)
        )
        transport.on_jump = self._jumped
        crew.pacing.flow = crew.standing.reading = transport
        for topic in crew.team.topics:
            handler = crew.team.route(topic)
            apart = handler is crew.resolve or handler is crew.detect
            batch_agent(app, topic, self._guard(self._handle), apart=apart)
        for ticked in (crew.detect, crew.resolve):
            if ticked is not None:
                app.task(self._ticking(partial(ticked.tick, crew.sieve)))
        app.task(self._looking)
        if crew.holder is not None:
            crew.holder.on_failure = self.fail
        self._watching: Task[None] | None = None

    async def start(self) -> None:
        """Begin to read. Raises what the transport raises where it cannot."""
        await self.app.start()
        self._watching = create_task(self._watch(), name="worker's app")

    async def _watch(self) -> None:
        """Take over what ends the app outside handlers: reading the log, or committing to it."""
        await self.app.wait_until_stopped()
        if self.app.crashed:
            self.fail(self.app.crash_reason)

    async def stop(self) -> None:
        """Let running handlers end, hand over, commit. After an error nothing is handed over."""
        if self._watching is not None:
            self._watching.cancel()
        await self.app.stop()
        if not self.failure.done():
            self.failure.set_result(None)
        elif not self.failure.cancelled():
            self.failure.exception()  # known: whoever stops after it has an error of their own

    def raise_failure(self) -> None:
        """Raise the worker's first error, if it had one."""
        if self.failure.done():
            self.failure.result()

    def fail(self, error: BaseException) -> None:
        """Take over the error of something that the worker cannot do without."""
        if not self.failure.done():
            self.failure.set_exception(error)
            if isinstance(error, LostInputError):
                self.crew.tally.lost[error.name] += error.end - error.first

    def _jumped(self, jump: Jump) -> None:
        """Note records that nobody needs for a state, such as alerts, and that were not there."""
        handler = self.crew.team.route(jump.tp.topic)
        if handler is not self.crew.detect and handler is not self.crew.resolve:
            lost = max(0, jump.got - jump.expected)
            self.crew.tally.lost[f"{jump.tp.topic}/{jump.tp.partition}"] += lost

    async def _restore(self, tps: set[TP]) -> dict[TP, int]:
        self.crew.standing.assigned(tps)
        found = await self.crew.team.restore(tps)
        self.crew.standing.restored()
        return found

    async def _hand_over(self, tps: set[TP]) -> None:
        await self.crew.team.handover(tps)
        self.crew.standing.revoked()

    async def _looking(self) -> None:
        """Look again and again, so that whoever asks learns for how long nothing has moved."""
        while True:
            await sleep(LOOK_EVERY_S)
            self.crew.standing.states()

    async def _handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        handler = self.crew.team.route(tp.topic)
        assert handler is not None
        began = perf_counter()
        await guarded(handler, TP(*tp), records, self.crew.sieve)
        if self.crew.observe is not None:
            self.crew.observe(handler.stage, perf_counter() - began)

    def _ticking(self, call: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        tick = self._guard(call)

        async def ticking() -> None:
            while True:
                await sleep(POLL_S)
                await tick()

        return ticking

    def _guard(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(*args: Any) -> Any:
            try:
                return await call(*args)
            except Exception as error:
                self.fail(error)
                raise

        return guarded


def embedded_worker(log: SqliteLog, crew: Crew) -> Worker:
    """Agents over the log of this process."""
    from streams.transport.embedded import install

    return Worker(new_app(APP_ID), crew, lambda app, **hooks: install(app, log, **hooks))


def kafka_worker(membership: Membership, where: Connection, crew: Crew) -> Worker:
    """Agents of a consumer group."""
    from streams.transport.kafka import install

    app = new_app(membership.group, where, **membership.faust_options())
    return Worker(app, crew, partial(install, gathered=DETECTOR_INPUTS))
