"""Posts of the last hour against the hours of the trailing week: attention that swells, not a spike.

The third and longest of the baselines: a minute against an hour, a quarter against a day, an hour
against a week. Its stabilised counts are kept in 1/16 of a deviation, in half the room.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit
from detectors.kernels.maths import deviation, stabilise_count, zscore
from detectors.layout import HOUR_MS, HOUR_QUARTERS, MIN_HOURS, N_Z, WEEK, WEEK_RING, Z_WEEK

COARSE = 64  # 1/1024 of a deviation are kept as 1/16
COARSE_UNIT = 16.0
COARSE_MAX = 65_535  # four million posts an hour


@jit
def coarse(events: Int64) -> Int64:
    """Variance-stabilised count in 1/16.

    >>> int(coarse(0)), int(coarse(1)), int(coarse(100)), int(coarse(1 << 40))
    (0, 18, 301, 65535)
    """
    return min((stabilise_count(events) + COARSE // 2) // COARSE, np.int64(COARSE_MAX))


@jit
def clear_week(s: Record, quarter: Int64) -> None:
    """Nothing before ``quarter``."""
    s["week_ring"][:] = 0
    s["quarters"][:] = 0
    s["wsum"] = 0
    s["wsq"] = 0
    s["base_h"] = quarter // HOUR_QUARTERS - 2


@jit
def seal_hour(s: Record, quarter: Int64, posts: Int64) -> None:
    """Keep a whole quarter's posts, and the whole hour's where ``quarter`` is its last."""
    s["quarters"][quarter % HOUR_QUARTERS] = posts
    if quarter % HOUR_QUARTERS != HOUR_QUARTERS - 1:
        return
    total = np.int64(0)
    for k in range(HOUR_QUARTERS):
        total += s["quarters"][k]
    s["week_ring"][quarter // HOUR_QUARTERS % WEEK_RING] = coarse(total)
    slide_week(s, quarter // HOUR_QUARTERS - 1)


@jit
def slide_week(s: Record, to: Int64) -> None:
    """Move the week's exact sums so that they cover hours to-167 .. to."""
    ring = s["week_ring"]
    h = s["base_h"]
    while h < to:
        h += 1
        x = np.int64(ring[h % WEEK_RING])
        y = np.int64(ring[(h - WEEK) % WEEK_RING])
        s["wsum"] += x - y
        s["wsq"] += x * x - y * y
    s["base_h"] = h


@jit
def posts_of_hour(s: Record) -> Int64:
    """Posts of the quarter being filled and the three before it."""
    total = np.int64(s["qacc"][0])
    for k in range(HOUR_QUARTERS):
        total += s["quarters"][k]
    return total - s["quarters"][s["cur_q"] % HOUR_QUARTERS]


@jit
def baseline_hours(s: Record, start: Int64) -> Int64:
    """Hours of the week's baseline from the start's on, 0 to 168."""
    return max(min(s["base_h"] - start // HOUR_MS + 1, WEEK), 0)


@jit
def score_week(
    s: Record, n: Int64, f: NDArray[Any], means: NDArray[Any], devs: NDArray[Any]
) -> None:
    """Posts of the hour against n hours of the week; unknown below a day of them."""
    if n < MIN_HOURS:
        f[Z_WEEK] = math.nan
        means[N_Z] = math.nan
        devs[N_Z] = math.nan
        return
    total = s["wsum"]
    spread = deviation(n, total, s["wsq"], COARSE_UNIT)
    devs[N_Z] = spread * COARSE
    means[N_Z] = float(total) / float(n) * COARSE
    f[Z_WEEK] = zscore(coarse(posts_of_hour(s)), n, total, spread)
