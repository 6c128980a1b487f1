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
NOT_YET = -(1 << 40)
"""End of what closes where no bar does."""
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
def sort_key(kind: Int64, bar: Int64, t: Int64, near_ms: Int64, row: Int64, shift: Int64) -> Int64:
    """When a record is taken within the log, and its row: late ones come last in their bar.

    Times are from ``near_ms``, a time of some record, so that they are small: a silence may be long.
    """
    if kind >= LATE or t < bar * BAR_MS:
        t = (bar + 1) * BAR_MS - 1
    return ((t - near_ms) << shift) | row


@jit
def take_due(
    held: NDArray[Any],
    n: Int64,
    end_bar: Int64,
    near_ms: Int64,
    due: NDArray[Any],
    shift: Int64,
    keys: NDArray[Any],
) -> tuple[Int64, Int64]:
    """Move records of bars before ``end_bar`` from ``held`` to ``due``, with sort keys (time, row).

    Times are from ``near_ms``, and a row has ``shift`` bits. Returns (held, due).
    """
    left = np.int64(0)
    m = np.int64(0)
    for i in range(n):
        r = held[i]
        bar = np.int64(r["bar"])
        if bar < end_bar:
            due[nth(m)] = r
            keys[nth(m)] = sort_key(np.int64(r["kind"]), bar, np.int64(r["t"]), near_ms, m, shift)
            m += 1
        else:
            if left < i:
                held[nth(left)] = r
            left += 1
    return left, m


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
    first: Int64,
    last: Int64,
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
    late: NDArray[Any],
    n_late: Int64,
) -> tuple[Int64, ...]:
    """Take rows first to last in, each in the bar its own two times decide: append them to ``held``.

    Those of bars before ``end_bar`` go to ``due`` instead, behind what ``take_due`` moves there. Log times
    never fall within an input: ``through`` is the highest so far. Returns (held, due, too late, through, log
    clock falls, last bar); ``late`` receives the rows beyond the backfill limit.
    """
    m = np.int64(0)
    near_ms = max(through, ts_log[nth(first)])
    if end_bar > NOT_YET:
        n, m = take_due(held, n, end_bar, near_ms, due, shift, keys)
    last_bar = np.int64(0)
    falls = np.int64(0)
    for i in range(first, last):
        log = ts_log[nth(i)]
        if log < through:
            falls += 1
            log = through
        through = log
        delay = log - ts_event[nth(i)]
        if delay > backfill:
            late[nth(n_late)] = i
            n_late += 1
            continue
        t = min(ts_event[nth(i)], log)
        k = np.int64(kind[nth(i)])
        if delay > lateness:
            bar = (log - lateness) // BAR_MS
            if k != INFO:
                k += LATE
        else:
            bar = t // BAR_MS
        last_bar = max(last_bar, bar)
        closes = bar < end_bar
        r = due[nth(m)] if closes else held[nth(n)]
        r["slot"] = slots[nth(token[nth(i)])]
        r["bar"] = bar
        r["ref"] = (first_ref + i) & REF_MASK
        r["kind"] = k
        r["aux"] = aux[nth(i)]
        r["pad"] = 0
        r["t"] = t
        r["order"] = order[nth(i)]
        r["id"] = ids[nth(i)]
        r["who"] = who[nth(i)]
        r["a"] = a[nth(i)]
        r["b"] = b[nth(i)] if k == INFO else min(b[nth(i)], VALUE_MAX)
        r["c"] = c[nth(i)]
        if closes:
            keys[nth(m)] = sort_key(k, bar, t, near_ms, m, shift)
            m += 1
        else:
            n += 1
    return n, m, n_late, through, falls, last_bar


@jit
def count_one(cnt: NDArray[Any], touched: NDArray[Any], tokens: Int64, slot: Int64) -> Int64:
    """Count a record of a slot; returns how many slots ``touched`` lists then."""
    if cnt[slot] == 0:
        touched[nth(tokens)] = slot
        tokens += 1
    cnt[slot] += 1
    return tokens


@jit
def give_room(
    slots: NDArray[Any],
    token: NDArray[Any],
    held: NDArray[Any],
    n: Int64,
    end_bar: Int64,
    cnt: NDArray[Any],
    touched: NDArray[Any],
    spans: NDArray[Any],
) -> Int64:
    """Give each token as much of the ordered records as it has at most; returns how many tokens.

    Those are all that come in, and what is held of bars before ``end_bar``. ``touched`` receives
    their slots; ``cnt``, all zeros, then says where the next one of a slot goes, and ``spans``, of shape
    (tokens, 2), where they begin.
    """
    tokens = np.int64(0)
    for i in range(token.shape[0]):
        tokens = count_one(cnt, touched, tokens, nth(slots[nth(token[i])]))
    for i in range(n):
        if held[i]["bar"] < end_bar:
            tokens = count_one(cnt, touched, tokens, nth(held[i]["slot"]))
    at = np.int64(0)
    for j in range(tokens):
        t = touched[j]
        spans[j, 0] = at
        size = cnt[t]
        cnt[t] = at
        at += size
    return tokens


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
    due: NDArray[Any],
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
        prefetch(due, ahead)  # two lines each, too far apart to be foreseen
        prefetch(due, ahead, LINE)
        r = due[nth(keys[nth(min(at + AHEAD, m - 1))] & low)]
        slot = nth(r["slot"])
        prefetch(table, key_of(r, hashes[slot]) & mask)
        prefetch(ready, cnt[slot], 2 * LINE)  # where its next ones go: there are many such places
        r = due[nth(keys[nth(at)] & low)]
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
