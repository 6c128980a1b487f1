"""The AsyncAPI 3 document: topics, HTTP door and webhooks, made from the structs that define them.

``schemas/asyncapi.json`` is what ``asyncapi_document`` gives; ``goldendog schema --check`` compares.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, Final

import msgspec

from schemas import records, topics
from schemas.json_schema import STRUCTS
from streams.sinks.webhook.payload import TYPES

ASYNCAPI: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
HTTP_BINDING: Final = "0.3.0"
_COMPONENT: Final = "#/components/schemas/{name}"
_MOMO: Final = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:2BZn3dwscTEFq2xfdoGcxM6KifMmY493oCYtaFBU6VSU"  # fmt: skip
_INPUTS: Final = {
    topics.MENTIONS: "mention",
    topics.TICKS: "tick",
    topics.TOKEN_INFO: "token_info",
    topics.GAUGES: "gauge",
    topics.CONTROL: "control",
}
_ABOUT: Final = {
    topics.MENTIONS: "Posts that may name tokens.",
    topics.TICKS: "Trades.",
    topics.TOKEN_INFO: "What is known of tokens.",
    topics.GAUGES: "Readings of narratives; kept, and not read yet.",
    topics.CONTROL: "Changes of settings, model and lexicon, in force from a log time on.",
    topics.RESOLVED: "Mentions by token, from resolve to detect.",
    topics.HEAT: "Heat of narratives by token; declared, and not written yet.",
    topics.ALERTS: "Alerts: each once, by its id.",
    topics.SCORES: "Scores of bars, where `--scores` asks for them.",
    topics.CHECKPOINTS: "State of the detectors: manifests, and chunks of a compressed snapshot.",
    topics.DEAD_LETTERS: "Records that could not be used, each with its error.",
}
_OUTPUTS: Final = {
    topics.RESOLVED: "resolved_batch",
    topics.ALERTS: "alert",
    topics.SCORES: "score",
    topics.CHECKPOINTS: "checkpoint",
    topics.DEAD_LETTERS: "dead_letter",
}
_OURS: Final = (topics.RESOLVED, topics.CHECKPOINTS)
"""Topics that goldendog both writes and reads; nobody else should write to them."""
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "mention": {
        "type": "mention", "id": "x:1", "ts_event_ms": 1_736_701_200_000, "platform": "x",
        "author_id": "x:42", "text": "$MOMO is moving",
    },
    "tick": {
        "type": "tick", "id": "solana:5q8Y:0", "ts_event_ms": 1_736_701_201_000, "token": _MOMO,
        "price_usd": "0.000081", "value_usd": 120.5, "side": "buy", "trader_id": "9xQeWvG8",
    },
    "token_info": {
        "type": "token_info", "id": "info:momo:1", "ts_event_ms": 1_736_700_000_000,
        "token": _MOMO, "symbol": {"value": "MOMO", "ts_checked_ms": 1_736_700_000_000},
    },
    "heartbeat": {"type": "heartbeat", "id": "hb:1", "ts_event_ms": 1_736_701_205_000},
}  # fmt: skip


def asyncapi_document() -> dict[str, Any]:
    """The document as plain data.

    >>> document = asyncapi_document()
    >>> document["asyncapi"], document["channels"]["alerts"]["address"]
    ('3.0.0', 'alerts.v1')
    """
    channels = {_channel_id(spec.name): _topic(spec) for spec in topics.TOPICS}
    channels |= {"postRecords": _post_records(), "webhook": _webhook()}
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "goldendog",
            "version": f"{records.SCHEMA_VERSION}.0.0",
            "description": "Mentions and trades in, explained alerts out. A record is one JSON "
            "object; fields that a reader does not know are ignored. Times are int milliseconds "
            "since 1970 in UTC.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "`goldendog run --bootstrap`; topics by `goldendog topics create`.",
            },
            "http": {
                "host": "localhost:8080",
                "protocol": "http",
                "description": "The door of `goldendog run --embedded`.",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            },
        },
        "channels": channels,
        "operations": _operations(),
        "components": {
            "schemas": _schemas(),
            "messages": {name: _message(name) for name in (*STRUCTS, "checkpoint", *TYPES.values())},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`http.token`, or DATA_DIR/http-token.",
                }
            },
        },
    }  # fmt: skip


def _channel_id(topic: str) -> str:
    first, *rest = topic.removesuffix(".v1").split(".")
    return first + "".join(part.capitalize() for part in rest)


def _messages(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _topic(spec: topics.TopicSpec) -> dict[str, Any]:
    if spec.name in _INPUTS:
        names = [_INPUTS[spec.name], "heartbeat", "gap"]
    else:
        names = [_OUTPUTS[spec.name]] if spec.name in _OUTPUTS else []
    policy = ["compact"] if spec.compacted else ["delete"]
    return {
        "address": spec.name,
        "description": _ABOUT[spec.name],
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": _messages(names),
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "topicConfiguration": {
                    "cleanup.policy": policy,
                    "retention.ms": spec.retention_ms,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-keyed-by": spec.keyed_by,
    }


def _post_records() -> dict[str, Any]:
    return {
        "address": "/v1/records",
        "description": "Records of any input, one a line (NDJSON); gzip and zstd are welcome.",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": _messages([*_INPUTS.values(), "heartbeat", "gap"]),
    }


def _webhook() -> dict[str, Any]:
    return {
        "address": None,
        "title": "Webhooks",
        "description": "POSTed to each endpoint of the settings, signed by Standard Webhooks 1.0.",
        "servers": [],
        "messages": _messages(list(TYPES.values())),
    }


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec in topics.TOPICS:
        channel = _channel_id(spec.name)
        name = channel[0].upper() + channel[1:]
        if spec.name in _INPUTS or spec.name in _OURS:
            found[f"receive{name}"] = _operation("receive", channel, _ABOUT[spec.name])
        if spec.name in _OUTPUTS:
            found[f"send{name}"] = _operation("send", channel, _ABOUT[spec.name])
    post = _operation("receive", "postRecords", "Take records over HTTP; answer what is durable.")
    post["bindings"] = {"http": {"method": "POST", "bindingVersion": HTTP_BINDING}}
    webhook = _operation("send", "webhook", "Deliver an alert, at least once, while it is fresh.")
    webhook["bindings"] = {"http": {"method": "POST", "bindingVersion": HTTP_BINDING}}
    return {**found, "receivePostRecords": post, "sendWebhook": webhook}


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(name: str) -> dict[str, Any]:
    if name == "checkpoint":
        return {
            "name": name,
            "contentType": "application/octet-stream",
            "summary": "A JSON manifest, or a chunk of a snapshot compressed with zstd.",
            "payload": {"type": "string", "format": "binary"},
        }
    if name in TYPES.values():
        return {
            "name": name,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/WebhookHeaders"},
            "payload": {"$ref": "#/components/schemas/WebhookEvent"},
        }
    struct = STRUCTS[name]
    message: dict[str, Any] = {
        "name": name,
        "summary": cleandoc(struct.__doc__ or "").splitlines()[0],
        "payload": {"$ref": _COMPONENT.format(name=struct.__name__)},
    }
    if name == "resolved_batch":
        message["contentType"] = "application/msgpack"
    if hasattr(struct, "token") and name != "resolved_batch":
        key = {"type": "string", "description": "the token, as in the record"}
        message["bindings"] = {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}
    if name in _EXAMPLES:
        message["examples"] = [{"name": name, "payload": _EXAMPLES[name]}]
    return message


def _schemas() -> dict[str, Any]:
    _, found = msgspec.json.schema_components(list(STRUCTS.values()), ref_template=_COMPONENT)
    schemas: dict[str, Any] = {name: _draft7(found[name]) for name in sorted(found)}
    alert = schemas["Alert"]
    data = {key: value for key, value in alert["properties"].items() if key != "type"}
    schemas["WebhookHeaders"] = {
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {"type": "string", "description": "the alert's id, at every attempt"},
            "webhook-timestamp": {"type": "string", "description": "Unix seconds of the attempt"},
            "webhook-signature": {"type": "string", "description": "v1,<base64> for each secret"},
        },
    }
    schemas["WebhookEvent"] = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"enum": list(TYPES.values())},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "description": "The alert, what it says in a line, and when it is too old to act on.",
                "required": [r for r in alert["required"] if r != "type"]
                + ["summary", "expires_at"],
                "properties": {
                    **data,
                    "summary": {"type": "string"},
                    "expires_at": {"type": "string", "format": "date-time"},
                },
            },
        },
    }
    return schemas


def _draft7(schema: Any) -> Any:
    """Rewrite what JSON Schema 2020-12 says in another way than draft 7, which AsyncAPI reads."""
    if isinstance(schema, list):
        return [_draft7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _draft7(value) for key, value in schema.items()}
    if "prefixItems" in out:
        rest = out.pop("items", None)
        out["items"] = out.pop("prefixItems")
        if rest is not None:
            out["additionalItems"] = rest
    if isinstance(out.get("description"), str):
        out["description"] = cleandoc(out["description"])
    return out
