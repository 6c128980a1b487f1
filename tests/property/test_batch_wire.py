"""JSON that the compiled scanner takes is what ``schemas.decode`` would have made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.batch.blocks import BLOCK
from detectors.batch.resolver import BatchResolver
from detectors.batch.utf8 import is_utf8
from detectors.batch.wire import Scanned, scan_records
from detectors.columns import MENTION, TICK
from schemas.decode import decode_record, encode_record
from schemas.errors import RecordError
from schemas.records import Mention, Record, Tick
from tests.helpers.records import (
    LEXICON,
    T0,
    TOKENS,
    log_ms,
    mentions,
    plain,
    records,
    rows_one_by_one,
    ticks,
)

POST: dict[str, Any] = {
    "type": "mention", "id": "m", "ts_event_ms": T0, "platform": "x", "author_id": "a", "text": "$MOMO now",
}  # fmt: skip
FILL: dict[str, Any] = {
    "type": "tick", "id": "t", "ts_event_ms": T0, "token": TOKENS[1], "price_usd": 0.5, "value_usd": 10,
    "side": "buy", "trader_id": "w",
}  # fmt: skip
ODD_VALUES = (
    None, True, 0, -1, 1.5, "", "x", "buy", "sell", "mention", "tick", "0.10", "1e-7", "-1", "+1", "1_0", " 1", "١", [],
    [TOKENS[0]], {}, 10**12, 10**12 + 1, 10**18, 2**62, 2**62 + 1, -(2**62), 1e300, 1e-29, 5e-324, 0.1 + 0.2,
    123456789012345, 1234567890123456, 0.0000005, 0.0000015, 999999999999.9995, T0, T0 // 1000, "x" * 257, "龙" * 90,
    'a"b', "a\\b", "a\nb", "\x7f", "\ud83d\ude00", MENTION, TICK, TOKENS[1].upper(), TOKENS[0] + "x",
)  # fmt: skip
KEYS = (*POST, *FILL, "reach", "order", "lang", "ts_post_ms", "ts_log_ms", "tokens", "liquidity_usd", "venue", "usd_rate", "typ")  # fmt: skip
NUMBERS = (b"0", b"00", b"-0", b"1.", b".5", b"1e5", b"1E+2", b"1e", b"1e-400", b"0.0015", b"15e-4", b"9" * 15,
           b"9" * 16, b"1" + b"0" * 14, b"0." + b"0" * 27 + b"1", b"0." + b"0" * 30 + b"1", b"NaN", b"1 ", b"--1",
           b"12345678", b"123456789012345678", b"1234567:", b"12345678.5", b"00000000", b"0000000012345678", b"1234567890123456789",
           b"1234567.12345678", b"123456789.1234567", b"/2345678", b"1\x00234567",
           b"0.00000050", b"0.0000025", b"1e12", b"1e11", b"123456.7890125", b"2.5e-6", b"1e-28", b"1e-29")  # fmt: skip


def check(raws: Sequence[bytes]) -> Scanned:
    """What is plain decodes, and gives the columns that are made of it one by one."""
    scanned = scan_records(raws)
    rows = np.flatnonzero(scanned.plain)
    found: list[Record] = [decode_record(raws[i]) for i in rows.tolist()]
    assert scanned.ts_log_ms[rows].tolist() == [log_ms(record) for record in found]
    if len(rows):
        resolver = BatchResolver(LEXICON)
        flat = scanned.flat(rows, scanned.ts_log_ms[rows], resolver.token_numbers)
        columns, _ = flat.columns(resolver)
        assert sorted(plain(columns)) == sorted(rows_one_by_one(found))
    return scanned


@given(st.lists(records, max_size=20), st.booleans())
@settings(max_examples=300, deadline=None)
def test_records_as_written(found: list[Record], spaced: bool) -> None:
    raws = [encode_record(record) for record in found]
    if spaced:
        raws = [json.dumps(msgspec.json.decode(raw), ensure_ascii=False).encode() for raw in raws]
    check(raws)


@given(st.lists(st.one_of(mentions, ticks), min_size=1, max_size=20))
@settings(deadline=None)
def test_ordinary_records_are_plain(found: list[Mention | Tick]) -> None:
    raws = [encode_record(record) for record in found]
    scanned = check(raws)
    for record, raw, is_plain in zip(found, raws, scanned.plain.tolist(), strict=True):
        ordinary = b"\\" not in raw and abs(record.order) < 10**18
        if isinstance(record, Mention):
            ordinary &= not record.tokens
        else:
            numbers = (record.price_usd, record.value_usd, record.liquidity_usd or 0)
            ordinary &= record.usd_rate is None and all(len(str(x)) <= 12 for x in numbers)
            ordinary &= 1e-20 < float(record.price_usd) < 1e11
        assert is_plain or not ordinary, raw


@given(st.data())
@settings(max_examples=1_500, deadline=None)
def test_records_with_odd_fields(data: st.DataObject) -> None:
    record = dict(data.draw(st.sampled_from([POST, FILL])))
    for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        if data.draw(st.booleans()):
            record.pop(key, None)
        else:
            record[key] = data.draw(st.sampled_from(ODD_VALUES))
    raw = json.dumps(record, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "replace")
    if data.draw(st.booleans()):
        key = data.draw(
            st.sampled_from(["price_usd", "value_usd", "ts_event_ms", "reach", "order"])
        )
        number = data.draw(st.sampled_from(NUMBERS))
        quote = data.draw(st.sampled_from([b"", b'"']))
        raw = raw[:-1] + b',"' + key.encode() + b'":' + quote + number + quote + b"}"
    check([raw])


@given(st.sampled_from([POST, FILL]), st.data())
@settings(max_examples=1_500, deadline=None)
@example(POST, None)
def test_damaged_records(record: dict[str, Any], data: st.DataObject | None) -> None:
    raw = bytearray(msgspec.json.encode(record))
    for _ in range(data.draw(st.integers(0, 3)) if data else 0):
        assert data is not None
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 1))] = data.draw(
            st.sampled_from(
                [b"", b"}", b'"', b",", b":", b" ", b"\t", b"\xff", b"\\", b"0", b"-", b"\0"]
            )
        )
    scanned = check([bytes(raw)])
    assert data is not None or scanned.plain.all()


def decodes(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def checked(raw: bytes) -> bool:
    """By itself, and wherever a block of many bytes may cut it."""
    told = bool(is_utf8(np.frombuffer(b"\xe9" + raw + b"\x80", np.uint8), 1, 1 + len(raw)))
    for before in (0, *range(BLOCK - len(raw), BLOCK + 1)):
        longer = b"a" * before + raw + b"a" * BLOCK
        assert bool(is_utf8(np.frombuffer(longer, np.uint8), 0, len(longer))) == told, longer
    return told


def test_every_two_bytes_are_utf8_where_python_says_so() -> None:
    for first in range(0x80, 0x100):
        for second in range(0x100):
            for rest in (b"", b"\x80", b"\x80\xbf", b"\xc0", b"\x80a"):
                raw = bytes((first, second)) + rest
                assert checked(raw) == decodes(raw), raw


@given(
    st.lists(
        st.one_of(
            st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.binary(max_size=3),
            st.sampled_from(
                [b"a" * 7, b"b" * 8, b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"]
            ),
        ),
        max_size=8,
    )
)
@settings(max_examples=500, deadline=None)
def test_texts_are_utf8_where_python_says_so(parts: list[bytes]) -> None:
    raw = b"".join(parts)
    told = bool(is_utf8(np.frombuffer(raw, np.uint8), 0, len(raw)))
    assert told == decodes(raw)


def test_numbers_are_read_as_decimals() -> None:
    for number in NUMBERS:
        for quote in (b"", b'"'):
            for key in (b"price_usd", b"value_usd", b"liquidity_usd"):
                rest = {k: v for k, v in FILL.items() if k.encode() != key}
                text = (
                    msgspec.json.encode(rest)[:-1]
                    + b',"'
                    + key
                    + b'":'
                    + quote
                    + number
                    + quote
                    + b"}"
                )
                check([text])


def test_one_bad_record_alone_takes_the_plain_way() -> None:
    good, bad = msgspec.json.encode(POST), b'{"type":"mention","id":"\xff"}'
    assert scan_records([good, bad, good]).plain.tolist() == [True, False, True]
    assert scan_records([good, b"", good]).plain.tolist() == [True, False, True]
    assert scan_records([]).plain.tolist() == []
    for raw in (
        b"{",
        b"[]",
        b"{}",
        b'{"type":1}',
        b'{"id"',
        b'{"id":',
        b'{"id":"m"',
        b'{"id":"m" ',
    ):
        assert not check([raw]).plain.any()
        try:
            decode_record(raw)
        except RecordError:
            continue
        raise AssertionError(raw)
