"""``goldendog run --embedded``: everything in one process, fed by files, standard input and HTTP."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schemas.errors import UserError
from streams.embedded import EmbeddedOptions, EmbeddedRun, run_embedded
from streams.log.sqlite import wall_clock_ms
from streams.log.sqlite_file import log_path
from streams.log.sqlite_reader import open_readonly
from streams.metrics.metrics import Metrics
from streams.run.doors import new_dispatcher, new_metrics, observe, open_door
from streams.run.inputs import Files, open_files, read_stdin, refuse_old_records, split_paths
from streams.run.report import PROGRESS_EVERY_S, Reporter, utc
from streams.run.stopping import signals_restored, stop_signal
from streams.run.warm import warm_up
from streams.web.health import Health
from streams.web.intake import Intake

if TYPE_CHECKING:
    from streams.settings import Settings


@dataclass(frozen=True)
class EmbeddedPlan:
    """What the command was asked for.

    Parameters
    ----------
    settings : those in force.
    options : of the run.
    paths : files and folders to feed; ``-`` is standard input.
    http : whether the door is open.
    exit_at_end : end when the files and standard input have ended and are worked on.
    """

    settings: Settings
    options: EmbeddedOptions
    paths: tuple[str, ...] = ()
    http: bool = True
    exit_at_end: bool = False


def run_plan(plan: EmbeddedPlan, reporter: Reporter) -> None:
    """Run until told to stop, or to the end of the input. Raises what stops the worker."""
    with reporter.unwrapping(), signals_restored():
        asyncio.run(_run(plan, reporter))


async def _run(plan: EmbeddedPlan, reporter: Reporter) -> None:
    paths, stdin = split_paths(plan.paths)
    if not (plan.http or paths or stdin):
        raise UserError("there is nothing to feed this run", "name files, - or leave HTTP on")
    detection = plan.options.detection()
    with ExitStack() as outer:
        stop = outer.enter_context(stop_signal(reporter.say))
        files = await asyncio.to_thread(open_files, paths) if paths else None
        if files is not None:
            outer.callback(files.close)
        options = _with_log_start(plan, files)
        await asyncio.to_thread(warm_up, detection, reporter.say)
        metrics = new_metrics(detection.fingerprint)
        if stop.is_set():
            reporter.say("stopped before it began")
            return
        async with AsyncExitStack() as stack:
            dispatcher = new_dispatcher(
                options.data_dir,
                plan.settings.endpoints(),
                metrics,
                replayed=_is_recorded(options),
            )
            if dispatcher is not None:
                stack.push_async_callback(dispatcher.stop)
            run = await stack.enter_async_context(
                run_embedded(
                    options,
                    on_alert=reporter.alert,
                    sinks=[] if dispatcher is None else [dispatcher],
                )
            )
            if dispatcher is not None:
                await dispatcher.start()
            if files is not None and not run.ingest.recorded:
                limit_ms = options.settings.backfill_limit_ms
                refuse_old_records(files, wall_clock_ms(), limit_ms)
            observe(metrics, run.crew, live=not run.ingest.recorded)
            await _open(plan, run, metrics, stack, reporter)
            await _work(plan, run, files, metrics, stdin=stdin, stop=stop, reporter=reporter)
    reporter.say(f"stopped cleanly; {reporter.alerts:,} alerts were told")


def _with_log_start(plan: EmbeddedPlan, files: Files | None) -> EmbeddedOptions:
    """A new log begins where its files do; and a live one is refused a recording before it exists."""
    options = plan.options
    if files is None or log_path(options.data_dir).exists():
        return options
    if not options.recorded_time:
        refuse_old_records(files, wall_clock_ms(), options.settings.backfill_limit_ms)
        return options
    return replace(options, log_start_ms=files.log_start_ms)


def _is_recorded(options: EmbeddedOptions) -> bool:
    if options.recorded_time is not None or not log_path(options.data_dir).exists():
        return bool(options.recorded_time)
    with open_readonly(options.data_dir) as log:
        return log.stamp == "recorded"


async def _open(
    plan: EmbeddedPlan,
    run: EmbeddedRun,
    metrics: Metrics,
    stack: AsyncExitStack,
    reporter: Reporter,
) -> None:
    kind = "recorded time" if run.ingest.recorded else "live"
    reporter.say(f"log in {plan.options.data_dir} ({kind})")
    if not plan.http:
        return
    health = Health(["worker"], metrics.loop_lag, run.crew.standing.states)
    health.add("worker", run.why_not_ready)
    door = await stack.enter_async_context(
        open_door(
            plan.settings.http,
            metrics,
            health,
            data_dir=plan.options.data_dir,
            ingest=run.ingest,
            log=run.log,
        )
    )
    where = "" if door.token_at is None else f" (its token is in {door.token_at})"
    reporter.say(f"POST records to {door.served.url}/v1/records{where}")
    reporter.say(f"metrics at {door.served.url}/metrics")


async def _work(
    plan: EmbeddedPlan,
    run: EmbeddedRun,
    files: Files | None,
    metrics: Metrics,
    *,
    stdin: bool,
    stop: asyncio.Event,
    reporter: Reporter,
) -> None:
    """Feed, and go on until a signal, the worker's failure, or the end of what is fed."""
    intake = Intake(run.ingest, run.log, source="stdin", observer=metrics)

    async def feed() -> None:
        if files is not None:
            report = await run.feed(files.records, files.name)
            reporter.say(
                f"fed {report.appended:,} records; {report.rejected:,} could not be used, "
                f"{report.passed_over:,} were there already"
            )
        if stdin:
            receipt = await intake.feed_stream(read_stdin(), place="stdin")
            reporter.say(f"standard input: {receipt.accepted:,} records, {receipt.rejected:,} bad")
            for error in receipt.errors[:3]:
                reporter.say(f"line {error.line}: {error.field or error.code}: {error.problem}")
        if plan.exit_at_end or files is not None or stdin:
            await run.finish()
        if not plan.exit_at_end:
            await asyncio.Event().wait()

    tasks = {
        asyncio.create_task(run.watch(feed()), name="feed"),
        asyncio.create_task(stop.wait(), name="signal"),
        asyncio.create_task(_tell(run, reporter), name="progress"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(run: EmbeddedRun, reporter: Reporter) -> None:
    def text() -> str:
        at = run.progress()
        closed = f"bars closed to {utc(at.closed_ms)}" if at.closed_ms else "no bar closed yet"
        return (
            f"{at.fed:,} records in, {at.alerts:,} alerts, {at.tokens:,} tokens; {closed}, "
            f"held by {at.held_by or 'every input'}"
        )

    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        reporter.progress(text)
