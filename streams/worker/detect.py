"""Resolved mentions, ticks and token infos in, alerts out: one engine per partition."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import Final, NamedTuple

from detectors.engine import Engine
from detectors.outputs import Outputs, ScoreRows
from detectors.resolved import decode_batch, unpack_batch
from schemas.errors import GapError, RecordError, StateError, UserError
from schemas.records import Alert, ResolvedBatch
from schemas.topics import ALERTS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.log.base import Item, Log, LogRecord
from streams.worker.alerts import decode_alert, encode_alert
from streams.worker.checkpoint import Checkpoint, CheckpointStore
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP
from streams.worker.inputs import decode_raw, input_names, refuse_lost
from streams.worker.pacing import Pacing
from streams.worker.tally import Tally

MakeEngine = Callable[[Sequence[str]], Engine]
"""An engine without state, for these inputs."""
OnScores = Callable[[int, ScoreRows], Awaitable[None]]
"""Takes the score rows of a partition; they are given again where the log is read again."""


@dataclass(frozen=True)
class Cadence:
    """When a checkpoint is due: after so many records, or so many seconds if anything was read."""

    records: int = 20_000
    seconds: float = 10.0


class _Place(NamedTuple):
    """Where an alert stands in the log, and the end of its bar."""

    offset: int
    ts_bar_end_ms: int


@dataclass
class _Part:
    """A detector partition that this worker has."""

    engine: Engine
    positions: dict[str, int]
    known: dict[str, _Place]  # alerts already in the log that the engine will give again
    saved_at: float
    inputs: dict[str, list[str]]  # names by topic
    lock: Lock = field(default_factory=Lock)
    unsaved: int = 0
    dirty: bool = False


class DetectHandler:
    """Drives the engines of the assigned partitions; contains no arithmetic.

    An alert is written before the checkpoint that covers it, and on restore the alerts written
    since the checkpoint are read back: each is in the log exactly once, however often the worker
    died.

    Parameters
    ----------
    log : holds inputs, alerts and checkpoints.
    make_engine : a fresh engine for a list of inputs.
    fingerprint : of those engines; state of another one is refused.
    dead, tally : where rejects and counts go.
    cadence : when checkpoints are due.
    on_scores : takes score rows, if wanted.
    pacing : holds back inputs that run ahead.
    force_new_fingerprint : go on from state that another fingerprint made.
    clock : seconds, for the cadence alone.
    """

    stage: Final = "detect"
    topics: Final = (RESOLVED, TICKS, TOKEN_INFO)

    def __init__(
        self,
        log: Log,
        make_engine: MakeEngine,
        *,
        fingerprint: str,
        dead: DeadLetters,
        tally: Tally,
        cadence: Cadence | None = None,
        on_scores: OnScores | None = None,
        pacing: Pacing | None = None,
        force_new_fingerprint: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._make_engine = make_engine
        self._fingerprint = fingerprint
        self._dead = dead
        self._tally = tally
        self._cadence = cadence or Cadence()
        self._on_scores = on_scores
        self._pacing = pacing or Pacing()
        self._force = force_new_fingerprint
        self._clock = clock
        self._store = CheckpointStore(log)
        self._parts: dict[int, _Part] = {}

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition."""
        return self._parts[tp.partition].positions[tp.topic]

    @property
    def engines(self) -> dict[int, Engine]:
        """The engines by partition, to look at."""
        return {p: part.engine for p, part in self._parts.items()}

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Load the state of exactly these partitions; the next offset of each."""
        self._pacing.forget()
        partitions = {tp.partition for tp in tps}
        _refuse_split(tps, partitions)
        self._parts = {p: await self._load(p) for p in sorted(partitions)}
        for p in partitions:
            for topic, position in self._parts[p].positions.items():
                refuse_lost(topic, p, position, await self._log.start_offset(topic, p))
        return {tp: self.position(tp) for tp in tps}

    async def handover(self, tps: set[TP]) -> None:
        """Write a checkpoint of every partition that has moved since its last."""
        for p in sorted({tp.partition for tp in tps} & self._parts.keys()):
            part = self._parts[p]
            async with part.lock:
                if part.dirty:
                    await self._save(p, part)

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Push records of one partition, in order; the alerts they cause are durable on return."""
        part = self._parts[tp.partition]
        async with part.lock:
            fresh = [r for r in records if r.offset >= part.positions[tp.topic]]
            self._tally.count(tp.topic, "skipped", len(records) - len(fresh))
            if not fresh:
                return
            if fresh[0].offset > part.positions[tp.topic]:
                start = await self._log.start_offset(tp.topic, tp.partition)
                refuse_lost(tp.topic, tp.partition, part.positions[tp.topic], start)
            if tp.topic == RESOLVED:
                outputs, rejects = self._push_resolved(part, fresh)
            else:
                outputs, rejects = self._push_raw(part, tp, fresh)
            part.positions[tp.topic] = fresh[-1].offset + 1
            part.dirty = True
            part.unsaved += len(fresh)
            await self._dead.put(tp.topic, tp.partition, rejects)
            await self._emit(tp, part, outputs)
            self._pacing.adjust(part.engine, tp.partition, part.inputs)
            if self._is_due(part):
                await self._save(tp.partition, part)

    def _push_raw(
        self, part: _Part, tp: TP, records: Sequence[LogRecord]
    ) -> tuple[list[Outputs], list[Reject]]:
        name = f"{tp.topic}/{tp.partition}"
        floor = part.engine.through_log_ms(name)
        new = decode_raw(tp.topic, records, -1 if floor is None else floor)
        self._tally.count(tp.topic, "progress", new.progress)
        self._tally.count(tp.topic, "clock_fell", new.falls)
        outputs = part.engine.push(
            name, new.columns, new.through_offset, new.through_log_ms, new.log_start_ms
        )
        return [outputs], new.rejects

    def _push_resolved(
        self, part: _Part, records: Sequence[LogRecord]
    ) -> tuple[list[Outputs], list[Reject]]:
        outputs: list[Outputs] = []
        rejects: list[Reject] = []
        idle: dict[str, ResolvedBatch] = {}  # the last batch without rows of each input: one push
        for record in records:
            try:
                batch = self._decode(record)
            except StateError as error:
                wrong = RecordError("wrong_shape", str(error), remedy="write to its own topic")
                rejects.append(Reject(record.offset, record.timestamp, wrong, record.value or b""))
                continue
            name = f"{batch.topic}/{batch.partition}"
            reached = max(
                part.engine.offset(name), idle[name].through_offset if name in idle else -1
            )
            if batch.through_offset <= reached:
                self._tally.count(RESOLVED, "skipped")
                continue
            if batch.from_offset > reached + 1 and reached >= 0:
                raise GapError(
                    f"{RESOLVED} offset {record.offset}: {name} goes on at {batch.from_offset}, "
                    f"but was read through {reached} only; going on would change alerts"
                )
            if not batch.ids:
                self._tally.count(RESOLVED, "progress")
                idle[name] = batch
                continue
            idle.pop(name, None)
            outputs.append(_push_batch(part.engine, name, batch))
        outputs += [_push_batch(part.engine, name, batch) for name, batch in idle.items()]
        return outputs, rejects

    def _decode(self, record: LogRecord) -> ResolvedBatch:
        batch = decode_batch(record.value or b"")
        if batch.topic != MENTIONS:
            msg = f"resolved batch of {batch.topic}, not of {MENTIONS}"
            raise StateError(msg)
        return batch

    async def _emit(self, tp: TP, part: _Part, outputs: Sequence[Outputs]) -> None:
        """Write the alerts that are not in the log yet, and tell of the rest."""
        for out in outputs:
            self._tally.count(tp.topic, "used", out.records - len(out.late))
            self._tally.count(tp.topic, "late", len(out.late))
            self._tally.duplicates += out.duplicates
        p = tp.partition
        self._tally.held_by[p] = part.engine.held_by()
        self._tally.closed_ms[p] = part.engine.closed_ms
        self._tally.tokens[p] = part.engine.tracked
        new: list[Alert] = []
        for alert in (alert for out in outputs for alert in out.alerts):
            if alert.alert_id in part.known:
                del part.known[alert.alert_id]
                self._tally.alerts_again += 1
            else:
                new.append(alert)
        if new:
            items = [Item(alert.token.encode(), encode_alert(alert)) for alert in new]
            await self._log.append(ALERTS, p, items)
            self._tally.alerts.update(alert.kind for alert in new)
        if self._on_scores is not None:
            for out in outputs:
                if out.scores is not None and len(out.scores.token):
                    await self._on_scores(p, out.scores)

    def _is_due(self, part: _Part) -> bool:
        return (
            part.unsaved >= self._cadence.records
            or self._clock() - part.saved_at >= self._cadence.seconds
        )

    async def _save(self, p: int, part: _Part) -> None:
        began = self._clock()
        _forget_closed(part)
        ahead = [place.offset for place in part.known.values()]
        size = await self._store.save(
            p,
            part.engine.snapshot(),
            positions=dict(part.positions),
            # Alerts of bars that an earlier process closed, and this state has not yet, count as
            # not covered.
            alerts_end=min(ahead, default=await self._log.end_offset(ALERTS, p)),
            fingerprint=self._fingerprint,
            closed_ms=part.engine.closed_ms,
        )
        part.saved_at, part.unsaved, part.dirty = self._clock(), 0, False
        self._tally.checkpoints += 1
        self._tally.checkpoint_bytes[p] = size
        self._tally.checkpoint_ms[p] = time_ns() // 1_000_000
        self._tally.checkpoint_seconds[p] = part.saved_at - began

    async def _load(self, p: int) -> _Part:
        began = self._clock()
        mentions = await self._log.partitions(MENTIONS)
        engine = self._make_engine(input_names(p, mentions))
        checkpoint = await self._store.load(p)
        if checkpoint is None:
            positions = {t: await self._log.start_offset(t, p) for t in self.topics}
            alerts_from = await self._log.start_offset(ALERTS, p)
        else:
            self._take_over(engine, checkpoint)
            positions = dict(checkpoint.manifest.positions)
            alerts_from = checkpoint.manifest.alerts_end
        known = await self._alerts_since(p, alerts_from)
        inputs = {
            RESOLVED: [f"{MENTIONS}/{u}" for u in range(mentions)],
            TICKS: [f"{TICKS}/{p}"],
            TOKEN_INFO: [f"{TOKEN_INFO}/{p}"],
        }
        self._tally.restore_seconds[p] = self._clock() - began
        return _Part(engine, positions, known, self._clock(), inputs)

    def _take_over(self, engine: Engine, checkpoint: Checkpoint) -> None:
        manifest = checkpoint.manifest
        if manifest.fingerprint != self._fingerprint and not self._force:
            raise UserError(
                f"the state of partition {manifest.partition} was made by fingerprint "
                f"{manifest.fingerprint}, this run has {self._fingerprint}: its settings, model, "
                "lexicon or version differ",
                "start with what made it, use a new data folder, or add --force-new-fingerprint "
                "to go on from it (alerts will then differ from a replay)",
            )
        engine.restore(checkpoint.state, fingerprint=manifest.fingerprint)

    async def _alerts_since(self, p: int, offset: int) -> dict[str, _Place]:
        """Alerts in the log from an offset on: the engine will give those of open bars again."""
        known: dict[str, _Place] = {}
        end = await self._log.end_offset(ALERTS, p)
        while offset < end:
            records = await self._log.read(ALERTS, p, offset)
            if not records:
                break
            for record in records:
                alert = decode_alert(record.value or b"")
                known[alert.alert_id] = _Place(record.offset, alert.ts_bar_end_ms)
            offset = records[-1].offset + 1
        return known


def _forget_closed(part: _Part) -> None:
    """Drop alerts of bars that are closed: if the engine has not given them, it never will."""
    closed = part.engine.closed_ms
    part.known = {i: place for i, place in part.known.items() if place.ts_bar_end_ms > closed}


def _push_batch(engine: Engine, name: str, batch: ResolvedBatch) -> Outputs:
    columns = unpack_batch(batch, engine.offset(name)) if batch.ids else None
    return engine.push(
        name, columns, batch.through_offset, batch.through_log_ms, batch.log_start_ms
    )


def _refuse_split(tps: set[TP], partitions: set[int]) -> None:
    missing = {(t, p) for t in DetectHandler.topics for p in partitions} - set(tps)
    if missing:
        topic, p = min(missing)
        raise StateError(
            f"partition {p} was assigned without {topic}/{p}: topics keyed by token must have "
            "equal partition counts and be assigned together"
        )
