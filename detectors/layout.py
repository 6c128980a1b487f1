"""Memory layouts of the engine. Everything here is data, no logic.

A token's whole state is one fixed-size record, so a snapshot is the array's bytes and a token that
sends nothing costs nothing.
"""

from __future__ import annotations

import hashlib
from decimal import Context, Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.settings import BAR_MS as BAR_MS
from detectors.settings import HOUR_MS as HOUR_MS
from schemas.platforms import N_PLATFORMS

LINE: Final = 64
"""Bytes of a cache line."""
MINUTE_BARS: Final = 12
SHORT: Final = 12
"""Bars of the short window (60 s)."""
LP_RING: Final = 16
"""Bars of log price kept, at least SHORT + 1."""
HOUR: Final = 60
HOUR_RING: Final = 64
"""Minutes kept; the baseline is HOUR of them, ending before the short window."""
SWELL: Final = 15
SWELL_RING: Final = 16
"""Minutes of the long window, the current one included."""
DAY: Final = 96
DAY_RING: Final = 98
"""Quarter-hours kept; the day's baseline is DAY of them, ending before the long window."""
MIN_MINUTES: Final = 5
"""Fewest baseline minutes for a score; below it the score is unknown (NaN)."""
MIN_QUARTERS: Final = 4
HOUR_QUARTERS: Final = 4
"""Quarter-hours of the hour that stands against the week, the current one included."""
WEEK: Final = 168
WEEK_RING: Final = 170
"""Hours kept; the week's baseline is WEEK of them, ending before that hour."""
MIN_HOURS: Final = 24
EXPIRE_BARS: Final = 18_000
"""25 h of silence, a day and the long window: the token then starts anew, evicted or not."""
ONSET_GAP_BARS: Final = 120
"""A burst began when scores first ran high; this long without one ends it."""
TEXTS: Final = 8
"""Fingerprints of recent posts kept, to tell copies, for an hour."""
NO_PRICE: Final = -(2**31)

MENTION: Final = 0
TICK: Final = 1
INFO: Final = 2
LATE: Final = 4
"""Kinds of a record; LATE is added to mentions and ticks that came after their bar closed."""

REC: Final = np.dtype(
    [
        ("slot", "i4"),
        ("bar", "i4"),
        ("ref", "i4"),  # row number, wrapped: leads to the record's id text
        ("kind", "u1"),
        ("aux", "u1"),
        ("pad", "u2"),
        ("t", "i8"),  # min(event, log), ms
        ("order", "i8"),
        ("id", "i8"),
        ("who", "i8"),
        ("a", "i8"),
        ("b", "i8"),
        ("c", "i8"),
    ]
)

READY: Final = np.dtype(
    [
        ("bar", "i4"),
        ("ref", "i4"),
        ("kind", "u1"),
        ("aux", "u1"),
        ("pad", "u2"),
        ("pad2", "u4"),
        ("t", "i8"),
        ("who", "i8"),
        ("a", "i8"),
        ("b", "i8"),
        ("c", "i8"),
    ]
)
"""What the walk reads of a record, once its order is settled."""

Y_SERIES: Final = 6
"""Stabilised series of each minute: mentions, authors, trades, traders, volume, net buying."""
M_RETURN: Final = 6
M_COLS: Final = Y_SERIES + 1

WINDOW_BAR: Final = np.dtype(
    [
        ("authors", "u4", 8),  # the two sets are one cache line, zeroed as one
        ("traders", "u4", 8),
        ("counts", "i4", 4),  # copies, rush, buys, late
        ("reach", "i8"),
        ("platforms", "u2", N_PLATFORMS),
        ("pad", "u8", 3),  # two cache lines
    ],
    align=True,
)
"""One bar of the short window, but for the counts that every bar is asked for."""

STATE: Final = np.dtype(
    [
        ("w", WINDOW_BAR, SHORT),  # first, so that its parts are whole cache lines
        ("bar", "i8"),  # last bar walked; 0: unused slot
        ("first_bar", "i8"),
        ("last_bar", "i8"),  # last bar with a record
        ("created_ms", "i8"),
        ("supply", "i8"),
        ("price", "i8"),
        ("price_ms", "i8"),
        ("liquidity", "i8"),
        ("cur_min", "i8"),
        ("busy", "i8"),  # bit k: minute cur_min-1-k holds anything
        ("base_min", "i8"),
        ("cur_q", "i8"),
        ("base_q", "i8"),
        ("base_h", "i8"),
        ("hot_bar", "i8"),  # burst's first and last high-scoring bar
        ("hot_last", "i8"),
        ("ep_start", "i8"),
        ("ep_fade_bar", "i8"),
        ("ep_end", "i8"),  # bar the last episode closed in
        ("ep_peak_bar", "i8"),  # bar of the episode's highest price
        ("ep_sent", "i8"),  # logit last told
        ("ep_peak_authors", "i8"),
        ("ep_peak_traders", "i8"),
        ("run_last", "i8"),
        ("log_price", "i4"),
        ("hot_log_price", "i4"),
        ("ep_sent_log_price", "i4"),
        ("ep_peak_log_price", "i4"),
        ("ep", "i4"),  # 0 none, 1 open, 2 fading
        ("ep_seq", "i4"),
        ("run", "i4"),
        ("text_at", "i4"),
        ("lp", "i4", LP_RING),
        ("wbar", "i4", SHORT),
        ("wmentions", "i4", SHORT),
        ("wtrades", "i4", SHORT),
        ("wbuys", "i8", SHORT),  # micro-USD
        ("wsells", "i8", SHORT),
        ("texts", "i8", TEXTS),
        ("text_bars", "i4", TEXTS),
        ("macc", "i8", 4),  # the minute being filled: mentions, trades, buys, sells (micro-USD)
        ("mauthors", "u4", 8),
        ("mtraders", "u4", 8),
        ("hsum", "i8", 7),  # exact sums over the hour's minutes: Y_SERIES and return
        ("hsq", "i8", 7),
        ("swell", "i8", 5),  # sums of the sealed minutes of the long window
        ("qacc", "i8", 3),  # the quarter being filled: mentions, trades, volume (micro-USD)
        ("qsum", "i8", 3),
        ("qsq", "i8", 3),
        ("wsum", "i8"),  # exact sums over the week's hours: mentions, in 1/16
        ("wsq", "i8"),
        ("quarters", "i8", HOUR_QUARTERS),  # mentions of the last whole quarters
        ("hour_price", "i4", HOUR_RING),  # log2 price at each minute's end
        ("swell_ring", "i8", (SWELL_RING, 5)),  # mentions, trades, volume, authors, traders
        ("hour_ring", "i4", (HOUR_RING, M_COLS)),  # of busy minutes alone
        ("day_ring", "i4", (DAY_RING, 3)),
        ("week_ring", "u2", WEEK_RING),
        ("pad", "u8", 2),
    ],
    align=True,
)


