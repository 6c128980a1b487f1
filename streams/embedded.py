"""The whole of goldendog in this process: a durable log, the agents, and records fed from Python.

    async with run_embedded(EmbeddedOptions(Path("data"), recorded_time=True)) as run:
        await run.feed(records)
        await run.finish()

Kill it at any point and run it again on the same folder: no alert is lost, none comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from detectors.engine import ScoreMode
from detectors.model import Model
from detectors.outputs import ScoreRows
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.records import Alert, Record
from schemas.topics import ALERTS, RESOLVED, TICKS, TOKEN_INFO
from streams.control.files import CONTROL_FILES
from streams.detection import Detection
from streams.log.sqlite import SqliteLog, wall_clock_ms
from streams.model_store import load_default_model
from streams.sources.embedded_log import open_embedded_log
from streams.sources.feed import Fed, Feeder, FeedReport
from streams.sources.ingest import Ingest
from streams.worker.alerts import ScoreWriter
from streams.worker.app import (
    APP_ID,
    Crew,
    CrewOptions,
    Worker,
    embedded_worker,
    make_crew,
)
from streams.worker.detect import Cadence
from streams.worker.dispatch import AlertSink
from streams.worker.forgetting import Forgetting
from streams.worker.handler import TP, Handler
from streams.worker.heartbeat import Heartbeats
from streams.worker.tally import Tally

T = TypeVar("T")
EMPTY_LEXICON: Final = b'{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}'
WHOLE_LOG: Final = "log"
"""What a count of the whole log, and not of one topic, goes by."""
_POLL_S: Final = 0.02
_log = structlog.get_logger("goldendog.embedded")

OnAlert = Callable[[Alert], None]
"""Called for each alert, in this process's event loop, when it has been written."""
OnScores = Callable[[ScoreRows], None]
"""Called with the score rows of each push that closed bars."""


@dataclass(frozen=True)
class EmbeddedOptions:
    """How an embedded run works. What a data folder was made with is kept; None takes it.

    Parameters
    ----------
    data_dir : folder of the log; made if missing.
    recorded_time : each record brings its log time (recordings, scenarios); else the log stamps
        them as they come (live). Fixed when the folder is made.
    partitions, mention_partitions : fixed when the folder is made; alerts do not depend on them.
    lexicon : versioned lexicon, JSON; without one, contract addresses alone are resolved.
    settings, model : what decides alerts; None is the shipped model.
    scores : which score rows ``on_scores`` gets, and ``keep_scores`` writes to ``scores.v1``.
    log_start_ms : when the log began, ms; None is now, or the first record's time.
    force_new_fingerprint : go on from state that other settings made.
    cadence : how often checkpoints are written.
    clock_ms : milliseconds UTC, what an append-time log is stamped with.
    control_files : folder of lexicons and models that control records name; ``control`` in the
        data folder where None.
    keep_ms : how long a live log keeps records that were worked on; for ever where None. A
        recorded-time log keeps all.
    """

    data_dir: Path
    recorded_time: bool | None = None
    partitions: int | None = None
    mention_partitions: int | None = None
    lexicon: bytes = EMPTY_LEXICON
    settings: EngineSettings = field(default_factory=EngineSettings)
    model: Model | None = None
    scores: ScoreMode = "alerts"
    keep_scores: bool = False
    log_start_ms: int | None = None
    force_new_fingerprint: bool = False
    cadence: Cadence = field(default_factory=Cadence)
    clock_ms: Callable[[], int] = wall_clock_ms
    control_files: Path | None = None
    keep_ms: int | None = None

    def detection(self) -> Detection:
        """What decides alerts. Raises ModelError and LexiconError."""
        model = load_default_model() if self.model is None else self.model
        return Detection(self.settings, model, Lexicon.parse(self.lexicon), self.scores)


@dataclass(frozen=True)
class Progress:
    """Where an embedded run stands.

    ``fed`` counts records appended by this process, ``read`` those its handlers took from the
    log; ``closed_ms`` is the event time up to which bars are closed (0 before the first);
    ``held_by`` names the input that holds bars open.
    """

    fed: int
    read: int
    alerts: int
    closed_ms: int
    held_by: str
    tokens: int


