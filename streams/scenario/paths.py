"""Price paths through anchors: pinned where a price was published, jagged in between.

Between two anchors the logarithm of the price follows the variation's shape, plus noise on three time
scales and a few sharp pullbacks, both of which vanish at the anchors themselves. All of it is
synthetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.scenario.rows import F8, Grid, wander
from streams.scenario.variation import Shape


def climb(shape: Shape, x: F8) -> F8:
    """Share of a rise (in the logarithm) that is done at the share ``x`` of its time.

    >>> [float(climb(s, np.array([0.5]))[0].round(2)) for s in ("steady", "late", "early")]
    [0.5, 0.29, 0.71]
    """
    if shape == "late":
        return x**1.8
    if shape == "early":
        return 1.0 - (1.0 - x) ** 1.8
    if shape == "steps":
        scaled = 4.0 * x
        step = np.floor(scaled)
        within = np.clip((scaled - step) / 0.6, 0.0, 1.0)
        return np.minimum((step + within * within * (3.0 - 2.0 * within)) / 4.0, 1.0)
    if shape == "double":
        return np.interp(x, [0.0, 0.4, 0.55, 1.0], [0.0, 0.62, 0.46, 1.0])
    return x


def through(
    rng: np.random.Generator,
    grid: Grid,
    anchors: Sequence[tuple[int, float]],
    shape: Shape,
    *,
    roughness: float,
) -> F8:
    """Natural logarithm of the price at the cells' borders, f8[n + 1].

    It passes the anchors (time in ms, price), stays some percent below the highest of them at all
    other times, and is flat before the first. ``roughness`` is the deviation of the logarithm halfway between distant anchors.
    """
    times = np.array([(ts - grid.start_ms) / grid.step_ms for ts, _ in anchors])
    levels = np.log([price for _, price in anchors])
    border = np.arange(grid.n + 1.0)
    base = np.full(grid.n + 1, levels[0])
    top_at = int(levels.argmax())
    for i in range(len(anchors) - 1):
        here = (border >= times[i]) & (border <= times[i + 1])
        x = (border[here] - times[i]) / (times[i + 1] - times[i])
        share = climb(shape, x) if i < top_at else x ** rng.uniform(0.6, 0.95)
        base[here] = levels[i] + (levels[i + 1] - levels[i]) * share
    base[border > times[-1]] = levels[-1]
    hour = 3_600_000 / grid.step_ms
    noise = sum(
        (wander(rng, grid.n + 1, span * hour, weight) for span, weight in _SCALES),
        start=np.zeros(grid.n + 1),
    )
    noise -= _pullbacks(rng, grid.n + 1, times, hour)
    near = np.min(np.abs(border[:, None] - times[None, :]), axis=1)
    pinned = np.clip(near / (1.2 * hour), 0.0, 1.0) ** 0.5 * (border > times[0])
    path = base + roughness * noise * pinned
    from_top = np.abs(border - times[top_at]) / (2.0 * hour)
    ceiling = float(levels.max()) - 0.08 * np.clip(from_top, 0.0, 1.0)
    out: F8 = ceiling - np.abs(ceiling - path)
    return out


_SCALES = ((0.03, 0.25), (0.25, 0.5), (2.0, 0.8))
"""Time scale in hours and weight of each noise."""


def _pullbacks(rng: np.random.Generator, n: int, times: F8, hour: float) -> F8:
    """Sharp falls that are bought back, mostly on the way up and soon after the top."""
    out = np.zeros(n)
    border = np.arange(n)
    first, last = times[0], min(times[-2], times[0] + 40 * hour)
    for at in rng.uniform(first, last, int(rng.integers(5, 10))):
        since = np.maximum(border - at, 0.0)
        fall, back = rng.uniform(0.03, 0.2) * hour, rng.uniform(0.3, 1.5) * hour
        out += rng.uniform(0.8, 2.6) * (1 - np.exp(-since / fall)) * np.exp(-since / back)
    return out
