"""What an alert says of itself in numbers: its heaviest features, rounded, in natural units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, jit
from detectors.kernels.episodes import ATTENTION, SURGE
from detectors.kernels.maths import VOLUME_UNIT, Y_UNIT
from detectors.kernels.run import NO_MOVE
from detectors.kernels.trees import contributions
from detectors.layout import ALERT_INTS, N_Z, Z_RETURN, Z_TRADES, Z_WEEK

MICRO = 1_000_000.0
VOLUMES = (4, 5, 9)
KIND = ALERT_INTS.index("kind")
FIRST_MOVE = ALERT_INTS.index("moved_onset_q20")
_UNSTABILISE = 2.0 * math.sqrt(0.375)


@jit
def round_half_up(x: float, scale: float) -> float:
    """Round to a multiple of 1 / scale; unknown (NaN) stays unknown.

    >>> float(round_half_up(0.1234567, 1e6)), float(round_half_up(-1.25, 10.0))
    (0.123457, -1.2)
    """
    return np.floor(x * scale + 0.5) / scale


@jit
def natural_mean(feature: Int64, mean: float) -> float:
    """A baseline's mean in the feature's own unit: posts, people, trades, dollars, doublings.

    Undoes the stabilising root (less its bias): ``(y / 2)**2 - 3/8``, dollars times 50.

    >>> float(natural_mean(0, 0.0)), round(float(natural_mean(4, 1902.0)))
    (0.0, 100)
    """
    if feature == Z_RETURN:
        return mean / Y_UNIT
    y = abs(mean) / Y_UNIT + _UNSTABILISE
    count = max(y * y / 4.0 - 0.375, 0.0)
    if feature in VOLUMES:
        count *= VOLUME_UNIT / MICRO
    return -count if mean < 0 else count


@jit
def exp2_q20(doublings: Int64) -> float:
    """2 to the power of a number in 2**-20, from + * and / alone: the same bits everywhere.

    >>> float(exp2_q20(0)), float(exp2_q20(3 << 20)), round(float(exp2_q20(1 << 19)), 9)
    (1.0, 8.0, 1.414213562)
    """
    x = (doublings & 1048575) / 1048576.0 * 0.6931471805599453
    y = 1.0
    for k in range(14, 0, -1):
        y = 1.0 + y * x / k
    return math.ldexp(y, int(doublings >> 20))


@jit
def leading(kind: Int64, place: Int64) -> Int64:
    """The feature whose place is this because the rule that opened the episode looks at it; or -1.

    >>> int(leading(SURGE, 0)), int(leading(SURGE, 1)), int(leading(ATTENTION, 0))
    (6, 2, 34)
    >>> int(leading(SURGE, 2)), int(leading(ATTENTION, 1))
    (-1, -1)
    """
    if kind == SURGE and place < 2:
        return np.int64(Z_RETURN if place == 0 else Z_TRADES)
    return np.int64(Z_WEEK if kind == ATTENTION and place == 0 else -1)


@jit
def baseline_place(feature: Int64) -> Int64:
    """Where a feature's baseline is kept, -1 where it has none.

    >>> [int(baseline_place(k)) for k in (0, 9, 10, Z_WEEK)]
    [0, 9, -1, 10]
    """
    if feature == Z_WEEK:
        return np.int64(N_Z)
    return np.int64(feature if feature < N_Z else -1)


@jit
def explain(
    n: Int64,
    ints: NDArray[Any],
    f: NDArray[Any],
    means: NDArray[Any],
    deviations: NDArray[Any],
    nodes: NDArray[Any],
    thr: NDArray[Any],
    expected: NDArray[Any],
    asked: bool,
    most: NDArray[Any],
    numbers: NDArray[Any],
) -> None:
    """For each of n alerts its features that mattered most, heaviest first, ties by number.

    Those that a rule looked at come before all others where it opened the episode, and alone where
    the classifier was not ``asked``. ``ints`` has shape (n, I), ``f`` (n, F), ``means`` and
    ``deviations`` (n, N_BASELINES). Fills ``most`` (n, K, 2) with feature numbers, -1 where no more
    mattered, and their part in the logit, in millionths; ``numbers`` (n, K + 1, 3) with value, baseline
    mean and deviation, and in the last row the three changes of the price as factors; NaN where unknown.
    """
    width = most.shape[1]
    added = np.empty(f.shape[1], np.int64)
    for i in range(n):
        part = contributions(f[i], nodes, thr, expected)
        kind = ints[i, KIND]
        for k in range(f.shape[1]):
            added[k] = np.int64(np.floor(part[k] * MICRO + 0.5))
        for place in range(width):
            best = 0
            for k in range(1, f.shape[1]):
                if abs(added[k]) > abs(added[best]):
                    best = k
            leads = leading(kind, place)
            if leads >= 0:
                best = leads
            told = leads >= 0 or (asked and added[best] != 0)
            most[i, place, 0] = best if told else -1
            most[i, place, 1] = added[best]
            added[best] = 0
            numbers[i, place, 0] = round_half_up(f[i, best], MICRO)
            numbers[i, place, 1] = math.nan
            numbers[i, place, 2] = math.nan
            at = baseline_place(best)
            if at >= 0:
                mean = natural_mean(best, means[i, at])
                numbers[i, place, 1] = round_half_up(mean, 1.0e4)
                numbers[i, place, 2] = round_half_up(deviations[i, at] / Y_UNIT, 1.0e4)
        for k in range(3):
            q = ints[i, FIRST_MOVE + k]
            numbers[i, width, k] = math.nan if q == NO_MOVE else round_half_up(exp2_q20(q), 1.0e4)
