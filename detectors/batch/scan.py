"""JSON records of plain form, compiled: where their texts are, and what ``decimals`` reads of their numbers.

A record is of plain form where its keys are those of a mention or a tick, each at most once, its texts are UTF-8 without
escapes, its decimals have at most 15 digits and its whole numbers 18, and every check of ``schemas.decode`` holds that does not
need its token looked at. Whatever else is left to ``schemas.decode``, with all it says of mistakes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.blocks import BLOCK, plain_block
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
WIDTH: Final = 18
"""Of one record, by key: a text is its start times 2^20 plus its size."""
SIZE_BITS: Final = 20
AT_EVENT, AT_ORDER, AT_ID, AT_WHO, AT_A, AT_B, AT_C, AT_LOG = range(8)
ID_START, ID_END, TEXT_START, TEXT_END, NAME_START, NAME_END = range(8, 14)
FOUND: Final = 14
"""Columns of what is found: those of ``detectors.batch.flat.NUMBERS``, log times, then where texts are: ids, posts or
a tick's token, and names of platforms."""
ODD: Final = 255
"""Number of a platform whose name is not spelled plainly."""


def _bits(*keys: int) -> int:
    return sum(1 << key for key in keys)


_TEXTS: Final = _bits(TYPE, ID, PLATFORM, AUTHOR, TEXT, LANG, TOKEN, SIDE, TRADER, VENUE)
_DECIMALS: Final = _bits(PRICE, VALUE, LIQUIDITY)
_ANY: Final = _bits(TYPE, ID, TS_EVENT, ORDER, TS_LOG)
_MENTION_NEEDS: Final = _bits(TYPE, ID, TS_EVENT, PLATFORM, AUTHOR)
_MENTION_HAS: Final = _ANY | _MENTION_NEEDS | _bits(TEXT, REACH, LANG, TS_POST)
_TICK_NEEDS: Final = _bits(TYPE, ID, TS_EVENT, TOKEN, PRICE, VALUE, SIDE, TRADER)
_TICK_HAS: Final = _ANY | _TICK_NEEDS | _bits(LIQUIDITY, VENUE)
_NAMES: Final = np.array([list(f'{key}":'.encode().ljust(16, b"\0")) for key in KEYS], np.uint8)
"""Keys with what follows them where nobody writes blanks."""
_NAME_WORDS: Final = _NAMES.view("<u8")
_NAME_MASKS: Final = (np.minimum(_NAMES, 1) * np.uint8(255)).view("<u8")
_SIZES: Final = np.array([len(key) for key in KEYS], np.int64)
_KEY_OF: Final = np.full(64, -1, np.int64)
"""Number of the one key whose size, first and last byte lead to a place; see ``_key_at``."""
for _k, _key in enumerate(KEYS):
    _KEY_OF[(len(_key) + 3 * ord(_key[0]) + 2 * ord(_key[-1])) & 63] = _k


@jit
def _blank_end(data: NDArray[Any], i: Int64, end: Int64) -> Int64:
    while i < end and data[np.uint64(i)] == 32:
        i += 1
    return i


@jit
def _text_end(data: NDArray[Any], i: Int64, end: Int64) -> tuple[Int64, Int64]:
    """Where the text that begins at i ends, at its quote; ``end`` where it is not plain.

    And whether (not 0) some byte of it is beyond ASCII.
    """
    beyond = int64(0)
    while i + BLOCK <= end:
        size, more = plain_block(data, i)
        beyond |= more
        i += size
        if size < BLOCK:
            return (i if data[np.uint64(i)] == 34 else end), beyond
    while i < end:
        c = int64(data[np.uint64(i)])
        beyond |= c & 128
        if c == 34:
            return i, beyond
        if c < 32 or c == 92:
            return end, beyond
        i += 1
    return end, beyond


@jit
def _key_at(data: NDArray[Any], start: Int64, size: Int64) -> Int64:
    """Number of a key, -1 for none."""
    if size < 2:
        return int64(-1)
    first, last = int64(data[np.uint64(start)]), int64(data[np.uint64(start + size - 1)])
    k = int64(_KEY_OF[(size + 3 * first + 2 * last) & 63])
    if k < 0 or _SIZES[k] != size:
        return int64(-1)
    for j in range(size):
        if data[np.uint64(start + j)] != _NAMES[k, j]:
            return int64(-1)
    return k


