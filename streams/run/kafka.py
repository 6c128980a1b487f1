"""``goldendog run --bootstrap``: a worker on Kafka, until it is told to stop or something breaks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from detectors.engine import ScoreMode
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from schemas.errors import UserError
from schemas.records import Alert, Heartbeat
from streams.kafka.admin import topics_describe
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.run.doors import new_dispatcher, new_metrics, observe, open_door
from streams.run.report import Reporter
from streams.run.warm import warm_up
from streams.sources.places import DETECTOR_INPUTS, places_of
from streams.transport.run import Backoff, run_until_signal
from streams.web.health import Health
from streams.worker.alerts import ScoreWriter
from streams.worker.app import ROLES, Crew, CrewOptions, Detection, Worker, kafka_worker, make_crew
from streams.worker.dispatch import AlertSink
from streams.worker.heartbeat import Heartbeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.settings import Settings


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


def run_worker(plan: KafkaPlan, reporter: Reporter) -> None:
    """Run a worker. Raises what stopped it; a supervisor starts the process again."""
    asyncio.run(_run(plan, reporter))


async def _run(plan: KafkaPlan, reporter: Reporter) -> None:
    where = plan.settings.kafka.connection()
    lexicon = Lexicon.parse(plan.lexicon)
    detection = Detection(plan.settings.engine, plan.model, lexicon, plan.scores)
    await asyncio.to_thread(warm_up, detection, reporter.say)
    metrics = new_metrics(detection.fingerprint)
    async with AsyncExitStack() as stack:
        log = KafkaLog(where)
        await _connect(log, reporter)
        stack.push_async_callback(log.stop)
        roles = plan.roles or ROLES
        live = await asyncio.to_thread(_is_live, where)
        sinks: list[AlertSink] = [_Printed(reporter)]
        if "dispatch" in roles:
            endpoints = plan.settings.endpoints()
            dispatcher = new_dispatcher(
                plan.settings.data_dir, endpoints, metrics, replayed=not live
            )
            if dispatcher is not None:
                sinks.append(dispatcher)
                await dispatcher.start()
                stack.push_async_callback(dispatcher.stop)
        crew = make_crew(log, detection, _crew_options(plan, log, detection, roles, sinks))
        observe(metrics, crew, live=live)
        await _serve(plan, metrics, crew, stack, reporter)
        worker = await _work(plan, where, log, crew, stack, reporter, live=live)
    if worker is not None:
        worker.raise_failure()
    reporter.say("stopped cleanly")


def _crew_options(
    plan: KafkaPlan,
    log: KafkaLog,
    detection: Detection,
    roles: Sequence[str],
    sinks: Sequence[AlertSink],
) -> CrewOptions:
    return CrewOptions(
        roles=roles,
        sinks=sinks,
        on_scores=None if plan.scores == "alerts" else ScoreWriter(log, detection.fingerprint),
        force_new_fingerprint=plan.force_new_fingerprint,
    )


async def _work(
    plan: KafkaPlan,
    where: Connection,
    log: KafkaLog,
    crew: Crew,
    stack: AsyncExitStack,
    reporter: Reporter,
    *,
    live: bool,
) -> Worker | None:
    worker: Worker | None = None
    beating: asyncio.Task[None] | None = None
    stop = asyncio.Event()
    if live if plan.heartbeats is None else plan.heartbeats:
        beats = Heartbeats(await _teller(log))
        beating = beats.start()
        beating.add_done_callback(lambda _: stop.set())
        stack.push_async_callback(beats.stop)

    def make_app() -> Any:
        nonlocal worker
        worker = kafka_worker(plan.settings.kafka.group, where, crew)
        return worker.app

    async def started(_: Any) -> None:
        reporter.say(f"working on {where.bootstrap}: {', '.join(crew.team.topics)}")

    try:
        await run_until_signal(make_app, started=started, say=reporter.say, stop=stop)
    except Exception:
        if worker is not None:
            worker.raise_failure()  # the error itself says more than that the app crashed
        raise
    if beating is not None and beating.done():
        beating.result()  # without heartbeats bars stay open: that is no clean stop
    return worker


async def _teller(log: KafkaLog) -> Any:
    """What appends a heartbeat to every partition of every raw input."""
    partitions = {topic: await log.partitions(topic) for topic in DETECTOR_INPUTS}

    async def tell(beat: Heartbeat) -> None:
        from schemas.decode import encode_record

        item = Item(None, encode_record(beat), beat.ts_event_ms)
        places = places_of(beat, partitions)
        await asyncio.gather(*(log.append(topic, p, [item]) for topic, p in places))

    return tell


async def _connect(log: KafkaLog, reporter: Reporter) -> None:
    attempt, backoff = 0, Backoff()
    while True:
        try:
            await log.start()
        except KafkaError as error:
            wait_s = backoff.wait_s(attempt)
            attempt += 1
            reporter.say(f"no Kafka broker ({error}): trying again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
        else:
            return


def _is_live(where: Connection) -> bool:
    """Whether the raw inputs are stamped by the broker."""
    states = [state for state in topics_describe(where) if state.name in DETECTOR_INPUTS]
    if missing := sorted(set(DETECTOR_INPUTS) - {state.name for state in states}):
        raise UserError(
            f"the broker has no topic {', '.join(missing)}",
            "create the topics with: goldendog topics create",
        )
    return all(state.stamp == "append" for state in states)


async def _serve(
    plan: KafkaPlan, metrics: Any, crew: Crew, stack: AsyncExitStack, reporter: Reporter
) -> None:
    if not plan.http:
        return
    health = Health(["worker"], metrics.loop_lag)
    detect = crew.detect
    health.add(
        "worker",
        lambda: None if detect is None or detect.engines else "no partition is restored yet",
    )
    door = await stack.enter_async_context(open_door(plan.settings.http, metrics, health))
    reporter.say(f"metrics at {door.served.url}/metrics")


class _Printed:
    """A sink that prints."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def offer(self, alerts: Sequence[Alert]) -> None:
        """Print each."""
        for alert in alerts:
            self._reporter.alert(alert)
