"""Rings of closed minutes and quarter-hours, and the exact sums that slide over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.jit import Int64, Record, jit
from detectors.kernels.maths import (
    VOLUME_UNIT,
    Y_MAX,
    distinct,
    stabilise,
    stabilise_count,
    stabilise_net,
)
from detectors.layout import (
    DAY,
    DAY_RING,
    HOUR,
    HOUR_RING,
    LP_RING,
    M_LOG_PRICE,
    M_RETURN,
    MINUTE_BARS,
    NO_PRICE,
    SHORT,
    SWELL,
    SWELL_RING,
)

N_SUMS = 7


@jit
def begin(s: Record, b: Int64) -> None:
    """Make a slot new: its first record lies in bar b."""
    s["bar"] = b - 1
    s["first_bar"] = b
    s["last_bar"] = b
    s["created_ms"] = -1
    s["supply"] = -1
    s["price"] = 0
    s["price_ms"] = 0
    s["liquidity"] = -1
    s["hot_bar"] = -1
    s["hot_last"] = -1
    s["ep"] = 0
    s["ep_seq"] = 0
    s["ep_end"] = -1
    s["run"] = 0
    s["run_last"] = -1
    s["log_price"] = NO_PRICE
    s["hot_log_price"] = NO_PRICE
    s["text_at"] = 0
    s["texts"][:] = 0
    s["text_bars"][:] = 0
    s["lp"][:] = NO_PRICE
    s["w4"][:, 0] = -1
    clear_hour(s, b // MINUTE_BARS)
    clear_day(s, b // (MINUTE_BARS * SWELL))


@jit
def clear_hour(s: Record, minute: Int64) -> None:
    """Silence for longer than the ring reaches, before ``minute``."""
    ring = s["hour_ring"]
    for m in range(HOUR_RING):
        for k in range(M_LOG_PRICE):
            ring[m, k] = 0
        ring[m, M_LOG_PRICE] = s["log_price"]
    s["hsum"][:] = 0
    s["hsq"][:] = 0
    s["swell"][:] = 0
    s["swell_ring"][:, :] = 0
    s["macc"][:] = 0
    s["mauthors"][:] = 0
    s["mtraders"][:] = 0
    s["cur_min"] = minute
    s["base_min"] = minute - 2
    s["busy"] = 0


@jit
def clear_day(s: Record, quarter: Int64) -> None:
    """Nothing before ``quarter``."""
    s["day_ring"][:, :] = 0
    s["qsum"][:] = 0
    s["qsq"][:] = 0
    s["qacc"][:] = 0
    s["cur_q"] = quarter
    s["base_q"] = quarter - 2


@jit
def bit(minute: Int64) -> Any:
    """The minute's bit in ``busy``: the ring has 64 places."""
    return np.int64(1) << (minute % HOUR_RING)


@jit
def seal_quiet(s: Record) -> None:
    """Seal a minute without mentions or trades: most minutes of most tokens."""
    minute = s["cur_min"]
    row = s["hour_ring"][minute % HOUR_RING]
    mask = bit(minute)
    if s["busy"] & mask:
        for k in range(M_LOG_PRICE):
            row[k] = 0
        s["busy"] &= ~mask
    row[M_LOG_PRICE] = s["log_price"]
    swell_ring = s["swell_ring"]
    # the long window is the minute being filled and the SWELL - 1 before it
    if s["busy"] & bit(minute - SWELL + 1):
        old = swell_ring[(minute - SWELL + 1) % SWELL_RING]
        for k in range(5):
            s["swell"][k] -= old[k]
    if s["busy"] & bit(minute - SWELL_RING):
        new = swell_ring[minute % SWELL_RING]
        for k in range(5):
            new[k] = 0
    s["cur_min"] = minute + 1