@jit
def _follows(data: NDArray[Any], start: Int64, k: Int64) -> bool:
    """Whether a key, its quote and a colon stand at ``start``."""
    if start + 16 > data.shape[0]:
        return False
    same = word8(data, start) & _NAME_MASKS[k, 0] == _NAME_WORDS[k, 0]
    return bool(same & (word8(data, start + 8) & _NAME_MASKS[k, 1] == _NAME_WORDS[k, 1]))


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
_PLATFORM_OF: Final = np.full(64, -1, np.int64)
"""Place of the name whose size, first and last byte lead here. Of two that do one is as good as odd."""
for _k, _name in enumerate(NUMBERS):
    _PLATFORM_OF[(len(_name) + ord(_name[0]) + ord(_name[-1])) & 63] = _k


@jit
def _platform(data: NDArray[Any], packed: Int64) -> Int64:
    start, size = packed >> SIZE_BITS, _size(packed)
    if size == 0:
        return int64(ODD)
    first, last = int64(data[np.uint64(start)]), int64(data[np.uint64(start + size - 1)])
    k = int64(_PLATFORM_OF[(size + first + last) & 63])
    if k < 0:
        return int64(ODD)
    begin = int64(_PLATFORM_ENDS[k - 1]) if k > 0 else int64(0)
    same = _spells(data, packed, _PLATFORM_BYTES[begin : _PLATFORM_ENDS[k]])
    return int64(_PLATFORM_NUMBERS[k]) if same else int64(ODD)


@jit
def _checked(data: NDArray[Any], row: NDArray[Any], seen: Int64) -> Int64:
    """Kind of a record whose fields are read and hold, its side as a number; -1 where one does not."""
    bad, kind = int64(-1), int64(MENTION)
    if _spells(data, row[TYPE], _AS_MENTION):
        if seen & _MENTION_NEEDS != _MENTION_NEEDS or seen & ~_MENTION_HAS:
            return bad
        if not 1 <= _size(row[AUTHOR]) <= MAX_ID_CHARS or _size(row[PLATFORM]) > 32:
            return bad
        if _size(row[TEXT]) > MAX_TEXT_CHARS or not 0 <= row[REACH] <= MAX_REACH:
            return bad
        if seen & (1 << TS_POST) and not MIN_TIME_MS <= row[TS_POST] < MAX_TIME_MS:
            return bad
    elif _spells(data, row[TYPE], _AS_TICK):
        kind = int64(TICK)
        if seen & _TICK_NEEDS != _TICK_NEEDS or seen & ~_TICK_HAS:
            return bad
        if (
            not 1 <= _size(row[TRADER]) <= MAX_ID_CHARS
            or not 1 <= _size(row[TOKEN]) <= MAX_ID_CHARS
        ):
            return bad
        sell = _spells(data, row[SIDE], _SELL)
        if not sell and not _spells(data, row[SIDE], _BUY):
            return bad
        row[SIDE] = int64(sell)
    else:
        return bad
    if not seen & (1 << TS_LOG):
        row[TS_LOG] = row[TS_EVENT]
    if not MIN_TIME_MS <= row[TS_LOG] < MAX_TIME_MS:
        return bad
    if not MIN_TIME_MS <= row[TS_EVENT] < MAX_TIME_MS:
        return bad
    if not 1 <= _size(row[ID]) <= MAX_ID_CHARS or not -MAX_ORDER <= row[ORDER] <= MAX_ORDER:
        return bad
    return kind


