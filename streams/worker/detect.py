"""Resolved mentions, ticks and token infos in, alerts out: one engine per partition."""

from __future__ import annotations

from asyncio import Lock, gather
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, time_ns
from typing import Final

import structlog

from detectors.engine import Engine
from detectors.outputs import Outputs, ScoreRows
from schemas.errors import StateError, UserError
from schemas.records import Alert
from schemas.topics import ALERTS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.control.decisions import CONTROL_INPUT
from streams.log.base import Item, Log, LogRecord
from streams.worker.alerts import encode_alert
from streams.worker.checkpoint import CheckpointStore
from streams.worker.checkpoint_book import Checkpoint
from streams.worker.control import ControlReader
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.detect_trial import DetectTrial, closes, refuse_short_log
from streams.worker.handler import TP
from streams.worker.inputs import beyond, refuse_another, refuse_lost, refuse_remade
from streams.worker.known import alerts_since, still_open
from streams.worker.making import MakeEngine, Making, all_names
from streams.worker.pacing import Pacing
from streams.worker.part import Part
from streams.worker.poison import Nowhere, Sieve, is_records_fault
from streams.worker.resolved_input import push_resolved
from streams.worker.scanning import TickScanner
from streams.worker.tally import Tally

Sound = Callable[[Engine], Exception | None]
"""What is wrong with an engine's state, if anything."""
OnScores = Callable[[int, ScoreRows], Awaitable[None]]
"""Takes the score rows of a partition; they are given again where the log is read again."""

_AGAIN: Final = 2_000
"""Records read again at a time."""
_log = structlog.get_logger("goldendog.detect")


@dataclass(frozen=True)
class Cadence:
    """When a checkpoint is due: after so many records, or so many seconds if anything was read."""

    records: int = 100_000
    seconds: float = 10.0


