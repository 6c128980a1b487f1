"""Records into the hold-back buffer, and out of it in canonical order once their bar closes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.jit import LINE, Int64, Record, int64, jit, prefetch
from detectors.layout import BAR_MS, INFO, LATE

VALUE_MAX = 1_000_000_000_000_000  # micro-USD a fill: one billion dollars
REF_MASK = (1 << 31) - 1
AHEAD = 24  # records ahead of which one is fetched: two lines each, too far apart to be foreseen


@jit
def without_slot(slots: NDArray[Any], token: NDArray[Any], missing: NDArray[Any]) -> Int64:
    """Write the tokens, as often as they occur, that have no slot, -1; returns how many."""
    n = 0
    for i in range(token.shape[0]):
        missing[n] = token[i]
        n += int64(slots[token[i]] < 0)
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
    pend: NDArray[Any],
    n: Int64,
    late: NDArray[Any],
) -> tuple[Int64, ...]:
    """Append records to ``pend`` from row n on, each in the bar its own two times decide.

    Log times never fall within an input: ``through`` is the highest so far. Returns (n, too late,
    log clock falls, last bar); ``late`` receives the rows beyond the backfill limit.
    """
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
        r = pend[n]
        r["slot"] = slots[token[i]]
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
        n += 1
    return n, n_late, falls, last_bar


@jit
def sort_time(r: Record) -> Int64:
    """When a record is taken within the log: late ones come last in their bar."""
    bar = np.int64(r["bar"])
    t = np.int64(r["t"])
    if r["kind"] >= LATE or t < bar * BAR_MS:
        return (bar + 1) * BAR_MS - 1
    return t


@jit
def split(
    pend: NDArray[Any],
    n: Int64,
    end_bar: Int64,
    shift: Int64,
    rest: NDArray[Any],
    keys: NDArray[Any],
) -> tuple[Int64, Int64]:
    """Records of bars before ``end_bar`` become sort keys (time, row); others move to ``rest``."""
    m = 0
    k = 0
    base = np.int64(end_bar) * BAR_MS
    for i in range(n):
        base = min(base, np.int64(pend[i]["bar"]) * BAR_MS)
    for i in range(n):
        r = pend[i]
        if r["bar"] < end_bar:
            keys[m] = ((sort_time(r) - base) << shift) | i
            m += 1
        else:
            rest[k] = r
            k += 1
    return m, k


@jit
def by_token(
    pend: NDArray[Any],
    rows: NDArray[Any],
    slots: NDArray[Any],
    m: Int64,
    cnt: NDArray[Any],
    touched: NDArray[Any],
    start: NDArray[Any],
    ready: NDArray[Any],
    episodes: NDArray[Any],
    n_open: Int64,
) -> Int64:
    """Stable scatter of ordered records to token-major; cost does not depend on tracked tokens.

    ``rows`` and ``slots`` are those of the m records, in order. The records themselves move, not an
    index: reading them is then sequential. Tokens with an open episode are due too, with no records
    where they had none. Returns the due tokens' number.
    """
    due = 0
    for j in range(m):
        t = slots[j]
        if cnt[t] == 0:
            touched[due] = t
            due += 1
        cnt[t] += 1
    at = 0
    for j in range(due):
        t = touched[j]
        start[j] = at
        size = cnt[t]
        cnt[t] = at
        at += size
    for j in range(m):
        ahead = rows[min(j + AHEAD, m - 1)]
        prefetch(pend, ahead)
        prefetch(pend, ahead, LINE)
        t = slots[j]
        x = pend[rows[j]]
        y = ready[cnt[t]]
        y["bar"] = x["bar"]
        y["ref"] = x["ref"]
        y["kind"] = x["kind"]
        y["aux"] = x["aux"]
        y["t"] = x["t"]
        y["who"] = x["who"]
        y["a"] = x["a"]
        y["b"] = x["b"]
        y["c"] = x["c"]
        cnt[t] += 1
    start[due] = at
    for j in range(n_open):
        t = episodes[j]
        if cnt[t] == 0:
            touched[due] = t
            due += 1
            start[due] = at
    for j in range(due):
        cnt[touched[j]] = 0
    return due
