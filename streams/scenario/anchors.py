"""The published facts of the wave, and the times this scenario puts them at.

Published at the time: prices, market caps, gauges, and their days. *Not* published: the zone of
"about 13:00" (Chinese press: China Standard Time, UTC+8, is assumed, so 05:00 UTC), the hours of the
peaks, what the smaller coins started from, and everything between two anchors. All that is
synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
LOG_START_MS: Final = 1_736_553_600_000
"""11 January 2025, 00:00 UTC."""
LOG_END_MS: Final = LOG_START_MS + 9 * DAY_MS
"""20 January 2025, 00:00 UTC."""


def at_ms(day: int, hour: float) -> int:
    """Time of a day of January 2025 and an hour, UTC.

    >>> at_ms(11, 0.0) == LOG_START_MS
    True
    """
    return LOG_START_MS + (day - 11) * DAY_MS + round(hour * HOUR_MS)


@dataclass(frozen=True)
class Anchor:
    """The price of a coin is ``price_usd`` at ``ts_ms``, give or take ``jitter_h`` hours.

    ``published`` tells facts from what had to be invented.
    """

    ts_ms: int
    price_usd: float
    jitter_h: float = 0.0
    published: bool = False


@dataclass(frozen=True)
class CoinStory:
    """One coin: its anchors in order, the first of them its waking or birth.

    ``peak`` is the index of the highest; ``posts`` and ``orders`` are what the wave brings in all.
    """

    symbol: str
    anchors: tuple[Anchor, ...]
    peak: int
    posts: float
    orders: float
    start_cap_usd: tuple[float, float]
    """The first anchor's market cap is drawn between these."""


MOMO_SUPPLY: Final = 1_033_000_000.0
"""From 3.1 M dollars at 0.003."""

STORIES: Final = (
    CoinStory(
        "MOMO",
        (
            Anchor(at_ms(14, 5.0), 0.00029, 0.3, published=True),  # 0.1 to 0.5 M
            Anchor(
                at_ms(14, 15.2), 12.2e6 / MOMO_SUPPLY, 0.3, published=True
            ),  # above 12 M that day
            Anchor(at_ms(14, 19.0), 0.015, 2.0, published=True),
            Anchor(at_ms(17, 6.0), 0.003, 4.0, published=True),
            Anchor(at_ms(20, 0.0), 0.0024),
        ),
        peak=2,
        posts=13_000,
        orders=52_000,
        start_cap_usd=(1.6e5, 4.5e5),
    ),
    CoinStory(
        "CAPTAINTU",
        (
            Anchor(at_ms(14, 14.0), 0.00001, 1.0),
            Anchor(at_ms(15, 8.0), 0.002, 3.0, published=True),
            Anchor(at_ms(17, 4.0), 0.000058, 4.0, published=True),
            Anchor(at_ms(20, 0.0), 0.00004),
        ),
        peak=1,
        posts=5_000,
        orders=19_000,
        start_cap_usd=(1.2e4, 4e4),
    ),
    CoinStory(
        "REDNOTE",
        (
            Anchor(at_ms(14, 9.0), 0.00001, 1.0),
            Anchor(at_ms(15, 1.0), 0.00094, 3.0, published=True),
            Anchor(at_ms(16, 22.0), 0.00004, 4.0),
            Anchor(at_ms(20, 0.0), 0.00003),
        ),
        peak=1,
        posts=4_000,
        orders=13_000,
        start_cap_usd=(1.2e4, 4e4),
    ),
    CoinStory(
        "XIAOYA",
        (
            Anchor(at_ms(15, 4.0), 0.00001, 1.0),
            Anchor(at_ms(15, 15.0), 0.00031, 2.0),
            Anchor(at_ms(16, 18.0), 0.000025, 4.0),
            Anchor(at_ms(20, 0.0), 0.00002),
        ),
        peak=1,
        posts=1_800,
        orders=6_500,
        start_cap_usd=(1.2e4, 3e4),
    ),
)

ORDINARY: Final = (
    (LOG_START_MS, at_ms(14, 4.0)),
    (at_ms(17, 18.0), LOG_END_MS),
)
"""Stretches without a coin wave: plain days before, and the days after, when all have fallen."""

GAUGES: Final = {
    ("appstore_rank_us_free", "xiaohongshu", False): (
        (at_ms(11, 0), 140.0), (at_ms(12, 0), 60.0), (at_ms(12, 18), 9.0), (at_ms(13, 8), 1.0),
        (at_ms(20, 0), 1.0),
    ),
    ("appstore_countries_at_rank_1", "xiaohongshu", False): (
        (at_ms(13, 0), 0.0), (at_ms(13, 8), 1.0), (at_ms(15, 12), 87.0), (at_ms(18, 0), 90.0),
        (at_ms(20, 0), 60.0),
    ),
    ("tiktokrefugee_notes", "xiaohongshu", True): (
        (at_ms(11, 0), 20.0), (at_ms(12, 12), 4_000.0), (at_ms(13, 12), 84_000.0),
        (at_ms(16, 4), 360_000.0), (at_ms(20, 0), 520_000.0),
    ),
    ("tiktokrefugee_views", "xiaohongshu", True): (
        (at_ms(11, 0), 30_000.0), (at_ms(12, 12), 3e6), (at_ms(13, 12), 61e6),
        (at_ms(16, 4), 460e6), (at_ms(20, 0), 690e6),
    ),
    ("tiktokrefugee_discussions", "xiaohongshu", True): (
        (at_ms(11, 0), 900.0), (at_ms(13, 12), 1.2e6), (at_ms(16, 4), 9.37e6),
        (at_ms(20, 0), 12.6e6),
    ),
}  # fmt: skip
"""Gauges of the narrative by (name, platform, cumulative): (time, value), held or read between."""
