"""One token around one bar: its state before and after, and what the bar gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns
from detectors.engine import Engine
from detectors.layout import BAR_MS
from detectors.outputs import Outputs
from detectors.snapshot import unpack_snapshot
from schemas.errors import UserError
from schemas.records import Alert
from streams.explore.material import Material
from streams.explore.names import Wanted, ambiguous, not_in_log
from streams.explore.narrow import narrowed, used_tokens
from streams.replay.bar import utc_seconds
from streams.replay.inputs import Inputs, opened
from streams.replay.run import OnProgress, Progress
from streams.replay.steps import Step

Record = NDArray[Any]
"""One record of the engine's state, a structured scalar."""


@dataclass(frozen=True)
class Moment:
    """A token at a bar.

    Parameters
    ----------
    token : its id.
    bar : number of the bar, which begins at ``bar * BAR_MS``.
    log_start_ms : where baselines begin.
    before, after : its state before and after the bar; None where there was none.
    features, logit_micro : of the bar; None where the token was not looked at in it.
    alerts : what the bar gave.
    """

    token: str
    bar: int
    log_start_ms: int
    before: Record | None
    after: Record
    features: NDArray[np.float64] | None
    logit_micro: int | None
    alerts: tuple[Alert, ...]

    @property
    def start_ms(self) -> int:
        """When the bar began."""
        return self.bar * BAR_MS

    @property
    def end_ms(self) -> int:
        """When it ended."""
        return self.start_ms + BAR_MS


