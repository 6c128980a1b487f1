"""The walk over due tokens and their bars: the whole detector, in one compiled call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit, nth, prefetch
from detectors.kernels.bars import fill_bar, find_evidence
from detectors.kernels.episodes import (
    NO_LOGIT,
    NONE,
    OPEN_STATE,
    T_NO_TRADES,
    attention_permille,
    follow,
    may_open,
    maybe_open,
    note_burst,
    recent_top,
)
from detectors.kernels.features import (
    AUTHORS,
    L_AUTHORS,
    L_TRADERS,
    LATES,
    MENTIONS,
    N_COUNTS,
    TRADERS,
    TRADES,
    count_first,
    count_long,
    count_people,
    count_rest,
    other_features,
    scores,
)
from detectors.kernels.gate import is_few, is_hot, may_swell, runs_hot
from detectors.kernels.trees import logit_micro
from detectors.kernels.windows import advance, begin
from detectors.layout import (
    EXPIRE_BARS,
    HOT_BYTE,
    HOT_END,
    HOUR,
    HOUR_RING,
    LINE,
    LP_RING,
    MINUTE_BARS,
    N_BASELINES,
    N_FEATURES,
    NO_PRICE,
    SHORT,
    W_BYTES,
)
from schemas.platforms import N_PLATFORMS

NO_MOVE = -(1 << 62)
SCORE_NONE, SCORE_GATED, SCORE_ALL = 0, 1, 2
N_SCORES, N_ALERTS, N_LIVES = 0, 1, 2


@jit
def moved(now: Int64, then: Int64) -> Int64:
    """Log2 price change in 2**-20, NO_MOVE where unknown."""
    if now == NO_PRICE or then == NO_PRICE:
        return NO_MOVE
    return now - then


@jit
def fetch_token(state: NDArray[Any], slot: Int64, b: Int64) -> None:
    """Fetch what a token's next bar will touch while another one is still walked."""
    for byte in range(HOT_BYTE, HOT_END, LINE):
        prefetch(state, slot, byte)
    at = b % SHORT * W_BYTES
    prefetch(state, slot, at)
    prefetch(state, slot, at + LINE)


@jit
def write_alert(
    row: Record,
    s: Record,
    b: Int64,
    slot: Int64,
    kind: Int64,
    logit: Int64,
    n: NDArray[Any],
    long: NDArray[Any],
    minutes: Int64,
    quarters: Int64,
    hours: Int64,
    evidence: NDArray[Any],
    p: NDArray[Any],
) -> None:
    """All integers an alert is made of, in the order of ``ALERT_INTS``."""
    now = np.int64(s["log_price"])
    row[0] = b
    row[1] = slot
    row[2] = kind
    row[3] = s["ep_seq"]
    row[4] = s["ep_start"]
    row[5] = logit
    row[6] = s["price"]
    row[7] = s["price_ms"]
    row[8] = s["liquidity"]
    row[9] = s["supply"]
    row[10] = moved(now, np.int64(s["hot_log_price"]))
    row[11] = moved(now, np.int64(s["hour_price"][(s["cur_min"] - HOUR) % HOUR_RING]))
    row[12] = moved(now, np.int64(s["ep_peak_log_price"]))
    row[13] = attention_permille(s, long[L_AUTHORS], long[L_TRADERS], p)
    row[14] = max(s["ep_peak_authors"], s["ep_peak_traders"])
    row[15] = n[MENTIONS]
    row[16] = n[AUTHORS]
    row[17] = n[TRADES]
    row[18] = n[TRADERS]
    row[19] = n[LATES]
    row[20] = n[MENTIONS] + n[TRADES]
    row[21] = minutes
    row[22] = quarters
    row[23] = hours
    for k in range(3):
        row[24 + k] = evidence[k]


@jit
def classify(f: NDArray[Any], trees: NDArray[Any], base: float, p: NDArray[Any]) -> Int64:
    """The classifier's score in millionths of a logit; NO_LOGIT in a log without trades."""
    if p[T_NO_TRADES] != 0:
        return np.int64(NO_LOGIT)
    return logit_micro(f, trees, base)


@jit
def next_bar(s: Record, ready: NDArray[Any], p: Int64, q_all: Int64, end_bar: Int64) -> Int64:
    """The token's next bar to walk: that of record p, if any; every one while an episode is open.

    ``end_bar`` or later where there is none yet.
    """
    b = np.int64(ready[nth(p)]["bar"]) if p < q_all else np.int64(end_bar)
    return min(b, s["bar"] + 1) if s["ep"] != 0 else b


@jit
def take_bar(
    s: Record, b: Int64, ready: NDArray[Any], p: Int64, q_all: Int64, n: NDArray[Any]
) -> Int64:
    """Bring the state to bar b and fold its records, from p on; returns where the next bar's begin.

    ``n`` gets what was said and traded in the short window that ends with b.
    """
    advance(s, b)
    count_first(s, b, n)
    q = p
    while q < q_all and ready[nth(q)]["bar"] == b:
        q += 1
    if q > p:
        fill_bar(s, b, ready, p, q, n)
    s["bar"] = b
    return q


