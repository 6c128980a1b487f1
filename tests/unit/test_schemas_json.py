from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import schemas
from schemas.decode import decode_record
from schemas.errors import RecordError
from schemas.json_schema import all_schemas, schema_text

FOLDER = Path(schemas.__path__[0]) / "jsonschema"
MOMO = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm"
GOOD: list[dict[str, Any]] = [
    {"type": "mention", "id": "1", "ts_event_ms": 1, "platform": "x", "author_id": "a", "text": "$WIF"},
    {
        "type": "tick",
        "id": "1",
        "ts_event_ms": 1_736_700_000_000,
        "token": MOMO,
        "price_usd": "0.000000012",
        "value_usd": 20,
        "side": "buy",
        "trader_id": "t",
        "something_new": {"ignored": True},
    },
    {
        "type": "token_info",
        "id": "1",
        "ts_event_ms": 1_736_700_000_000,
        "token": MOMO,
        "symbol": {"value": "MOMO", "ts_checked_ms": 1},
        "supply": {"value": 1_000_000_000, "ts_checked_ms": 1},
        "pools": [{"address": "p", "venue": "raydium", "ts_checked_ms": 1}],
    },
    {"type": "heartbeat", "id": "h", "ts_event_ms": 1_736_700_000_000, "log_start_ms": 0},
]  # fmt: skip


def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(all_schemas()[name])


def test_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    generated = {f"{name}.schema.json": schema_text(s) for name, s in all_schemas().items()}
    assert committed == generated, "run `make schema`"


@pytest.mark.parametrize("name", all_schemas())
def test_each_schema_is_valid_and_says_what_it_is(name: str) -> None:
    schema = all_schemas()[name]
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"]
    assert "\n    " not in schema["description"]


@pytest.mark.parametrize("record", GOOD, ids=lambda r: r["type"])
def test_a_good_record_passes_its_own_schema_and_the_common_one(record: dict[str, Any]) -> None:
    assert _validator(record["type"]).is_valid(record)
    assert _validator("record").is_valid(record)


@pytest.mark.parametrize("record", GOOD, ids=lambda r: r["type"])
@pytest.mark.parametrize("change", ["drop id", "other type", "text for time", "null id"])
def test_schema_and_decoder_refuse_the_same_shapes(record: dict[str, Any], change: str) -> None:
    bad = dict(record)
    match change:
        case "drop id":
            del bad["id"]
        case "other type":
            bad["type"] = "tock"
        case "text for time":
            bad["ts_event_ms"] = "yesterday"
        case "null id":
            bad["id"] = None
    assert not _validator("record").is_valid(bad)
    with pytest.raises(RecordError):
        decode_record(json.dumps(bad).encode())
