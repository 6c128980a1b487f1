"""The gates before the trees: which bars are worth the price of a score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit
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
    stabilise,
    stabilise_count,
    stabilise_net,
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
def rises(y: Int64, n: Int64, total: Int64, floor: Int64) -> bool:
    """Whether y may stand HOT deviations above its baseline, a deviation being ``floor`` at least."""
    return y * n - total >= HOT * floor * n


@jit
def at_most(count: Int64) -> Int64:
    """Upper bound of the stabilised estimate of how many different ones made ``count`` events."""
    return stabilise_count(LINEAR_COUNTING[min(count, 256)])


@jit
def may_be_hot(
    s: Record,
    b: Int64,
    n: NDArray[Any],
    long: NDArray[Any],
    log_start_ms: Int64,
    bits: NDArray[Any],
) -> bool:
    """Cheap test before ``scores``: False means that no z-score can reach HOT.

    Integers alone: no deviation is below its floor, so a score of HOT needs at least that much.
    """
    start = start_ms(s, log_start_ms)
    k = baseline_minutes(s, start)
    if k < MIN_MINUTES:
        return True
    total = s["hsum"]
    volume = n[BUYS] + n[SELLS]
    unit = np.int64(Y_UNIT)
    if rises(stabilise_count(n[MENTIONS]), k, total[0], unit):
        return True
    if rises(stabilise_count(n[TRADES]), k, total[2], unit):
        return True
    if rises(stabilise(float(volume) / VOLUME_UNIT), k, total[4], unit):
        return True
    if rises(stabilise_net(n[BUYS], n[SELLS]), k, total[5], unit):
        return True
    lp = s["lp"]
    now = np.int64(lp[b % LP_RING])
    then = np.int64(lp[(b - SHORT) % LP_RING])
    if now != NO_PRICE and then != NO_PRICE:
        if rises((now - then) >> 10, k, total[6], np.int64(RETURN_FLOOR)):
            return True
    q = baseline_quarters(s, start)
    if q >= MIN_QUARTERS:
        day = s["qsum"]
        if rises(stabilise_count(long[L_MENTIONS]), q, day[0], unit):
            return True
        if rises(stabilise_count(long[L_TRADES]), q, day[1], unit):
            return True
        if rises(stabilise(float(long[L_VOLUME]) / VOLUME_UNIT), q, day[2], unit):
            return True
    # how many different ones costs most to know: only where their events would allow it
    if rises(at_most(n[MENTIONS]), k, total[1], unit):
        authors = authors_short(s, b, bits)
        if rises(stabilise_count(authors), k, total[1], unit):
            return True
    if rises(at_most(n[TRADES]), k, total[3], unit):
        traders = traders_short(s, b, bits)
        return rises(stabilise_count(traders), k, total[3], unit)
    return False
