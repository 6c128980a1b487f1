"""Which tokens texts name, compiled: ``detectors.resolve.resolver`` on the bytes of many texts.

Arrays are passed one by one, and few at a time: a kernel that takes a record of thirty compiles for
half a minute.
"""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from detectors.batch.addresses import MIN_CHARS, see
from detectors.batch.blocks import BLOCK
from detectors.batch.fold import CHARS_PER_BYTE, blank_links, fold_row
from detectors.batch.prints import print_letters
from detectors.batch.reading import read
from detectors.batch.seek import (
    ANYWHERE,
    FULL,
    join_same,
    seek,
    seek_addresses,
    seek_cashtags,
)
from detectors.batch.unicode import COLON, DOLLAR, SLASH
from detectors.batch.words import ANY, RANKS
from detectors.jit import Int64, int64, jit
from detectors.resolve.context import NEAR_CHARS
from detectors.resolve.terms import MAX_TERM_CHARS
from schemas.records import MAX_TOKENS_PER_MENTION

NOT_SOUGHT: Final = -2
"""What a count says before anybody asked."""
NOBODY: Final = -1


@jit
def _from(near: NDArray[Any], n_near: Int64, place: Int64) -> Int64:
    """The first of some context words, which come by where they begin, that begins there or later."""
    low, high = int64(0), n_near
    while low < high:
        middle = (low + high) >> 1
        if near[middle, 0] < place:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _is_near(near: NDArray[Any], k: Int64, start: Int64, end: Int64) -> bool:
    """Whether a context word is near ``[start, end)`` and no part of it; every one is if ANYWHERE."""
    low, high = near[k, 0], near[k, 1]
    if end == ANYWHERE or start - NEAR_CHARS <= high <= start:
        return True
    return bool(end <= low <= end + NEAR_CHARS)


@jit
def _names_some(
    start: Int64, end: Int64, owners: NDArray[Any], near: NDArray[Any], first: Int64, last: Int64
) -> bool:
    """Whether some context word near ``[start, end)`` is a token's own: most are anybody's."""
    for k in range(first, last):
        if owners[owners[near[k, 2] + 1] - 1] != ANY and _is_near(near, k, start, end):
            return True
    return False


@jit
def _speaks(
    token: Int64,
    start: Int64,
    end: Int64,
    owners: NDArray[Any],
    near: NDArray[Any],
    first: Int64,
    last: Int64,
) -> bool:
    """Whether one of the context words ``near[first:last]`` that is near speaks for a token."""
    for k in range(first, last):
        if not _is_near(near, k, start, end):
            continue
        of = int(near[k, 2])
        low, stop = int(owners[of]), int(owners[of + 1])
        high = stop
        while low < high:
            middle = (low + high) >> 1
            if owners[middle] < token:
                low = middle + 1
            else:
                high = middle
        if low < stop and owners[low] == token:
            return True
    return False


