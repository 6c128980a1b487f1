"""Terms, cashtags and addresses in a text, compiled: where they are and what they stand for.

``hits`` of a text are int32[K, 3]: start, end and number of sharers, or an unknown address.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.addresses import (
    EVM,
    MIN_CHARS,
    MIXED,
    NO_ADDRESS,
    SOLANA,
    UNKNOWN,
    evm_of,
    is_ascii_alnum,
    is_key,
    look_up,
    may_be_token,
)
from detectors.batch.blocks import BLOCK, bits_of
from detectors.batch.trie import (
    CHAR_OF,
    CHILD,
    CHILDREN,
    NONE,
    ROOT,
    STATE,
    STATES,
    VALUE,
    may_begin,
)
from detectors.batch.unicode import ALNUM, CHAR, DOLLAR, WORD
from detectors.batch.words import NOTHING
from detectors.jit import Int64, int64, jit, lowest
from detectors.resolve.addresses import MAX_ADDRESS_CHARS
from detectors.resolve.cashtags import MAX_SYMBOL_CHARS

FULL: Final = -1
"""What a count says where room is too small for the answer: the text takes the plain way."""
FIRST_UNKNOWN: Final = -10
"""``FIRST_UNKNOWN - k`` is the k-th unknown address where a number of sharers or tokens stands."""
ANYWHERE: Final = -1
"""The end of a hit that is near every place."""
SIZE: Final = MAX_ADDRESS_CHARS
"""Where in the row of an unknown address its length stands."""
_CASHTAG_CHARS: Final = 16


@jit
def _splits(text: NDArray[Any], n: Int64, at: Int64) -> bool:
    """Whether a word may begin or end before character ``at``, from 1."""
    if at >= n:
        return True
    return not text[at - 1] & text[at] & WORD


@jit
def _step(trie: NDArray[Any], state: Int64, c: Int64) -> Int64:
    """The state behind a character, 0 where there is none."""
    at = STATES + STATE * state
    first = int64(trie[at + CHILD])
    for k in range(first, first + trie[at + CHILDREN]):
        char = int64(trie[STATES + STATE * k + CHAR_OF])
        if char >= c:
            return int64(k) if char == c else int64(0)
    return int64(0)


@jit
def seek(
    text: NDArray[Any],
    n: Int64,
    begins: NDArray[Any],
    trie: NDArray[Any],
    longest: Int64,
    hits: NDArray[Any],
    found: Int64,
) -> Int64:
    """Append start, end and value of terms that begin at ``begins``, see ``read``; how many there are then, or FULL.

    All of them, or (``longest`` is 1) those that begin where they do, and lie in no longer one.
    """
    kept = block = places = int64(0)
    while True:
        while not places and block < n:
            places = int64(begins[block // BLOCK])
            block += BLOCK
        if not places:
            return found
        i, places = lowest(places)
        i += block - BLOCK
        if not may_begin(trie, text, i):
            continue
        c = int64(text[np.uint64(i)]) & CHAR
        if i > 0 and text[i - 1] & CHAR == 64:  # an account's name
            continue
        state = int(trie[ROOT + c])
        best, of = int64(0), int64(NONE)
        j = i + 1
        while state > 0:
            value = int(trie[STATES + STATE * state + VALUE])
            if value != NONE and _splits(text, n, j):
                best, of = j, value
                if not longest:
                    if found == hits.shape[0]:
                        return FULL
                    hits[found, 0], hits[found, 1], hits[found, 2] = i, j, of
                    found += 1
            state = _step(trie, state, int(text[j]) & CHAR) if j < n else int64(0)
            j += 1
        if longest and best > kept:
            if found == hits.shape[0]:
                return FULL
            hits[found, 0], hits[found, 1], hits[found, 2] = i, best, of
            found += 1
            kept = best


@jit
def seek_cashtags(
    text: NDArray[Any], n: Int64, trie: NDArray[Any], hits: NDArray[Any], found: Int64
) -> Int64:
    """Append place and sharers of cashtags; how many hits there are then, or FULL."""
    block = dollars = int64(0)
    while True:
        while not dollars and block < n:
            dollars = bits_of(text, block, DOLLAR)
            block += BLOCK
        if not dollars:
            return found
        i, dollars = lowest(dollars)
        i += block - BLOCK
        if i + 1 >= n or not text[i + 1] & ALNUM:
            continue
        first, stop = i + 1, i + 2
        while stop < n and stop < first + _CASHTAG_CHARS and text[stop] & ALNUM:
            stop += 1
        best, of = int64(0), int64(NOTHING)
        state = int(trie[ROOT + (int(text[first]) & CHAR)])
        if i > 0 and (text[i - 1] & DOLLAR or text[i - 1] & WORD):
            state = int64(0)
        j = first + 1
        while state > 0:
            value = int(trie[STATES + STATE * state + VALUE])
            if value != NONE and _splits(text, n, j):
                best, of = j, value
            more = j < min(stop, first + MAX_SYMBOL_CHARS)
            state = _step(trie, state, int(text[j]) & CHAR) if more else int64(0)
            j += 1
        if of != NOTHING:
            if found == hits.shape[0]:
                return FULL
            hits[found, 0], hits[found, 1], hits[found, 2] = i, best, of
            found += 1


@jit
def seek_addresses(
    seen: NDArray[Any],
    n: Int64,
    known: NDArray[Any],
    limbs: NDArray[Any],
    unknown: NDArray[Any],
    n_unknown: Int64,
    hits: NDArray[Any],
) -> tuple[Int64, Int64, bool]:
    """Write sharers of addresses to ``hits``: how many, unknown ones so far, whether one is unlisted.

    The first is FULL where the plain way must decide.
    """
    found = i = int64(0)
    unlisted = False
    while i + MIN_CHARS <= n:
        start = end = i + MIN_CHARS  # backwards from where a run would be long enough
        while start > i and is_ascii_alnum(seen[np.uint64(start - 1)]):
            start -= 1
        if start > i:
            i = start
            continue
        while end < n and is_ascii_alnum(seen[np.uint64(end)]):
            end += 1
        i = end + 1
        if end - start > MAX_ADDRESS_CHARS:
            continue
        kind = evm_of(seen, start, end)
        of = look_up(seen, start, end, known)
        if kind == NO_ADDRESS:
            if of == UNKNOWN and not is_key(seen, start, end, limbs):
                continue
            kind = int64(SOLANA)
        if of == UNKNOWN and kind != MIXED and may_be_token(seen, start, end, kind == SOLANA):
            unlisted = True
            if kind != EVM and n_unknown < unknown.shape[0]:
                for k in range(MAX_ADDRESS_CHARS):
                    unknown[n_unknown, k] = seen[start + k] if start + k < end else 0
                unknown[n_unknown, SIZE] = end - start
                of = FIRST_UNKNOWN - n_unknown
                n_unknown += 1
        if kind == MIXED or found == hits.shape[0] or n_unknown == unknown.shape[0]:
            return FULL, n_unknown, False
        if of >= 0 or of <= FIRST_UNKNOWN:
            hits[found, 0], hits[found, 1], hits[found, 2] = 0, ANYWHERE, of
            found += 1
    return found, n_unknown, unlisted


@jit
def join_same(unknown: NDArray[Any], first: Int64, hits: NDArray[Any], n_hits: Int64) -> None:
    """Let an unknown address that a text names twice be one in ``hits``; its first is ``first``."""
    for h in range(n_hits):
        k = FIRST_UNKNOWN - int(hits[h, 2])
        for j in range(first, k):
            same = True
            for at in range(MAX_ADDRESS_CHARS):
                same = same and unknown[j, at] == unknown[k, at]
            if same:
                hits[h, 2] = FIRST_UNKNOWN - j
                break
