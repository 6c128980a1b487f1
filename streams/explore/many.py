"""One walk over a token's bars for many settings: what they share is computed once.

Bars, windows and features depend on no episode, so one engine's state serves all settings, and each
has a record of its own for its episode alone. The order of things is that of the kernel's own walk, and every
rule is called where it is: what this file must get right is held to the alerts of replays by tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.alerts import AlertWriter
from detectors.engine import Engine
from detectors.jit import Int64, Record, jit
from detectors.kernels.bars import find_evidence
from detectors.kernels.episodes import (
    NO_LOGIT,
    NONE,
    OPEN_STATE,
    T_ATTENTION,
    follow,
    may_open,
    maybe_open,
    note_burst,
    recent_top,
    swells,
)
from detectors.kernels.features import (
    L_AUTHORS,
    L_TRADERS,
    LATES,
    MENTIONS,
    N_COUNTS,
    TRADES,
    count_long,
    count_people,
    count_rest,
    other_features,
    scores,
)
from detectors.kernels.gate import is_few, is_hot, may_swell, runs_hot
from detectors.kernels.run import N_ALERTS, classify, next_bar, take_bar, write_alert
from detectors.kernels.windows import begin
from detectors.knobs import knobs
from detectors.layout import (
    EXPIRE_BARS,
    LP_RING,
    MINUTE_BARS,
    N_ALERT_INTS,
    N_BASELINES,
    N_FEATURES,
    NO_PRICE,
    SHORT,
    STATE,
)
from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.platforms import N_PLATFORMS
from schemas.records import Alert

OWN: Final = (
    "hot_bar", "hot_last", "hot_log_price", "ep", "ep_seq", "ep_start", "ep_fade_bar", "ep_end",
    "ep_peak_bar", "ep_sent", "ep_peak_authors", "ep_peak_traders", "ep_sent_log_price",
    "ep_peak_log_price", "run", "run_last", "log_price",
)  # fmt: skip
I8 = NDArray[np.int64]
EPISODE: Final = np.dtype([(name, STATE[name]) for name in OWN], align=True)
"""What a setting has of its own: the episode, its onset, the run of bars that opens one."""


@jit
def reset(e: Record, s: Record) -> None:
    """A new token: no episode yet, under any setting."""
    e["hot_bar"] = s["hot_bar"]
    e["hot_last"] = s["hot_last"]
    e["hot_log_price"] = s["hot_log_price"]
    e["ep"] = s["ep"]
    e["ep_seq"] = s["ep_seq"]
    e["ep_end"] = s["ep_end"]
    e["run"] = s["run"]
    e["run_last"] = s["run_last"]


@jit
def lend(s: Record, e: Record) -> None:
    """Put a setting's episode where an alert is written from."""
    s["hot_log_price"] = e["hot_log_price"]
    s["ep_seq"] = e["ep_seq"]
    s["ep_start"] = e["ep_start"]
    s["ep_peak_authors"] = e["ep_peak_authors"]
    s["ep_peak_traders"] = e["ep_peak_traders"]
    s["ep_peak_log_price"] = e["ep_peak_log_price"]


