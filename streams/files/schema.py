"""The columns of a Parquet file of records, and what a reader accepts in their place."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from schemas.errors import InputFileError

RECORD_SCHEMA: Final = pa.schema(
    [
        pa.field("type", pa.string(), nullable=False),
        ("id", pa.string()),
        ("ts_event_ms", pa.int64()),
        ("ts_log_ms", pa.int64()),
        ("order", pa.int64()),
        ("platform", pa.string()),
        ("author_id", pa.string()),
        ("text", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("reach", pa.int64()),
        ("lang", pa.string()),
        ("ts_post_ms", pa.int64()),
        ("token", pa.string()),
        ("price_usd", pa.float64()),
        ("value_usd", pa.float64()),
        ("side", pa.string()),
        ("trader_id", pa.string()),
        ("liquidity_usd", pa.float64()),
        ("venue", pa.string()),
        ("usd_rate", pa.float64()),
        ("record", pa.string()),
    ],
    metadata={b"goldendog.records": b"1"},
)
"""What ``write_records`` writes. Columns that a row's type does not use are null."""

STORED: Final[dict[str, Any]] = {
    "compression": "lz4",
    "use_dictionary": [
        "type", "platform", "author_id", "lang", "token", "side", "venue", "tokens.list.element",
    ],
    "column_encoding": dict.fromkeys(("ts_event_ms", "ts_log_ms", "order"), "DELTA_BINARY_PACKED"),
}  # fmt: skip
"""How pyarrow stores files of records, for who replays them often: docs/adr/0027-parquet.md."""

TIMES: Final = ("ts_event_ms", "ts_log_ms", "ts_post_ms")
MENTION_NEEDS: Final = ("id", "ts_event_ms", "platform", "author_id")
TICK_NEEDS: Final = (
    "id", "ts_event_ms", "token", "price_usd", "value_usd", "side", "trader_id",
)  # fmt: skip
_ALWAYS: Final = ("type", "id", "ts_event_ms")
OPTIONAL: Final = frozenset(RECORD_SCHEMA.names) - {*_ALWAYS, *MENTION_NEEDS, *TICK_NEEDS}
_REMEDY: Final = "docs/records.md lists the columns of a file of records"


def check_schema(schema: pa.Schema, name: str) -> list[str]:
    """Names of the columns to read, in our order; InputFileError on a missing or mistyped one.

    Columns we do not know (``topic``, ``partition``, ``offset``, your own) are passed over.
    """
    for column in _ALWAYS:
        if column not in schema.names:
            raise InputFileError(f"{name} has no column {column!r}", _REMEDY)
    columns = []
    for field in RECORD_SCHEMA:
        if field.name not in schema.names:
            continue
        if len(schema.get_all_field_indices(field.name)) > 1:
            raise InputFileError(f"{name} has column {field.name!r} twice", "rename one of them")
        got = schema.field(field.name).type
        if not _fits(field.name, field.type, got):
            raise InputFileError(
                f"{name}: column {field.name!r} is {got}, not {_wanted(field.name, field.type)}",
                _REMEDY,
            )
        columns.append(field.name)
    return columns


def need(columns: list[str], needed: tuple[str, ...], kind: str, name: str) -> None:
    """Raise InputFileError where a file with rows of a kind lacks a column the kind needs."""
    for column in needed:
        if column not in columns:
            raise InputFileError(
                f"{name} has rows of type {kind!r} but no column {column!r}", _REMEDY
            )


def _fits(name: str, wanted: pa.DataType, got: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(got):
        got = got.value_type
    if types.is_null(got):
        return name not in _ALWAYS
    if types.is_string(wanted):
        return bool(types.is_string(got) or types.is_large_string(got) or types.is_string_view(got))
    if types.is_list(wanted):
        return bool(types.is_list(got) or types.is_large_list(got)) and _fits(
            name, wanted.value_type, got.value_type
        )
    if types.is_floating(wanted):
        return bool(
            types.is_float64(got) or types.is_integer(got) or types.is_decimal(got)
            or types.is_string(got) or types.is_large_string(got)
        )  # fmt: skip
    return bool(types.is_integer(got) or (name in TIMES and types.is_timestamp(got)))


def _wanted(name: str, wanted: pa.DataType) -> str:
    if pa.types.is_floating(wanted):
        return "double, an integer, decimal or string"
    return f"{wanted} or timestamp" if name in TIMES else str(wanted)
