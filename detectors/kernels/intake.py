"""Records into the hold-back buffer, and out of it in canonical order once their bar closes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import Int64, Record, jit, nth, prefetch
from detectors.kernels.ids import is_new, key_of
from detectors.layout import BAR_MS, INFO, LATE, LINE

VALUE_MAX = 1_000_000_000_000_000  # micro-USD a fill: one billion dollars
REF_MASK = (1 << 31) - 1
AHEAD = 12
"""Records ahead of which an id's bucket is fetched: the table does not fit the near caches."""


@jit
def without_slot(slots: NDArray[Any], token: NDArray[Any], missing: NDArray[Any]) -> Int64:
    """Write each token that occurs and has no slot, -1, once, which makes it -2; returns how many."""
    n = 0
    for i in range(token.shape[0]):
        if slots[token[i]] == -1:
            slots[token[i]] = -2
            missing[n] = token[i]
            n += 1
    return n


@jit
def admit(
    slots: NDArray[Any],
    token: NDArray[Any],
    kind: NDArray[Any],
    aux: NDArray[Any],
    ts_event: NDArray[Any],
    ts_log: NDArray[Any],
    order: NDArray[Any],
    ids: NDArray[Any],
    who: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    c: NDArray[Any],
    through: Int64,
    lateness: Int64,
    backfill: Int64,
    first_ref: Int64,
    end_bar: Int64,
    held: NDArray[Any],
    n: Int64,
    due: NDArray[Any],
    shift: Int64,
    keys: NDArray[Any],
    cnt: NDArray[Any],
    touched: NDArray[Any],
    late: NDArray[Any],
) -> tuple[Int64, ...]:
    """Take records in, each in the bar its own two times decide: append them to ``held`` from row n on.

    Those of bars before ``end_bar`` go to ``due`` instead, with sort keys (time, row of shift bits);
    ``touched`` receives their slots and ``cnt``, all zeros, how many each has. Log times never fall
    within an input: ``through`` is the highest so far. Returns (n, due, touched, too late, log clock
    falls, last bar); ``late`` receives the rows beyond the backfill limit.
    """
    m = np.int64(0)
    tokens = np.int64(0)
    n_late = 0
    last_bar = np.int64(0)
    falls = 0
    for i in range(token.shape[0]):
        log = ts_log[i]
        if log < through:
            falls += 1
            log = through
        through = log
        delay = log - ts_event[i]
        if delay > backfill:
            late[n_late] = i
            n_late += 1
            continue
        t = min(ts_event[i], log)
        k = np.int64(kind[i])
        if delay > lateness:
            bar = (log - lateness) // BAR_MS
            if k != INFO:
                k += LATE
        else:
            bar = t // BAR_MS
        last_bar = max(last_bar, bar)
        closes = bar < end_bar
        r = due[nth(m)] if closes else held[nth(n)]
        slot = nth(slots[nth(token[i])])
        r["slot"] = slot
        r["bar"] = bar
        r["ref"] = (first_ref + i) & REF_MASK
        r["kind"] = k
        r["aux"] = aux[i]
        r["pad"] = 0
        r["t"] = t
        r["order"] = order[i]
        r["id"] = ids[i]
        r["who"] = who[i]
        r["a"] = a[i]
        r["b"] = b[i] if k == INFO else min(b[i], VALUE_MAX)
        r["c"] = c[i]
        if closes:
            keys[nth(m)] = sort_key(k, bar, t, end_bar, m, shift)
            tokens = count_one(cnt, touched, tokens, slot)
            m += 1
        else:
            n += 1
    return n, m, tokens, n_late, falls, last_bar


@jit
def sort_key(kind: Int64, bar: Int64, t: Int64, end_bar: Int64, row: Int64, shift: Int64) -> Int64:
    """When a record is taken within the log, and its row: late ones come last in their bar.

    Keys may be negative: times are from the end of what closes, so that they are small.
    """
    if kind >= LATE or t < bar * BAR_MS:
        t = (bar + 1) * BAR_MS - 1
    return ((t - end_bar * BAR_MS) << shift) | row


@jit
def count_one(cnt: NDArray[Any], touched: NDArray[Any], tokens: Int64, slot: Int64) -> Int64:
    """Count a record of a slot; returns how many slots ``touched`` lists then."""
    if cnt[slot] == 0:
        touched[nth(tokens)] = slot
        tokens += 1
    cnt[slot] += 1
    return tokens


