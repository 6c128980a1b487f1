"""JSON bytes to checked records and back. What cannot be used raises RecordError, with a remedy."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from schemas.errors import RecordError
from schemas.numbers import parse_decimal
from schemas.records import Control, Gap, Gauge, Heartbeat, Mention, Record, Tick, TokenInfo
from schemas.tokens import canonical_token

MAX_RECORD_BYTES: Final = 65_536
MIN_TIME_MS: Final = 1_230_768_000_000
"""2009-01-01: older than any chain."""
MAX_TIME_MS: Final = 4_102_444_800_000
"""2100-01-01."""
MIN_PRICE_USD: Final = 1e-30
"""Far below any token's; a packed price holds it with all its digits."""
MAX_PRICE_USD: Final = 10.0**12
MAX_VALUE_USD: Final = 10.0**12
MAX_REACH: Final = 10**12
MAX_ORDER: Final = 2**62

_KINDS: Final[dict[str, Any]] = {
    "mention": Mention | Heartbeat | Gap,
    "tick": Tick | Heartbeat | Gap,
    "token_info": TokenInfo | Heartbeat | Gap,
    "gauge": Gauge | Heartbeat | Gap,
    "control": Control | Heartbeat | Gap,
}
_ANY: Final[msgspec.json.Decoder[Record]] = msgspec.json.Decoder(Record)
_BY_KIND: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(union) for kind, union in _KINDS.items()
}
_UNTAGGED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(struct)
    for kind, struct in {
        "mention": Mention,
        "tick": Tick,
        "token_info": TokenInfo,
        "gauge": Gauge,
        "control": Control,
    }.items()
}
_TIMES: Final[dict[type, tuple[str, ...]]] = {
    Gap: ("ts_from_ms", "ts_until_ms"),
    Heartbeat: ("log_start_ms",),
    Control: ("effective_log_ms",),
}
_FACTS: Final = ("symbol", "name", "creator", "supply", "authorities", "holders")
_ENCODER: Final = msgspec.json.Encoder()
_PATH: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?\Z", re.DOTALL)


def encode_record(record: Record) -> bytes:
    """One line of JSON, without the line's end."""
    return _ENCODER.encode(record)


def decode_record(raw: bytes) -> Record:
    """Decode one JSON record of any type and check it.

    Raises RecordError that names the field and the remedy.

    >>> decode_record(b'{"type":"heartbeat","id":"h1","ts_event_ms":1736812800000}').id
    'h1'
    >>> decode_record(b'{"type":"heartbeat","id":"h1","ts_event_ms":1736812800}')
    Traceback (most recent call last):
    schemas.errors.RecordError: ts_event_ms: 1736812800 looks like seconds; multiply by 1000
    """
    return check_record(cast("Record", _decode(_ANY, raw)))


def decode_as(raw: bytes, kind: str) -> Record:
    """Decode one JSON record of a topic that holds one kind: ``type`` may be left out.

    ``kind`` is a tag such as ``"tick"``. Heartbeats and gaps are part of every input.

    >>> decode_as(b'{"id":"h","type":"heartbeat","ts_event_ms":1736812800000}', "tick").id
    'h'
    """
    try:
        record = _decode(_BY_KIND[kind], raw)
    except RecordError as error:
        if error.code != "unknown_type" or b'"type"' in raw:
            raise
        record = _decode(_UNTAGGED[kind], raw)
    return check_record(cast("Record", record))


def check_record(record: Record) -> Record:
    """Check ranges and identities that types cannot say; returns the canonical record."""
    _check_time("ts_event_ms", record.ts_event_ms)
    _check_time("ts_log_ms", record.ts_log_ms)
    if isinstance(record, Mention):
        return _check_mention(record)
    if isinstance(record, Tick):
        return _check_tick(record)
    if isinstance(record, TokenInfo):
        return _check_info(record)
    for field in _TIMES.get(type(record), ()):
        _check_time(field, getattr(record, field))
    return record


