"""Contract addresses in a text, compiled: ``detectors.resolve.addresses`` on the bytes of a text."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.fold import point_at
from detectors.batch.unicode import CLASSES, HIDDEN
from detectors.batch.xxh64 import TOPS, hash_slice, word8
from detectors.jit import Int64, int64, jit
from detectors.resolve.addresses import PAIR_LINK, PLACES

UNKNOWN: Final = -1
MIN_CHARS: Final = 32
EVM_CHARS: Final = 42
NO_ADDRESS: Final = 0
SOLANA: Final = 1
EVM: Final = 2
MIXED: Final = 3
"""An EVM address in mixed case: its checksum is left to the plain way."""
_LIMBS: Final = 9

_DIGITS: Final = np.full(128, -1, np.int64)
_DIGITS[np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)] = (
    np.arange(58)
)
_BEFORE: Final = np.zeros((2 * len(PLACES) + 1, 24), np.int64)
for _i, _word in enumerate((*(p + sign for p in PLACES for sign in "/="), PAIR_LINK)):
    _BEFORE[_i, : len(_word)] = [ord(c) for c in reversed(_word)]


@jit
def see(
    data: NDArray[Any], start: Int64, end: Int64, tables: NDArray[Any], seen: NDArray[Any]
) -> Int64:
    """Write what is visible of a text, a byte a character, 128 for what is not ASCII; its length."""
    n = int64(0)
    i = start
    while i < end:
        if i + 8 <= end and word8(data, i) & TOPS == 0:
            for k in range(8):
                seen[np.uint64(n + k)] = data[np.uint64(i + k)]
            n += 8
            i += 8
            continue
        b = data[np.uint64(i)]
        if b < 0x80:
            seen[np.uint64(n)] = b
            n += 1
            i += 1
            continue
        point, size = point_at(data, i)
        i += size
        if not tables[CLASSES + point] & HIDDEN:
            seen[n] = 128
            n += 1
    return n


@jit
def is_ascii_alnum(c: Int64) -> bool:
    """Whether a byte is a letter or digit of ASCII."""
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122


@jit
def is_key(seen: NDArray[Any], start: Int64, end: Int64, limbs: NDArray[Any]) -> bool:
    """Whether ``seen[start:end]``, of 44 characters at most, is base58 of exactly 32 bytes.

    ``limbs`` is int64 scratch of nine.
    """
    for k in range(_LIMBS):  # 32 bits each, the lowest first
        limbs[k] = 0
    ones = int64(0)
    i = start
    while i < end:
        # Five characters at a time: 58 to the fifth times 32 bits stays below 2^62.
        more, scale = int64(0), int64(1)
        stop = min(i + 5, end)
        while i < stop:
            digit = _DIGITS[seen[i]]
            if digit < 0:
                return False
            if digit == 0 and ones == i - start:
                ones += 1
            more = more * 58 + digit
            scale *= 58
            i += 1
        for k in range(_LIMBS):
            more += limbs[k] * scale
            limbs[k] = more & 0xFFFFFFFF
            more >>= 32
    size = 4 * _LIMBS
    while size > 0 and (limbs[(size - 1) >> 2] >> (8 * ((size - 1) & 3))) & 255 == 0:
        size -= 1
    return ones + size == 32


@jit
def evm_of(seen: NDArray[Any], start: Int64, end: Int64) -> Int64:
    """Whether a run of letters and digits is an EVM address, then put in lower case in place, or MIXED.

    None of those is base58, which has no zero.
    """
    if end - start != EVM_CHARS or seen[start] != 48 or seen[start + 1] | 32 != 120:
        return NO_ADDRESS
    lower = upper = False
    for i in range(start + 2, end):
        c = seen[i]
        if 97 <= c <= 102:
            lower = True
        elif 65 <= c <= 70:
            upper = True
        elif not 48 <= c <= 57:
            return NO_ADDRESS
    if lower and upper:
        return MIXED
    for i in range(start, end):
        if 65 <= seen[i] <= 90:
            seen[i] += 32
    return EVM


@jit
def _word_of(seen: NDArray[Any], i: Int64, end: Int64) -> Int64:
    """Eight characters of ASCII as a word, zeros behind the end."""
    if i + 8 <= end:
        return np.int64(word8(seen, i))
    word = int64(0)
    for k in range(max(end - i, 0)):
        word |= int64(seen[np.uint64(i + k)]) << (8 * k)
    return word


@jit
def look_up(seen: NDArray[Any], start: Int64, end: Int64, known: NDArray[Any]) -> Int64:
    """Value of a known address, UNKNOWN where it is none.

    ``known`` is int64[K, 2 + 6], sorted: the hash of a text, its value, and the text in six words of
    eight bytes with zeros behind it.
    """
    wanted = hash_slice(seen, start, end)
    low, high = int64(0), known.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if known[middle, 0] < wanted:
            low = middle + 1
        else:
            high = middle
    while low < known.shape[0] and known[low, 0] == wanted:
        same = True
        for k in range(known.shape[1] - 2):
            same = same and known[low, 2 + k] == _word_of(seen, start + 8 * k, end)
        if same:
            return int(known[low, 1])
        low += 1
    return UNKNOWN


@jit
def may_be_token(seen: NDArray[Any], start: Int64, end: Int64, is_solana: bool) -> bool:
    """Whether an address nobody has listed may be a token's all the same."""
    if is_solana:
        digit = lower = upper = False
        for i in range(start, end):
            c = seen[i]
            digit = digit or c <= 57
            upper = upper or 65 <= c <= 90
            lower = lower or c >= 97
        if not (digit and lower and upper):
            return False
    for row in range(_BEFORE.shape[0]):
        i = start - 1
        k = 0
        while _BEFORE[row, k] != 0:
            c = int(seen[i]) if i >= 0 else 0
            if 65 <= c <= 90:
                c += 32
            if c != _BEFORE[row, k]:
                break
            i -= 1
            k += 1
        if _BEFORE[row, k] == 0:
            return False
    return True
