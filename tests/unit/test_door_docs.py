"""The examples of docs/http.md and docs/webhooks.md, run as they stand."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from streams.sinks.webhook.payload import body_of
from streams.sinks.webhook.secret import WebhookSecret
from streams.sinks.webhook.settings import EndpointSettings
from streams.sinks.webhook.signing import headers
from streams.web.records import Limits
from tests.helpers.door import OTHER_SECRET, SECRET, alert
from tests.helpers.served import TOKEN, door, mention

DOCS = Path(__file__).parents[2] / "docs"
HTTP = (DOCS / "http.md").read_text("utf-8")
WEBHOOKS = (DOCS / "webhooks.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, "docs", "exec"), names)
    return names


async def test_the_python_of_http_feeds_records(tmp_path: Path) -> None:
    [source] = blocks(HTTP, "python")
    async with door(tmp_path) as d:
        records = [json.loads(mention(i)) for i in (1, 2)]
        told = await asyncio.to_thread(run(source)["post"], d.url, TOKEN, records)
        assert told["accepted"] == 2


async def test_the_answer_shown_is_what_comes(tmp_path: Path) -> None:
    [shown] = blocks(HTTP, "json")
    async with door(tmp_path) as d:
        lines = [mention(1), mention(2, ts_event_ms=1_736_812_800), mention(3)]
        assert (await d.post(b"\n".join(lines)))[1] == json.loads(shown)


def test_the_limits_told_are_the_limits() -> None:
    limits = Limits()
    assert f"{limits.max_body_bytes // 2**20} MiB (" in HTTP
    assert f"{limits.max_unpacked_bytes // 2**20} MiB unpacked" in HTTP
    assert f"{limits.max_lines:,} lines" in HTTP
    assert f"within {limits.body_timeout_s:g} s" in HTTP
    assert f"or {limits.max_requests} bodies" in HTTP


def test_the_settings_shown_are_settings() -> None:
    [source] = blocks(WEBHOOKS, "toml")
    [table] = tomllib.loads(source)["webhooks"]
    assert EndpointSettings.of(table).name == "desk"
    told = set(re.findall(r"^\| `(\w+)`", WEBHOOKS, re.MULTILINE)) - {"secret"}
    assert told == {f.name for f in fields(EndpointSettings)} - {"name", "url", "secrets"}
    for field in fields(EndpointSettings):
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"| `{field.name}` | {field.default:g} |" in WEBHOOKS


@pytest.mark.parametrize("which", [0, 1])
def test_both_verifiers_accept_ours_and_nothing_else(which: int) -> None:
    verify = list(run(blocks(WEBHOOKS, "python")[which]).values())[-1]
    now_s = int(time.time())
    body = body_of(alert("a", now_s * 1000), 900)
    secrets = [WebhookSecret(OTHER_SECRET), WebhookSecret(SECRET)]
    sent = headers(secrets, "gd_a", now_s, body)
    assert verify(SECRET, body, sent)["data"]["alert_id"] == "gd_a"
    assert verify(OTHER_SECRET, body, sent)["type"] == "golden_dog.candidate"
    old = headers(secrets, "gd_a", now_s - 301, body)
    ours_only = headers(secrets[1:], "gd_a", now_s, body)
    for wrong in (
        (SECRET, body + b" ", sent),
        (SECRET, body, sent | {"webhook-id": "gd_b"}),
        (SECRET, body, old),
        (OTHER_SECRET, body, ours_only),
    ):
        with pytest.raises(Exception, match=r"(?i)sign|old|match"):
            verify(*wrong)
