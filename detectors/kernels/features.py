"""The feature vector of the windows that end with one bar, and the baselines behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit, lowest, nth
from detectors.kernels.episodes import T_NO_POSTS, T_NO_TRADES
from detectors.kernels.lanes import marks_since, sums_since, unite
from detectors.kernels.log2 import log2_q20
from detectors.kernels.maths import (
    VOLUME_UNIT,
    Y_UNIT,
    deviation,
    distinct,
    stabilise,
    stabilise_count,
    stabilise_net,
    zscore,
)
from detectors.kernels.week import baseline_hours, score_week
from detectors.layout import (
    BAR_MS,
    DAY,
    HOUR,
    HOUR_RING,
    LP_RING,
    MIN_MINUTES,
    MIN_QUARTERS,
    NO_PRICE,
    POST_FEATURES,
    SHORT,
    SWELL,
    TRADE_FEATURES,
)
from schemas.platforms import N_PLATFORMS

RETURN_FLOOR = 30.0  # 2 % a minute, in 1/1024 of a doubling
Q20 = 1048576.0
MINUTE_MS = 60_000
DAY_MINUTES = 1_440

# places in the vector of window counts
MENTIONS, TRADES, COPIES, RUSH, N_BUYS, LATES, REACH, BUYS, SELLS = range(9)
AUTHORS, TRADERS, RECENT = 9, 10, 11
N_COUNTS = 12
# places in the vector of the long window
L_MENTIONS, L_TRADES, L_VOLUME, L_AUTHORS, L_TRADERS = range(5)


@jit
def count_first(s: Record, b: Int64, n: NDArray[Any]) -> None:
    """Mentions, trades and what was bought and sold in the short window, what bar b holds so far included.

    To be asked before b is filled: a processor waits where it reads as a whole what has just been
    written in parts.
    """
    n[MENTIONS], n[TRADES] = sums_since(s["wbar"], b - SHORT, s["wmentions"], s["wtrades"])
    n[BUYS], n[SELLS] = sums_since(s["wbar"], b - SHORT, s["wbuys"], s["wsells"])


@jit
def count_rest(s: Record, b: Int64, n: NDArray[Any]) -> None:
    """The short window's other sums."""
    bars = s["wbar"]
    w = s["w"]
    for k in range(COPIES, BUYS):
        n[k] = 0
    n[RECENT] = 0
    for k in range(SHORT):
        bar = np.int64(bars[k])
        if bar <= b - SHORT:
            continue
        counts = w[k]["counts"]
        for j in range(4):
            n[COPIES + j] += counts[j]
        n[REACH] += w[k]["reach"]
        if bar > b - SHORT // 2:
            n[RECENT] += s["wmentions"][k]


@jit
def authors_short(s: Record, b: Int64, bits: NDArray[Any]) -> Int64:
    """Estimated distinct authors of the short window; ``bits`` is scratch.

    Bars without mentions have an empty set.
    """
    marks = marks_since(s["wbar"], b - SHORT, s["wmentions"])
    bits[:4] = 0
    while marks != 0:
        k, marks = lowest(marks)
        unite(bits, s["w"][nth(k)]["authors"])
    return distinct(bits)


@jit
def traders_short(s: Record, b: Int64, bits: NDArray[Any]) -> Int64:
    """Estimated distinct traders of the short window; ``bits`` is scratch."""
    marks = marks_since(s["wbar"], b - SHORT, s["wtrades"])
    bits[:4] = 0
    while marks != 0:
        k, marks = lowest(marks)
        unite(bits, s["w"][nth(k)]["traders"])
    return distinct(bits)


@jit
def count_long(s: Record, n: NDArray[Any]) -> None:
    """Events of the long window: the minute being filled and the sealed ones before it."""
    macc = s["macc"]
    swell = s["swell"]
    n[L_MENTIONS] = swell[0] + macc[0]
    n[L_TRADES] = swell[1] + macc[1]
    n[L_VOLUME] = swell[2] + macc[2] + macc[3]


@jit
def count_people(s: Record, n: NDArray[Any]) -> None:
    """Authors and traders of the long window, in person-minutes."""
    swell = s["swell"]
    n[L_AUTHORS] = swell[3] + distinct(s["mauthors"])
    n[L_TRADERS] = swell[4] + distinct(s["mtraders"])


