"""``goldendog run --bootstrap``: a worker on Kafka, until it is told to stop or something breaks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError

from detectors.engine import ScoreMode
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from schemas.errors import UserError
from schemas.records import Alert
from schemas.topics import SCORES
from streams.detection import Detection
from streams.kafka.connection import Connection
from streams.kafka.layout import is_live
from streams.kafka.log import KafkaLog
from streams.kafka.reach import BrokerDownError, down
from streams.kafka.shapes import TopicShape, refuse_unbegun, topic_shapes
from streams.numba_cache import kernels_are_cached
from streams.run.doors import new_dispatcher, new_metrics, observe, open_door
from streams.run.report import Reporter
from streams.run.starting import load_numba_without_blas
from streams.run.warm import warm_up
from streams.sources.places import DETECTOR_INPUTS
from streams.transport import record_batch
from streams.transport.run import Backoff, run_until_signal
from streams.web.health import Health
from streams.worker.alerts import ScoreWriter
from streams.worker.app import ROLES, Crew, CrewOptions, Worker, kafka_worker, make_crew
from streams.worker.dispatch import AlertSink
from streams.worker.heartbeat import Heartbeats
from streams.worker.inputs import LostInputError
from streams.worker.telling import Telling, Vouch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

STOP_S: Final = 3.0
"""What is under way to the broker at the end, such as heartbeats, gets no longer to arrive."""
LOSS_TOLD_S: Final = 45.0
"""How long metrics tell of lost input before the process ends: two scrapes and a half."""


@dataclass(frozen=True)
class KafkaPlan:
    """What the command was asked for.

    Parameters
    ----------
    settings : those in force.
    lexicon, model : what decides alerts, with ``settings.engine``.
    roles : agents that this process runs; all where empty.
    scores : which score rows go to ``scores.v1``.
    heartbeats : whether to tell inputs that time passes; None where topics stamp records.
    http : whether metrics and health are served.
    force_new_fingerprint : go on from state that another fingerprint made.
    """

    settings: Settings
    lexicon: bytes
    model: Model
    roles: tuple[str, ...] = ()
    scores: ScoreMode = "alerts"
    heartbeats: bool | None = None
    http: bool = False
    force_new_fingerprint: bool = False


def run_worker(
    plan: KafkaPlan, reporter: Reporter, loaded: Callable[[], None] = lambda: None
) -> None:
    """Run a worker. Raises what stopped it; a supervisor starts the process again.

    ``loaded`` is told when all modules and kernels are there, or before something that may take long.
    """
    with reporter.unwrapping():
        asyncio.run(_run(plan, reporter, loaded))


async def _run(plan: KafkaPlan, reporter: Reporter, loaded: Callable[[], None]) -> None:
    where = plan.settings.kafka.connection()
    lexicon = Lexicon.parse(plan.lexicon)
    detection = Detection(plan.settings.engine, plan.model, lexicon, plan.scores)
    metrics = new_metrics(detection.fingerprint)
    async with AsyncExitStack() as stack:
        log = KafkaLog(where)
        stack.push_async_callback(log.stop, STOP_S)
        roles = plan.roles or ROLES
        written = () if plan.scores == "alerts" else (SCORES,)
        shapes = await _connect(log, where, reporter, loaded)
        live = is_live(shapes, written)
        await _load(log, shapes, detection, reporter)
        loaded()
        sinks: list[AlertSink] = [_Printed(reporter)]
        if "dispatch" in roles:
            endpoints = plan.settings.endpoints()
            dispatcher = new_dispatcher(
                plan.settings.data_dir, endpoints, metrics, replayed=not live, shared=True
            )
            if dispatcher is not None:
                sinks.append(dispatcher)
                await dispatcher.start()
                stack.push_async_callback(dispatcher.stop)
        options = await _crew_options(plan, log, detection, roles, sinks, live=live)
        crew = make_crew(log, detection, options)
        observe(metrics, crew, live=live)
        health = await _serve(plan, metrics, crew, stack, reporter)
        try:
            worker = await _work(plan, where, crew, health, reporter)
        except LostInputError as error:
            await _tell_loss(error, health, reporter, told=plan.http)
            raise
    if worker is not None:
        worker.raise_failure()
    reporter.say("stopped cleanly")


async def _crew_options(
    plan: KafkaPlan,
    log: KafkaLog,
    detection: Detection,
    roles: Sequence[str],
    sinks: Sequence[AlertSink],
    *,
    live: bool,
) -> CrewOptions:
    if plan.heartbeats and not live:
        raise UserError(
            "--heartbeats, and topics whose records bring their own times: a heartbeat of now would close every "
            "bar of theirs, and what is fed later would come too late",
            "leave it out",
        )
    beating = live if plan.heartbeats is None else plan.heartbeats
    return CrewOptions(
        control_files=plan.settings.control_folder(),
        recorded=not live,
        holds=plan.heartbeats is not False,
        beats=await _beats(log) if beating else None,
        roles=roles,
        sinks=sinks,
        on_scores=None if plan.scores == "alerts" else ScoreWriter(log, detection.fingerprint),
        force_new_fingerprint=plan.force_new_fingerprint,
    )


async def _work(
    plan: KafkaPlan, where: Connection, crew: Crew, health: Health, reporter: Reporter
) -> Worker | None:
    worker: Worker | None = None
    stop = asyncio.Event()

    def make_app() -> Any:
        nonlocal worker
        worker = kafka_worker(plan.settings.kafka.membership(), where, crew)
        worker.failure.add_done_callback(lambda _: failed())
        return worker.app

    def failed() -> None:
        health.set("worker", "the worker has stopped")
        stop.set()

    async def started(_: Any) -> None:
        health.set("worker", None)
        reporter.say(f"working on {where.bootstrap}: {', '.join(crew.team.topics)}")

    try:
        await run_until_signal(make_app, started=started, say=reporter.say, stop=stop)
    except Exception:
        if worker is not None:
            worker.raise_failure()  # the error itself says more than that the app crashed
        raise
    return worker


async def _tell_loss(
    error: LostInputError, health: Health, reporter: Reporter, *, told: bool
) -> None:
    """Leave the door open until Prometheus has seen what was lost; a signal ends it at once."""
    health.set("worker", f"input was lost: {error}")
    if told:
        reporter.say(f"{error}; ending in {LOSS_TOLD_S:g} s, when the metrics have told of it")
        await asyncio.sleep(LOSS_TOLD_S)


async def _beats(log: KafkaLog) -> Callable[[Vouch], Heartbeats]:
    """What sends heartbeats into every partition of every raw input."""
    partitions = {topic: await log.partitions(topic) for topic in DETECTOR_INPUTS}
    return lambda vouch: Heartbeats(Telling(log, partitions, vouch))


async def _connect(
    log: KafkaLog, where: Connection, reporter: Reporter, waiting: Callable[[], None]
) -> list[TopicShape]:
    """Wait for a broker; its topics. ``waiting`` is told where that may take long."""
    attempt, backoff, begun = 0, Backoff(), False
    while True:
        try:
            if not begun:
                await log.start()
                begun = True
            return await topic_shapes(where)
        except (KafkaError, BrokerDownError) as error:
            known = error if isinstance(error, BrokerDownError) else down(where, error)
            waiting()
            wait_s = backoff.wait_s(attempt)
            attempt += 1
            reporter.say(f"{known.problem}: trying again in {wait_s:g} s")
            await asyncio.sleep(wait_s)


async def _load(
    log: KafkaLog, shapes: Sequence[TopicShape], detection: Detection, reporter: Reporter
) -> None:
    """Look at how the inputs begin, and have the kernels in memory: at once, where it takes no minute."""
    look = asyncio.ensure_future(refuse_unbegun(log, shapes))
    if not kernels_are_cached():
        await look
    await asyncio.gather(look, asyncio.to_thread(_kernels, detection, reporter))


def _kernels(detection: Detection, reporter: Reporter) -> None:
    load_numba_without_blas()
    warm_up(detection, reporter.say)
    record_batch.warm_up()


async def _serve(
    plan: KafkaPlan, metrics: Any, crew: Crew, stack: AsyncExitStack, reporter: Reporter
) -> Health:
    health = Health(["worker"], metrics.loop_lag, crew.standing.states)
    health.add("partitions", crew.standing.why_not_ready)
    if not plan.http:
        return health
    door = await stack.enter_async_context(open_door(plan.settings.http, metrics, health))
    reporter.say(f"metrics at {door.served.url}/metrics")
    return health


class _Printed:
    """A sink that prints."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def offer(self, alerts: Sequence[Alert]) -> None:
        """Print each."""
        for alert in alerts:
            self._reporter.alert(alert)
