"""Numbers no machine word holds, lines no memory should, and times in every place of a record."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas.decode import check_record, decode_record, encode_record
from schemas.errors import RecordError
from schemas.numbers import parse_decimal
from schemas.records import (
    Authorities,
    CheckedNumber,
    CheckedText,
    Control,
    Heartbeat,
    Holders,
    Mention,
    Pool,
    Record,
    TokenInfo,
)

MS = 1_736_812_800_000
TOKEN = "eip155:8453/erc20:0x" + "a" * 40
BASE: dict[str, dict[str, Any]] = {
    "tick": {"token": TOKEN, "price_usd": 1, "value_usd": 1, "side": "buy", "trader_id": "w"},
    "mention": {"platform": "x", "author_id": "a"},
    "token_info": {"token": TOKEN},
    "gap": {"ts_from_ms": MS, "ts_until_ms": MS, "reason": "gone"},
    "heartbeat": {},
    "control": {"effective_log_ms": MS, "setting": "s", "value": "v"},
}


def error_of(kind: str, **changes: Any) -> RecordError:
    record = {"type": kind, "id": "r", "ts_event_ms": MS, **BASE[kind], **changes}
    with pytest.raises(RecordError) as caught:
        decode_record(json.dumps(record).encode())
    return caught.value


@pytest.mark.parametrize("digits", [19, 30, 400, 4_000])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("tick", "ts_event_ms"),
        ("tick", "ts_log_ms"),
        ("tick", "order"),
        ("tick", "price_usd"),
        ("tick", "value_usd"),
        ("tick", "liquidity_usd"),
        ("mention", "reach"),
        ("mention", "order"),
        ("mention", "ts_post_ms"),
        ("token_info", "ts_created_ms"),
        ("token_info", "order"),
        ("gap", "ts_from_ms"),
        ("gap", "ts_until_ms"),
        ("heartbeat", "log_start_ms"),
        ("control", "effective_log_ms"),
    ],
)
def test_whole_numbers_of_any_length_are_refused_in_few_words(
    kind: str, field: str, digits: int
) -> None:
    for sign in (1, -1):
        if field == "reach" and sign < 0:
            continue
        error = error_of(kind, **{field: sign * (10**digits - 1)})
        assert error.code in ("bad_time", "bad_number")
        assert error.field == field
        assert len(str(error)) < 200


def test_numbers_too_long_to_be_read_are_refused() -> None:
    raw = b'{"type":"heartbeat","id":"h","ts_event_ms":' + b"9" * 60_000 + b"}"
    with pytest.raises(RecordError) as caught:
        decode_record(raw)
    assert (caught.value.code, caught.value.field) == ("wrong_shape", "ts_event_ms")


@pytest.mark.parametrize(
    ("price", "fits"),
    [("1e-30", True), ("9e-31", False), (1e-300, False), ("1e-999999", False), ("1e999999", False),
     ("1e-99999999999999999999", False), (1e12, True), ("1000000000000.1", False)],
)  # fmt: skip
def test_prices_keep_to_what_a_packed_price_holds(price: str | float, fits: bool) -> None:
    if fits:
        tick = {"type": "tick", "id": "r", "ts_event_ms": MS, **BASE["tick"], "price_usd": price}
        assert decode_record(json.dumps(tick).encode())
    else:
        assert error_of("tick", price_usd=price).code == "bad_number"


def test_a_line_of_ten_megabytes_is_refused_unread() -> None:
    with pytest.raises(RecordError) as caught:
        decode_record(b'{"type":"mention","text":"' + b"x" * 10_000_000)
    assert caught.value.code == "too_large"
    assert "10,000,026 bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"symbol": CheckedText("A", 5)}, "symbol.ts_checked_ms"),
        ({"name": CheckedText("A", 5)}, "name.ts_checked_ms"),
        ({"creator": CheckedText("A", 5)}, "creator.ts_checked_ms"),
        ({"supply": CheckedNumber(5, 5)}, "supply.ts_checked_ms"),
        ({"authorities": Authorities(5)}, "authorities.ts_checked_ms"),
        ({"holders": Holders(5)}, "holders.ts_checked_ms"),
        ({"pools": (Pool("p", "v", MS), Pool("q", "v", 5))}, "pools.ts_checked_ms"),
        ({"pools": (Pool("p", "v", MS, ts_created_ms=5),)}, "pools.ts_created_ms"),
    ],
)
def test_every_fact_has_a_time_that_can_be(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordError) as caught:
        check_record(TokenInfo("i", MS, TOKEN, **facts))
    assert (caught.value.code, caught.value.field) == ("bad_time", field)


@pytest.mark.parametrize(
    "record",
    [
        Mention("m", MS, "x", "a"),
        Mention("m", MS, "x", "a", "hi", (TOKEN,), ts_post_ms=MS),
        TokenInfo("i", MS, TOKEN),
        TokenInfo(
            "i", MS, TOKEN, CheckedText("A", MS), CheckedText("B", MS), CheckedText("C", MS), MS,
            CheckedNumber("4.2e17", MS), (Pool("p", "v", MS, 5.5, MS),), Authorities(MS, "", None),
            Holders(MS, 7, 0.5), 3, MS,
        ),
        Heartbeat("h", MS),
        Heartbeat("h", MS, log_start_ms=MS, topic="dex.ticks.v1"),
        Control("c", MS, MS, "lexicon", "2"),
    ],
)  # fmt: skip
def test_sound_records_pass_and_read_back(record: Record) -> None:
    assert check_record(record) == record
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize(
    ("text", "number"),
    [(" 1.50 ", "1.50"), (0.1, "0.1"), (1e22, "1E+22"), ("-0", "-0"), (10**39, "1" + "0" * 39)],
)
def test_decimals_are_exact(text: str | float, number: str) -> None:
    assert parse_decimal(text, "x") == Decimal(number)


@pytest.mark.parametrize("text", ["", "NaN", "sNaN", "-inf", "1e", "0x1", "1,5", 10**40, "a" * 999])
def test_what_is_no_number_is_quoted_briefly(text: str | float) -> None:
    with pytest.raises(RecordError) as caught:
        parse_decimal(text, "value_usd")
    assert caught.value.code == "bad_number"
    assert len(str(caught.value)) < 160
