"""``GET /v1/alerts``: the newest, then what comes after a cursor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import Alert
from schemas.topics import ALERTS
from streams.log.base import Item
from streams.web.alerts import CURSOR_HEADER
from tests.helpers.door import alert
from tests.helpers.served import Served, door


async def write(d: Served, *alerts: Alert) -> None:
    for i, each in enumerate(alerts):
        await d.log.append(ALERTS, i % 2, [Item(None, msgspec.json.encode(each))])


def names(told: dict[str, Any]) -> list[str]:
    return [each["alert_id"] for each in told["alerts"]]


async def test_the_newest_then_each_later_one_once(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        status, told, _ = await d.get("/v1/alerts")
        assert (status, told) == (200, {"alerts": [], "cursor": "0.0"})
        await write(d, *(alert(f"n{i}", 1_000 * (i + 1)) for i in range(9)))
        told = (await d.get("/v1/alerts?limit=3"))[1]
        assert names(told) == ["gd_n6", "gd_n7", "gd_n8"]  # by bar, whatever the partition
        await write(d, *(alert(f"m{i}", 20_000 + i) for i in range(5)))
        seen: list[str] = []
        for _ in range(6):
            told = (await d.get(f"/v1/alerts?limit=2&after={told['cursor']}"))[1]
            assert len(told["alerts"]) <= 2
            seen += names(told)
        assert sorted(seen) == [f"gd_m{i}" for i in range(5)]
        assert told["alerts"] == []


async def test_as_lines_with_the_cursor_in_a_header(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await write(d, alert("a", 1), alert("b", 2))
        _, text, answer = await d.get("/v1/alerts", Accept="application/x-ndjson")
        assert [json.loads(line)["alert_id"] for line in text.splitlines()] == ["gd_a", "gd_b"]
        assert answer.headers[CURSOR_HEADER] == "1.1"


async def test_what_is_no_alert_is_passed_over(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await d.log.append(ALERTS, 0, [Item(None, b"{}"), Item(None, b"\xff")])
        await write(d, alert("a", 1))
        assert names((await d.get("/v1/alerts"))[1]) == ["gd_a"]
        assert names((await d.get("/v1/alerts?after=1.0"))[1]) == ["gd_a"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "after=1", "after=1.2.3", "after=a.b"]
)
async def test_a_wrong_query_says_what_to_write(tmp_path: Path, query: str) -> None:
    async with door(tmp_path) as d:
        status, told, _ = await d.get(f"/v1/alerts?{query}")
        assert status == 400
        assert told["error"]["remedy"]
