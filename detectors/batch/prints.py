"""Fingerprints of posts, compiled: ``detectors.hashing.text_fingerprint`` of a matching copy's letters.

Letters are those that ``reading`` gives, where one that counts for two stands behind a 0: so a gram is four places whatever
they hold, and grams do not wait for each other. They are counted with all bits side by side: the counts of one bit
are spread over words, the first of which holds the ones of all 64 counts, the next the twos, and so on. As in
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
)

EIGHT: Final = 8
"""Grams counted together."""
PLACES: Final = GRAM_BITS // LETTER_BITS
GRAMS_ROOM: Final = 2 * GRAMS_MAX + EIGHT
"""Places in which so many grams end, or between which they do, and a few more."""
_FACTORS: Final = (np.uint64(MIX[0]), np.uint64(MIX[1]))
_SHIFT: Final = np.uint64(MIX_SHIFT)
_NONE: Final = np.uint64(0)
_ALL: Final = np.uint64((1 << 64) - 1)
_KEPT: Final = np.uint64(KEPT)
_PLANES: Final = 8  # 2**8 > GRAMS_MAX


@jit
def _sum3(a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Ones and twos of the sum of three, for each bit."""
    either = a ^ b
    return either ^ c, (a & b) | (either & c)


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
def _mix(letters: NDArray[Any], n: Int64, grams: NDArray[Any]) -> None:
    """Write the hashes of the grams that end at the first n places from which one can; 0 where none does."""
    for k in range(n):
        first, second = np.uint64(letters[np.uint64(k)]), np.uint64(letters[np.uint64(k + 1)])
        third, last = np.uint64(letters[np.uint64(k + 2)]), np.uint64(letters[np.uint64(k + 3)])
        gram = first << np.uint64(48) | second << np.uint64(32) | third << np.uint64(16) | last
        gram = gram * _FACTORS[0]
        gram = (gram ^ (gram >> _SHIFT)) * _FACTORS[1]
        gram = gram ^ (gram >> _SHIFT)
        grams[np.uint64(k)] = gram if last != _NONE else _NONE


@jit
def _most(grams: NDArray[Any], n: Int64, least: Int64) -> Any:
    """Bits that more than ``least`` of n grams have, n a multiple of EIGHT."""
    ones = twos = fours = p3 = p4 = p5 = p6 = p7 = _NONE
    for k in range(0, n, EIGHT):
        at = np.uint64(k)
        ones, a = _sum3(ones, grams[at], grams[at + np.uint64(1)])
        ones, b = _sum3(ones, grams[at + np.uint64(2)], grams[at + np.uint64(3)])
        twos, a4 = _sum3(twos, a, b)
        ones, a = _sum3(ones, grams[at + np.uint64(4)], grams[at + np.uint64(5)])
        ones, b = _sum3(ones, grams[at + np.uint64(6)], grams[at + np.uint64(7)])
        twos, b4 = _sum3(twos, a, b)
        fours, carry = _sum3(fours, a4, b4)
        p3, carry = p3 ^ carry, p3 & carry
        p4, carry = p4 ^ carry, p4 & carry
        p5, carry = p5 ^ carry, p5 & carry
        p6, carry = p6 ^ carry, p6 & carry
        p7 = p7 ^ carry
    return _more_than((ones, twos, fours, p3, p4, p5, p6, p7), least)


@jit
def print_letters(letters: NDArray[Any], n: Int64, n_letters: Int64, grams: NDArray[Any]) -> Int64:
    """Fingerprint of a text whose letters take n places; ``grams`` is room, uint64[GRAMS_ROOM]."""
    if n_letters < LETTERS_MIN:
        return int64(0)
    count = n_letters
    for k in range(PLACES - 1):
        count -= int64(letters[k] != 0)
    places = n - (PLACES - 1)
    if count > GRAMS_MAX:
        count = places = int64(0)
        while count < GRAMS_MAX:
            count += int64(letters[places + PLACES - 1] != 0)
            places += 1
    _mix(letters, places, grams)
    end = (places + EIGHT - 1) & -EIGHT
    for k in range(places, end):
        grams[np.uint64(k)] = _NONE
    most = _most(grams, end, count >> 1)
    return np.int64(most & _KEPT) | (LONG if count >= GRAMS_LONG else 0) | 1
