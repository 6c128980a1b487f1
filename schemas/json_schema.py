"""JSON Schema (2020-12) of the records, generated from the structs, so that the two cannot differ.

The files in ``schemas/jsonschema/`` are what ``all_schemas`` gives; a test compares them.
"""

from __future__ import annotations

import json
from inspect import cleandoc
from typing import Any, Final

import msgspec

from schemas import records

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INPUTS: Final = "record"
"""Name of the schema that accepts any input record."""
STRUCTS: Final[dict[str, type[msgspec.Struct]]] = {
    "mention": records.Mention,
    "tick": records.Tick,
    "token_info": records.TokenInfo,
    "gauge": records.Gauge,
    "gap": records.Gap,
    "heartbeat": records.Heartbeat,
    "control": records.Control,
    "resolved_batch": records.ResolvedBatch,
    "score": records.Score,
    "alert": records.Alert,
    "dead_letter": records.DeadLetter,
}


def all_schemas() -> dict[str, dict[str, Any]]:
    """Every schema by name: one a struct, and ``record`` for any input.

    >>> schemas = all_schemas()
    >>> schemas["tick"]["$id"], schemas["tick"]["title"]
    ('urn:goldendog:schema:tick:1', 'Tick')
    >>> sorted(schemas["record"]["discriminator"]["mapping"])[:2]
    ['control', 'gap']
    """
    types: dict[str, Any] = {**STRUCTS, INPUTS: records.Record}
    return {name: _schema(name, kind) for name, kind in types.items()}


def schema_text(schema: dict[str, Any]) -> str:
    """The text of a schema's file, the same on every machine."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema(name: str, kind: Any) -> dict[str, Any]:
    generated = msgspec.json.schema(kind)
    definitions = generated.pop("$defs", {})
    for definition in definitions.values():
        # Older versions of Python keep a docstring's indentation.
        definition["description"] = cleandoc(definition["description"])
    head: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:goldendog:schema:{name}:{records.SCHEMA_VERSION}",
    }
    if "$ref" in generated:
        # The struct itself belongs at the top, where readers and editors look for it.
        body = definitions.pop(generated["$ref"].removeprefix("#/$defs/"))
    else:
        body = {
            "title": "Record",
            "description": "Any input record: what POST /v1/records and files take, one a line.",
            **generated,
        }
    return {**head, **body, **({"$defs": definitions} if definitions else {})}
