"""The engines of a replay, one a detector partition, and their outputs brought into one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.engine import Engine
from detectors.outputs import ScoreRows, joined_scores
from detectors.schedule import Change
from schemas.records import Alert
from streams.replay.steps import Step

Life = tuple[str, int, int]


@dataclass
class Given:
    """What a step gave that is now in order: alerts by (bar, token, sequence), scores by (bar, token)."""

    alerts: list[Alert] = field(default_factory=list)
    scores: ScoreRows | None = None
    evicted: list[Life] = field(default_factory=list)
    late: int = 0
    duplicates: int = 0


class Engines:
    """Pushes steps, and holds outputs back until every engine has closed their bar.

    Parameters
    ----------
    engines : by number of detector partition.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = list(engines)
        self._alerts: list[Alert] = []
        self._scores: list[ScoreRows] = []

    @property
    def closed_ms(self) -> int:
        """Event time up to which every engine has closed its bars; 0 before the first."""
        return min(engine.closed_ms for engine in self._engines)

    @property
    def tracked(self) -> int:
        """Tokens with state."""
        return sum(engine.tracked for engine in self._engines)

    @property
    def held_by(self) -> str:
        """The input that holds bars open."""
        return min(self._engines, key=lambda engine: engine.closed_ms).held_by()

    def schedule(self, changes: Sequence[Change]) -> None:
        """Tell every engine what decides alerts from later bars on."""
        for engine in self._engines:
            engine.schedule(changes)

    def push(self, step: Step) -> Given:
        """Push one step to the engines that read its input."""
        given = Given()
        for p, columns in step.columns.items():
            out = self._engines[p].push(
                step.name, columns, step.through_offset, step.through_log_ms, step.log_start_ms
            )
            given.late += len(out.late)
            given.duplicates += out.duplicates
            given.evicted += out.evicted
            self._alerts += out.alerts
            if out.scores is not None and len(out.scores.token):
                self._scores.append(out.scores)
        self._release(given, self.closed_ms)
        return given

    def finish(self) -> tuple[Given, list[Life]]:
        """What is still held back, and the tokens that are live. Closes no bar."""
        given = Given(evicted=[life for engine in self._engines for life in engine.sweep()])
        self._release(given, 1 << 62)
        return given, [life for engine in self._engines for life in engine.universe()]

    def _release(self, given: Given, until_ms: int) -> None:
        if self._alerts:
            ready = [alert for alert in self._alerts if alert.ts_bar_end_ms <= until_ms]
            self._alerts = [alert for alert in self._alerts if alert.ts_bar_end_ms > until_ms]
            given.alerts = sorted(ready, key=lambda a: (a.ts_bar_end_ms, a.token, a.sequence))
        if not self._scores:
            return
        if len(self._engines) == 1:
            given.scores, self._scores = joined_scores(self._scores), []
            return
        whole = joined_scores(self._scores)
        assert whole is not None  # there are some
        rows = _ordered(whole)
        ready_rows = int(np.searchsorted(rows.ts_bar_end_ms, until_ms, side="right"))
        given.scores = _part(rows, slice(0, ready_rows)) if ready_rows else None
        left = _part(rows, slice(ready_rows, None))
        self._scores = [left] if len(left.token) else []


def _ordered(rows: ScoreRows) -> ScoreRows:
    rank = {token: i for i, token in enumerate(sorted(set(rows.token)))}
    order = np.lexsort((np.array([rank[t] for t in rows.token], np.int64), rows.ts_bar_end_ms))
    return ScoreRows(
        [rows.token[i] for i in order.tolist()],
        rows.ts_bar_end_ms[order],
        rows.logit_micro[order],
        rows.features[order],
    )


def _part(rows: ScoreRows, at: slice) -> ScoreRows:
    return ScoreRows(
        rows.token[at], rows.ts_bar_end_ms[at], rows.logit_micro[at], rows.features[at]
    )
