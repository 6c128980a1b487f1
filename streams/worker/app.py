"""Wires handlers to Faust agents; the same over the embedded log and over Kafka."""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

from detectors.engine import Engine, ScoreMode
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from detectors.settings import EngineSettings
from schemas.errors import UserError
from streams.fingerprint import fingerprint
from streams.kafka.connection import Connection
from streams.log.base import Log, LogRecord
from streams.log.sqlite import SqliteLog
from streams.transport.agents import batch_agent
from streams.transport.app import new_app
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import Cadence, DetectHandler, OnScores
from streams.worker.dispatch import AlertSink, DispatchHandler
from streams.worker.handler import TP, Handler, Team
from streams.worker.pacing import Pacing
from streams.worker.resolve import ResolveHandler
from streams.worker.tally import Tally

ROLES = ("resolve", "detect", "dispatch")
Observe = Callable[[str, float], None]
"""Told of each batch: the stage that worked on it, and the seconds it took."""
APP_ID = "goldendog"


@dataclass(frozen=True)
class Detection:
    """What decides alerts, and its fingerprint."""

    settings: EngineSettings
    model: Model
    lexicon: Lexicon
    scores: ScoreMode = "alerts"

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all of it, which alerts and checkpoints carry."""
        return fingerprint(self.settings, self.model, self.lexicon.sha256)

    def engine(self, inputs: Sequence[str]) -> Engine:
        """Give a fresh engine for these inputs."""
        return Engine(
            self.settings,
            self.model,
            inputs,
            fingerprint=self.fingerprint,
            symbols=self.lexicon.symbols(),
            scores=self.scores,
        )


@dataclass
class Crew:
    """The handlers of one process, and what they share."""

    team: Team
    tally: Tally
    pacing: Pacing
    resolve: ResolveHandler | None = None
    detect: DetectHandler | None = None
    dispatch: DispatchHandler | None = None
    observe: Observe | None = None


@dataclass(frozen=True)
class CrewOptions:
    """How the handlers of a process work."""

    roles: Sequence[str] = ROLES
    sinks: Sequence[AlertSink] = ()
    on_scores: OnScores | None = None
    cadence: Cadence = field(default_factory=Cadence)
    force_new_fingerprint: bool = False


def make_crew(log: Log, detection: Detection, options: CrewOptions) -> Crew:
    """Handlers for the roles of this process. Raises UserError on an unknown role."""
    if unknown := sorted(set(options.roles) - set(ROLES)):
        raise UserError(f"unknown role {unknown[0]!r}", f"use {', '.join(ROLES)}")
    tally, pacing = Tally(), Pacing()
    dead = DeadLetters(log, tally)
    crew = Crew(Team(()), tally, pacing)
    handlers: list[Handler] = []
    if "resolve" in options.roles:
        crew.resolve = ResolveHandler(
            log,
            Resolver(detection.lexicon),
            lexicon=detection.lexicon.sha256,
            dead=dead,
            tally=tally,
        )
        handlers.append(crew.resolve)
    if "detect" in options.roles:
        crew.detect = DetectHandler(
            log,
            detection.engine,
            fingerprint=detection.fingerprint,
            dead=dead,
            tally=tally,
            cadence=options.cadence,
            on_scores=options.on_scores,
            pacing=pacing,
            force_new_fingerprint=options.force_new_fingerprint,
        )
        handlers.append(crew.detect)
    if "dispatch" in options.roles:
        crew.dispatch = DispatchHandler(options.sinks, dead)
        handlers.append(crew.dispatch)
    crew.team = Team(handlers)
    return crew


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
        crew.pacing.flow = install(
            app, restore=self._guard(crew.team.restore), handover=self._guard(crew.team.handover)
        )
        for topic in crew.team.topics:
            batch_agent(app, topic, self._guard(self._handle))

    async def start(self) -> None:
        """Begin to read. Raises what the transport raises where it cannot."""
        await self.app.start()

    async def stop(self) -> None:
        """Let running handlers end, hand over, commit. After an error nothing is handed over."""
        await self.app.stop()
        if not self.failure.done():
            self.failure.set_result(None)
        elif not self.failure.cancelled():
            self.failure.exception()  # known: whoever stops after it has an error of their own

    def raise_failure(self) -> None:
        """Raise the worker's first error, if it had one."""
        if self.failure.done():
            self.failure.result()

    def fail_with(self, task: Future[Any]) -> None:
        """Take over the error of a task that the worker cannot do without, if it has one."""
        if not (task.cancelled() or self.failure.done()) and (error := task.exception()):
            self.failure.set_exception(error)

    async def _handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        handler = self.crew.team.route(tp.topic)
        assert handler is not None
        began = perf_counter()
        await handler.handle(TP(*tp), records)
        if self.crew.observe is not None:
            self.crew.observe(handler.stage, perf_counter() - began)

    def _guard(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(*args: Any) -> Any:
            try:
                return await call(*args)
            except Exception as error:
                if not self.failure.done():
                    self.failure.set_exception(error)
                raise

        return guarded


def embedded_worker(log: SqliteLog, crew: Crew) -> Worker:
    """Agents over the log of this process."""
    from streams.transport.embedded import install

    return Worker(new_app(APP_ID), crew, lambda app, **hooks: install(app, log, **hooks))


def kafka_worker(group: str, where: Connection, crew: Crew) -> Worker:
    """Agents of a consumer group."""
    from streams.transport.kafka import install

    app = new_app(group, where.bootstrap, **where.faust_options())
    return Worker(app, crew, install)
