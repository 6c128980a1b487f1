"""Rings of closed minutes and quarter-hours, and the exact sums that slide over them."""

from __future__ import annotations

import numpy as np

from detectors.jit import Int64, Record, jit, lowest
from detectors.kernels.lanes import add_row, hold
from detectors.kernels.maths import (
    VOLUME_UNIT,
    Y_MAX,
    distinct,
    stabilise,
    stabilise_count,
    stabilise_net,
)
from detectors.kernels.week import clear_week, seal_hour, slide_week
from detectors.layout import (
    DAY,
    DAY_RING,
    HOUR,
    HOUR_QUARTERS,
    HOUR_RING,
    LP_RING,
    M_RETURN,
    MINUTE_BARS,
    NO_PRICE,
    SHORT,
    SWELL,
    SWELL_RING,
)

AGES = 62
"""Minutes that ``busy`` remembers: those of the hour's baseline, and the two it lags behind."""
ALL_AGES = (1 << AGES) - 1
SPARE_MINUTES = HOUR_RING - HOUR - 1
"""Places of the ring that hold neither a minute of the last hour nor the one being filled."""


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
    s["wbar"][:] = -1
    clear_hour(s, b // MINUTE_BARS)
    clear_day(s, b // (MINUTE_BARS * SWELL))
    slide_long(s, b // MINUTE_BARS)


@jit
def clear_hour(s: Record, minute: Int64) -> None:
    """Silence for longer than the ring reaches, before ``minute``."""
    s["hour_price"][:] = s["log_price"]
    s["hsum"][:] = 0
    s["hsq"][:] = 0
    s["swell"][:] = 0
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
    clear_week(s, quarter)


@jit
def between(ages: Int64, first: Int64, last: Int64) -> Int64:
    """Those ages of a set that are ``first`` or more, and less than ``last``.

    >>> bin(between(0b11111, 1, 3)), bin(between(0b11111, -9, 1)), bin(between(0b11111, 70, 99))
    ('0b110', '0b1', '0b0')
    """
    low, high = max(first, 0), min(last, AGES)
    if low >= high:
        return np.int64(0)
    return ages & (((1 << (high - low)) - 1) << low)


@jit
def leave_swell(s: Record, minute: Int64, quiet: Int64) -> None:
    """Take out of the long window what leaves it while ``quiet`` minutes from ``minute`` on pass.

    The window is the minute being filled and the SWELL - 1 before it.
    """
    ages = between(s["busy"], SWELL - 1 - quiet, SWELL - 1)
    while ages != 0:
        age, ages = lowest(ages)
        gone = s["swell_ring"][(minute - 1 - age) % SWELL_RING]
        for k in range(5):
            s["swell"][k] -= gone[k]


@jit
def pass_minutes(s: Record, count: Int64) -> None:
    """Start the minute ``count`` later; ``busy`` forgets what is older than it reaches."""
    busy: Int64 = np.int64(0)
    if count < AGES:
        busy = (s["busy"] & (ALL_AGES >> count)) << count
    s["busy"] = busy
    s["cur_min"] += count


@jit
def seal_quiet(s: Record, until: Int64) -> None:
    """Seal the minutes before ``until``, all without an event: most minutes of most tokens."""
    minute = s["cur_min"]
    price = s["log_price"]
    prices = s["hour_price"]
    for k in range(SPARE_MINUTES + 1):  # without a branch: those too many are of minutes to come
        prices[(minute + k) % HOUR_RING] = price
    for m in range(minute + SPARE_MINUTES + 1, until):
        prices[m % HOUR_RING] = price
    leave_swell(s, minute, until - minute)
    slide_hour(s, until - 2)
    pass_minutes(s, until - minute)


@jit
def seal_busy(s: Record) -> None:
    """Seal a minute that holds mentions or trades, or a new price, and start the next."""
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
    last = np.int64(s["hour_price"][(minute - 1) % HOUR_RING])
    now = np.int64(s["log_price"])
    change: Int64 = np.int64(0)
    if last != NO_PRICE and now != NO_PRICE:
        change = max(min((now - last) >> 10, Y_MAX), -Y_MAX)
    row[M_RETURN] = change
    s["hour_price"][minute % HOUR_RING] = now
    leave_swell(s, minute, 1)
    new = s["swell_ring"][minute % SWELL_RING]
    new[0] = macc[0]
    new[1] = macc[1]
    new[2] = volume
    new[3] = authors
    new[4] = traders
    for k in range(5):
        s["swell"][k] += new[k]
    for k in range(4):
        macc[k] = 0
    for k in range(8):
        s["mauthors"][k] = 0
        s["mtraders"][k] = 0
    pass_minutes(s, 1)
    s["busy"] |= 1


@jit
def seal_minutes(s: Record, until: Int64) -> None:
    """Write the filled minute into the rings, and the silence up to ``until``.

    A price can change without an on-time trade, through a late one: that minute is busy too.
    """
    macc = s["macc"]
    before = s["hour_price"][(s["cur_min"] - 1) % HOUR_RING]
    if macc[0] != 0 or macc[1] != 0 or before != s["log_price"]:
        seal_busy(s)
    if s["cur_min"] < until:
        seal_quiet(s, until)


@jit
def slide_hour(s: Record, to: Int64) -> None:
    """Move the hour's exact sums so that they cover minutes to-59 .. to."""
    m = s["base_min"]
    if m >= to:
        return
    # a minute that is not busy is all zeros, whatever its place in the ring still holds
    newest = s["cur_min"] - 1
    ages = between(s["busy"], newest - to, newest - m)
    while ages != 0:
        age, ages = lowest(ages)
        add_minute(s, newest - age, 1)
    ages = between(s["busy"], newest - to + HOUR, newest - m + HOUR)
    while ages != 0:
        age, ages = lowest(ages)
        add_minute(s, newest - age, -1)
    s["base_min"] = to


@jit
def add_minute(s: Record, m: Int64, sign: Int64) -> None:
    """Add a busy minute to the hour's sums, or take it out."""
    add_row(s["hsum"], s["hsq"], s["hour_ring"][m % HOUR_RING], sign)


@jit
def seal_quarter(s: Record) -> None:
    """Write the filled quarter-hour into the day's ring and start the next."""
    qacc = s["qacc"]
    seal_hour(s, s["cur_q"], qacc[0])
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
def slide_long(s: Record, minute: Int64) -> None:
    """Move the day's and the week's sums to where they end while ``minute`` is being filled.

    A bucket enters a baseline when the window has left it.
    """
    slide_day(s, (minute - SWELL + 1) // SWELL - 1)
    slide_week(s, (minute // SWELL - HOUR_QUARTERS + 1) // HOUR_QUARTERS - 1)


@jit
def hold_last_price(s: Record, b: Int64) -> None:
    """Give the bars after the last one walked, up to b, the price that it ended with."""
    hold(s["lp"], b, min(b - s["bar"], LP_RING), np.int64(s["log_price"]))


@jit
def advance(s: Record, b: Int64) -> None:
    """Bring the rings to bar b, before its records: whole minutes and quarters of silence too."""
    minute = b // MINUTE_BARS
    if minute > s["cur_min"]:
        if minute - s["cur_min"] > HOUR_RING + 2:
            clear_hour(s, minute)
        else:
            seal_minutes(s, minute)
        quarter = minute // SWELL
        # at most 25 h of them: a token that was silent for longer begins anew
        while s["cur_q"] < quarter:
            seal_quarter(s)
            slide_day(s, s["cur_q"] - 2)
        slide_long(s, minute)
    # the short window has left the minute before once it covers this one whole
    slide_hour(s, minute - 2 + np.int64(b - minute * MINUTE_BARS == SHORT - 1))
    hold_last_price(s, b)
