"""One bar's records of one token, in canonical order, folded into its state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit, lowest, nth
from detectors.kernels.features import BUYS, MENTIONS, SELLS, TRADES
from detectors.kernels.lanes import near_marks
from detectors.kernels.log2 import log2_price
from detectors.kernels.maths import MONEY_MAX
from detectors.layout import INFO, LATE, LP_RING, MENTION, SHORT, TEXTS, TICK
from detectors.simhash import LONG, NEAR
from schemas.platforms import N_PLATFORMS

TEXT_BARS = 720  # a text is remembered for an hour
COUNT_MAX = 1 << 30


@jit
def most_apart(text: Int64) -> Int64:
    """Bits in which a copy of a text differs at most: none where the text is short.

    >>> int(most_apart(np.int64(3))), int(most_apart(np.int64(1)))
    (11, 0)
    """
    return np.int64(NEAR) if text & LONG != 0 else np.int64(0)


@jit
def is_copy(s: Record, text: Int64, b: Int64) -> bool:
    """Whether a post of nearly this text was seen within the hour; learns the text if not.

    A copy keeps what it is a copy of, and not itself: copies of copies do not wander off.
    """
    if text == 0:
        return False
    texts = s["texts"]
    bars = s["text_bars"]
    oldest = b - TEXT_BARS
    same = near_marks(texts, bars, text, most_apart(text), oldest)
    if same != 0:
        first, _ = lowest(same)
        bars[nth(first)] = b
        return True
    at = np.int64(s["text_at"])
    texts[nth(at)] = text
    bars[nth(at)] = b
    s["text_at"] = (at + 1) % TEXTS
    return False


@jit
def set_bit(bits: NDArray[Any], who: Int64) -> None:
    """Add a hash to a 256-bit set."""
    bit = who & 255
    word = nth(bit >> 5)
    bits[word] = np.int64(bits[word]) | (np.int64(1) << (bit & 31))


@jit
def take_info(s: Record, r: Record) -> None:
    """Facts about the token; unknown ones leave what is known."""
    if r["a"] >= 0:
        s["created_ms"] = r["a"]
    if r["b"] >= 0:
        s["supply"] = r["b"]


@jit
def hold_price(s: Record, b: Int64) -> None:
    """Take over the bar's last price into the rings."""
    s["log_price"] = log2_price(s["price"])
    s["lp"][b % LP_RING] = s["log_price"]


@jit
def find_evidence(ready: NDArray[Any], p: Int64, q: Int64, evidence: NDArray[Any]) -> None:
    """Refs of up to three of the records ``ready[p:q]``: the first mentions, then ticks; -1 for none."""
    evidence[:] = -1
    found = 0
    for wanted in (MENTION, TICK):
        for x in range(p, q):
            if ready[x]["kind"] == wanted and found < evidence.shape[0]:
                evidence[found] = ready[x]["ref"]
                found += 1


@jit
def fill_bar(s: Record, b: Int64, ready: NDArray[Any], p: Int64, q: Int64, n: NDArray[Any]) -> None:
    """Fold the records ``ready[p:q]``, all of bar b; ``n`` gets what they say and trade added."""
    k = nth(b % SHORT)
    w = s["w"][k]
    plat = w["platforms"]
    authors = w["authors"]
    traders = w["traders"]
    for j in range(8):
        authors[j] = 0
        traders[j] = 0
    for j in range(N_PLATFORMS):
        plat[j] = 0
    mentions = np.int64(0)
    trades = np.int64(0)
    copies = np.int64(0)
    rush = np.int64(0)
    n_buys = np.int64(0)
    late = np.int64(0)
    reach = np.int64(0)
    buys: Int64 = np.int64(0)
    sells: Int64 = np.int64(0)
    price_ms = s["price_ms"]
    priced = False
    last_who = np.int64(-1)
    last_ms = np.int64(-1)
    fills = 0
    for x in range(p, q):
        r = ready[nth(x)]
        kind = r["kind"]
        who = np.int64(r["who"])
        if kind == MENTION:
            mentions += 1
            reach += r["b"]
            f = nth(r["aux"] % N_PLATFORMS)
            plat[f] = min(np.int64(plat[f]) + 1, 65535)
            if is_copy(s, r["a"], b):
                copies += 1
            else:
                set_bit(authors, who)
                set_bit(s["mauthors"], who)
        elif kind == TICK:
            trades += 1
            set_bit(traders, who)
            set_bit(s["mtraders"], who)
            if r["aux"] == 0:
                buys = min(buys + r["b"], MONEY_MAX)
                n_buys += 1
                # fills of one buyer and millisecond are one order: more than one is a rush
                if who == last_who and r["t"] == last_ms:
                    fills += 1
                    rush += 2 if fills == 2 else 1
                else:
                    last_who = who
                    last_ms = np.int64(r["t"])
                    fills = 1
            else:
                sells = min(sells + r["b"], MONEY_MAX)
        elif kind == INFO:
            take_info(s, r)
        else:
            late += 1
        # the newest trade's price holds: an older one never replaces it
        if (kind == TICK or kind == TICK + LATE) and r["t"] >= price_ms:
            price_ms = np.int64(r["t"])
            s["price"] = r["a"]
            if r["c"] >= 0:
                s["liquidity"] = r["c"]
            priced = True
    if priced:
        s["price_ms"] = price_ms
        hold_price(s, b)
    s["wbar"][k] = b
    n[MENTIONS] += min(mentions, COUNT_MAX)
    n[TRADES] += min(trades, COUNT_MAX)
    n[BUYS] += buys
    n[SELLS] += sells
    s["wmentions"][k] = min(mentions, COUNT_MAX)
    s["wtrades"][k] = min(trades, COUNT_MAX)
    counts = w["counts"]
    counts[0] = min(copies, COUNT_MAX)
    counts[1] = min(rush, COUNT_MAX)
    counts[2] = min(n_buys, COUNT_MAX)
    counts[3] = min(late, COUNT_MAX)
    w["reach"] = min(reach, MONEY_MAX)
    s["wbuys"][k] = buys
    s["wsells"][k] = sells
    macc = s["macc"]
    macc[0] += mentions
    macc[1] += trades
    macc[2] = min(macc[2] + buys, MONEY_MAX)
    macc[3] = min(macc[3] + sells, MONEY_MAX)
    qacc = s["qacc"]
    qacc[0] += mentions
    qacc[1] += trades
    qacc[2] = min(qacc[2] + buys + sells, MONEY_MAX)
    s["last_bar"] = b