class DetectHandler:
    """Drives the engines of the assigned partitions; contains no arithmetic.

    An alert is written before the checkpoint that covers it, and on restore the alerts written
    since the checkpoint are read back: each is in the log exactly once, however often the worker
    died.

    Parameters
    ----------
    log : holds inputs, alerts and checkpoints.
    make_engine : a fresh engine for a list of inputs.
    dead, tally : where rejects and counts go.
    cadence : when checkpoints are due.
    on_scores : takes score rows, if wanted.
    control : what is in force, and from when; without one, what ``make_engine`` gives always is.
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
        dead: DeadLetters,
        tally: Tally,
        cadence: Cadence | None = None,
        on_scores: OnScores | None = None,
        control: ControlReader | None = None,
        pacing: Pacing | None = None,
        force_new_fingerprint: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._dead = dead
        self._tally = tally
        self._cadence = cadence or Cadence()
        self._on_scores = on_scores
        self._making = Making(make_engine, control)
        self._pacing = pacing or Pacing()
        self._force = force_new_fingerprint
        self._clock = clock
        self._store = CheckpointStore(log)
        self._scanner = TickScanner()
        self._parts: dict[int, Part] = {}

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition."""
        return self._parts[tp.partition].positions[tp.topic]

    def reached_ms(self, tp: TP) -> int | None:
        """Log time to which a partition is read, by the input of it that is least far."""
        part = self._parts.get(tp.partition)
        if part is None:
            return None
        at = [part.engine.through_log_ms(name) for name in part.inputs[tp.topic]]
        return min((ms for ms in at if ms is not None), default=None)

    @property
    def engines(self) -> dict[int, Engine]:
        """The engines by partition, to look at."""
        return {p: part.engine for p, part in self._parts.items()}

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Load the state of exactly these partitions; the next offset of each."""
        self._pacing.forget()
        await self._making.catch_up()
        partitions = {tp.partition for tp in tps}
        _refuse_split(tps, partitions)
        self._parts = {p: await self._load(p) for p in sorted(partitions)}
        await gather(
            *(
                self._refuse_another(TP(topic, p), position)
                for p in partitions
                for topic, position in self._parts[p].positions.items()
            )
        )
        return {tp: self.position(tp) for tp in tps}

    async def _refuse_another(self, tp: TP, position: int) -> None:
        engine, name = self._parts[tp.partition].engine, f"{tp.topic}/{tp.partition}"
        # A resolved batch says itself what it is of; of other inputs, the record read last tells.
        at_ms = engine.through_log_ms(name) if name in engine.inputs else None
        await refuse_another(self._log, *tp, position, at_ms)

    async def handover(self, tps: set[TP]) -> None:
        """Write a checkpoint of every partition that has moved since its last."""
        for p in sorted({tp.partition for tp in tps} & self._parts.keys()):
            part = self._parts[p]
            async with part.lock:
                if part.dirty and part.half_done is None:
                    await self._save(p, part)
                part.ours = False

    async def tick(self, sieve: Sieve) -> None:
        """Close bars that waited for the control topic alone, and write checkpoints that are due.

        Called again and again, so that neither waits for further records.
        """
        for p, part in list(self._parts.items()):
            held = part.engine.held_by() == CONTROL_INPUT
            if not held and not (part.dirty and self._is_due(part)):
                continue
            async with part.lock:
                if not part.ours or part.half_done is not None:
                    continue
                try:
                    with part.work():
                        if held and (outputs := await self._making.steered(part.engine)):
                            part.dirty = True
                            await self._emit(TP(RESOLVED, p), part, outputs)
                        if part.dirty and self._is_due(part):
                            await self._save(p, part)
                except Exception as error:
                    if not is_records_fault(error):
                        raise
                    await self._mend(p, part, part.positions, sieve)

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Push records of one partition, in order; the alerts they cause are durable on return."""
        part = self._parts[tp.partition]
        async with part.lock:
            with part.work():
                await self._handle(tp, part, records)

    async def _handle(self, tp: TP, part: Part, records: Sequence[LogRecord]) -> None:
        fresh = beyond(records, part.positions[tp.topic])
        if len(fresh) < len(records):
            end = await self._log.end_offset(*tp)
            refuse_remade(*tp, part.positions[tp.topic], end)
        self._tally.count(tp.topic, "skipped", len(records) - len(fresh))
        if fresh:
            await self._take(tp, part, fresh)

    async def rescue(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        """After ``handle`` has raised: go back to a checkpoint, and on without what poisons.

        Everything since the checkpoint is read again, of every input: what fails when a bar closes
        may have come with an earlier batch, or another input.
        """
        part = self._parts[tp.partition]
        async with part.lock:
            ends = part.positions | {tp.topic: records[-1].offset + 1}
            await self._mend(tp.partition, part, ends, sieve)

    async def _mend(self, p: int, part: Part, ends: dict[str, int], sieve: Sieve) -> None:
        part.half_done = None
        with part.work():
            sound = await self._load(p, sound=closes)
            part.engine, part.positions = sound.engine, sound.positions
            part.known, part.told_ms = sound.known, sound.told_ms
            for topic, end in ends.items():
                await self._again(TP(topic, p), part, end, sieve)
            await self._save(p, part)

    async def _again(self, tp: TP, part: Part, end: int, sieve: Sieve) -> None:
        trial = DetectTrial(self._log, tp, self._twin, self._take, part)
        while part.positions[tp.topic] < end:
            records = await self._log.read(*tp, part.positions[tp.topic], _AGAIN)
            records = [record for record in records if record.offset < end]
            if not records:
                part.positions[tp.topic] = end  # a hole: aborted transactions
                return
            await sieve.sift(tp, records, trial)

    def _twin(self, p: int, part: Part, state: bytes) -> tuple[DetectHandler, Engine]:
        """A handler that does as this one would, from a state on, and leaves no trace of it."""
        nowhere, tally = Nowhere(self._log), Tally()
        twin = DetectHandler(
            nowhere,
            self._making.make,
            control=self._making.control,
            dead=DeadLetters(nowhere, tally),
            tally=tally,
            cadence=Cadence(10**18, 1e18),
            clock=lambda: 0.0,
        )
        engine = self._making.blank(part.engine.inputs, part.engine.closed_ms)
        engine.restore(state)
        self._making.follow(engine)
        positions = dict(part.positions)
        twin._parts[p] = replace(part, engine=engine, positions=positions, known={}, lock=Lock())
        return twin, engine

    async def _take(self, tp: TP, part: Part, fresh: Sequence[LogRecord]) -> None:
        if fresh[0].offset > part.positions[tp.topic]:
            start = await self._log.start_offset(tp.topic, tp.partition)
            refuse_lost(tp.topic, tp.partition, part.positions[tp.topic], start)
        if tp.topic == RESOLVED:
            outputs, rejects = push_resolved(part.engine, fresh, self._tally)
        else:
            outputs, rejects = self._push_raw(part, tp, fresh)
        outputs += await self._making.steered(part.engine)
        part.positions[tp.topic] = fresh[-1].offset + 1
        part.dirty = True
        part.unsaved += len(fresh)
        await self._dead.put(tp.topic, tp.partition, rejects)
        await self._emit(tp, part, outputs)
        self._pacing.adjust(part.engine, tp.partition, part.inputs)
        if self._is_due(part):
            await self._save(tp.partition, part)

    def _push_raw(
        self, part: Part, tp: TP, records: Sequence[LogRecord]
    ) -> tuple[list[Outputs], list[Reject]]:
        name = f"{tp.topic}/{tp.partition}"
        floor = part.engine.through_log_ms(name)
        new = self._scanner.decode(tp.topic, records, -1 if floor is None else floor)
        self._tally.count(tp.topic, "progress", new.progress)
        self._tally.count(tp.topic, "clock_fell", new.falls)
        outputs = part.engine.push(
            name, new.columns, new.through_offset, new.through_log_ms, new.log_start_ms
        )
        return [outputs], new.rejects

    async def _emit(self, tp: TP, part: Part, outputs: Sequence[Outputs]) -> None:
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
            elif alert.ts_bar_end_ms <= part.told_ms:
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

    def _is_due(self, part: Part) -> bool:
        return (
            part.unsaved >= self._cadence.records
            or self._clock() - part.saved_at >= self._cadence.seconds
        )

    async def _save(self, p: int, part: Part) -> None:
        began = self._clock()
        part.known = still_open(part.known, part.engine.closed_ms)
        ahead = [place.offset for place in part.known.values()]
        size = await self._store.save(
            p,
            part.engine.snapshot(),
            positions=dict(part.positions),
            # Alerts of bars that an earlier process closed, and this state has not yet, count as
            # not covered.
            alerts_end=min(ahead, default=await self._log.end_offset(ALERTS, p)),
            fingerprint=part.engine.fingerprint,
            closed_ms=part.engine.closed_ms,
        )
        part.saved_at, part.unsaved, part.dirty = self._clock(), 0, False
        self._tally.checkpoints += 1
        self._tally.checkpoint_bytes[p] = size
        self._tally.checkpoint_ms[p] = time_ns() // 1_000_000
        self._tally.checkpoint_seconds[p] = part.saved_at - began

    async def _load(self, p: int, sound: Sound | None = None) -> Part:
        """A partition's state: of its newest whole checkpoint that can be used, or from the log.

        ``sound`` says what is wrong with an engine, if anything.
        """
        began = self._clock()
        mentions = await self._log.partitions(MENTIONS)
        inputs = self._making.inputs(p, mentions)
        names = all_names(inputs)
        part = Part(
            engine=self._making.blank(names, 0),
            positions={},
            known={},
            saved_at=self._clock(),
            inputs=inputs,
        )
        found = False
        async for packed in self._store.candidates(p):
            found = True
            part.engine = self._making.blank(names, packed.manifest.closed_ms)
            try:
                self._take_over(part.engine, await packed.unpacked(), sound)
            except StateError as error:
                _log.warning("a checkpoint is passed over", partition=p,
                             checkpoint=packed.manifest.checkpoint, why=str(error))  # fmt: skip
                part.told_ms = max(part.told_ms, packed.manifest.closed_ms)
                continue
            part.positions = dict(packed.manifest.positions)
            alerts_from = packed.manifest.alerts_end
            self._tally.checkpoint_bytes[p] = packed.size
            self._tally.checkpoint_ms[p] = packed.written_ms
            break
        else:
            foreign = self._store.foreign(p)
            part.told_ms = max([part.told_ms, *(each.closed_ms for each in foreign)])
            part.engine = self._making.blank(names, 0)
            if found or foreign:
                history_ms = self._making.history_ms(part.engine)
                await refuse_short_log(self._log, p, self.topics, part.told_ms, history_ms)
                _log.warning("the state is rebuilt from the log's start", partition=p,
                             formats=[each.format for each in foreign])  # fmt: skip
            part.positions = {t: await self._log.start_offset(t, p) for t in self.topics}
            alerts_from = await self._log.start_offset(ALERTS, p)
        self._making.follow(part.engine)
        part.known = await alerts_since(self._log, p, alerts_from)
        self._tally.restore_seconds[p] = self._clock() - began
        return part

    def _take_over(self, engine: Engine, checkpoint: Checkpoint, sound: Sound | None) -> None:
        manifest = checkpoint.manifest
        if manifest.fingerprint != engine.fingerprint and not self._force:
            raise UserError(
                f"the state of partition {manifest.partition} was made by fingerprint "
                f"{manifest.fingerprint}, this run has {engine.fingerprint}: its settings, model, "
                "lexicon or version differ",
                "start with what made it, use a new data folder, or add --force-new-fingerprint "
                "to go on from it (alerts will then differ from a replay)",
            )
        engine.restore(checkpoint.state, fingerprint=manifest.fingerprint)
        if sound is not None and (error := sound(engine)) is not None:
            raise StateError(f"what it holds cannot be worked on: {type(error).__name__}: {error}")
        if sound is not None:  # which has left its traces
            engine.restore(checkpoint.state, fingerprint=manifest.fingerprint)


def _refuse_split(tps: set[TP], partitions: set[int]) -> None:
    missing = {(t, p) for t in DetectHandler.topics for p in partitions} - set(tps)
    if missing:
        topic, p = min(missing)
        raise StateError(
            f"partition {p} was assigned without {topic}/{p}: topics keyed by token must have "
            "equal partition counts and be assigned together"
        )
