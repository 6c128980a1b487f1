"""The engine: hold records back until their bar closes, order them by content, walk the kernel.

One engine per detector partition. It has no clock: time is what its inputs' logs have passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.alerts import AlertWriter
from detectors.columns import Columns
from detectors.evidence import Evidence
from detectors.grown import grown
from detectors.holdback import HoldBack, Incoming
from detectors.kernels.run import (
    N_ALERTS,
    N_LIVES,
    N_SCORES,
    SCORE_ALL,
    SCORE_GATED,
    SCORE_NONE,
    run,
)
from detectors.knobs import knobs
from detectors.layout import (
    BAR_MS,
    EXPIRE_BARS,
    N_ALERT_INTS,
    N_BASELINES,
    N_FEATURES,
)
from detectors.model import Model
from detectors.outputs import Closed, Outputs, ScoreRows, score_rows, together
from detectors.progress import Progress
from detectors.schedule import Change, ahead_of
from detectors.seen import Seen
from detectors.settings import EngineSettings
from detectors.slots import Slots
from detectors.snapshot import pack_snapshot, unpack_snapshot
from schemas.records import Alert

ScoreMode = Literal["alerts", "gated", "all"]
SWEEP_BARS: Final = 720
_MODES: Final = {"alerts": SCORE_NONE, "gated": SCORE_GATED, "all": SCORE_ALL}


class Engine:
    """Rolling z-scores, classifier and episodes over one partition's records.

    Parameters
    ----------
    settings, model : part of the fingerprint.
    inputs : names of the inputs; a bar closes when the log has passed it on every one.
    fingerprint : hash of settings, model, lexicon, code and Unicode version, for the alerts.
    symbols : symbol by token id, for the alerts.
    scores : which score rows to emit: none, those past the gate, or every walked bar.

    Examples
    --------
    >>> from detectors.model import blank_model
    >>> engine = Engine(EngineSettings(), blank_model(), ["log"], fingerprint="doc")
    >>> engine.push("log", None, 0, 1_736_812_800_000).alerts
    []
    >>> engine.offset("log"), engine.held_by()
    (0, 'log')
    """

    _out: tuple[NDArray[Any], ...]

    def __init__(
        self,
        settings: EngineSettings,
        model: Model,
        inputs: Sequence[str],
        *,
        fingerprint: str,
        symbols: Mapping[str, str] | None = None,
        scores: ScoreMode = "alerts",
    ) -> None:
        self.settings = settings
        self.model = model
        self._writer = AlertWriter(settings, model, fingerprint, symbols or {})
        self._mode = _MODES[scores]
        self._progress = Progress(inputs)
        self._slots = Slots()
        self._seen = Seen(settings.backfill_limit_ms // BAR_MS)
        self._next_bar = 0
        self._swept = 0
        self._evidence = Evidence()
        self._hold = HoldBack()
        self._open: NDArray[np.int32] = np.zeros(64, np.int32)
        self._n_open = 0
        self.stats = np.zeros(2, np.int64)
        self._out = (
            np.empty((256, 2), np.int64),
            np.empty(256, np.int64),
            np.empty((256, N_FEATURES)),
            np.empty((16, N_ALERT_INTS), np.int64),
            np.empty((16, N_FEATURES)),
            np.empty((16, N_BASELINES)),
            np.empty((16, N_BASELINES)),
        )
        self._lives = np.empty((16, 3), np.int64)
        self._knobs = knobs(settings)
        self._ahead: deque[Change] = deque()

    def push(
        self,
        name: str,
        columns: Columns | None,
        through_offset: int,
        through_log_ms: int,
        log_start_ms: int | None = None,
    ) -> Outputs:
        """Take records of one input, read through an offset and a log time.

        ``columns`` None is pure progress: silence that is known. What was read before (an offset
        not beyond ``offset(name)``) is skipped whole. ``log_start_ms`` is what the log declares as
        its start. Returns what the bars that closed gave.
        """
        if through_offset <= self._progress.offset(name):
            return Outputs()
        before = self._progress.floor(name)
        incoming, records = None, 0 if columns is None else len(columns)
        if columns is not None and records:
            incoming = self._incoming(columns, before or 0)
            if log_start_ms is None and before is None:
                log_start_ms = int(columns.ts_log_ms[0])
        self._progress.advance(name, through_offset, through_log_ms, log_start_ms)
        end = self._progress.end_bar(self.settings.lateness_ms)
        closed = Closed([], None, 0, [])
        if end > self._next_bar:
            closed = self._close_through(end, incoming)
        elif incoming is not None:
            self._hold.add(incoming)
            self._remember(incoming)
        late, falls = np.empty(0, np.int64), 0
        if incoming is not None:
            late, falls = incoming.late, incoming.falls
        alerts, scores, duplicates, evicted = closed
        return Outputs(alerts, scores, late, duplicates, records, falls, evicted)

    def schedule(self, changes: Sequence[Change]) -> None:
        """Take what decides alerts from later bars on, instead of what was scheduled before.

        ``changes`` are all that are known, in the order of their bars, those in force included.
        Raises StateError where one is of bars that were closed without it.
        """
        self._ahead = ahead_of(changes, self._next_bar, self._writer.fingerprint)

    def offset(self, name: str) -> int:
        """Last offset read of an input, -1 for none."""
        return self._progress.offset(name)

    def through_log_ms(self, name: str) -> int | None:
        """Log time an input has reached; None before its first record."""
        return self._progress.floor(name)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order given."""
        return self._progress.names

    @property
    def fingerprint(self) -> str:
        """Of what is in force for the next bar."""
        return self._writer.fingerprint

    def held_by(self) -> str:
        """The input that holds bars open: the one whose log has come least far."""
        return self._progress.held_by()

    @property
    def log_start_ms(self) -> int | None:
        """Where baselines begin; None until every input has been heard of."""
        return self._progress.log_start_ms

    @property
    def closed_ms(self) -> int:
        """Event time up to which bars are closed; 0 before the first."""
        return self._next_bar * BAR_MS

    @property
    def tracked(self) -> int:
        """Tokens with state."""
        return len(self._slots)

    @property
    def open_episodes(self) -> int:
        """Episodes open or fading."""
        return self._n_open

    def universe(self) -> list[tuple[str, int, int]]:
        """Live tokens with the start of their first and last bar that held a record, in ms."""
        state = self._slots.state
        return [
            (token, int(state["first_bar"][slot]) * BAR_MS, int(state["last_bar"][slot]) * BAR_MS)
            for token, slot in self._slots.tokens()
            if state["bar"][slot] > 0
        ]

    def sweep(self) -> list[tuple[str, int, int]]:
        """Evict every token that has expired by now; returns their lives. Never shows in alerts.

        A token of whom nothing was ever taken in, say because all of it came too late, just goes.
        """
        used = self._slots.used
        state = self._slots.state[:used]
        old = (state["bar"] > 0) & (state["ep"] == 0)
        old &= self._next_bar - 1 - state["bar"] > EXPIRE_BARS
        blank = self._slots.held & (state["bar"] == 0)
        for idle in (old, blank):
            idle[self._hold.rows["slot"]] = False
        ended = np.flatnonzero(old)
        lives = [
            (self._slots.token(slot), first * BAR_MS, last * BAR_MS)
            for slot, first, last in zip(
                ended.tolist(),
                state["first_bar"][ended].tolist(),
                state["last_bar"][ended].tolist(),
                strict=True,
            )
        ]
        self._slots.free(np.flatnonzero(old | blank).tolist())
        return lives

    def snapshot(self) -> bytes:
        """The whole state, records that await their bar included; uncompressed."""
        return pack_snapshot(
            progress=self._progress,
            slots=self._slots,
            seen=self._seen,
            pend=self._hold.rows,
            ids=[self._evidence.of(ref) for ref in self._hold.rows["ref"].tolist()],
            next_bar=self._next_bar,
            fingerprint=self._writer.fingerprint,
        )

    def restore(self, blob: bytes, fingerprint: str | None = None) -> None:
        """Take over a snapshot of an engine with the same settings, model and inputs.

        Raises StateError where it has another layout, fingerprint or set of inputs.
        ``fingerprint`` is the one to expect where it may differ from this engine's: alerts then no
        longer equal a replay's.
        """
        expected = self._writer.fingerprint if fingerprint is None else fingerprint
        parts = unpack_snapshot(blob, expected, self._progress.names)
        self._progress, self._slots, self._seen = parts.progress, parts.slots, parts.seen
        self._next_bar = self._swept = parts.next_bar
        n = len(parts.pend)
        parts.pend["ref"] = np.arange(n)
        self._hold.load(parts.pend)
        self._evidence = Evidence()
        if n:
            last = int(parts.pend["bar"].max())
            self._evidence.add(n, last, [text or "" for text in parts.ids])
        self._open = np.flatnonzero(self._slots.state["ep"]).astype(np.int32)
        self._n_open = len(self._open)

    def _incoming(self, columns: Columns, through: int) -> Incoming:
        return Incoming(
            columns,
            self._slots.of(columns.tokens, columns.token),
            first_ref=self._evidence.next_ref,
            through=through,
            lateness_ms=self.settings.lateness_ms,
            backfill_ms=self.settings.backfill_limit_ms,
        )

    def _remember(self, incoming: Incoming) -> None:
        """Keep ids of records that were taken in."""
        self._evidence.add(len(incoming), incoming.last_bar, incoming.columns.ids)

    def _close_through(self, end: int, incoming: Incoming | None) -> Closed:
        """Take records in and close bars up to ``end``, each by what is in force for it."""
        closed = []
        while self._ahead and self._ahead[0].from_bar <= end:
            change = self._ahead.popleft()
            if change.from_bar > self._next_bar:
                closed.append(self._close(change.from_bar, incoming))
                incoming = None
            self.settings, self.model = change.settings, change.model
            self._writer = AlertWriter(
                change.settings, change.model, change.fingerprint, change.symbols
            )
            self._knobs = knobs(change.settings)
        if end > self._next_bar:
            closed.append(self._close(end, incoming))
        return closed[0] if len(closed) == 1 else together(closed)

    def _close(self, end: int, incoming: Incoming | None = None) -> Closed:
        slots = self._slots
        if len(self._open) < len(slots.state):
            self._open = grown(self._open, len(slots.state), self._n_open)
        duplicates, due = self._hold.close(
            end, incoming, slots.hashes, self._seen, self._open, self._n_open
        )
        if incoming is not None:
            self._remember(incoming)
        counts = self._walk(due, end).tolist()
        alerts = self._alerts(counts[N_ALERTS]) if counts[N_ALERTS] else []
        scores = self._scores(counts[N_SCORES]) if self._mode != SCORE_NONE else None
        evicted = [
            (slots.token(slot), first * BAR_MS, last * BAR_MS)
            for slot, first, last in self._lives[: counts[N_LIVES]].tolist()
        ]
        self._next_bar = end
        self._evidence.forget(end)
        if end - self._swept >= SWEEP_BARS:
            self._swept = end
            evicted += self.sweep()
        return Closed(alerts, scores, duplicates, evicted)

    def _walk(self, due: int, end: int) -> NDArray[np.int64]:
        """Walk the due tokens; returns how many rows of each output there are."""
        counts, at, n_open = np.zeros(3, np.int64), 0, 0
        while True:
            at, n_open = self._run(at, due, end, n_open, counts)
            if at == due:
                self._n_open = n_open
                return counts
            self._make_room(counts)

    def _run(
        self, at: int, due: int, end: int, n_open: int, counts: NDArray[np.int64]
    ) -> tuple[int, int]:
        """Walk from due token number ``at`` on, as far as the outputs have room."""
        model, hold = self.model, self._hold
        s_key, s_logit, s_feat, a_int, a_feat, a_mean, a_dev = self._out
        return run(
            self._slots.state, hold.ready, hold.touched, hold.spans, at, due, end,
            self._progress.log_start_ms or 0, self._knobs, model.trees, model.base,
            self._mode, self._open, self._lives,
            s_key, s_logit, s_feat, a_int, a_feat, a_mean, a_dev, n_open, counts, self.stats,
        )  # fmt: skip

    def _make_room(self, counts: NDArray[np.int64]) -> None:
        """Double the outputs that are half full or more: one of them had no room."""
        scores, alerts, lives = counts.tolist()
        outputs = zip((*self._out, self._lives), [scores] * 3 + [alerts] * 4 + [lives], strict=True)
        *out, self._lives = [
            grown(array, 2 * len(array), n) if 2 * n >= len(array) else array
            for array, n in outputs
        ]
        self._out = tuple(out)

    def _alerts(self, n: int) -> list[Alert]:
        _, _, _, ints, features, means, deviations = self._out
        return self._writer.write(
            n, self._slots.token, ints, features, means, deviations, self._evidence.of
        )

    def _scores(self, n: int) -> ScoreRows:
        key, logit, features, *_ = self._out
        return score_rows(key[:n], logit[:n], features[:n], self._slots.token)