@jit
def take_due(
    held: NDArray[Any],
    n: Int64,
    end_bar: Int64,
    due: NDArray[Any],
    m: Int64,
    tokens: Int64,
    shift: Int64,
    keys: NDArray[Any],
    cnt: NDArray[Any],
    touched: NDArray[Any],
) -> tuple[Int64, Int64, Int64]:
    """Move records of bars before ``end_bar`` from ``held`` behind the ``m`` that are in ``due``.

    Keys and counts are as ``admit`` makes them. Returns (due, touched, held).
    """
    left = np.int64(0)
    for i in range(n):
        r = held[i]
        bar = np.int64(r["bar"])
        if bar < end_bar:
            due[nth(m)] = r
            slot = nth(r["slot"])
            keys[nth(m)] = sort_key(np.int64(r["kind"]), bar, np.int64(r["t"]), end_bar, m, shift)
            tokens = count_one(cnt, touched, tokens, slot)
            m += 1
        else:
            if left < i:
                held[nth(left)] = r
            left += 1
    return m, tokens, left


@jit
def give_room(cnt: NDArray[Any], touched: NDArray[Any], due: Int64, spans: NDArray[Any]) -> None:
    """Give each touched token as much of the ordered records as it has at most.

    ``cnt`` then says where its next one goes, and ``spans``, of shape (tokens, 2), where they begin.
    """
    at = np.int64(0)
    for j in range(due):
        t = touched[j]
        spans[j, 0] = at
        size = cnt[t]
        cnt[t] = at
        at += size


@jit
def hand_over(x: Record, y: Record) -> None:
    """Copy what the walk reads of a record."""
    y["bar"] = x["bar"]
    y["ref"] = x["ref"]
    y["kind"] = x["kind"]
    y["aux"] = x["aux"]
    y["t"] = x["t"]
    y["who"] = x["who"]
    y["a"] = x["a"]
    y["b"] = x["b"]
    y["c"] = x["c"]


@jit
def deal_new(
    pend: NDArray[Any],
    keys: NDArray[Any],
    m: Int64,
    at: Int64,
    shift: Int64,
    hashes: NDArray[Any],
    table: NDArray[Any],
    limit_bars: Int64,
    room: Int64,
    cnt: NDArray[Any],
    ready: NDArray[Any],
) -> tuple[Int64, Int64, Int64]:
    """Deal records, in the order of their keys, to their tokens: the first of each (token, kind, id).

    The records themselves move, not an index: reading those of a token is then sequential. Continues
    at key ``at``; stops after learning ``room`` ids, so that the caller can look at the table.
    Returns (next key, records dealt, bar of the last one).
    """
    low = (np.int64(1) << shift) - 1
    mask = table.shape[0] - 1
    kept = np.int64(0)
    bar = np.int64(0)
    while at < m and kept < room:
        ahead = keys[nth(min(at + 3 * AHEAD, m - 1))] & low
        prefetch(pend, ahead)  # two lines each, too far apart to be foreseen
        prefetch(pend, ahead, LINE)
        r = pend[nth(keys[nth(min(at + AHEAD, m - 1))] & low)]
        slot = nth(r["slot"])
        prefetch(table, key_of(r, hashes[slot]) & mask)
        prefetch(ready, cnt[slot], 2 * LINE)  # where its next ones go: there are many such places
        r = pend[nth(keys[nth(at)] & low)]
        slot = nth(r["slot"])
        if is_new(table, key_of(r, hashes[slot]), np.int64(r["bar"]), limit_bars):
            to = cnt[slot]
            hand_over(r, ready[nth(to)])
            cnt[slot] = to + 1
            kept += 1
            bar = np.int64(r["bar"])
        at += 1
    return at, kept, bar


@jit
def close_spans(
    cnt: NDArray[Any],
    touched: NDArray[Any],
    due: Int64,
    spans: NDArray[Any],
    episodes: NDArray[Any],
    n_open: Int64,
) -> Int64:
    """Note where each token's records end, and zero ``cnt``; returns the due tokens' number.

    Tokens with an open episode are due too, with no records where they had none.
    """
    for j in range(due):
        spans[j, 1] = cnt[touched[j]]
        cnt[touched[j]] = -1
    given = due
    for j in range(n_open):
        t = episodes[j]
        if cnt[t] == 0:
            touched[given] = t
            spans[given] = 0
            given += 1
    for j in range(due):
        cnt[touched[j]] = 0
    return given
