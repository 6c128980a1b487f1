"""The gates before the trees: which bars are worth the price of a score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit, nth
from detectors.kernels.episodes import NEVER, T_ATTENTION, swells
from detectors.kernels.features import (
    BUYS,
    L_MENTIONS,
    L_TRADES,
    L_VOLUME,
    MENTIONS,
    RETURN_FLOOR,
    SELLS,
    TRADES,
    authors_short,
    baseline_minutes,
    baseline_quarters,
    start_ms,
    traders_short,
)
from detectors.kernels.maths import (
    VOLUME_UNIT,
    Y_UNIT,
    deviation,
    stabilise,
    stabilise_count,
    stabilise_net,
    zscore,
)
from detectors.kernels.week import baseline_hours, score_week
from detectors.layout import (
    LINEAR_COUNTING,
    LP_RING,
    MIN_MINUTES,
    MIN_QUARTERS,
    N_Z,
    NO_PRICE,
    SHORT,
)

FEW = 3
"""Mentions or trades of the short window below which nothing is scored."""
HOT = 3
"""Deviations above its baseline at which a score opens the gate to the trees."""


@jit
def is_few(n: NDArray[Any]) -> bool:
    """Whether too little was said and traded in the short window for anything to be told of it."""
    return bool(n[MENTIONS] < FEW and n[TRADES] < FEW)


@jit
def is_hot(f: NDArray[Any], n: NDArray[Any]) -> bool:
    """The gate before the trees: some score runs high, or there is no baseline yet."""
    if is_few(n):
        return False
    if math.isnan(f[0]):
        return True
    for k in range(N_Z):
        if f[k] >= HOT:
            return True
    return False


@jit
def may_swell(
    s: Record,
    log_start_ms: Int64,
    f: NDArray[Any],
    means: NDArray[Any],
    devs: NDArray[Any],
    p: NDArray[Any],
) -> bool:
    """Whether attention alone opens the gate, however few spoke within the minute.

    Only a log without trades asks: by the settings ``p`` any other has no such limit.
    """
    if p[T_ATTENTION] == NEVER:
        return False
    score_week(s, baseline_hours(s, start_ms(s, log_start_ms)), f, means, devs)
    return swells(f, p)


@jit
def reaches(y: Int64, n: Int64, total: Int64, squares: Int64, floor: float) -> bool:
    """Whether the score of y against n values reaches HOT; n is at least 1.

    No deviation is below its floor, so that most are told by whole numbers alone.
    """
    if y * n - total < HOT * np.int64(floor) * n:
        return False
    return zscore(y, n, total, deviation(n, total, squares, floor)) >= HOT


@jit
def amount_reaches(amount: Int64, n: Int64, total: Int64, squares: Int64) -> bool:
    """``reaches`` of an amount of micro-USD that is not negative, mostly without its root.

    Its y is at most 2048 sqrt(events + 3/8) - 1253.5.
    """
    least = float(total + (HOT * np.int64(Y_UNIT) + 1253) * n)
    most = float(amount) * (1 / VOLUME_UNIT) + 0.375
    if least > 0 and most * float(2048 * 2048 * n * n) < least * least:
        return False
    return reaches(stabilise(float(amount) / VOLUME_UNIT), n, total, squares, Y_UNIT)


@jit
def net_reaches(buys: Int64, sells: Int64, n: Int64, total: Int64, squares: Int64) -> bool:
    """``reaches`` of what was bought less what was sold."""
    if buys >= sells:
        return amount_reaches(buys - sells, n, total, squares)
    if total > -HOT * np.int64(Y_UNIT) * n:
        return False
    return reaches(stabilise_net(buys, sells), n, total, squares, Y_UNIT)


@jit
def at_most(count: Int64) -> Int64:
    """Upper bound of the stabilised estimate of how many different ones made ``count`` events."""
    return stabilise_count(LINEAR_COUNTING[nth(min(count, 256))])


@jit
def runs_hot(
    s: Record,
    b: Int64,
    n: NDArray[Any],
    long: NDArray[Any],
    log_start_ms: Int64,
    bits: NDArray[Any],
) -> bool:
    """What ``is_hot`` says of the scores of bar b, without them: most bars need none.

    ``n`` holds what ``count_first`` tells, ``long`` what ``count_long`` does; ``bits`` is scratch.
    """
    if is_few(n):
        return False
    start = start_ms(s, log_start_ms)
    k = baseline_minutes(s, start)
    if k < MIN_MINUTES:
        return True
    mentions = n[MENTIONS]
    trades = n[TRADES]
    hour = s["hsum"]
    square = s["hsq"]
    if reaches(stabilise_count(mentions), k, hour[0], square[0], Y_UNIT):
        return True
    if reaches(stabilise_count(trades), k, hour[2], square[2], Y_UNIT):
        return True
    buys, sells = n[BUYS], n[SELLS]
    if amount_reaches(buys + sells, k, hour[4], square[4]):
        return True
    if net_reaches(buys, sells, k, hour[5], square[5]):
        return True
    lp = s["lp"]
    now = np.int64(lp[b % LP_RING])
    then = np.int64(lp[(b - SHORT) % LP_RING])
    if now != NO_PRICE and then != NO_PRICE:
        if reaches((now - then) >> 10, k, hour[6], square[6], RETURN_FLOOR):
            return True
    q = baseline_quarters(s, start)
    if q >= MIN_QUARTERS:
        day = s["qsum"]
        of_day = s["qsq"]
        if reaches(stabilise_count(long[L_MENTIONS]), q, day[0], of_day[0], Y_UNIT):
            return True
        if reaches(stabilise_count(long[L_TRADES]), q, day[1], of_day[1], Y_UNIT):
            return True
        if amount_reaches(np.int64(long[L_VOLUME]), q, day[2], of_day[2]):
            return True
    # how many different ones costs most to know: only where their events would allow it
    if reaches(at_most(mentions), k, hour[1], square[1], Y_UNIT):
        if reaches(stabilise_count(authors_short(s, b, bits)), k, hour[1], square[1], Y_UNIT):
            return True
    if reaches(at_most(trades), k, hour[3], square[3], Y_UNIT):
        traders = stabilise_count(traders_short(s, b, bits))
        return reaches(traders, k, hour[3], square[3], Y_UNIT)
    return False
