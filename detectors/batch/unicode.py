"""What each character becomes in a matching copy, as tables: ``detectors.resolve.normalise`` by parts.

Folding goes character by character wherever nothing of a neighbour can join it. A character is in
the tables only where that is certain: its folded form is in normal form, nothing in it composes with
what came before, and marks stay in canonical order, which whoever reads the tables checks. Texts
with any other character take the plain way.

The proof for a text of such characters: each begins its own segment of NFKC (no first character of a
decomposition composes backwards, marks in order are not moved), so NFKC, casefold and the folds act
on each alone, and what they give is in normal form again, so that one round is all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors import simhash
from detectors.resolve.normalise import fold_once, visible
from detectors.resolve.terms import UNSPACED

LIMIT: Final = 0x20000
"""Characters from here on are rare enough for the plain way."""
GONE: Final = -1
UNSURE: Final = -2
SEVERAL: Final = -3
"""``SEVERAL - k``: several characters, whose number is at ``MANY + k``."""
CHAR: Final = LIMIT - 1
_BITS: Final = [1 << place for place in range(17, 29)]
ALNUM, WORD, LETTER, BLANK, DOLLAR, COLON, SLASH, SPECIAL, OPENS, NAME, PLAIN, WIDE = _BITS
"""A character of a copy is a code point, and bits that say what it is: a letter or digit; one that
joins its neighbours to a word; alphanumeric and no decimal digit; white space; ``$``; ``:``; ``/``.
SPECIAL asks for a closer look. OPENS begins the name of an account, a tag or a cashtag, of which NAME is
part; PLAIN is a letter or digit of ASCII, and WIDE what counts for two where it is a letter."""
LETTER_AT, BLANK_AT, PLAIN_AT = (bit.bit_length() - 1 for bit in (LETTER, BLANK, PLAIN))
SLOW: Final = LIMIT
CLASSES: Final = 2 * LIMIT
MANY: Final = 3 * LIMIT
SPACE: Final = 32
HIDDEN: Final = 1 << 17
_SYLLABLES: Final = range(0xAC00, 0xD7A4)
"""Hangul of jamo that join to the same again, and with no mark: what it is made of is not asked."""
_ASKED: Final = (
    *range(ord("\n")),
    *range(ord("\n") + 1, _SYLLABLES.start),
    *range(_SYLLABLES.stop, 0xD800),
    *range(0xF900, 0x10000),
    *range(0x1D000, 0x1D800),  # letters for mathematics, which people shout in
    *range(0x1F000, LIMIT),
)
"""Others are surrogates, private, or rare."""
_KNOWN: Final = frozenset((ord("\n"), *_SYLLABLES, *_ASKED))
_JAMO: Final = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


@cache
def tables() -> NDArray[np.int32]:
    """The tables of this Python's Unicode version in one array; made in a fifth of a second, once.

    ================ ================================================================
    ``[c]``          what code point c becomes, with its bits; SPECIAL where that is no single
                     character, or neighbours matter
    ``[SLOW + c]``   the same without bits: a code point, GONE, UNSURE or SEVERAL
    ``[CLASSES + c]`` combining classes of the first and last character of what it is made of, at
                     bits 0 and 8; HIDDEN where c shows nothing
    ``[MANY + k]``   folded forms of several characters, each after its length
    ================ ================================================================
    """
    points, chars = list(_ASKED), list(map(chr, _ASKED))
    apart = "\n".join(chars)
    nfkd = unicodedata.normalize("NFKD", apart).split("\n")
    combining = np.array(list(map(unicodedata.combining, chars)), np.uint8)
    joins = _joining(c for c, d in zip(chars, nfkd, strict=True) if c != d)
    fold = np.full(LIMIT, UNSURE, np.int32)
    first, last = np.zeros((2, LIMIT), np.uint8)
    for plain in (points, list(_SYLLABLES), [ord("\n")]):
        fold[plain] = plain
    first[points] = last[points] = combining
    many: list[int] = []
    folded = fold_once(apart).split("\n")
    shown = visible(apart).split("\n")
    odd = [
        i
        for i, (c, d, f, s) in enumerate(zip(chars, nfkd, folded, shown, strict=True))
        if c != d or c != f or c != s
    ]
    for i in {
        *odd,
        *np.flatnonzero(combining).tolist(),
        *(i for i, c in enumerate(chars) if c in joins),
    }:
        point = points[i]
        if not shown[i]:
            fold[point] = GONE
            continue
        first[point] = unicodedata.combining(nfkd[i][0])
        last[point] = max(unicodedata.combining(x) for x in nfkd[i][-1] + folded[i][-1:])
        fold[point] = _folded(chars[i], nfkd[i], folded[i], joins, many)
    for space in [i for i, f in enumerate(folded) if f.isspace()]:
        fold[points[space]] = SPACE
    fold[ord("\n")] = SPACE
    bits = _bits(points, chars)
    far = np.flatnonzero(fold >= 0x10000)
    fold[far[bits[fold[far]] & LETTER > 0]] = UNSURE  # so that a letter has three bytes at most
    marks = (first > 0) | (last > 0)
    hidden = np.zeros(LIMIT, np.bool_)
    hidden[[point for point, s in zip(points, shown, strict=True) if not s]] = True
    special = (fold < 0) | marks | hidden
    entries = np.where(fold < 0, 0, fold) | bits[np.where(fold < 0, 0, fold)] | special * SPECIAL
    classes = first.astype(np.int32) | last.astype(np.int32) << 8 | hidden * HIDDEN
    parts = (entries, fold, classes, np.array(many, np.int32))
    return np.concatenate([part.astype(np.int32) for part in parts])


def _folded(char: str, nfkd: str, folded: str, joins: frozenset[str], many: list[int]) -> int:
    """Entry of one character that is not plainly itself."""
    starts = unicodedata.combining(nfkd[0]) == 0
    sure = nfkd[0] not in joins if starts else folded in ("", char) and joins.isdisjoint(nfkd)
    sure = sure and joins.isdisjoint(folded) and _KNOWN.issuperset(map(ord, folded))
    sure = sure and unicodedata.is_normalized("NFKC", folded)
    sure = sure and not (starts and folded and unicodedata.combining(folded[0]))
    if not sure:
        return UNSURE
    if len(folded) < 2:
        return ord(folded) if folded else GONE
    many += [len(folded), *map(ord, folded)]
    return SEVERAL - (len(many) - 1 - len(folded))


def _joining(chars: Iterable[str]) -> frozenset[str]:
    """Characters that some other before them composes with."""
    seconds = set(map(chr, _JAMO))
    for char in chars:  # that NFKC takes apart
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(chr(int(parts[1], 16)))
    return frozenset(seconds)


def _bits(points: list[int], chars: list[str]) -> NDArray[np.int32]:
    bits = np.zeros(LIMIT, np.int32)

    def mark(bit: int, which: Iterable[bool]) -> None:
        bits[points] |= np.array(list(which), np.int32) * bit

    mark(ALNUM, map(str.isalnum, chars))
    mark(WORD, (unicodedata.category(c)[0] in "LNM" for c in chars))
    mark(LETTER, (c.isalnum() and not c.isdecimal() for c in chars))
    bits[list(_SYLLABLES)] = ALNUM | LETTER
    bits[simhash.WIDE :] |= WIDE
    bits[ord("_")] |= WORD
    bits[bits & ALNUM > 0] |= NAME
    bits[ord("_")] |= NAME
    bits[:128] |= (bits[:128] & ALNUM > 0) * np.int32(PLAIN)
    bits[[ord(c) for c in "@#"]] |= OPENS
    bits[SPACE], bits[ord("$")], bits[ord(":")], bits[ord("/")] = (
        BLANK,
        DOLLAR | OPENS,
        COLON,
        SLASH,
    )
    for low, high in UNSPACED:
        bits[low : high + 1] &= ~WORD
    return bits