@jit
def run(
    state: NDArray[Any],
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
    score_mode: Int64,
    episodes: NDArray[Any],
    lives: NDArray[Any],
    s_key: NDArray[Any],
    s_logit: NDArray[Any],
    s_feat: NDArray[Any],
    a_int: NDArray[Any],
    a_feat: NDArray[Any],
    a_mean: NDArray[Any],
    a_dev: NDArray[Any],
    n_open: Int64,
    counts: NDArray[Any],
    stats: NDArray[Any],
) -> tuple[Int64, Int64]:
    """Walk the records of due tokens from number ``first`` on, closing bars below ``end_bar``.

    Adds score rows (bar, slot), alert rows and lives that ended by silence (slot, first bar, last
    bar), whose numbers ``counts`` holds. Stops before a bar whose rows might not fit, so that the
    caller can make room and go on with that token, the rest of whose records ``spans`` then tells.
    Returns (next token's number, open episodes).
    """
    f = np.empty(N_FEATURES)
    means = np.empty(N_BASELINES)
    devs = np.empty(N_BASELINES)
    n = np.empty(N_COUNTS, np.int64)
    long = np.empty(5, np.int64)
    evidence = np.empty(3, np.int64)
    bits = np.empty(max(8, N_PLATFORMS), np.int64)
    n_scores = counts[N_SCORES]
    n_alerts = counts[N_ALERTS]
    n_lives = counts[N_LIVES]
    n_room = lives.shape[0]
    minutes = np.int64(0)
    quarters = np.int64(0)
    hours = np.int64(0)
    j = first
    while j < due:
        slot = touched[j]
        if j + 1 < due:
            fetch_token(state, touched[j + 1], np.int64(ready[spans[j + 1, 0]]["bar"]))
        s = state[slot]
        p = spans[j, 0]
        q_all = spans[j, 1]
        full = False
        while True:
            b = next_bar(s, ready, p, q_all, end_bar)
            if b >= end_bar:
                break
            if n_alerts == a_int.shape[0] or n_scores == s_logit.shape[0] or n_lives == n_room:
                full = True
                break
            if s["bar"] == 0:
                begin(s, b)
            elif s["ep"] == 0 and b - s["bar"] > EXPIRE_BARS:
                lives[n_lives, 0] = slot
                lives[n_lives, 1] = s["first_bar"]
                lives[n_lives, 2] = s["last_bar"]
                n_lives += 1
                begin(s, b)
            of_bar = p
            p = take_bar(s, b, ready, p, q_all, n)
            fresh = bool(p > of_bar)
            stats[0] += 1
            watched = s["ep"] != 0
            swell = False
            if fresh and not watched:
                swell = may_swell(s, log_start_ms, f, means, devs, settings)
            if is_few(n) and not (watched or swell) and score_mode != SCORE_ALL:
                continue
            count_long(s, long)
            # an open episode is scored once a minute, for updates; a fading one no more
            look = fresh
            if watched:
                look = fresh and s["ep"] == OPEN_STATE and b % MINUTE_BARS == 0
            hot = False
            counted = look or score_mode != SCORE_NONE
            if look and not watched and score_mode == SCORE_NONE:
                counted = swell or runs_hot(s, b, n, long, log_start_ms, bits)
                look = counted
            if counted:
                count_rest(s, b, n)
                minutes, quarters, hours = scores(s, b, n, long, log_start_ms, f, means, devs, bits)
                hot = swell or is_hot(f, n)
            judged = look
            if watched or hot or score_mode != SCORE_NONE:
                count_people(s, long)
            authors, traders = long[L_AUTHORS], long[L_TRADERS]
            if look and not watched:
                on_time = n[MENTIONS] + n[TRADES]
                judged = hot and may_open(
                    s, b, authors, traders, n[LATES], on_time, recent_top(s), settings
                )
            # an episode keeps the onset it opened with, once its price is known
            if look and hot and (not watched or s["hot_log_price"] == NO_PRICE):
                note_burst(s, b, np.int64(s["lp"][(b - SHORT) % LP_RING]))
            told = score_mode == SCORE_ALL or (score_mode == SCORE_GATED and (hot or watched))
            logit = np.int64(NO_LOGIT)
            if judged or told:
                stats[1] += 1
                other_features(s, b, n, long, f, means, bits, settings)
                logit = classify(f, trees, base, settings)
            kind = NONE
            if watched:
                new = logit if judged else np.int64(NO_LOGIT)
                kind = follow(s, b, new, authors, traders, settings)
            elif judged:
                kind = maybe_open(s, b, logit, f, authors, traders, settings)
            if told:
                s_key[n_scores, 0] = b
                s_key[n_scores, 1] = slot
                s_logit[n_scores] = logit
                s_feat[n_scores] = f
                n_scores += 1
            if kind != NONE:
                if not counted:
                    count_rest(s, b, n)
                    minutes, quarters, hours = scores(
                        s, b, n, long, log_start_ms, f, means, devs, bits
                    )
                if logit == NO_LOGIT:
                    other_features(s, b, n, long, f, means, bits, settings)
                    logit = classify(f, trees, base, settings)
                find_evidence(ready, of_bar, p, evidence)
                write_alert(
                    a_int[n_alerts], s, b, slot, kind, logit, n, long, minutes, quarters, hours,
                    evidence, settings,
                )  # fmt: skip
                a_feat[n_alerts] = f
                a_mean[n_alerts] = means
                a_dev[n_alerts] = devs
                n_alerts += 1
        if full:
            spans[j, 0] = p
            break
        if s["ep"] != 0:
            episodes[n_open] = slot
            n_open += 1
        j += 1
    counts[N_SCORES] = n_scores
    counts[N_ALERTS] = n_alerts
    counts[N_LIVES] = n_lives
    return j, n_open