@jit
def start_ms(s: Record, log_start_ms: Int64) -> Int64:
    """When the token's history begins: the log's start or, if later, its creation.

    Never later than its first record, so that every bucket with anything in it is counted.
    """
    begun = max(log_start_ms, s["created_ms"])
    return min(begun, s["first_bar"] * BAR_MS)


@jit
def baseline_minutes(s: Record, start: Int64) -> Int64:
    """Minutes of the hour's baseline from the start's on, 0 to 60."""
    first = start // MINUTE_MS
    return max(min(s["base_min"] - first + 1, HOUR), 0)


@jit
def baseline_quarters(s: Record, start: Int64) -> Int64:
    """Quarter-hours of the day's baseline from the start's on, 0 to 96."""
    first = start // (MINUTE_MS * SWELL)
    return max(min(s["base_q"] - first + 1, DAY), 0)


@jit
def score_hour(
    s: Record,
    k: Int64,
    y: Int64,
    n: Int64,
    floor: float,
    f: NDArray[Any],
    means: NDArray[Any],
    devs: NDArray[Any],
) -> None:
    """Feature k: y against the hour's minutes; unknown while the baseline is too short."""
    if n < MIN_MINUTES:
        f[k] = math.nan
        means[k] = math.nan
        devs[k] = math.nan
        return
    total = s["hsum"][k]
    spread = deviation(n, total, s["hsq"][k], floor)
    devs[k] = spread
    means[k] = float(total) / float(n)
    f[k] = zscore(y, n, total, spread)


@jit
def score_day(
    s: Record,
    k: Int64,
    y: Int64,
    n: Int64,
    f: NDArray[Any],
    means: NDArray[Any],
    devs: NDArray[Any],
) -> None:
    """Feature 7 + k: y against the day's quarter-hours."""
    if n < MIN_QUARTERS:
        f[7 + k] = math.nan
        means[7 + k] = math.nan
        devs[7 + k] = math.nan
        return
    total = s["qsum"][k]
    devs[7 + k] = deviation(n, total, s["qsq"][k], Y_UNIT)
    means[7 + k] = float(total) / float(n)
    f[7 + k] = zscore(y, n, total, devs[7 + k])


@jit
def change(now: Int64, then: Int64) -> float:
    """Log2 price change in doublings; unknown where either price is."""
    if now == NO_PRICE or then == NO_PRICE:
        return math.nan
    return float(now - then) / Q20


@jit
def scores(
    s: Record,
    b: Int64,
    n: NDArray[Any],
    long: NDArray[Any],
    log_start_ms: Int64,
    f: NDArray[Any],
    means: NDArray[Any],
    devs: NDArray[Any],
    bits: NDArray[Any],
) -> tuple[Int64, Int64, Int64]:
    """Fill the z-scores of ``f`` for windows ending with bar b, from counts ``n`` and ``long``.

    ``means`` and ``devs`` explain them, in 1/1024. Returns the baselines' lengths.
    """
    n[AUTHORS] = 0
    n[TRADERS] = 0
    if n[MENTIONS] > 0:
        n[AUTHORS] = authors_short(s, b, bits)
    if n[TRADES] > 0:
        n[TRADERS] = traders_short(s, b, bits)
    start = start_ms(s, log_start_ms)
    minutes = baseline_minutes(s, start)
    quarters = baseline_quarters(s, start)
    hours = baseline_hours(s, start)
    volume = n[BUYS] + n[SELLS]
    score_hour(s, 0, stabilise_count(n[MENTIONS]), minutes, Y_UNIT, f, means, devs)
    score_hour(s, 1, stabilise_count(n[AUTHORS]), minutes, Y_UNIT, f, means, devs)
    score_hour(s, 2, stabilise_count(n[TRADES]), minutes, Y_UNIT, f, means, devs)
    score_hour(s, 3, stabilise_count(n[TRADERS]), minutes, Y_UNIT, f, means, devs)
    score_hour(s, 4, stabilise(float(volume) / VOLUME_UNIT), minutes, Y_UNIT, f, means, devs)
    score_hour(s, 5, stabilise_net(n[BUYS], n[SELLS]), minutes, Y_UNIT, f, means, devs)
    lp = s["lp"]
    now = np.int64(lp[b % LP_RING])
    then = np.int64(lp[(b - SHORT) % LP_RING])
    if now == NO_PRICE or then == NO_PRICE:
        score_hour(s, 6, 0, 0, RETURN_FLOOR, f, means, devs)
    else:
        score_hour(s, 6, (now - then) >> 10, minutes, RETURN_FLOOR, f, means, devs)
    score_day(s, 0, stabilise_count(long[L_MENTIONS]), quarters, f, means, devs)
    score_day(s, 1, stabilise_count(long[L_TRADES]), quarters, f, means, devs)
    score_day(s, 2, stabilise(float(long[L_VOLUME]) / VOLUME_UNIT), quarters, f, means, devs)
    score_week(s, hours, f, means, devs)
    return minutes, quarters, hours


