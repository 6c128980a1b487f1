"""The AsyncAPI document is current, valid by the official schema, and says what the code does."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import schemas
from schemas.decode import decode_as
from schemas.errors import RecordError
from schemas.json_schema import STRUCTS, schema_text
from schemas.topics import RAW_TOPIC_OF_TYPE, TOPICS
from streams.asyncapi import asyncapi_document
from streams.cli.main import exit_code
from streams.sinks.webhook.payload import body_of
from streams.sinks.webhook.secret import WebhookSecret
from streams.sinks.webhook.signing import headers
from tests.helpers.door import SECRET, alert

COMMITTED = Path(schemas.__path__[0]) / "asyncapi.json"
DATA = Path(__file__).parents[1] / "data" / "asyncapi"
DOCUMENT: dict[str, Any] = json.loads(COMMITTED.read_text("utf-8"))


@pytest.fixture(scope="module")
def official() -> Any:
    raw = gzip.decompress((DATA / "3.0.0.json.gz").read_bytes())
    assert hashlib.sha256(raw).hexdigest() in (DATA / "README.md").read_text("utf-8")
    return jsonschema_rs.validator_for(json.loads(raw))


def _resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [r for each in node for r in _references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [r for each in node.values() for r in _references(each)]


def _payload_validator(schema: str) -> Any:
    # A component's schema refers to its neighbours by their place in the whole document.
    whole = {"components": DOCUMENT["components"], "$ref": f"#/components/schemas/{schema}"}
    return jsonschema_rs.Draft7Validator(whole)


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_text("utf-8") == schema_text(asyncapi_document()), "run `make schema`"


def test_it_is_valid_by_the_official_schema(official: Any) -> None:
    assert [
        f"{list(e.instance_path)}: {e.message[:200]}" for e in official.iter_errors(DOCUMENT)
    ] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("info"),
        lambda d: d["operations"]["sendAlerts"].update(action="emit"),
        lambda d: d["channels"]["alerts"]["bindings"]["kafka"].update(partitions="many"),
        lambda d: d["components"]["messages"]["alert"].update(payload=3),
    ],
)
def test_the_official_schema_refuses_a_spoilt_one(official: Any, spoil: Any) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    spoil(document)
    assert not official.is_valid(document)


def test_every_reference_leads_somewhere() -> None:
    references = _references(DOCUMENT)
    assert len(references) > 50
    for reference in references:
        assert _resolve(reference), reference


def test_every_topic_is_a_channel_with_its_configuration() -> None:
    by_address = {c["address"]: c for c in DOCUMENT["channels"].values()}
    for spec in TOPICS:
        configuration = by_address[spec.name]["bindings"]["kafka"]["topicConfiguration"]
        assert configuration["retention.ms"] == spec.retention_ms
        assert configuration["cleanup.policy"] == ["compact" if spec.compacted else "delete"]


def test_inputs_take_what_the_decoder_takes() -> None:
    for kind, topic in RAW_TOPIC_OF_TYPE.items():
        (channel,) = (c for c in DOCUMENT["channels"].values() if c["address"] == topic)
        assert list(channel["messages"]) == [kind, "heartbeat", "gap"]
        for other in STRUCTS:
            with pytest.raises(RecordError) as caught:
                decode_as(json.dumps({"type": other}).encode(), kind)
            # a type that is taken lacks its fields; one that is not is refused as such
            assert (caught.value.code == "wrong_shape") == (other in channel["messages"]), other


@pytest.mark.parametrize("name", ["mention", "tick", "token_info", "heartbeat"])
def test_examples_are_records_and_fit_their_schema(name: str) -> None:
    (example,) = DOCUMENT["components"]["messages"][name]["examples"]
    assert decode_as(
        json.dumps(example["payload"]).encode(), name if name != "heartbeat" else "tick"
    )
    validator = _payload_validator(STRUCTS[name].__name__)
    validator.validate(example["payload"])
    assert not validator.is_valid({k: v for k, v in example["payload"].items() if k != "id"})


def test_alerts_and_webhooks_are_as_described() -> None:
    one = alert("a", 1_736_812_800_000)
    _payload_validator("Alert").validate(msgspec.to_builtins(one))
    body = body_of(one, 900)
    event = _payload_validator("WebhookEvent")
    event.validate(json.loads(body))
    assert not event.is_valid(json.loads(body.replace(b"expires_at", b"expires")))
    sent = headers([WebhookSecret(SECRET)], one.alert_id, 1_736_812_800, body)
    _payload_validator("WebhookHeaders").validate(sent)


def test_the_command_prints_writes_and_checks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exit_code(["schema", "--asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT
    assert exit_code(["schema", "--asyncapi", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "asyncapi.json").read_text("utf-8")) == DOCUMENT
    assert exit_code(["schema", "--asyncapi", "--check"]) == 0
    assert exit_code(["schema", "tick", "--asyncapi"]) == 2
    monkeypatch.setattr("streams.asyncapi.asyncapi_document", dict)
    assert exit_code(["schema", "--asyncapi", "--check"]) == 1
    assert "is stale; run `make schema`" in capsys.readouterr().err
