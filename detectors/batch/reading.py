"""Words and letters of a matching copy, compiled: a block of characters at a time, as bits side by side."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.blocks import BLOCK, bits_of
from detectors.batch.unicode import (
    BLANK,
    LETTER,
    LETTER_AT,
    NAME,
    OPENS,
    PLAIN,
    PLAIN_AT,
    WIDE,
    WORD,
)
from detectors.jit import Int64, int64, jit, lowest, popcount
from detectors.simhash import WORD_MAX

_LAST: Final = BLOCK - 1
_ALL: Final = (1 << BLOCK) - 1


@jit
def _behind_gaps(plain: Int64) -> Int64:
    """Those at a block's end without a gap among them."""
    gaps = ~plain & _ALL
    gaps |= gaps >> 1
    gaps |= gaps >> 2
    gaps |= gaps >> 4
    gaps |= gaps >> 8
    gaps |= gaps >> 16
    return _ALL & ~gaps


@jit
def _too_long(text: NDArray[Any], i: Int64, size: Int64, word: Int64) -> Int64:
    """Letters after the first WORD_MAX of a word of ASCII, one by one; the word before has some already."""
    found = int64(0)
    for k in range(size):
        entry = int64(text[np.uint64(i + k)])
        word = (word + (entry >> LETTER_AT & 1)) & -(entry >> PLAIN_AT & 1)
        found |= int64(word > WORD_MAX) << k
    return found


@jit
def _keep_wide(
    text: NDArray[Any], i: Int64, kept: Int64, letters: NDArray[Any], at: Int64
) -> Int64:
    """Write letters of a block some of which count for two; returns how many places are taken then."""
    while kept:
        k, kept = lowest(kept)
        entry = int64(text[np.uint64(i + k)])
        letters[np.uint64(at)] = 0
        at += int64(entry & WIDE != 0)
        letters[np.uint64(at)] = entry & 0xFFFF
        at += 1
    return at


@jit
def read(
    text: NDArray[Any], n: Int64, begins: NDArray[Any], letters: NDArray[Any]
) -> tuple[Int64, Int64, Int64]:
    """Write where words may begin in a copy of n characters to ``begins``, and to ``letters`` those that count.

    ``text`` has room for BLOCK more; ``begins``, int64, holds a bit for each character, a block a number; ``letters``
    is uint16, with room for twice the copy. What follows an ``@``, ``#`` or ``$`` is no letter that counts, nor is one
    after the first WORD_MAX of a word of ASCII. One that counts for two (WIDE) comes with a 0 before it. Returns how
    many places of ``letters`` are taken, by how many letters, and how many letters and digits of ASCII there are in a
    row at most, if BLOCK or more.
    """
    at = n_letters = word = joined = named = run = longest = int64(0)
    for i in range(0, n, BLOCK):
        size = min(int64(BLOCK), n - i)
        here = (int64(1) << size) - 1
        words = bits_of(text, i, WORD) & here
        begun = here & ~bits_of(text, i, BLANK) & ~(words & (words << 1 | joined))
        joined = words >> _LAST
        names, opens = bits_of(text, i, NAME) & here, bits_of(text, i, OPENS) & here
        # A carry runs through each name from where it begins.
        inside = names & ~(names + ((opens << 1 | named) & names))
        named = (opens | inside) >> _LAST
        plain, letter = bits_of(text, i, PLAIN) & here, bits_of(text, i, LETTER) & here
        long = (
            plain & plain << 1
        )  # where two, four, eight, nine in a row end: the first eight letters count
        long &= long << 2
        long &= long << 4
        long &= plain << WORD_MAX
        first = plain & ~(plain + 1)
        digits = plain & ~letter
        if (long and digits) or (word and word + popcount(letter & first) > WORD_MAX):
            long = _too_long(text, i, size, word)
        last = _behind_gaps(plain)
        if last == _ALL:
            word += popcount(letter)
            run += BLOCK
        else:
            word = popcount(letter & last)
            longest = max(longest, run + popcount(first))
            run = popcount(last)
        begins[i // BLOCK] = begun
        kept = letter & ~inside & ~long
        n_letters += popcount(kept)
        if kept & bits_of(text, i, WIDE):
            at = _keep_wide(text, i, kept, letters, at)
            continue
        for k in range(size):  # without a branch that depends on where words end
            letters[np.uint64(at)] = int64(text[np.uint64(i + k)]) & 0xFFFF
            at += kept & 1
            kept >>= 1
    return at, n_letters, max(longest, run)