@jit
def other_features(
    s: Record,
    b: Int64,
    n: NDArray[Any],
    long: NDArray[Any],
    f: NDArray[Any],
    means: NDArray[Any],
    bits: NDArray[Any],
    p: NDArray[Any],
) -> None:
    """Fill the rest of ``f``, after ``scores`` and the gate: what only the trees look at.

    In a log without posts, or without trades, by the settings ``p``, what they would tell becomes
    unknown.
    """
    lp = s["lp"]
    now = np.int64(lp[b % LP_RING])
    volume = n[BUYS] + n[SELLS]
    f[10] = float(n[MENTIONS])
    f[11] = float(n[AUTHORS])
    f[12] = float(n[TRADES])
    f[13] = float(n[TRADERS])
    f[14] = float(log2_q20(1 + volume // 1_000_000)) / Q20
    crowd_features(s, b, n, f, bits)
    prices = s["hour_price"]
    f[24] = change(now, np.int64(prices[(s["cur_min"] - 5) % HOUR_RING]))
    f[25] = change(now, np.int64(prices[(s["cur_min"] - HOUR) % HOUR_RING]))
    f[26] = float(long[L_MENTIONS])
    f[27] = float(long[L_TRADERS])
    f[28] = math.nan
    if s["created_ms"] >= 0:
        age = (b * BAR_MS - s["created_ms"]) // MINUTE_MS
        f[28] = float(max(min(age, DAY_MINUTES), 0))
    on_time = n[MENTIONS] + n[TRADES]
    f[30] = float(n[LATES]) / float(max(on_time + n[LATES], 1))
    f[31] = float(long[L_AUTHORS])
    f[32] = means[0] / Y_UNIT
    f[33] = means[3] / Y_UNIT
    if p[T_NO_POSTS] != 0:
        for k in POST_FEATURES:
            f[k] = math.nan
    if p[T_NO_TRADES] != 0:
        for k in TRADE_FEATURES:
            f[k] = math.nan


@jit
def crowd_features(
    s: Record, b: Int64, n: NDArray[Any], f: NDArray[Any], bits: NDArray[Any]
) -> None:
    """Who speaks and who trades in the short window: ratios, unknown without a denominator."""
    for k in range(15, 24):
        f[k] = math.nan
    f[29] = math.nan
    if n[MENTIONS] > 0:
        m = float(n[MENTIONS])
        f[15] = float(n[AUTHORS]) / m
        f[16] = float(n[COPIES]) / m
        bars = s["wbar"]
        w = s["w"]
        for j in range(N_PLATFORMS):
            bits[j] = 0
        for k in range(SHORT):
            if np.int64(bars[k]) > b - SHORT and s["wmentions"][k] > 0:
                plat = w[k]["platforms"]
                for j in range(N_PLATFORMS):
                    bits[j] += plat[j]
        top = np.int64(0)
        some = 0
        for j in range(N_PLATFORMS):
            if bits[j] > 0:
                some += 1
            top = max(top, bits[j])
        f[17] = float(some)
        f[18] = float(top) / m
        f[19] = float(log2_q20(1 + n[REACH] // n[MENTIONS])) / Q20
        f[29] = float(2 * n[RECENT] - n[MENTIONS]) / math.sqrt(m)
    if n[TRADES] > 0:
        t = float(n[TRADES])
        volume = n[BUYS] + n[SELLS]
        f[20] = float(n[BUYS]) / float(max(volume, 1))
        f[21] = float(n[RUSH]) / t
        if s["liquidity"] > 0:
            f[22] = float(volume) / float(s["liquidity"])
        f[23] = t / float(max(n[TRADERS], 1))
