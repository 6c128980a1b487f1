"""Hysteresis: scores become one episode a burst, and an episode a handful of alerts.

none --candidate--> open --fading--> fading --closed--> none (refractory)
                     ^----update-------'
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit
from detectors.layout import (
    HOUR,
    HOUR_RING,
    MINUTE_BARS,
    NO_PRICE,
    ONSET_GAP_BARS,
    SHORT,
    Z_RETURN,
    Z_TRADES,
    Z_WEEK,
)

NONE, CANDIDATE, UPDATE, FADING, CLOSED, SURGE, ATTENTION = 0, 1, 2, 3, 4, 5, 6
OPEN_STATE, FADING_STATE = 1, 2
NO_LOGIT = -(1 << 62)
NEVER = 1 << 60  # a limit that nothing reaches

# places in the vector of settings
(
    T_LOGIT,
    T_BARS,
    T_STEP,
    T_RISE_Q20,
    T_FADE_PERMILLE,
    T_DRAW_Q20,
    T_RUG_Q20,
    T_FADE_BARS,
    T_PATIENCE_PERMILLE,
    T_CLOSE_PERMILLE,
    T_CLOSE_BARS,
    T_REFRACTORY,
    T_AUTHORS,
    T_TRADERS,
    T_FALL_Q20,
    T_NO_POSTS,
    T_SURGE_RETURN,
    T_SURGE_TRADES,
    T_NO_TRADES,
    T_ATTENTION,
    T_CROWD,
) = range(21)
N_SETTINGS = 21
RECENT_MINUTES = 15
QUIET_BARS = HOUR * MINUTE_BARS


@jit
def note_burst(s: Record, b: Int64, then: Int64) -> None:
    """Remember where a run of high scores began, and the price of one short window earlier."""
    if s["hot_last"] < b - ONSET_GAP_BARS:
        s["hot_bar"] = b
        s["hot_log_price"] = then
    elif s["hot_log_price"] == NO_PRICE:
        s["hot_log_price"] = then
    s["hot_last"] = b


@jit
def attention_permille(s: Record, authors: Int64, traders: Int64, p: NDArray[Any]) -> Int64:
    """Attention of the long window as a share of the episode's peak, in thousandths.

    Authors are followed where there was a crowd of them, else traders.
    """
    if s["ep_peak_authors"] >= p[T_CROWD]:
        return authors * 1000 // s["ep_peak_authors"]
    if s["ep_peak_traders"] > 0:
        return traders * 1000 // s["ep_peak_traders"]
    return np.int64(1000)


@jit
def recent_top(s: Record) -> Int64:
    """Highest log2 price at the last 15 minutes' ends, NO_PRICE where there was none."""
    top: Int64 = np.int64(NO_PRICE)
    for k in range(1, RECENT_MINUTES + 1):
        top = max(top, np.int64(s["hour_price"][(s["cur_min"] - k) % HOUR_RING]))
    return top


@jit
def may_open(
    s: Record,
    b: Int64,
    authors: Int64,
    traders: Int64,
    late: Int64,
    on_time: Int64,
    top: Int64,
    p: NDArray[Any],
) -> bool:
    """Whether all but the score allows an episode; authors and traders are the long window's.

    ``top`` is the ``recent_top`` of the price.
    """
    if authors < p[T_AUTHORS] or traders < p[T_TRADERS]:
        return False
    if late > on_time or (s["log_price"] == NO_PRICE and p[T_NO_TRADES] == 0):
        return False
    if top != NO_PRICE and s["log_price"] <= top - p[T_FALL_Q20]:
        return False
    return s["ep_end"] < 0 or b - s["ep_end"] > p[T_REFRACTORY]


@jit
def surges(f: NDArray[Any], p: NDArray[Any]) -> bool:
    """Whether price and trades stand out together; never while either has no baseline."""
    return bool(f[Z_RETURN] * 1000 >= p[T_SURGE_RETURN] and f[Z_TRADES] * 1000 >= p[T_SURGE_TRADES])


@jit
def swells(f: NDArray[Any], p: NDArray[Any]) -> bool:
    """Whether the posts of an hour stand out from the week; never while that has no baseline."""
    return bool(f[Z_WEEK] * 1000 >= p[T_ATTENTION])