def _decode(decoder: msgspec.json.Decoder[Any], raw: bytes) -> object:
    if len(raw) > MAX_RECORD_BYTES:
        raise RecordError(
            "too_large",
            f"record of {len(raw):,} bytes",
            remedy=f"send at most {MAX_RECORD_BYTES:,} bytes a record",
        )
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _shape_error(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _json_error(raw, str(error)) from None
    except UnicodeDecodeError:
        raise _utf8_error() from None


def _utf8_error() -> RecordError:
    return RecordError("not_utf8", "text is not valid UTF-8", remedy="encode as UTF-8")


def _json_error(raw: bytes, why: str) -> RecordError:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return _utf8_error()
    if b"NaN" in raw or b"Infinity" in raw:
        return RecordError(
            "bad_number", "NaN and Infinity are not JSON", remedy="leave the field out or null"
        )
    return RecordError("not_json", f"not JSON: {why}", remedy="write one JSON object a line")


def _shape_error(message: str) -> RecordError:
    match = _PATH.match(message)
    problem, field = (match.group(1), match.group(2) or "") if match else (message, "")
    if ("Invalid value" in problem and field == "type") or problem.endswith("field `type`"):
        return RecordError(
            "unknown_type",
            problem,
            field="type",
            remedy="use mention, tick, token_info, gauge, gap, heartbeat or control",
        )
    return RecordError("wrong_shape", problem, field=field, remedy="see `goldendog schema`")


def _check_time(field: str, ms: int | None) -> None:
    if ms is None or MIN_TIME_MS <= ms < MAX_TIME_MS:
        return
    for unit, meant, remedy in (
        ("seconds", ms * 1000, "multiply by 1000"),
        ("microseconds", ms // 1000, "divide by 1000"),
        ("nanoseconds", ms // 1_000_000, "divide by 1,000,000"),
    ):
        if MIN_TIME_MS <= meant < MAX_TIME_MS:
            raise RecordError("bad_time", f"{ms} looks like {unit}", field=field, remedy=remedy)
    raise RecordError(
        "bad_time",
        f"{_short(ms)} is outside 2009 to 2100",
        field=field,
        remedy="write milliseconds since 1970 in UTC",
    )


def _check_mention(record: Mention) -> Record:
    _check_order(record.order)
    if record.reach > MAX_REACH:
        problem = f"{_short(record.reach)} people"
        raise RecordError("bad_number", problem, field="reach", remedy="omit it")
    _check_time("ts_post_ms", record.ts_post_ms)
    if not record.tokens:
        return record
    return replace(record, tokens=tuple(sorted({canonical_token(t) for t in record.tokens})))


def _check_tick(record: Tick) -> Record:
    _check_order(record.order)
    price = _comparable(record.price_usd, "price_usd")
    if not MIN_PRICE_USD <= price <= MAX_PRICE_USD:
        raise RecordError(
            "bad_number",
            f"price {_short(record.price_usd)} is outside {MIN_PRICE_USD:g} to {MAX_PRICE_USD:g} USD",
            field="price_usd",
            remedy="leave out ticks without a price",
        )
    value = _comparable(record.value_usd, "value_usd")
    if not 0 <= value <= MAX_VALUE_USD:
        raise RecordError(
            "bad_number",
            f"value {_short(record.value_usd)} is outside 0 to {MAX_VALUE_USD:g} USD",
            field="value_usd",
            remedy="write the fill's value in US dollars; side says buy or sell",
        )
    if record.liquidity_usd is not None:
        liquidity = _comparable(record.liquidity_usd, "liquidity_usd")
        if not 0 <= liquidity <= MAX_VALUE_USD:
            raise RecordError(
                "bad_number",
                f"liquidity {_short(record.liquidity_usd)} is outside 0 to {MAX_VALUE_USD:g} USD",
                field="liquidity_usd",
                remedy="leave it out where unknown",
            )
    token = canonical_token(record.token)
    return record if token == record.token else replace(record, token=token)


def _comparable(value: str | float, field: str) -> float:
    """A number to hold against a range: a float is one already, and NaN is in none."""
    return value if isinstance(value, float) else float(parse_decimal(value, field))


def _check_info(record: TokenInfo) -> Record:
    _check_order(record.order)
    _check_time("ts_created_ms", record.ts_created_ms)
    for name in _FACTS:
        fact = getattr(record, name)
        if fact is not None:
            _check_time(f"{name}.ts_checked_ms", fact.ts_checked_ms)
    for pool in record.pools:
        _check_time("pools.ts_checked_ms", pool.ts_checked_ms)
        _check_time("pools.ts_created_ms", pool.ts_created_ms)
    if record.supply is not None:
        supply = parse_decimal(record.supply.value, "supply.value")
        if not 0 <= supply < 2**62:
            raise RecordError(
                "bad_number",
                f"supply {_short(record.supply.value)} is outside 0 to 2^62",
                field="supply.value",
                remedy="write whole tokens, not base units",
            )
    token = canonical_token(record.token)
    return record if token == record.token else replace(record, token=token)


def _check_order(order: int) -> None:
    if not -MAX_ORDER <= order <= MAX_ORDER:
        raise RecordError(
            "bad_number", f"order {_short(order)}", field="order", remedy="keep it in 63 bits"
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
