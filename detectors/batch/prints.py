"""Fingerprints of posts, compiled: ``detectors.hashing.text_fingerprint`` of a matching copy's letters.

Grams are counted with all bits side by side: the counts of one bit are spread over words, the first of which
holds the ones of all 64 counts, the next the twos, and so on. Adding a gram costs a few operations. As in
``detectors.batch.xxh64``, unsigned products wrap, and every operand is uint64.

References
----------
Klarqvist, Mula & Lemire (2021), Efficient computation of positional population counts using SIMD
instructions, Concurrency and Computation 33(17).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import LETTER_AT, NAME, PLAIN_AT
from detectors.jit import Int64, int64, jit
from detectors.simhash import (
    GRAM_BITS,
    GRAMS_LONG,
    GRAMS_MAX,
    KEPT,
    LETTER_BITS,
    LETTERS_MIN,
    LONG,
    MIX,
    MIX_SHIFT,
    WIDE,
    WORD_MAX,
)

BLOCK: Final = 8
_LETTERS_MAX: Final = GRAMS_MAX + LETTERS_MIN - 1
_NARROW: Final = np.uint64(LETTER_BITS)
_BROAD: Final = np.uint64(2 * LETTER_BITS)
_FROM: Final = np.uint64(WIDE)
_FACTORS: Final = (np.uint64(MIX[0]), np.uint64(MIX[1]))
_SHIFT: Final = np.uint64(MIX_SHIFT)
_NONE: Final = np.uint64(0)
_ALL: Final = np.uint64((1 << 64) - 1)
_KEPT: Final = np.uint64(KEPT)
_PLANES: Final = 8  # 2**8 > GRAMS_MAX


@jit
def _width(letter: Any) -> Any:
    return _NARROW if letter < _FROM else _BROAD


@jit
def _mixed(gram: Any) -> Any:
    gram = gram * _FACTORS[0]
    gram = (gram ^ (gram >> _SHIFT)) * _FACTORS[1]
    return gram ^ (gram >> _SHIFT)


@jit
def _sum3(a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Ones and twos of the sum of three, for each bit."""
    either = a ^ b
    return either ^ c, (a & b) | (either & c)


@jit
def _add_two(
    letters: NDArray[Any], at: Int64, end: Int64, gram: Any, ones: Any
) -> tuple[Any, Any, Any]:
    """Add the grams that end at ``at`` and behind it; returns the second, ones and twos.

    What ends at ``end`` or later counts as nothing.
    """
    letter = np.uint64(letters[np.uint64(at)])
    first = (gram << _width(letter)) ^ letter
    letter = np.uint64(letters[np.uint64(at + 1)])
    second = (first << _width(letter)) ^ letter
    a = _mixed(first) & (_ALL if at < end else _NONE)
    b = _mixed(second) & (_ALL if at + 1 < end else _NONE)
    ones, twos = _sum3(ones, a, b)
    return second, ones, twos


@jit
def _more_than(planes: tuple[Any, ...], least: Int64) -> Any:
    """Bits whose count is above ``least``."""
    above, same = _NONE, _ALL
    for k in range(_PLANES - 1, -1, -1):
        bit = _ALL if least >> k & 1 else _NONE
        above = above | (same & planes[k] & ~bit)
        same = same & ~(planes[k] ^ bit)
    return above


@jit
def _simhash(letters: NDArray[Any], n: Int64) -> Int64:
    """``detectors.simhash.simhash`` of n letters, of which there are enough; BLOCK more are overwritten."""
    gram = _NONE
    begin = int64(-1)  # where the first gram ends
    filled = 0
    while filled < GRAM_BITS:
        begin += 1
        letter = np.uint64(letters[begin])
        filled += LETTER_BITS if letter < _FROM else 2 * LETTER_BITS
        if filled < GRAM_BITS:
            gram = (gram << _width(letter)) ^ letter
    end = min(n, begin + GRAMS_MAX)
    for k in range(BLOCK):
        letters[end + k] = 0
    ones = twos = fours = p3 = p4 = p5 = p6 = p7 = _NONE
    for at in range(begin, end, BLOCK):
        gram, ones, a = _add_two(letters, at, end, gram, ones)
        gram, ones, b = _add_two(letters, at + 2, end, gram, ones)
        twos, a4 = _sum3(twos, a, b)
        gram, ones, a = _add_two(letters, at + 4, end, gram, ones)
        gram, ones, b = _add_two(letters, at + 6, end, gram, ones)
        twos, b4 = _sum3(twos, a, b)
        fours, carry = _sum3(fours, a4, b4)
        p3, carry = p3 ^ carry, p3 & carry
        p4, carry = p4 ^ carry, p4 & carry
        p5, carry = p5 ^ carry, p5 & carry
        p6, carry = p6 ^ carry, p6 & carry
        p7 = p7 ^ carry
    grams = end - begin
    most = _more_than((ones, twos, fours, p3, p4, p5, p6, p7), grams >> 1)
    return np.int64(most & _KEPT) | (LONG if grams >= GRAMS_LONG else 0) | 1


@jit
def keep(
    entry: Int64, letters: NDArray[Any], at: Int64, word: Int64, name: Int64
) -> tuple[Int64, Int64, Int64]:
    """Append a copy's next character to its letters if it is one that counts; without a branch.

    ``letters`` is uint16[N] with room for the copy and BLOCK more: no copy has a letter past U+FFFF.
    Returns how many there are (``at``), how many the ``word`` of ASCII has, and whether this is in the ``name``
    of an account or a tag: what the next character is to be given, zeros at first.
    """
    letters[np.uint64(at)] = entry & 0xFFFF
    letter = entry >> LETTER_AT & 1
    name = (name & entry | entry << 1) & NAME
    word = (word + letter) & -(entry >> PLAIN_AT)
    at += letter & int64(word <= WORD_MAX) & int64(name == 0)
    return at, word, name


@jit
def print_letters(letters: NDArray[Any], n: Int64) -> Int64:
    """Fingerprint of a text of n letters that ``keep`` has kept, its links blanked."""
    return int64(0) if n < LETTERS_MIN else _simhash(letters, min(n, int64(_LETTERS_MAX)))