@jit
def seal_busy(s: Record) -> None:
    """Seal a minute that holds mentions or trades, and start the next."""
    macc = s["macc"]
    minute = s["cur_min"]
    row = s["hour_ring"][minute % HOUR_RING]
    authors = distinct(s["mauthors"])
    traders = distinct(s["mtraders"])
    volume = macc[2] + macc[3]
    row[0] = stabilise_count(macc[0])
    row[1] = stabilise_count(authors)
    row[2] = stabilise_count(macc[1])
    row[3] = stabilise_count(traders)
    row[4] = stabilise(float(volume) / VOLUME_UNIT)
    row[5] = stabilise_net(macc[2], macc[3])
    last = np.int64(s["hour_ring"][(minute - 1) % HOUR_RING, M_LOG_PRICE])
    now = np.int64(s["log_price"])
    change: Int64 = np.int64(0)
    if last != NO_PRICE and now != NO_PRICE:
        change = max(min((now - last) >> 10, Y_MAX), -Y_MAX)
    row[M_RETURN] = change
    row[M_LOG_PRICE] = now
    s["busy"] |= bit(minute)
    new = s["swell_ring"][minute % SWELL_RING]
    old = s["swell_ring"][(minute - SWELL + 1) % SWELL_RING]
    new[0] = macc[0]
    new[1] = macc[1]
    new[2] = volume
    new[3] = authors
    new[4] = traders
    for k in range(5):
        s["swell"][k] += new[k] - old[k]
    for k in range(4):
        macc[k] = 0
    for k in range(8):
        s["mauthors"][k] = 0
        s["mtraders"][k] = 0
    s["cur_min"] = minute + 1


@jit
def seal_minute(s: Record) -> None:
    """Write the filled minute into the rings and start the next.

    A price can change without an on-time trade, through a late one: that minute is busy too.
    """
    macc = s["macc"]
    before = s["hour_ring"][(s["cur_min"] - 1) % HOUR_RING, M_LOG_PRICE]
    if macc[0] == 0 and macc[1] == 0 and before == s["log_price"]:
        seal_quiet(s)
    else:
        seal_busy(s)


@jit
def slide_hour(s: Record, to: Int64) -> None:
    """Move the hour's exact sums so that they cover minutes to-59 .. to."""
    ring = s["hour_ring"]
    total = s["hsum"]
    squares = s["hsq"]
    m = s["base_min"]
    while m < to:
        m += 1
        if not s["busy"] & (bit(m) | bit(m - HOUR)):
            continue
        new = ring[m % HOUR_RING]
        old = ring[(m - HOUR) % HOUR_RING]
        for k in range(N_SUMS):
            x = np.int64(new[k])
            y = np.int64(old[k])
            total[k] += x - y
            squares[k] += x * x - y * y
    s["base_min"] = max(m, to)


@jit
def seal_quarter(s: Record) -> None:
    """Write the filled quarter-hour into the day's ring and start the next."""
    qacc = s["qacc"]
    row = s["day_ring"][s["cur_q"] % DAY_RING]
    row[0] = stabilise_count(qacc[0])
    row[1] = stabilise_count(qacc[1])
    row[2] = stabilise(float(qacc[2]) / VOLUME_UNIT)
    for k in range(3):
        qacc[k] = 0
    s["cur_q"] += 1


@jit
def slide_day(s: Record, to: Int64) -> None:
    """Move the day's exact sums so that they cover quarters to-95 .. to."""
    ring = s["day_ring"]
    total = s["qsum"]
    squares = s["qsq"]
    q = s["base_q"]
    while q < to:
        q += 1
        new = ring[q % DAY_RING]
        old = ring[(q - DAY) % DAY_RING]
        for k in range(3):
            x = np.int64(new[k])
            y = np.int64(old[k])
            total[k] += x - y
            squares[k] += x * x - y * y
    s["base_q"] = q


@jit
def advance(s: Record, b: Int64) -> None:
    """Bring the rings to bar b, before its records: whole minutes and quarters of silence too."""
    minute = b // MINUTE_BARS
    if minute > s["cur_min"]:
        if minute - s["cur_min"] > HOUR_RING + 2:
            clear_hour(s, minute)
        else:
            while s["cur_min"] < minute:
                seal_minute(s)
                slide_hour(s, s["cur_min"] - 2)
        quarter = minute // SWELL
        # at most 25 h of them: a token that was silent for longer begins anew
        while s["cur_q"] < quarter:
            seal_quarter(s)
            slide_day(s, s["cur_q"] - 2)
    # a bucket enters a baseline when the window has left it
    slide_hour(s, (b - SHORT + 1) // MINUTE_BARS - 1)
    slide_day(s, (minute - SWELL + 1) // SWELL - 1)
    lp = s["lp"]
    last = s["log_price"]
    for x in range(max(s["bar"] + 1, b - LP_RING + 1), b + 1):
        lp[x % LP_RING] = last