@jit
def walk_many(
    state: NDArray[Any],
    own: NDArray[Any],
    odd: NDArray[Any],
    ready: NDArray[Any],
    touched: NDArray[Any],
    spans: NDArray[Any],
    first: Int64,
    due: Int64,
    end_bar: Int64,
    log_start_ms: Int64,
    settings: NDArray[Any],
    trees: NDArray[Any],
    base: float,
    episodes: NDArray[Any],
    a_int: NDArray[Any],
    a_feat: NDArray[Any],
    a_mean: NDArray[Any],
    a_dev: NDArray[Any],
    n_open: Int64,
    counts: NDArray[Any],
) -> tuple[Int64, Int64]:
    """Walk as ``run`` does, under K settings: it stops where rows might not fit, and goes on there.

    ``own`` has shape (slots, K); ``settings`` (K, N_SETTINGS). ``s["ep"]`` of the shared state says
    whether any setting follows an episode. The last column of ``a_int`` is the setting. A token of
    which one setting has forgotten all by silence, while another follows it on, is marked in
    ``odd``: its alerts are not to be had from shared state. Returns (next token's number, open tokens).
    """
    f = np.empty(N_FEATURES)
    means = np.empty(N_BASELINES)
    devs = np.empty(N_BASELINES)
    n = np.empty(N_COUNTS, np.int64)
    long = np.empty(5, np.int64)
    evidence = np.empty(3, np.int64)
    bits = np.empty(max(8, N_PLATFORMS), np.int64)
    many = settings.shape[0]
    lowest = settings[:, T_ATTENTION].argmin()
    n_alerts = counts[N_ALERTS]
    minutes = np.int64(0)
    quarters = np.int64(0)
    hours = np.int64(0)
    j = first
    while j < due:
        slot = touched[j]
        s = state[slot]
        p = spans[j, 0]
        q_all = spans[j, 1]
        full = False
        while True:
            b = next_bar(s, ready, p, q_all, end_bar)
            if b >= end_bar:
                break
            if n_alerts + many > a_int.shape[0]:
                full = True
                break
            if s["bar"] == 0 or (s["ep"] == 0 and b - s["bar"] > EXPIRE_BARS):
                begin(s, b)
                for k in range(many):
                    reset(own[slot, k], s)
            before = np.int64(s["last_bar"])
            of_bar = p
            p = take_bar(s, b, ready, p, q_all, n)
            fresh = bool(p > of_bar)
            swell = False
            if fresh:
                swell = may_swell(s, log_start_ms, f, means, devs, settings[lowest])
            few = is_few(n) and not swell
            idle = False
            scored = False
            watched = False
            for k in range(many):
                e = own[slot, k]
                if e["ep"] == 0:
                    idle = True
                    if fresh and b - max(before, e["ep_end"]) > EXPIRE_BARS:
                        odd[slot] = 1
                else:
                    watched = True
                    scored = scored or e["ep"] == OPEN_STATE
            if few and not watched:
                continue
            count_long(s, long)
            scored = scored and fresh and b % MINUTE_BARS == 0
            idle = idle and fresh and not few
            counted = scored or idle
            hot = False
            if idle and not scored:
                counted = swell or runs_hot(s, b, n, long, log_start_ms, bits)
                idle = counted
            if counted:
                count_rest(s, b, n)
                minutes, quarters, hours = scores(s, b, n, long, log_start_ms, f, means, devs, bits)
                hot = is_hot(f, n)
            if watched or hot or swell:
                count_people(s, long)
            authors, traders = long[L_AUTHORS], long[L_TRADERS]
            on_time = n[MENTIONS] + n[TRADES]
            logit = np.int64(NO_LOGIT)
            top = recent_top(s) if hot or swell else np.int64(NO_PRICE)
            any_open = False
            for k in range(many):
                e = own[slot, k]
                e["log_price"] = s["log_price"]
                follows = e["ep"] != 0
                if follows:
                    look = scored and e["ep"] == OPEN_STATE
                else:
                    look = idle
                    if not look:
                        continue
                judged = look
                own_hot = hot or (swell and not follows and swells(f, settings[k]))
                if look and not follows:
                    judged = own_hot and may_open(
                        e, b, authors, traders, n[LATES], on_time, top, settings[k]
                    )
                if look and own_hot and (not follows or e["hot_log_price"] == NO_PRICE):
                    note_burst(e, b, np.int64(s["lp"][(b - SHORT) % LP_RING]))
                if judged and logit == NO_LOGIT:
                    other_features(s, b, n, long, f, means, bits, settings[0])
                    logit = classify(f, trees, base, settings[0])
                kind = NONE
                if follows:
                    new = logit if judged else np.int64(NO_LOGIT)
                    kind = follow(e, b, new, authors, traders, settings[k])
                elif judged:
                    kind = maybe_open(e, b, logit, f, authors, traders, settings[k])
                any_open = any_open or e["ep"] != 0
                if kind == NONE:
                    continue
                if not counted:
                    count_rest(s, b, n)
                    minutes, quarters, hours = scores(
                        s, b, n, long, log_start_ms, f, means, devs, bits
                    )
                    counted = True
                if logit == NO_LOGIT:
                    other_features(s, b, n, long, f, means, bits, settings[0])
                    logit = classify(f, trees, base, settings[0])
                lend(s, e)
                find_evidence(ready, of_bar, p, evidence)
                row = a_int[n_alerts]
                write_alert(
                    row,
                    s,
                    b,
                    slot,
                    kind,
                    logit,
                    n,
                    long,
                    minutes,
                    quarters,
                    hours,
                    evidence,
                    settings[k],
                )
                row[N_ALERT_INTS] = k
                a_feat[n_alerts] = f
                a_mean[n_alerts] = means
                a_dev[n_alerts] = devs
                n_alerts += 1
            s["ep"] = 1 if any_open else 0
        if full:
            spans[j, 0] = p
            break
        if s["ep"] != 0:
            episodes[n_open] = slot
            n_open += 1
        j += 1
    counts[N_ALERTS] = n_alerts
    return j, n_open