def offset_of(field: str) -> int:
    """Where a field of a token's state begins, in bytes."""
    return int((STATE.fields or {})[field][1])  # type: ignore[index]


HOT_BYTE: Final = offset_of("bar")
HOT_END: Final = offset_of("swell_ring")
"""The part that every bar of a token touches; the rings follow it."""
W_BYTES: Final = WINDOW_BAR.itemsize

FEATURES: Final = (
    "z_mentions",
    "z_authors",
    "z_trades",
    "z_traders",
    "z_volume",
    "z_net_buying",
    "z_return",
    "z_mentions_day",
    "z_trades_day",
    "z_volume_day",
    "mentions_60s",
    "authors_60s",
    "trades_60s",
    "traders_60s",
    "log2_volume_60s",
    "authors_per_mention",
    "copy_share",
    "platforms",
    "top_platform_share",
    "reach_per_mention_log2",
    "buy_share",
    "rush_share",
    "turnover",
    "trades_per_trader",
    "return_5m",
    "return_1h",
    "mentions_15m",
    "traders_15m",
    "age_min",
    "mention_accel",
    "late_share",
    "authors_15m",
    "mentions_mean_1h",
    "traders_mean_1h",
    "z_mentions_week",
)
N_FEATURES: Final = len(FEATURES)
POST_FEATURES: Final = (0, 1, 7, 10, 11, 15, 16, 17, 18, 19, 26, 29, 31, 32, 34)
"""Features that posts alone tell."""
TRADE_FEATURES: Final = (2, 3, 4, 5, 6, 8, 9, 12, 13, 14, 20, 21, 22, 23, 24, 25, 27, 33)
"""Features that trades alone tell."""
Z_TRADES: Final = FEATURES.index("z_trades")
Z_RETURN: Final = FEATURES.index("z_return")
Z_WEEK: Final = FEATURES.index("z_mentions_week")
N_Z: Final = 10
"""The first N_Z features are z-scores that open the gate before the trees."""
N_BASELINES: Final = N_Z + 1
"""Z-scores with a baseline to explain them: the first N_Z features, then Z_WEEK."""
MODEL_FEATURES: Final = FEATURES[:34]
"""What the classifier looks at; what follows was added since it was trained."""
FEATURE_HASH: Final = hashlib.sha256(" ".join(MODEL_FEATURES).encode()).hexdigest()[:16]
LAYOUT_HASH: Final = hashlib.sha256(repr((REC.descr, STATE.descr)).encode()).digest()

ALERT_KINDS: Final = ("", "candidate", "update", "fading", "closed", "candidate", "candidate")
"""By the kernel's number; a candidate has three, one for each rule that opens an episode."""
ALERT_INTS: Final = [
    "bar",
    "slot",
    "kind",
    "sequence",
    "episode_start",
    "logit",
    "price",
    "price_ms",
    "liquidity",
    "supply",
    "moved_onset_q20",
    "moved_1h_q20",
    "peak_price_q20",
    "attention",
    "peak_attention",
    "mentions",
    "authors",
    "trades",
    "traders",
    "late",
    "on_time",
    "minutes",
    "quarters",
    "hours",
    "ref0",
    "ref1",
    "ref2",
]
N_ALERT_INTS: Final = len(ALERT_INTS)
_CONTEXT: Final = Context(prec=40)


def _linear_counting() -> NDArray[np.int64]:
    """Distinct values behind a 256-bit set by its ones: Whang et al. (1990), ACM TODS 15(2)."""
    table = [0] * 257
    for ones in range(257):
        zeros = Decimal(max(256 - ones, 1))
        nats = _CONTEXT.ln(_CONTEXT.divide(zeros, Decimal(256)))
        table[ones] = int(_CONTEXT.multiply(nats, Decimal(-256)).to_integral_value())
    return np.array(table, np.int64)


def _log2_of_ten() -> NDArray[np.int64]:
    """log2(10**e) in 2**-20, for e = index - 128."""
    log2_10 = _CONTEXT.divide(_CONTEXT.ln(Decimal(10)), _CONTEXT.ln(Decimal(2)))
    return np.array(
        [
            int(_CONTEXT.multiply(log2_10, Decimal((e - 128) * 1_048_576)).to_integral_value())
            for e in range(256)
        ],
        np.int64,
    )


LINEAR_COUNTING: Final = _linear_counting()
LOG2_OF_TEN: Final = _log2_of_ten()