@jit
def _strongest(
    of: Int64,
    start: Int64,
    end: Int64,
    sharers: NDArray[Any],
    owners: NDArray[Any],
    near: NDArray[Any],
    first: Int64,
    last: Int64,
) -> Int64:
    """The one token of sharers that stands out by liquidity class, else by context, or NOBODY."""
    top = int64(-1)
    leaders = 0
    leader = int64(NOBODY)
    low, high = int(sharers[of]), int(sharers[of + 1])
    for k in range(low, high):
        token, rank = sharers[k] // RANKS, sharers[k] % RANKS
        if rank > top:
            top, leaders, leader = int(rank), 1, int(token)
        elif rank == top:
            leaders += 1
    if leaders == 1:
        return leader
    leaders, leader = 0, int64(NOBODY)
    if not _names_some(start, end, owners, near, first, last):
        return leader
    for k in range(low, high):
        token = int(sharers[k] // RANKS)
        if sharers[k] % RANKS == top and _speaks(token, start, end, owners, near, first, last):
            leaders += 1
            leader = token
    return leader if leaders == 1 else NOBODY


@jit
def _has_any(of: Int64, sharers: NDArray[Any], found: NDArray[Any], n: Int64) -> bool:
    for k in range(int(sharers[of]), int(sharers[of + 1])):
        for j in range(n):
            if found[j] == sharers[k] // RANKS:
                return True
    return False


@jit
def _decide(
    copy: NDArray[Any],
    n: Int64,
    begins: NDArray[Any],
    context: NDArray[Any],
    sharers: NDArray[Any],
    owners: NDArray[Any],
    doubtful: NDArray[Any],
    hits: NDArray[Any],
    n_addresses: Int64,
    n_tags: Int64,
    n_hits: Int64,
    near: NDArray[Any],
    found: NDArray[Any],
) -> Int64:
    """Write the tokens that hits name: addresses, cashtags, aliases. How many, or FULL."""
    n_found = by_address = none = int64(0)
    n_near = int64(NOT_SOUGHT)
    anyone, all_of_them = int64(ANY), int64(0)
    for h in range(n_hits):
        start, end, of = int(hits[h, 0]), int(hits[h, 1]), int(hits[h, 2])
        token = of
        if of >= 0:
            low, high = int(sharers[of]), int(sharers[of + 1])
            is_alias = h >= n_tags
            if is_alias:
                if _has_any(of, sharers, found, n_found):
                    continue
            elif h >= n_addresses and high - low > 1:
                if _has_any(of, sharers, found, by_address):
                    continue
            token = int(sharers[low] // RANKS)
            unsure = is_alias and bool(doubtful[of])
            if unsure or high - low > 1:
                if n_near == NOT_SOUGHT:
                    n_near = seek(copy, n, begins, context, all_of_them, near, none)
                if n_near == FULL:
                    return FULL
                first, last = int64(0), n_near
                if end != ANYWHERE:
                    first = _from(near, n_near, start - NEAR_CHARS - MAX_TERM_CHARS)
                    last = _from(near, n_near, end + NEAR_CHARS + 1)
                if unsure:
                    meant = _speaks(anyone, start, end, owners, near, first, last)
                    if not meant and _names_some(start, end, owners, near, first, last):
                        for k in range(low, high):
                            each = int(sharers[k] // RANKS)
                            meant = meant or _speaks(each, start, end, owners, near, first, last)
                    if not meant:
                        continue
                token = _strongest(of, start, end, sharers, owners, near, first, last)
        new = token != NOBODY
        for k in range(n_found):
            new = new and found[k] != token
        if new:
            found[n_found] = token
            n_found += 1
        if h < n_addresses:
            by_address = n_found
    return n_found


@jit
def resolve_rows(
    data: NDArray[Any],
    starts: NDArray[Any],
    ends: NDArray[Any],
    rows: NDArray[Any],
    named: NDArray[Any],
    tables: NDArray[Any],
    aliases: NDArray[Any],
    symbols: NDArray[Any],
    context: NDArray[Any],
    sharers: NDArray[Any],
    owners: NDArray[Any],
    doubtful: NDArray[Any],
    known: NDArray[Any],
    copy: NDArray[Any],
    plain: NDArray[Any],
    begins: NDArray[Any],
    begins_there: NDArray[Any],
    letters: NDArray[Any],
    seen: NDArray[Any],
    hits: NDArray[Any],
    near: NDArray[Any],
    found: NDArray[Any],
    limbs: NDArray[Any],
    grams: NDArray[Any],
    pairs: NDArray[Any],
    unknown: NDArray[Any],
    unsure: NDArray[Any],
    prints: NDArray[Any],
    n_pairs: Int64,
    n_unknown: Int64,
) -> tuple[Int64, Int64, Int64]:
    """Name the tokens of texts that are not ``named`` already, and fingerprint those with any.

    Lexicon: see ``detectors.batch.words.Words``. Room for one text: its ``copy``, the same with links
    blanked (``plain``), where words begin in both, the ``letters`` of its fingerprint, what is ``seen`` of it; terms that
    ``hits`` and context words ``near``, tokens ``found``. Written: ``pairs`` of row and token,
    ``unknown`` addresses, rows that are ``unsure``, ``prints`` of the others where they are about a token. A text for which
    there is no room is unsure. Returns how many pairs and unknown addresses there are, those before included, and
    how many are unsure.
    """
    longest, n_unsure = int64(1), int64(0)
    most = (copy.shape[0] - BLOCK) // CHARS_PER_BYTE
    for row in rows:
        if ends[row] - starts[row] > most:
            unsure[row] = 1
            n_unsure += 1
            continue
        n, has = fold_row(data, starts[row], ends[row], tables, copy)
        if n < 0:
            unsure[row] = 1
            n_unsure += 1
            continue
        places, n_letters, in_a_row = read(copy, n, begins, letters)
        text, there = copy, begins
        if has & COLON and has & SLASH:
            blank_links(copy, n, plain)
            text, there = plain, begins_there
            places, n_letters, _ = read(plain, n, begins_there, letters)
        if named[row]:
            prints[row] = print_letters(letters, places, n_letters, grams)
            continue
        before = n_unknown
        n_addresses, unlisted = int64(0), False
        if in_a_row >= MIN_CHARS:
            visible = see(data, starts[row], ends[row], tables, seen)
            n_addresses, n_unknown, unlisted = seek_addresses(
                seen, visible, known, limbs, unknown, n_unknown, hits
            )
            join_same(unknown, before, hits, n_addresses)
        n_tags = n_hits = n_addresses
        if not unlisted and n_addresses != FULL:
            if has & DOLLAR:
                n_tags = seek_cashtags(text, n, symbols, hits, n_addresses)
            n_hits = n_tags
            if n_tags != FULL:
                n_hits = seek(text, n, there, aliases, longest, hits, n_tags)
        n_found = int64(FULL)
        if n_hits != FULL:
            n_found = _decide(
                copy, n, begins, context, sharers, owners, doubtful, hits, n_addresses, n_tags,
                n_hits, near, found,
            )  # fmt: skip
        if n_found == FULL:
            unsure[row] = 1
            n_unsure += 1
        if n_found == FULL or n_found > MAX_TOKENS_PER_MENTION:
            n_unknown = before
            continue
        if n_found > 0:
            prints[row] = print_letters(letters, places, n_letters, grams)
        for k in range(n_found):
            pairs[n_pairs, 0], pairs[n_pairs, 1] = row, found[k]
            n_pairs += 1
    return n_pairs, n_unknown, n_unsure