@jit
def _scan(
    data: NDArray[Any], i: Int64, end: Int64, row: NDArray[Any], after: NDArray[Any]
) -> tuple[Int64, Int64]:
    """Read one record into ``row``, by key; ``after`` guesses which key follows which, and learns it.

    Its kind, -1 where it is not of plain form; and whether (not 0) some text has bytes beyond ASCII, which
    are to be looked at.
    """
    bad = int64(-1)
    row[:] = 0
    row[LIQUIDITY] = UNKNOWN
    seen = beyond = int64(0)
    last = int64(WIDTH)
    if end - i > MAX_RECORD_BYTES or i >= end or data[np.uint64(i)] != 123:
        return bad, beyond
    while True:
        i = _blank_end(data, i + 1, end)
        if i >= end or data[np.uint64(i)] != 34:
            return bad, beyond
        start = i + 1
        key = int64(after[last])
        if _follows(data, start, key):
            i = start + _SIZES[key] + 1
        else:
            i, more = _text_end(data, start, end)
            beyond |= more
            key = _key_at(data, start, i - start)
            if i >= end or key < 0:
                return bad, beyond
            i = _blank_end(data, i + 1, end)
            if i >= end or data[np.uint64(i)] != 58:
                return bad, beyond
            after[last] = key
        if seen & (1 << key):
            return bad, beyond
        seen |= 1 << key
        last = key
        i = _blank_end(data, i + 1, end)
        if i >= end:
            return bad, beyond
        quoted = data[np.uint64(i)] == 34
        if _TEXTS >> key & 1:
            if not quoted:
                return bad, beyond
            start = i + 1
            i, more = _text_end(data, start, end)
            beyond |= more
            if i >= end:
                return bad, beyond
            row[key] = start << SIZE_BITS | (i - start)
            i += 1
        else:
            mantissa, exponent, i, whole = read_number(data, i + int64(quoted), end)
            if i < 0:
                return bad, beyond
            if _DECIMALS >> key & 1:
                if mantissa < 0:
                    return bad, beyond
                number = (
                    packed_price(mantissa, exponent) if key == PRICE else micros(mantissa, exponent)
                )
                if number < 0:
                    return bad, beyond
                if quoted:
                    if i >= end or data[np.uint64(i)] != 34:
                        return bad, beyond
                    i += 1
            else:
                if quoted or not whole:
                    return bad, beyond
                number = mantissa
            row[key] = number
        i = _blank_end(data, i, end)
        if i >= end:
            return bad, beyond
        if data[np.uint64(i)] == 125:
            if _blank_end(data, i + 1, end) != end:
                return bad, beyond
            return _checked(data, row, seen), beyond
        if data[np.uint64(i)] != 44:
            return bad, beyond


@jit
def scan_rows(
    data: NDArray[Any],
    starts: NDArray[Any],
    ends: NDArray[Any],
    wanted: Int64,
    row: NDArray[Any],
    after: NDArray[Any],
    kinds: NDArray[Any],
    aux: NDArray[Any],
    found: NDArray[Any],
    plain: NDArray[Any],
) -> tuple[Int64, Int64]:
    """Read records into columns of ``found``, int64[FOUND, N]; ``plain`` is 1 for those of plain form.

    ``wanted`` is the one kind looked for, -1 for any. ``row``, int64[WIDTH], is room for a record, and ``after``, as
    long and one more, begins with keys as one may guess. Returns how many are plain, and how many of these
    have a platform that is ODD.
    """
    n = odd = int64(0)
    for i in range(starts.shape[0]):
        kind, beyond = _scan(data, starts[i], ends[i], row, after)
        good = kind >= 0 and (wanted < 0 or kind == wanted)
        plain[i] = good and (beyond == 0 or is_utf8(data, starts[i], ends[i]))
        if not plain[i]:
            kinds[i], aux[i] = 0, 0
            found[:, i] = 0
            continue
        n += 1
        kinds[i] = kind
        found[AT_EVENT, i] = row[TS_EVENT]
        found[AT_LOG, i] = row[TS_LOG]
        found[AT_ORDER, i] = row[ORDER]
        found[AT_ID, i] = _hashed(data, row[ID])
        found[ID_START, i] = row[ID] >> SIZE_BITS
        found[ID_END, i] = (row[ID] >> SIZE_BITS) + _size(row[ID])
        who, text = row[AUTHOR], row[TEXT]
        if kind == MENTION:
            platform = _platform(data, row[PLATFORM])
            odd += int64(platform == ODD)
            aux[i] = platform
            found[AT_A, i], found[AT_B, i], found[AT_C, i] = 0, row[REACH], 0
        else:
            aux[i] = row[SIDE]
            found[AT_A, i], found[AT_B, i] = row[PRICE], row[VALUE]
            found[AT_C, i] = row[LIQUIDITY]
            who, text = row[TRADER], row[TOKEN]
        found[AT_WHO, i] = _hashed(data, who)
        found[TEXT_START, i] = text >> SIZE_BITS
        found[TEXT_END, i] = (text >> SIZE_BITS) + _size(text)
        found[NAME_START, i] = row[PLATFORM] >> SIZE_BITS
        found[NAME_END, i] = (row[PLATFORM] >> SIZE_BITS) + _size(row[PLATFORM])
    return n, odd