@jit
def passes(s: Record, b: Int64, logit: Int64, p: NDArray[Any]) -> bool:
    """Whether the classifier's score has now been at its threshold for enough bars in a row."""
    if logit < p[T_LOGIT]:
        s["run"] = 0
        return False
    if s["run_last"] < b - SHORT:
        s["run"] = 0
    s["run"] += 1
    s["run_last"] = b
    return bool(s["run"] >= p[T_BARS])


@jit
def maybe_open(
    s: Record,
    b: Int64,
    logit: Int64,
    f: NDArray[Any],
    authors: Int64,
    traders: Int64,
    p: NDArray[Any],
) -> Int64:
    """Whether an episode opens with this bar, which ``may_open`` allows, and by which rule."""
    kind = CANDIDATE
    if not passes(s, b, logit, p):
        if surges(f, p):
            kind = SURGE
        elif swells(f, p):
            kind = ATTENTION
        else:
            return NONE
    s["ep"] = OPEN_STATE
    s["ep_seq"] = 0
    s["ep_start"] = b
    s["ep_sent"] = logit
    s["ep_sent_log_price"] = s["log_price"]
    s["ep_peak_log_price"] = s["log_price"]
    s["ep_peak_bar"] = b
    s["ep_peak_authors"] = authors
    s["ep_peak_traders"] = traders
    return kind


@jit
def is_fading(
    s: Record, b: Int64, share: Int64, quiet: bool, fallen: Int64, p: NDArray[Any]
) -> bool:
    """Whether the crowd has left a price that no longer rises, or the price has broken.

    A wave that rose for a day pauses for an hour, one that rose for minutes does not: patience is
    a share of the time the rise took. ``quiet`` is that nobody at all spoke or traded within the long
    window. A price that nobody trades cannot fall, so an hour after the highest that is enough.
    """
    since = b - s["ep_peak_bar"]
    if since < p[T_FADE_BARS]:
        return False
    if fallen >= p[T_RUG_Q20]:
        return True
    rise = s["ep_peak_bar"] - s["ep_start"]
    if since * 1000 < rise * p[T_PATIENCE_PERMILLE]:
        return False
    if quiet and since >= QUIET_BARS:
        return True
    return share <= p[T_FADE_PERMILLE] and fallen >= p[T_DRAW_Q20]


@jit
def follow(
    s: Record, b: Int64, logit: Int64, authors: Int64, traders: Int64, p: NDArray[Any]
) -> Int64:
    """One bar of an open or fading episode. Returns the kind of alert it calls for.

    ``logit`` is NO_LOGIT where nothing was scored: an open episode is scored once a minute, where
    the bar has records; a fading one never. In a log without trades the crowd has the peak that
    elsewhere is the price's.
    """
    if p[T_NO_TRADES] != 0 and authors > s["ep_peak_authors"]:
        s["ep_peak_bar"] = b
    s["ep_peak_authors"] = max(s["ep_peak_authors"], authors)
    s["ep_peak_traders"] = max(s["ep_peak_traders"], traders)
    price = np.int64(s["log_price"])
    if price > s["ep_peak_log_price"]:
        s["ep_peak_log_price"] = price
        s["ep_peak_bar"] = b
    share = attention_permille(s, authors, traders, p)
    fallen = np.int64(s["ep_peak_log_price"]) - price
    told = np.int64(s["ep_sent_log_price"])
    news = logit >= s["ep_sent"] + p[T_STEP] or price >= told + p[T_RISE_Q20]
    kind = NONE
    if s["ep"] == OPEN_STATE:
        if is_fading(s, b, share, authors + traders == 0, fallen, p):
            s["ep"] = FADING_STATE
            s["ep_fade_bar"] = b
            kind = FADING
        elif news:
            kind = UPDATE
    elif b - s["ep_fade_bar"] >= p[T_CLOSE_BARS] or share <= p[T_CLOSE_PERMILLE]:
        s["ep"] = 0
        s["ep_end"] = b
        s["run"] = 0
        kind = CLOSED
    elif price > told + p[T_RISE_Q20] and price >= s["ep_peak_log_price"]:
        s["ep"] = OPEN_STATE
        kind = UPDATE
    if kind != NONE:
        s["ep_seq"] += 1
        s["ep_sent"] = max(s["ep_sent"], logit)
        s["ep_sent_log_price"] = max(told, price)
    return kind
