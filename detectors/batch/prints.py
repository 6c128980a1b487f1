"""Fingerprints of posts, compiled: ``detectors.hashing.text_fingerprint`` on a matching copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import ALNUM, CHAR, LETTER
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
def print_copy(copy: NDArray[Any], n: Int64, body: NDArray[Any]) -> Int64:
    """Fingerprint of a copy of n characters, its links blanked.

    ``body`` is uint8 scratch of 3 bytes a character.
    """
    at = chars = first = skip = int64(0)
    letter = 0  # whether the last character was one
    for i in range(n):
        if i < skip:
            continue
        entry = copy[i]
        c = entry & CHAR
        before, letter = letter, int(entry & LETTER != 0)
        if c == 64 or c == 35 or c == 36:
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
