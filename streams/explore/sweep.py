"""Many settings on one log, for little more than the reading of it.

An episode can open under some setting only where one of the laxest settings of all would have opened
its first: thresholds at their lowest, one bar enough. So one run with those finds the few tokens
that can be told of at all, and the records of these alone are walked for every setting, in one walk
that shares what no episode decides. Each setting's alerts are those of a replay with it, byte for
byte; a token that sharing would not do justice to is walked once more, by an engine a setting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Final

import numpy as np

from detectors.columns import Columns
from detectors.engine import Engine
from detectors.labels import DAY_MS
from detectors.settings import EngineSettings
from schemas.records import Alert
from streams.explore.many import ManyEngine
from streams.explore.material import Material
from streams.explore.narrow import narrowed
from streams.explore.worth import Prices, Record, Worth, record, worth
from streams.files.rows import joined, without_chunk
from streams.replay.inputs import Inputs, opened
from streams.replay.run import OnProgress, Progress
from streams.replay.steps import Step

FLUSH_ROWS: Final = 100_000
"""Rows that are gathered before the engines get them: each push has its price."""
KEPT_ROWS: Final = 400_000
"""A log of so many rows is kept from the first reading; a longer one is read again."""
NEVER: Final = 1 << 62


@dataclass(frozen=True)
class Tried:
    """One setting and what came of it.

    Parameters
    ----------
    settings : all of them.
    fingerprint : the one a replay with them has.
    alerts : all of the window, by (bar, token, sequence).
    kinds : their number by kind.
    outcomes : of the candidates, in their order.
    record : of them, summed up.
    """

    settings: EngineSettings
    fingerprint: str
    alerts: tuple[Alert, ...]
    kinds: Counter[str]
    outcomes: tuple[Worth, ...]
    record: Record

    @property
    def candidates(self) -> int:
        """Episodes that opened."""
        return self.kinds["candidate"]


@dataclass(frozen=True)
class Sweep:
    """Every setting that was tried.

    ``days`` is the time told of, ``tokens`` how many tokens could be told of under any setting,
    ``rows`` of how many records; ``reading_cpu_s`` and ``cpu_s`` processor seconds of the first reading
    alone, which is a replay's work but for its files, and of all. ``note`` says what to do where no
    setting has a candidate.
    """

    names: tuple[str, ...]
    tried: tuple[Tried, ...]
    days: float
    records: int
    tokens: int
    rows: int
    reading_cpu_s: float
    cpu_s: float
    note: str | None


def sweep(
    of: Material,
    names: Sequence[str],
    settings: Sequence[EngineSettings],
    on_progress: OnProgress | None = None,
) -> Sweep:
    """Run a log under every one of some settings.

    Parameters
    ----------
    of : the records, model and lexicon.
    names : of the settings that vary.
    settings : 1 to 100 of them.
    on_progress : called after each batch of records, of two readings.
    """
    with (
        TemporaryDirectory(prefix="goldendog-sweep-") as spill,
        opened(of.paths, Path(spill)) as inputs,
    ):
        of.window.check_begins(inputs.first_ms, max(each.history_ms for each in settings))
        return _Run(of, inputs, tuple(settings), on_progress or (lambda _: None)).all(tuple(names))


def laxest(settings: Sequence[EngineSettings]) -> EngineSettings:
    """Settings whose first episode of a token opens no later than that of any of these.

    Up to then no episode differs, so the records a token is judged by are the same. What an
    episode does once it is open no longer matters: it ends at once, and for long.

    >>> lax = laxest([EngineSettings(candidate_bars=3), EngineSettings(min_authors_15m=5)])
    >>> lax.candidate_bars, lax.min_authors_15m, lax.min_traders_15m
    (1, 5, 20)
    """
    return replace(
        settings[0],
        candidate_logit_micro=min(each.candidate_logit_micro for each in settings),
        candidate_bars=1,
        opening_drawdown=max(each.opening_drawdown for each in settings),
        surge_z_return=min(each.surge_z_return for each in settings),
        surge_z_trades=min(each.surge_z_trades for each in settings),
        attention_z_week=min(each.attention_z_week for each in settings),
        min_authors_15m=min(each.min_authors_15m for each in settings),
        min_traders_15m=min(each.min_traders_15m for each in settings),
        update_step_logit_micro=1_000_000_000,
        update_rise_x=1e6,
        fading_bars=1,
        fading_patience=0.0,
        fading_attention_share=1.0,
        fading_drawdown=0.0,
        closed_attention_share=1.0,
        closed_bars=1,
        refractory_bars=17_280,
    )


class _Held:
    """Steps that were narrowed, gathered by input and engine into fewer and larger ones."""

    def __init__(self) -> None:
        self.rows = 0
        self._parts: dict[tuple[str, int], list[Columns]] = {}
        self._last: dict[tuple[str, int], Step] = {}
        self._start: dict[str, int | None] = {}

    def add(self, p: int, columns: Columns | None, step: Step) -> None:
        key = (step.name, p)
        parts = self._parts.setdefault(key, [])
        if columns is not None:
            parts.append(columns)
            self.rows += len(columns)
        self._last[key] = step
        if step.log_start_ms is not None:
            self._start[step.name] = step.log_start_ms

    def steps(self) -> list[Step]:
        """What was gathered."""
        found = []
        for (name, p), last in self._last.items():
            parts, at = [], 0
            for columns in self._parts[name, p]:
                parts.append((columns, np.arange(at, at + len(columns))))
                at += len(columns)
            start = self._start.get(name)
            found.append(replace(last, columns={p: joined(parts)}, log_start_ms=start, bad=[]))
        return found


class _Crew:
    """Engines that share one walk for a group of settings, one a detector partition."""

    def __init__(
        self, of: Material, inputs: Inputs, settings: Sequence[EngineSettings], group: list[int]
    ) -> None:
        self._group = group
        detections = [of.with_settings(settings[k]).detection for k in group]
        self._engines = [
            ManyEngine(
                [each.settings for each in detections],
                of.detection.model,
                names,
                fingerprints=[each.fingerprint for each in detections],
                symbols=of.detection.lexicon.symbols(),
            )
            for names in inputs.engines
        ]

    @property
    def odd(self) -> set[str]:
        """Tokens whose alerts are not to be had from a shared walk."""
        return {token for engine in self._engines for token in engine.odd}

    @property
    def n_alerts(self) -> int:
        """Alerts so far, of all settings."""
        return sum(len(alerts) for engine in self._engines for alerts in engine.found)

    def push(self, steps: Sequence[Step]) -> None:
        for step in steps:
            _push(self._engines, step)

    def found(self) -> Iterator[tuple[int, list[Alert]]]:
        """Alerts by number of the setting."""
        for engine in self._engines:
            yield from zip(self._group, engine.found, strict=True)


class _Run:
    def __init__(
        self,
        of: Material,
        inputs: Inputs,
        settings: tuple[EngineSettings, ...],
        tell: Callable[[Progress], None],
    ) -> None:
        self._of, self._inputs, self._settings, self._tell = of, inputs, settings, tell
        self._began = perf_counter()
        self._read = 0
        self._log_ms = 0
        self._from_ms = 0
        self._alerts: list[list[Alert]] = [[] for _ in settings]
        self._n_alerts = 0
        self._kept: list[Step] | None = []

    def all(self, names: tuple[str, ...]) -> Sweep:
        cpu = process_time()
        tokens = self._tokens()
        reading = process_time() - cpu
        self._of.window.check_reached(self._log_ms)
        records = self._read
        prices, rows = Prices(tokens), 0
        if tokens:
            rows = self._try_all(tokens, prices)
        window = self._of.window
        start = max(self._from_ms, window.from_ms or 0)
        end = min(self._log_ms, window.to_ms or NEVER)
        days = max(end - start, 0) / DAY_MS
        tried = tuple(
            self._tried(settings, alerts, prices)
            for settings, alerts in zip(self._settings, self._alerts, strict=True)
        )
        note = None if any(each.candidates for each in tried) else self._of.why_none()
        used = process_time() - cpu
        return Sweep(names, tried, days, records, len(tokens), rows, reading, used, note)

    def _tokens(self) -> set[str]:
        """Tokens that any of the settings can tell of."""
        teams = [
            self._engines(laxest([self._settings[k] for k in group])) for group in self._groups()
        ]
        found: set[str] = set()
        rows = 0
        for step in self._steps():
            for engines in teams:
                for alert in _push(engines, step):
                    found.add(alert.token)
            rows += sum(map(_n_rows, step.columns.values()))
            if rows > KEPT_ROWS:
                self._kept = None
            elif self._kept is not None:
                columns = {p: each and without_chunk(each) for p, each in step.columns.items()}
                self._kept.append(replace(step, columns=columns))
        return found

    def _try_all(self, tokens: set[str], prices: Prices) -> int:
        """Run every setting on the records of some tokens; returns their number."""
        crews = [_Crew(self._of, self._inputs, self._settings, group) for group in self._groups()]
        odd: set[str] = set()
        rows = 0
        for held in self._narrowed(tokens, prices):
            rows += held.rows
            steps = held.steps()
            for crew in crews:
                crew.push(steps)
            self._n_alerts = sum(crew.n_alerts for crew in crews)
        for crew in crews:
            odd |= crew.odd
            for k, alerts in crew.found():
                self._alerts[k] += self._told(alerts)
        if odd:
            self._try_apart(odd)
        return rows

    def _try_apart(self, tokens: set[str]) -> None:
        """Run an engine for each setting on the records of some tokens, whose alerts they replace."""
        for k, alerts in enumerate(self._alerts):
            self._alerts[k] = [alert for alert in alerts if alert.token not in tokens]
        teams = [self._engines(settings) for settings in self._settings]
        for held in self._narrowed(tokens, None):
            steps = held.steps()
            for k, engines in enumerate(teams):
                for step in steps:
                    self._alerts[k] += self._told(_push(engines, step))

    def _narrowed(self, tokens: set[str], prices: Prices | None) -> Iterator[_Held]:
        """The log once more, its steps narrowed to some tokens and gathered."""
        held = _Held()
        for step in self._steps(self._log_ms) if self._kept is None else self._kept:
            for p in step.columns:
                columns = narrowed(step.columns[p], tokens.__contains__)
                if prices is not None:
                    prices.add(columns, NEVER)
                held.add(p, columns, step)
            if held.rows >= FLUSH_ROWS:
                yield held
                held = _Held()
        yield held

    def _groups(self) -> list[list[int]]:
        """Numbers of the settings that put records into the same bars."""
        groups: dict[tuple[int, int], list[int]] = {}
        for k, each in enumerate(self._settings):
            groups.setdefault((each.lateness_ms, each.backfill_limit_ms), []).append(k)
        return list(groups.values())

    def _told(self, alerts: Iterable[Alert]) -> list[Alert]:
        window = self._of.window
        end = window.to_ms or NEVER
        return [a for a in alerts if window.tells(a.ts_bar_end_ms) and a.ts_bar_end_ms <= end]

    def _tried(self, settings: EngineSettings, alerts: list[Alert], prices: Prices) -> Tried:
        ordered = sorted(alerts, key=lambda a: (a.ts_bar_end_ms, a.token, a.sequence))
        candidates = [a for a in ordered if a.kind == "candidate"]
        outcomes = [
            worth(prices.path(a.token), a.ts_available_ms, self._log_ms) for a in candidates
        ]
        return Tried(
            settings,
            self._of.with_settings(settings).detection.fingerprint,
            tuple(ordered),
            Counter(a.kind for a in ordered),
            tuple(outcomes),
            record(outcomes),
        )

    def _engines(self, settings: EngineSettings) -> list[Engine]:
        make = self._of.with_settings(settings).detection.engine
        return [make(names) for names in self._inputs.engines]

    def _steps(self, through_ms: int | None = None) -> Iterable[Step]:
        lateness = max(each.lateness_ms for each in self._settings)
        if through_ms is None:
            through_ms = self._of.window.records_through_ms(lateness)
        total = 2 * self._inputs.records
        for step in self._inputs.steps(
            self._of.names(), self._of.window.records_from_ms, through_ms
        ):
            self._read += sum(step.counts.values())
            self._from_ms = self._from_ms or (step.log_start_ms or 0)
            self._log_ms = max(self._log_ms, step.through_log_ms)
            yield step
            seconds = perf_counter() - self._began
            at = Progress("replay", self._read, total, step.through_log_ms, seconds, self._n_alerts)
            self._tell(at)


def _n_rows(columns: Columns | None) -> int:
    return 0 if columns is None else len(columns)


def _push(engines: Sequence[Engine], step: Step) -> list[Alert]:
    alerts: list[Alert] = []
    for p, columns in step.columns.items():
        out = engines[p].push(
            step.name, columns, step.through_offset, step.through_log_ms, step.log_start_ms
        )
        alerts += out.alerts
    return alerts