def bar_of(at_ms: int) -> int:
    """Number of the bar that an instant names: the one that ends at it, or next after it.

    >>> bar_of(10_000), bar_of(10_001)
    (1, 2)
    """
    return -(-at_ms // BAR_MS) - 1


def moment(
    of: Material, token: Wanted, at_ms: int, on_progress: OnProgress | None = None
) -> Moment:
    """Run a token's records through the engine up to the bar that an instant names.

    Raises UserError where the log does not reach there, or no record names the token by then.
    """
    bar = bar_of(at_ms)
    with (
        TemporaryDirectory(prefix="goldendog-why-") as spill,
        opened(of.paths, Path(spill)) as inputs,
    ):
        run = _Run(of, inputs, token, bar)
        run.play(on_progress or (lambda _: None))
        return run.moment()


@dataclass
class _Run:
    """Engines that get the records of one token alone, and stop around one bar.

    A bar's end is read twice: first up to where the bars before it close, then to where it does.
    """

    of: Material
    inputs: Inputs
    wanted: Wanted
    bar: int
    engines: list[Engine] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    matched: set[str] = field(default_factory=set)
    offset: int = 0
    before: list[bytes] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)

    def play(self, tell: Callable[[Progress], None]) -> None:
        make = replace(self.of.detection, scores="all").engine
        self.engines = [make(names) for names in self.inputs.engines]
        lateness = self.of.detection.settings.lateness_ms
        opens, closes = self.bar * BAR_MS + lateness, (self.bar + 1) * BAR_MS + lateness
        self._check_within()
        first_ms = self.of.window.records_from_ms
        began, read, rest = perf_counter(), 0, []
        for step in self.inputs.steps(self.of.names(), first_ms, closes):
            early, late = self._parts(step, opens)
            self._push(early)
            rest.append(late)
            read += sum(step.counts.values())
            seconds = perf_counter() - began
            tell(Progress("replay", read, self.inputs.records, step.through_log_ms, seconds, 0))
        self.before = [engine.snapshot() for engine in self.engines]
        for step in rest:
            self._push(step, keep=True)

    def moment(self) -> Moment:
        end_ms = (self.bar + 1) * BAR_MS
        closed = min(engine.closed_ms for engine in self.engines)
        if closed < end_ms:
            reached = f"bars closed up to {utc_seconds(closed)}" if closed else "no bar closed"
            raise UserError(
                f"the log ends before {utc_seconds(end_ms)}: {reached}", "write an earlier --at"
            )
        symbols = self.of.detection.lexicon.symbols()
        if len(self.matched) > 1:
            raise ambiguous(self.wanted.text, self.matched)
        if not self.matched:
            raise not_in_log(self.wanted.text, self.seen, symbols)
        (token,) = self.matched
        for number, engine in enumerate(self.engines):
            after = self._record(engine, engine.snapshot(), token)
            if after is not None:
                return self._found(token, engine, self.before[number], after)
        raise UserError(
            f"{token} is not tracked at {utc_seconds(end_ms)}",
            "its records came too late, or so long before that all was forgotten (25 h)",
        )

    def _found(self, token: str, engine: Engine, before: bytes, after: Record) -> Moment:
        end_ms = (self.bar + 1) * BAR_MS
        features, logit = None, None
        for rows in (out.scores for out in self.outputs):
            at = -1 if rows is None else _row(rows.token, rows.ts_bar_end_ms, token, end_ms)
            if rows is not None and at >= 0:
                features, logit = rows.features[at], int(rows.logit_micro[at])
        alerts = [
            alert
            for out in self.outputs
            for alert in out.alerts
            if (alert.token, alert.ts_bar_end_ms) == (token, end_ms)
        ]
        return Moment(
            token,
            self.bar,
            engine.log_start_ms or 0,
            self._record(engine, before, token),
            after,
            features,
            logit,
            tuple(alerts),
        )

    def _record(self, engine: Engine, blob: bytes, token: str) -> Record | None:
        slots = unpack_snapshot(blob, self.of.detection.fingerprint, engine.inputs).slots
        slot = dict(slots.tokens()).get(token)
        if slot is None or not slots.state[slot]["bar"]:
            return None
        record: Record = slots.state[slot].copy()
        return record

    def _check_within(self) -> None:
        first = max(self.inputs.first_ms, self.of.window.from_ms or 0)
        last = self.of.window.to_ms
        end_ms = (self.bar + 1) * BAR_MS
        if end_ms <= first:
            raise UserError(
                f"{utc_seconds(end_ms)} is before the log, which begins {utc_seconds(first)}",
                "write a later --at",
            )
        if last is not None and end_ms > last:
            raise UserError(
                f"the replay ends {utc_seconds(last)}, before {utc_seconds(end_ms)}",
                "write an earlier --at",
            )

    def _parts(self, step: Step, until_ms: int) -> tuple[Step, Step]:
        """The token's rows in a step, up to a log time and after it."""
        early: dict[int, Columns | None] = {}
        late: dict[int, Columns | None] = {}
        for p, columns in step.columns.items():
            early[p] = late[p] = None
            if columns is None:
                continue
            own = self._own(columns)
            if own is not None:
                at = int(np.searchsorted(own.ts_log_ms, until_ms, side="right"))
                early[p], late[p] = own.take(slice(0, at)), own.take(slice(at, None))
        through = min(step.through_log_ms, until_ms)
        return replace(step, columns=early, through_log_ms=through), replace(step, columns=late)

    def _own(self, columns: Columns) -> Columns | None:
        self.seen.update(columns.tokens[k] for k in used_tokens(columns))
        own = narrowed(columns, self.wanted.fits)
        self.matched.update(() if own is None else own.tokens)
        return own

    def _push(self, step: Step, *, keep: bool = False) -> None:
        for p, columns in step.columns.items():
            self.offset += 1
            out = self.engines[p].push(
                step.name,
                columns if columns is not None and len(columns) else None,
                self.offset,
                step.through_log_ms,
                step.log_start_ms,
            )
            if keep:
                self.outputs.append(out)


def _row(tokens: list[str], ends: NDArray[np.int64], token: str, end_ms: int) -> int:
    """Place of a token's score at a bar's end, -1 where there is none."""
    for at in np.flatnonzero(ends == end_ms).tolist():
        if tokens[at] == token:
            return int(at)
    return -1
