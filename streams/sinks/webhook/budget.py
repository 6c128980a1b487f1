"""How many candidates a day, and how good the next one must be.

A receiver who can act on twenty alerts a day should get the twenty best, and nobody knows at noon
what the evening brings. So the bar rises with the share of the budget that is spent ahead of the
day, and falls back as the day catches up::

    bar = min_probability + (1 - min_probability) * max(0, spent / max_per_day - elapsed)

``elapsed`` is the share of the UTC day gone at the alert's own log time (``ts_available_ms``), and
``spent`` the number of that day's candidates sent or waiting to be. A candidate goes out if its
probability reaches the bar and the budget is not spent; where it has none (no trades, so no
classifier) the budget alone decides. The rule reads no clock: the same alerts in
the same order make the same choice, on any machine.
"""

from __future__ import annotations

from typing import Final

DAY_MS: Final = 86_400_000


def day_of(ts_ms: int) -> int:
    """Number of the UTC day, from 1970.

    >>> day_of(86_399_999), day_of(86_400_000)
    (0, 1)
    """
    return ts_ms // DAY_MS


def bar(min_probability: float, max_per_day: int, spent: int, ts_available_ms: int) -> float:
    """Least probability a candidate needs now; infinite once the budget is spent.

    >>> midnight, noon = 0, DAY_MS // 2
    >>> [round(bar(0.2, 10, spent, midnight), 3) for spent in (0, 1, 5, 9, 10)]
    [0.2, 0.28, 0.6, 0.92, inf]
    >>> [round(bar(0.2, 10, spent, noon), 3) for spent in (0, 5, 9, 10)]
    [0.2, 0.2, 0.52, inf]
    """
    if spent >= max_per_day:
        return float("inf")
    elapsed = ts_available_ms % DAY_MS / DAY_MS
    ahead = max(0.0, spent / max_per_day - elapsed)
    return min_probability + (1.0 - min_probability) * ahead
