"""Fingerprints of posts, compiled: ``detectors.hashing.copy_fingerprint`` on a matching copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import ALNUM, BLANK, CHAR, LETTER
from detectors.batch.xxh64 import hash_slice
from detectors.jit import Int64, int64, jit


@jit
def _put(body: NDArray[Any], at: Int64, c: Int64) -> Int64:
    """Write a letter beyond ASCII as UTF-8, of which no copy has one past U+FFFF; returns where the next goes."""
    if c < 0x800:
        body[at] = 0xC0 | c >> 6
        body[at + 1] = 0x80 | c & 63
        return at + 2
    body[at] = 0xE0 | c >> 12
    body[at + 1] = 0x80 | c >> 6 & 63
    body[at + 2] = 0x80 | c & 63
    return at + 3


@jit
def _link_end(copy: NDArray[Any], n: Int64, i: Int64) -> Int64:
    """End of the link ``https?://`` and one character or more at the h at i; i if there is none.

    A copy has no white space but the space.
    """
    if i + 7 >= n or copy[i + 1] & CHAR != 116 or copy[i + 2] & CHAR != 116:
        return i
    j = i + 5 if copy[i + 4] & CHAR == 115 else i + 4
    if copy[i + 3] & CHAR != 112 or j + 3 >= n or copy[j] & CHAR != 58:
        return i
    if copy[j + 1] & CHAR != 47 or copy[j + 2] & CHAR != 47 or copy[j + 3] & BLANK:
        return i
    while j < n and not copy[j] & BLANK:
        j += 1
    return j


@jit
def print_copy(copy: NDArray[Any], n: Int64, links: bool, body: NDArray[Any]) -> Int64:
    """Fingerprint of a copy of n characters, with links or not.

    ``body`` is uint8 scratch of 4 bytes a character.
    """
    at = chars = first = skip = int64(0)
    letter = 0  # whether the last character was one
    for i in range(n):
        if i < skip:
            continue
        entry = copy[i]
        c = entry & CHAR
        before, letter = letter, int(entry & LETTER != 0)
        if links and c == 104:
            skip = _link_end(copy, n, int64(i))
            if skip > i:
                letter = 0
        elif c == 64 or c == 35 or c == 36:
            skip = int64(i + 1)
            while skip < n and (copy[skip] & ALNUM or copy[skip] & CHAR == 95):
                skip += 1
        kept = letter | before  # a word's end is one space, whatever comes before the next
        if letter and c >= 128:
            at = _put(body, at, int64(c))
        else:
            body[np.uint64(at)] = c if letter else 32
            at += kept
        chars += kept
    if chars > 0 and letter == 0:  # the last word's end
        at -= 1
        chars -= 1
    return int64(0) if chars < 4 else hash_slice(body, first, at) | 1