class ManyEngine(Engine):
    """An engine that gives the alerts of many settings, which differ in episodes and thresholds alone.

    ``push`` returns no alerts: they are in ``found``, a list for each setting, in order of bars as
    far as each push closes them. ``odd`` has the tokens whose alerts are not to be had this way.

    Parameters
    ----------
    settings : of one ``lateness_ms`` and ``backfill_limit_ms``.
    fingerprints : one for each.
    """

    def __init__(
        self,
        settings: Sequence[EngineSettings],
        model: Model,
        inputs: Sequence[str],
        *,
        fingerprints: Sequence[str],
        symbols: Mapping[str, str],
    ) -> None:
        if len({(each.lateness_ms, each.backfill_limit_ms) for each in settings}) != 1:
            msg = "settings that share a walk have the same lateness and backfill limit"
            raise ValueError(msg)
        super().__init__(settings[0], model, inputs, fingerprint=fingerprints[0], symbols=symbols)
        self._writers = [
            AlertWriter(each, model, mark, symbols)
            for each, mark in zip(settings, fingerprints, strict=True)
        ]
        self._limits = np.stack([knobs(each) for each in settings])
        self._own = np.zeros((len(self._slots.state), len(settings)), EPISODE)
        self._odd = np.zeros(len(self._slots.state), np.int8)
        self.found: list[list[Alert]] = [[] for _ in settings]
        self.odd: set[str] = set()
        room = max(256, 2 * len(settings))  # for a row a setting: a walk stops at less
        self._out = (
            *self._out[:3],
            np.empty((room, N_ALERT_INTS + 1), np.int64),
            np.empty((room, N_FEATURES)),
            np.empty((room, N_BASELINES)),
            np.empty((room, N_BASELINES)),
        )

    def _walk(self, due: int, end: int) -> NDArray[np.int64]:
        state = self._slots.state
        if len(self._own) < len(state):
            own = np.zeros((len(state), self._own.shape[1]), EPISODE)
            own[: len(self._own)] = self._own
            self._own = own
            self._odd = np.zeros(len(state), np.int8)
        counts = super()._walk(due, end)
        for slot in np.flatnonzero(self._odd).tolist():
            self.odd.add(self._slots.token(slot))
            self._odd[slot] = 0
        return counts

    def _run(self, at: int, due: int, end: int, n_open: int, counts: I8) -> tuple[int, int]:
        model, hold = self.model, self._hold
        _, _, _, a_int, a_feat, a_mean, a_dev = self._out
        return walk_many(
            self._slots.state, self._own, self._odd, hold.ready, hold.touched, hold.spans, at, due, end,
            self._progress.log_start_ms or 0, self._limits, model.trees, model.base,
            self._open, a_int, a_feat, a_mean, a_dev, n_open, counts,
        )  # fmt: skip

    def _alerts(self, n: int) -> list[Alert]:
        ints, *rest = (rows[:n] for rows in self._out[3:])
        for k in np.unique(ints[:, N_ALERT_INTS]).tolist():
            mine = np.flatnonzero(ints[:, N_ALERT_INTS] == k)
            own = np.ascontiguousarray(ints[mine, :N_ALERT_INTS])
            features, means, deviations = (rows[mine] for rows in rest)
            self.found[k] += self._writers[k].write(
                len(mine), self._slots.token, own, features, means, deviations, self._evidence.of
            )
        return []
