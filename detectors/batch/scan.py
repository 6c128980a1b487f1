"""JSON records of plain form, compiled: where their texts are, and what ``decimals`` reads of their numbers.

A record is of plain form where its keys are those of a mention or a tick, each at most once, its texts are UTF-8 without
escapes, its numbers at most 15 digits, and every check of ``schemas.decode`` holds that does not
need its token looked at. Whatever else is left to ``schemas.decode``, with all it says of mistakes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.decimals import micros, packed_price, read_number
from detectors.batch.utf8 import is_utf8
from detectors.batch.xxh64 import hash_slice, word8
from detectors.columns import MENTION, TICK, UNKNOWN
from detectors.jit import Int64, int64, jit
from schemas.decode import MAX_ORDER, MAX_REACH, MAX_RECORD_BYTES, MAX_TIME_MS, MIN_TIME_MS
from schemas.platforms import NUMBERS
from schemas.records import MAX_ID_CHARS, MAX_TEXT_CHARS

KEYS: Final = (
    "type", "id", "ts_event_ms", "platform", "author_id", "text", "reach", "order", "lang",
    "ts_post_ms", "ts_log_ms", "token", "price_usd", "value_usd", "side", "trader_id",
    "liquidity_usd", "venue",
)  # fmt: skip
TYPE, ID, TS_EVENT, PLATFORM, AUTHOR, TEXT, REACH, ORDER, LANG, TS_POST, TS_LOG = range(11)
TOKEN, PRICE, VALUE, SIDE, TRADER, LIQUIDITY, VENUE = range(11, 18)
KIND, ID_HASH, WHO_HASH, PLATFORM_NUMBER = range(18, 22)
WIDTH: Final = 22
"""Columns of what is found: by key, then kind, hashes and the platform's number, -1 where its name is not
spelled plainly. A text is its start times 2^20 plus its size."""
SIZE_BITS: Final = 20


def _bits(*keys: int) -> int:
    return sum(1 << key for key in keys)


_TEXTS: Final = _bits(TYPE, ID, PLATFORM, AUTHOR, TEXT, LANG, TOKEN, SIDE, TRADER, VENUE)
_DECIMALS: Final = _bits(PRICE, VALUE, LIQUIDITY)
_ANY: Final = _bits(TYPE, ID, TS_EVENT, ORDER, TS_LOG)
_MENTION_NEEDS: Final = _bits(TYPE, ID, TS_EVENT, PLATFORM, AUTHOR)
_MENTION_HAS: Final = _ANY | _MENTION_NEEDS | _bits(TEXT, REACH, LANG, TS_POST)
_TICK_NEEDS: Final = _bits(TYPE, ID, TS_EVENT, TOKEN, PRICE, VALUE, SIDE, TRADER)
_TICK_HAS: Final = _ANY | _TICK_NEEDS | _bits(LIQUIDITY, VENUE)
_NAMES: Final = np.array([list(key.encode().ljust(16, b"\0")) for key in KEYS], np.uint8)
_NAME_WORDS: Final = _NAMES.view("<u8")
_NAME_MASKS: Final = (np.minimum(_NAMES, 1) * np.uint8(255)).view("<u8")
_SIZES: Final = np.array([len(key) for key in KEYS], np.int64)
_KEY_OF: Final = np.full(64, -1, np.int64)
"""Number of the one key whose size, first and last byte lead to a place; see ``_key_at``."""
for _k, _key in enumerate(KEYS):
    _KEY_OF[(len(_key) + 3 * ord(_key[0]) + 2 * ord(_key[-1])) & 63] = _k
_ONES: Final = np.uint64(0x0101010101010101)
_TOPS: Final = np.uint64(0x8080808080808080)
_BLANKS: Final = np.uint64(0x2020202020202020)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_NONE: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_PLACES: Final = np.uint64(0x0001020304050607)
"""Times 2^8k its highest byte is k."""


@jit
def _blank_end(data: NDArray[Any], i: Int64, end: Int64) -> Int64:
    while i < end and data[np.uint64(i)] == 32:
        i += 1
    return i


@jit
def _text_end(data: NDArray[Any], i: Int64, end: Int64) -> tuple[Int64, Any]:
    """Where the text that begins at i ends, at its quote; ``end`` where it is not plain.

    And bytes that were seen, one upon the other: those of ASCII leave their highest bits 0.
    """
    seen = _NONE
    while i + 8 <= end:  # eight bytes at a time
        v = word8(data, i)
        seen |= v
        quote, slash = v ^ _QUOTES, v ^ _SLASHES
        # Of what marks quotes, backslashes and controls the lowest is right, others may be a carry.
        some = (quote - _ONES) & ~quote | (slash - _ONES) & ~slash | (v - _BLANKS) & ~v
        some &= _TOPS
        if some:
            lowest = (some & (~some + _ONE)) >> np.uint64(7)
            i += np.int64((lowest * _PLACES) >> np.uint64(56))
            return (i if data[np.uint64(i)] == 34 else end), seen
        i += 8
    while i < end:
        c = data[np.uint64(i)]
        seen |= np.uint64(c)
        if c == 34:
            return i, seen
        if c < 32 or c == 92:
            return end, seen
        i += 1
    return end, seen


@jit
def _key_at(data: NDArray[Any], start: Int64, size: Int64) -> Int64:
    """Number of a key, -1 for none."""
    if size < 2:
        return int64(-1)
    first, last = int64(data[np.uint64(start)]), int64(data[np.uint64(start + size - 1)])
    k = int64(_KEY_OF[(size + 3 * first + 2 * last) & 63])
    if k < 0 or _SIZES[k] != size:
        return int64(-1)
    if start + 16 <= data.shape[0]:
        same = word8(data, start) & _NAME_MASKS[k, 0] == _NAME_WORDS[k, 0]
        same &= word8(data, start + 8) & _NAME_MASKS[k, 1] == _NAME_WORDS[k, 1]
        return k if same else int64(-1)
    for j in range(size):
        if data[np.uint64(start + j)] != _NAMES[k, j]:
            return int64(-1)
    return k


@jit
def _size(packed: Int64) -> Int64:
    return packed & ((1 << SIZE_BITS) - 1)


@jit
def _hashed(data: NDArray[Any], packed: Int64) -> Int64:
    start = packed >> SIZE_BITS
    return hash_slice(data, start, start + _size(packed))


@jit
def _spells(data: NDArray[Any], packed: Int64, word: NDArray[Any]) -> bool:
    start, size = packed >> SIZE_BITS, _size(packed)
    if size != word.shape[0]:
        return False
    for k in range(size):
        if data[start + k] != word[k]:
            return False
    return True


_WORDS: Final = tuple(
    np.frombuffer(word, np.uint8) for word in (b"mention", b"tick", b"buy", b"sell")
)
_AS_MENTION, _AS_TICK, _BUY, _SELL = _WORDS


_PLATFORM_BYTES: Final = np.frombuffer("".join(NUMBERS).encode(), np.uint8)
_PLATFORM_ENDS: Final = np.cumsum([len(name) for name in NUMBERS])
_PLATFORM_NUMBERS: Final = np.array(list(NUMBERS.values()), np.int64)


@jit
def _platform(data: NDArray[Any], packed: Int64) -> Int64:
    start = int64(0)
    for k in range(_PLATFORM_ENDS.shape[0]):
        end = _PLATFORM_ENDS[k]
        if _spells(data, packed, _PLATFORM_BYTES[start:end]):
            return int64(_PLATFORM_NUMBERS[k])
        start = end
    return int64(-1)


@jit
def _checked(data: NDArray[Any], row: NDArray[Any], seen: Int64) -> bool:
    """Check a record whose fields are read, and write its kind and side as numbers."""
    if _spells(data, row[TYPE], _AS_MENTION):
        row[KIND] = MENTION
        who = row[AUTHOR]
        row[PLATFORM_NUMBER] = _platform(data, row[PLATFORM])
        if seen & _MENTION_NEEDS != _MENTION_NEEDS or seen & ~_MENTION_HAS:
            return False
        if not 1 <= _size(row[AUTHOR]) <= MAX_ID_CHARS or _size(row[PLATFORM]) > 32:
            return False
        if _size(row[TEXT]) > MAX_TEXT_CHARS or not 0 <= row[REACH] <= MAX_REACH:
            return False
        if seen & (1 << TS_POST) and not MIN_TIME_MS <= row[TS_POST] < MAX_TIME_MS:
            return False
    elif _spells(data, row[TYPE], _AS_TICK):
        row[KIND] = TICK
        if seen & _TICK_NEEDS != _TICK_NEEDS or seen & ~_TICK_HAS:
            return False
        if (
            not 1 <= _size(row[TRADER]) <= MAX_ID_CHARS
            or not 1 <= _size(row[TOKEN]) <= MAX_ID_CHARS
        ):
            return False
        sell = _spells(data, row[SIDE], _SELL)
        if not sell and not _spells(data, row[SIDE], _BUY):
            return False
        row[SIDE] = int64(sell)
        who = row[TRADER]
    else:
        return False
    if seen & (1 << TS_LOG):
        if not MIN_TIME_MS <= row[TS_LOG] < MAX_TIME_MS:
            return False
    else:
        row[TS_LOG] = row[TS_EVENT]
    if not MIN_TIME_MS <= row[TS_EVENT] < MAX_TIME_MS:
        return False
    if not 1 <= _size(row[ID]) <= MAX_ID_CHARS or not -MAX_ORDER <= row[ORDER] <= MAX_ORDER:
        return False
    row[ID_HASH] = _hashed(data, row[ID])
    row[WHO_HASH] = _hashed(data, who)
    return True


@jit
def _scan(data: NDArray[Any], i: Int64, end: Int64, row: NDArray[Any]) -> tuple[bool, Any]:
    """Read one record into ``row``, its place in every column.

    Whether it is of plain form but for its texts' UTF-8, and the bytes of them one upon the other.
    """
    for k in range(WIDTH):
        row[k] = 0
    row[LIQUIDITY] = UNKNOWN
    seen = int64(0)
    told = _NONE
    if end - i > MAX_RECORD_BYTES or i >= end or data[np.uint64(i)] != 123:
        return False, told
    while True:
        i = _blank_end(data, i + 1, end)
        if i >= end or data[np.uint64(i)] != 34:
            return False, told
        start = i + 1
        i, more = _text_end(data, start, end)
        told |= more
        key = _key_at(data, start, i - start)
        if i >= end or key < 0 or seen & (1 << key):
            return False, told
        seen |= 1 << key
        i = _blank_end(data, i + 1, end)
        if i >= end or data[np.uint64(i)] != 58:
            return False, told
        i = _blank_end(data, i + 1, end)
        if i >= end:
            return False, told
        quoted = data[np.uint64(i)] == 34
        if _TEXTS >> key & 1:
            if not quoted:
                return False, told
            start = i + 1
            i, more = _text_end(data, start, end)
            told |= more
            if i >= end:
                return False, told
            row[key] = start << SIZE_BITS | (i - start)
            i += 1
        else:
            mantissa, exponent, i, whole = read_number(data, i + int64(quoted), end)
            if i < 0:
                return False, told
            if _DECIMALS >> key & 1:
                if mantissa < 0:
                    return False, told
                number = (
                    packed_price(mantissa, exponent) if key == PRICE else micros(mantissa, exponent)
                )
                if number < 0:
                    return False, told
                if quoted:
                    if i >= end or data[np.uint64(i)] != 34:
                        return False, told
                    i += 1
            else:
                if quoted or not whole:
                    return False, told
                number = mantissa
            row[key] = number
        i = _blank_end(data, i, end)
        if i >= end:
            return False, told
        if data[np.uint64(i)] == 125:
            return _blank_end(data, i + 1, end) == end and _checked(data, row, seen), told
        if data[np.uint64(i)] != 44:
            return False, told


@jit
def scan_rows(
    data: NDArray[Any],
    starts: NDArray[Any],
    ends: NDArray[Any],
    out: NDArray[Any],
    plain: NDArray[Any],
) -> None:
    """Read records into columns of ``out``, int64[WIDTH, N]; ``plain`` is 1 for those of plain form."""
    for i in range(starts.shape[0]):
        read, told = _scan(data, starts[i], ends[i], out[:, i])
        plain[i] = read and (told & _TOPS == _NONE or is_utf8(data, starts[i], ends[i]))
