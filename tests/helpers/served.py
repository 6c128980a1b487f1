"""The door over a real log, on a free port of loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS
from streams.log.sqlite import SqliteLog
from streams.metrics.metrics import Metrics
from streams.sources.embedded_log import open_embedded_log
from streams.sources.ingest import Ingest
from streams.web.app import make_web_app, serve
from streams.web.health import Health
from streams.web.intake import Intake
from streams.web.patience import HEADERS_TIMEOUT_S
from streams.web.records import Limits
from streams.web.token import Token

TOKEN = "a-token-of-these-tests"
NDJSON = "application/x-ndjson"


def mention(i: int, **changes: object) -> bytes:
    """One line of a mention."""
    record = {
        "type": "mention",
        "id": f"m{i}",
        "ts_event_ms": 1_736_812_800_000 + i,
        "platform": "x",
        "author_id": f"a{i}",
        "text": "$MOMO 起飞",
    }
    return json.dumps(record | changes).encode()


def tick(i: int, **changes: object) -> bytes:
    """One line of a tick."""
    record = {
        "type": "tick",
        "id": f"t{i}",
        "ts_event_ms": 1_736_812_800_000 + i,
        "token": "eip155:1/erc20:0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "price_usd": 0.5,
        "value_usd": "12.5",
        "side": "buy",
        "trader_id": "w1",
    }
    return json.dumps(record | changes).encode()


@dataclass
class Served:
    """The door, and what is behind it."""

    url: str
    port: int
    log: SqliteLog
    metrics: Metrics
    health: Health
    session: aiohttp.ClientSession

    async def post(self, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """POST a body as NDJSON with the right token, unless ``headers`` say otherwise."""
        usual = {"Authorization": f"Bearer {TOKEN}", "Content-Type": NDJSON}
        given = usual | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.session.post(f"{self.url}/v1/records", data=body, headers=given) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **headers: str) -> tuple[int, Any, aiohttp.ClientResponse]:
        """GET a path; JSON is parsed."""
        given = {"Authorization": f"Bearer {TOKEN}"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        async with self.session.get(self.url + path, headers=given) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text, answer

    async def values(self, topic: str) -> list[bytes]:
        """Every value in a topic that is no heartbeat."""
        found: list[bytes] = []
        for p in range(await self.log.partitions(topic)):
            found += [r.value or b"" for r in await self.log.read(topic, p, 0, 100_000)]
        return [v for v in found if b'"heartbeat"' not in v]

    async def arrived(self, topic: str) -> None:
        """Wait for the first record of a topic that is no heartbeat."""
        while not await self.values(topic):
            await asyncio.sleep(0.01)

    async def letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        return [msgspec.json.decode(v, type=DeadLetter) for v in await self.values(DEAD_LETTERS)]


@asynccontextmanager
async def door(
    folder: Path,
    limits: Limits | None = None,
    sink: Any = None,
    headers_timeout_s: float = HEADERS_TIMEOUT_S,
    **log_options: Any,
) -> AsyncIterator[Served]:
    """The door over a new log of 2 token and 2 mention partitions."""
    log = open_embedded_log(folder, partitions=2, mention_partitions=2, **log_options)
    metrics = Metrics("0")
    health = Health(on_lag=metrics.loop_lag)
    intake = Intake(sink or await Ingest.open(log), log, source="http", observer=metrics)
    app = make_web_app(
        intake, metrics, health, Token(TOKEN), limits, headers_timeout_s=headers_timeout_s
    )
    served = await serve(app, "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield Served(served.url, served.port, log, metrics, health, session)
    finally:
        await served.close()
        log.close()
