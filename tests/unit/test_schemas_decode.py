"""What people really send: every wrong record has its code, its field and a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import MAX_RECORD_BYTES, decode_as, decode_record, encode_record
from schemas.errors import RECORD_ERROR_CODES, RecordError
from schemas.records import Gauge, Heartbeat, Mention, Tick, TokenInfo
from schemas.tokens import is_evm_address, is_solana_address, token_of_address

MOMO = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:2BZn3dwscTEFq2xfdoGcxM6KifMmY493oCYtaFBU6VSU"
VITALIK = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
MS = 1_736_812_800_000
TICK: dict[str, Any] = {
    "type": "tick",
    "id": "t1",
    "ts_event_ms": MS,
    "token": MOMO,
    "price_usd": "0.0015",
    "value_usd": 12,
    "side": "buy",
    "trader_id": "w",
}
MENTION: dict[str, Any] = {
    "type": "mention",
    "id": "m1",
    "ts_event_ms": MS,
    "platform": "x",
    "author_id": "a",
    "text": "金狗 $MOMO 🚀",
}
INFO: dict[str, Any] = {"type": "token_info", "id": "i1", "ts_event_ms": MS, "token": MOMO}


def _raw(base: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**base, **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "code", "field", "said"),
    [
        (b"", "not_json", "", "write one JSON object a line"),
        (b'{"type":"tick","id":"t1"', "not_json", "", "write one JSON object a line"),
        (_raw(TICK) + b" {}", "not_json", "", "write one JSON object a line"),
        (b'{"x":' + b"[" * 60_000, "not_json", "", "write one JSON object a line"),
        (b"[]", "wrong_shape", "", "Expected `object`"),
        (b'{"type":"tick","id":"\xff"}', "not_utf8", "", "encode as UTF-8"),
        (b'{"type":"tick","price_usd":NaN}', "bad_number", "", "NaN and Infinity are not JSON"),
        (b"x" * (MAX_RECORD_BYTES + 1), "too_large", "", "send at most 65,536 bytes a record"),
        (b"3", "wrong_shape", "", "Expected `object`"),
        (b"{}", "unknown_type", "type", "missing required field `type`"),
        (_raw(TICK, type="tock"), "unknown_type", "type", "tock"),
        (_raw(TICK, side="short"), "wrong_shape", "side", "short"),
        (_raw(TICK, id=""), "wrong_shape", "id", "length >= 1"),
        (_raw(TICK, trader_id=7), "wrong_shape", "trader_id", "Expected `str`"),
        (_raw(TICK, ts_event_ms=MS // 1000), "bad_time", "ts_event_ms", "multiply by 1000"),
        (_raw(TICK, ts_event_ms=MS * 1000), "bad_time", "ts_event_ms", "divide by 1000"),
        (_raw(TICK, ts_event_ms=MS * 10**6), "bad_time", "ts_event_ms", "divide by 1,000,000"),
        (_raw(TICK, ts_event_ms=-1), "bad_time", "ts_event_ms", "is outside 2009 to 2100"),
        (_raw(TICK, ts_log_ms=5), "bad_time", "ts_log_ms", "is outside 2009 to 2100"),
        (_raw(TICK, price_usd=0), "bad_number", "price_usd", "leave out ticks without a price"),
        (_raw(TICK, price_usd=-1.5), "bad_number", "price_usd", "1e+12 USD"),
        (_raw(TICK, price_usd="inf"), "bad_number", "price_usd", "is not a finite number"),
        (_raw(TICK, price_usd="nan"), "bad_number", "price_usd", "is not a finite number"),
        (_raw(TICK, price_usd="1,5"), "bad_number", "price_usd", "a plain decimal such as"),
        (_raw(TICK, price_usd="0." + "1" * 60), "bad_number", "price_usd", "not a finite"),
        (_raw(TICK, price_usd=1e13), "bad_number", "price_usd", "1e+12 USD"),
        (_raw(TICK, value_usd=-1), "bad_number", "value_usd", "side says buy or sell"),
        (_raw(TICK, liquidity_usd=-1), "bad_number", "liquidity_usd", "leave it out where unknown"),
        (_raw(TICK, order=2**62 + 1), "bad_number", "order", "keep it in 63 bits"),
        (_raw(TICK, token="MOMO"), "bad_token", "token", "is no CAIP-19 token id"),
        (_raw(TICK, token=MOMO[:-1] + "0"), "bad_token", "token", "is not base58 of 32 bytes"),
        (_raw(TICK, token=MOMO[:-9]), "bad_token", "token", "is not base58 of 32 bytes"),
        (_raw(TICK, token=MOMO.replace("/token", "/nft")), "bad_token", "token", "no token kind"),
        (_raw(TICK, token="eip155:1/erc20:0x12"), "bad_token", "token", "0x and 40 hex digits"),
        (_raw(TICK, token=f"eip155:1/nft:{VITALIK}"), "bad_token", "token", "no token kind of eip"),
        (_raw(TICK, token="cosmos:hub/token:x"), "bad_token", "token", "is not known"),
        (
            _raw(TICK, token=f"eip155:1/erc20:{VITALIK.replace('dA', 'DA')}"),
            "bad_token",
            "token",
            "a wrong EIP-55 checksum",
        ),
        (_raw(MENTION, reach=10**13), "bad_number", "reach", "omit it"),
        (_raw(MENTION, reach=-1), "wrong_shape", "reach", ">= 0"),
        (_raw(MENTION, ts_post_ms=3), "bad_time", "ts_post_ms", "is outside"),
        (_raw(MENTION, tokens=["MOMO"]), "bad_token", "token", "is no CAIP-19 token id"),
        (_raw(MENTION, text="x" * 20_001), "wrong_shape", "text", "length <= 20000"),
        (
            _raw(INFO, pools=[{"address": "p", "venue": "r", "ts_checked_ms": 5}]),
            "bad_time",
            "pools.ts_checked_ms",
            "is outside",
        ),
        (
            _raw(INFO, pools=[{"address": "p", "venue": "r", "ts_checked_ms": MS, "ts_created_ms": 5}]),
            "bad_time",
            "pools.ts_created_ms",
            "is outside",
        ),
        (_raw(INFO, ts_created_ms=1_728_900_000), "bad_time", "ts_created_ms", "looks like seconds"),
        (
            _raw(INFO, supply={"value": 1e19, "ts_checked_ms": MS}),
            "bad_number",
            "supply.value",
            "write whole tokens, not base units",
        ),
    ],
)  # fmt: skip
def test_a_wrong_record_names_code_field_and_remedy(
    raw: bytes, code: str, field: str, said: str
) -> None:
    with pytest.raises(RecordError) as caught:
        decode_record(raw)
    error = caught.value
    assert error.code == code
    assert error.code in RECORD_ERROR_CODES
    assert error.field == field
    assert said in str(error)


@pytest.mark.parametrize("price", ["1e-12", 1e-12, 1e9, "1000000000", 0.1])
def test_prices_from_tiny_to_huge_are_taken(price: str | float) -> None:
    record = decode_record(_raw(TICK, price_usd=price, liquidity_usd=0, value_usd=0))
    assert isinstance(record, Tick)
    assert record.price_usd == price


def test_ids_become_canonical_and_mentioned_tokens_sorted() -> None:
    upper = f"eip155:1/erc20:{VITALIK}"
    record = decode_record(_raw(TICK, token=upper))
    assert isinstance(record, Tick)
    assert record.token == upper.lower()
    assert decode_record(_raw(INFO)) == TokenInfo("i1", MS, MOMO)
    info = decode_record(_raw(INFO, token=upper, supply={"value": 5, "ts_checked_ms": MS}))
    assert isinstance(info, TokenInfo)
    assert info.token == upper.lower()
    mention = decode_record(_raw(MENTION, tokens=[MOMO, upper, MOMO]))
    assert isinstance(mention, Mention)
    assert mention.tokens == (upper.lower(), MOMO)


def test_addresses_are_told_from_other_words() -> None:
    mint = MOMO.rpartition(":")[2]
    assert token_of_address("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", mint) == MOMO
    assert is_solana_address(mint)
    assert not any(is_solana_address(text) for text in ("", mint[:20], mint * 2, "0" * 40))
    assert is_evm_address(VITALIK)
    assert is_evm_address(VITALIK.lower())
    assert not any(is_evm_address(text) for text in ("", "0x12", VITALIK[2:], VITALIK + "0"))


def test_a_typed_topic_needs_no_type_and_takes_heartbeats() -> None:
    untagged = {key: value for key, value in TICK.items() if key != "type"}
    record = decode_as(json.dumps(untagged).encode(), "tick")
    assert record == decode_record(_raw(TICK))
    assert isinstance(decode_as(b'{"type":"heartbeat","id":"h","ts_event_ms":%d}' % MS, "mention"),
                      Heartbeat)  # fmt: skip


@pytest.mark.parametrize("kind", ["mention", "token_info", "gauge", "control"])
def test_a_typed_topic_refuses_other_kinds(kind: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode_as(_raw(TICK), kind)
    assert caught.value.code == "unknown_type"


def test_a_gap_and_a_gauge_are_checked_too() -> None:
    gap = {"type": "gap", "id": "g", "ts_event_ms": MS, "ts_from_ms": 7, "ts_until_ms": MS}
    with pytest.raises(RecordError) as caught:
        decode_record(json.dumps({**gap, "reason": "feed died"}).encode())
    assert caught.value.field == "ts_from_ms"
    gauge = Gauge("g", MS, "rednote", "views", 1.5, cumulative=True)
    assert decode_record(encode_record(gauge)) == gauge


@given(text=st.text(max_size=200), reach=st.integers(0, 10**12), order=st.integers(-9, 9))
def test_what_is_written_reads_back(text: str, reach: int, order: int) -> None:
    record = Mention("m", MS, "x", "a", text, (MOMO,), reach, None, order, MS, MS)
    assert decode_record(encode_record(record)) == record


def _error_of(decode: Callable[[bytes], object], raw: bytes) -> RecordError | None:
    try:
        decode(raw)
    except RecordError as error:
        return error
    return None


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_a_record_or_a_record_error(raw: bytes) -> None:
    for decode in (decode_record, lambda r: decode_as(r, "tick")):
        error = _error_of(decode, raw)
        assert error is None or (error.code in RECORD_ERROR_CODES and error.remedy)


@given(data=st.data())
def test_a_record_with_any_one_field_replaced_is_a_record_or_a_record_error(
    data: st.DataObject,
) -> None:
    base = data.draw(st.sampled_from([TICK, MENTION, INFO]))
    name = data.draw(st.sampled_from(sorted(base)))
    value = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
    )
    error = _error_of(decode_record, json.dumps({**base, name: value}).encode())
    assert error is None or error.code in RECORD_ERROR_CODES