class EmbeddedRun:
    """A run that is up. Made by ``run_embedded``.

    Attributes
    ----------
    log : the durable log.
    ingest : appends records; the HTTP door uses it too.
    tally : counts.
    """

    def __init__(self, log: SqliteLog, ingest: Ingest, worker: Worker) -> None:
        self.log = log
        self.ingest = ingest
        self._worker = worker

    @property
    def tally(self) -> Tally:
        """Counts of the handlers."""
        return self.crew.tally

    @property
    def crew(self) -> Crew:
        """The handlers, to look at."""
        return self._worker.crew

    def progress(self) -> Progress:
        """Where the run stands, now."""
        tally = self.tally
        slowest = min(tally.closed_ms, key=tally.closed_ms.__getitem__, default=None)
        return Progress(
            fed=self.ingest.appended,
            read=tally.total("used") + tally.total("unresolved"),
            alerts=sum(tally.alerts.values()),
            closed_ms=0 if slowest is None else tally.closed_ms[slowest],
            held_by="" if slowest is None else tally.held_by[slowest],
            tokens=sum(tally.tokens.values()),
        )

    async def feed(self, records: Iterable[Fed], name: str | None = None) -> FeedReport:
        """Append records, in batches; they are durable on return.

        ``name`` stands for a fixed sequence, such as a file's path: what an earlier run of this
        folder appended of it is passed over.
        """
        return await self.watch(Feeder(self.ingest).feed(records, name))

    async def append(self, records: Sequence[Record]) -> None:
        """Append a few records at once; they are durable on return."""
        await self.watch(self.ingest.append(records))

    async def finish(self) -> None:
        """End a recorded-time log, and wait until everything in it has been worked on."""
        await self.watch(self.ingest.finish())
        await self.drain()

    async def drain(self) -> None:
        """Wait until everything that is in the log now has been worked on, alerts included."""
        await self.watch(self._drain())

    async def watch(self, work: Awaitable[T]) -> T:
        """Await some work, but raise the worker's error as soon as it has one.

        The work ends with whoever watches it.
        """
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, self._worker.failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()  # nothing, where it is done
            await asyncio.gather(task, return_exceptions=True)
        if self._worker.failure.done():
            self._worker.failure.result()
        return await task

    def why_not_ready(self) -> str | None:
        """Why the run cannot be relied on now; None where it can."""
        if self._worker.failure.done():
            return "the worker has stopped"
        return self.crew.standing.why_not_ready()

    async def wait(self) -> None:
        """Wait for ever, or until the worker fails, and raise its error."""
        await asyncio.shield(self._worker.failure)

    async def _drain(self) -> None:
        crew = self.crew
        stages: list[tuple[Handler | None, Sequence[str]]] = [
            (crew.resolve, crew.resolve.topics if crew.resolve else ()),
            (crew.detect, (RESOLVED, TICKS, TOKEN_INFO)),
            (crew.dispatch, (ALERTS,)),
        ]
        for handler, topics in stages:  # each stage's output ends before the next is asked
            if handler is None:
                continue
            for topic in topics:
                for p in range(await self.log.partitions(topic)):
                    await self._reach(handler, TP(topic, p), await self.log.end_offset(topic, p))

    async def _reach(self, handler: Handler, tp: TP, end: int) -> None:
        """Wait until a handler has worked on everything before an offset."""
        committed = (await self.log.committed(APP_ID)).get(tp, 0)
        while max(committed, _position(handler, tp)) < end:  # noqa: ASYNC110 a batch ends often
            await asyncio.sleep(_POLL_S)


def _position(handler: Handler, tp: TP) -> int:
    try:
        return handler.position(tp)
    except KeyError:  # not assigned yet
        return 0


@asynccontextmanager
async def run_embedded(
    options: EmbeddedOptions,
    *,
    on_alert: OnAlert | None = None,
    on_scores: OnScores | None = None,
    sinks: Sequence[AlertSink] = (),
) -> AsyncIterator[EmbeddedRun]:
    """Start everything, give the run, and at the end stop it cleanly: drained batches, checkpoints.

    ``on_alert`` and ``on_scores`` may be called again with what they had, after a crash. Raises
    UserError and its kin on what cannot be used, BusyError where the folder is in use, and
    whatever stopped the worker.
    """
    detection = options.detection()
    stamp = {None: None, True: "recorded", False: "append"}[options.recorded_time]
    log = open_embedded_log(
        options.data_dir,
        stamp=stamp,  # type: ignore[arg-type]
        partitions=options.partitions,
        mention_partitions=options.mention_partitions,
        log_start_ms=options.log_start_ms,
        clock_ms=options.clock_ms,
    )
    try:
        told = [] if on_alert is None else [_Told(on_alert)]
        crew_options = CrewOptions(
            sinks=[*sinks, *told],
            on_scores=_scored(options, ScoreWriter(log, detection.fingerprint), on_scores),
            cadence=options.cadence,
            force_new_fingerprint=options.force_new_fingerprint,
            control_files=options.control_files or options.data_dir / CONTROL_FILES,
            recorded=log.stamp == "recorded",
            clock_ms=options.clock_ms,
        )
        crew = make_crew(log, detection, crew_options)
        ingest = await Ingest.open(log)
        worker = embedded_worker(log, crew)
        run = EmbeddedRun(log, ingest, worker)
        beats = Heartbeats(
            lambda beat: ingest.append([beat]),
            clock_ms=options.clock_ms,
            on_fall=lambda ms: _clock_fell(crew.tally, ms),
            reached_ms=log.reached_ms,
        )
        await worker.start()
        try:
            if not ingest.recorded:
                beats.start(worker.fail)
            forgetting = _forgetting(options, log)
            try:
                yield run
            finally:
                forgetting.cancel()
                await asyncio.gather(forgetting, return_exceptions=True)
        finally:
            await beats.stop()
            await worker.stop()
    finally:
        log.close()


def _forgetting(options: EmbeddedOptions, log: SqliteLog) -> asyncio.Task[None]:
    """Forget in the background what the log need not keep."""

    async def work() -> None:
        if options.keep_ms is not None and log.stamp == "append":
            await Forgetting(log, options.keep_ms, options.clock_ms).run()

    return asyncio.create_task(work(), name="forgetting")


def _clock_fell(tally: Tally, by_ms: int) -> None:
    tally.count(WHOLE_LOG, "clock_fell")
    _log.warning("the clock fell: no bar closes until it has caught up", seconds=by_ms / 1000)


class _Told:
    """A sink that calls a function."""

    def __init__(self, on_alert: OnAlert) -> None:
        self._on_alert = on_alert

    async def offer(self, alerts: Sequence[Alert]) -> None:
        """Call it for each."""
        for alert in alerts:
            self._on_alert(alert)


def _scored(
    options: EmbeddedOptions, writer: ScoreWriter, on_scores: OnScores | None
) -> Callable[[int, ScoreRows], Awaitable[None]] | None:
    if options.scores == "alerts":
        return None

    async def scored(partition: int, rows: ScoreRows) -> None:
        if options.keep_scores:
            await writer(partition, rows)
        if on_scores is not None:
            on_scores(rows)

    return scored
