"""Alerts to deliver, a receiver that answers by script, and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from msgspec.structs import replace
from standardwebhooks import Webhook

from schemas.records import Alert, AlertKind, Reason
from streams.sinks.webhook.dispatcher import Dispatcher
from streams.sinks.webhook.outbox import Outbox
from streams.sinks.webhook.settings import EndpointSettings

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
TOKEN = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump"

_ALERT = Alert(
    schema_version=1,
    alert_id="gd_0",
    kind="candidate",
    sequence=0,
    token=TOKEN,
    symbol="GDOG",
    ts_episode_start_ms=0,
    ts_bar_end_ms=0,
    ts_available_ms=0,
    probability=0.9,
    logit_micro=2_197_224,
    threshold_logit_micro=500_000,
    price_usd="0.0015",
    ts_price_ms=None,
    liquidity_usd=15_000.0,
    market_cap_usd=None,
    moved_x_since_onset=1.2,
    moved_x_1h=1.3,
    price_share_of_peak=1.0,
    attention_share_of_peak=1.0,
    mentions_60s=40,
    authors_60s=31,
    trades_60s=12,
    traders_60s=9,
    late_share=0.0,
    baseline_coverage=1.0,
    reasons=(Reason("authors_z", 6.2, 0.1, 1.0, 3600, 1.4),),
    evidence=("x:1",),
    fingerprint="f" * 32,
)


def alert(
    name: str, ts_ms: int, p: float | None = 0.9, kind: AlertKind = "candidate", sequence: int = 0
) -> Alert:
    """An alert of the episode ``name``, available at ``ts_ms`` for all but follow-ups' episodes."""
    order = {"candidate": 0, "update": 1, "fading": 2, "closed": 3}[kind]
    return replace(
        _ALERT,
        alert_id=f"gd_{name}{order or ''}",
        kind=kind,
        sequence=sequence or order,
        token=f"eip155:1/erc20:0x{sum(map(ord, name)):040x}",
        ts_bar_end_ms=ts_ms,
        ts_available_ms=ts_ms,
        probability=p,
    )


@dataclass
class Clock:
    """A wall clock that moves when told, and on its own where ``runs``."""

    ms: int = 1_736_812_800_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class Got:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str = SECRET) -> dict[str, object]:
        """The body, verified by the independent library as any receiver would."""
        Webhook(secret).verify(self.body, self.headers)
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


@dataclass
class Receiver:
    """A web server that keeps what it gets and answers by ``script``, then 204."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    script: list[int | web.Response] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    before_answer: Callable[[], None] = lambda: None

    @property
    def ids(self) -> list[str]:
        return [g.id for g in self.got]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.got.append(Got({k.lower(): v for k, v in request.headers.items()}, body))
        self.news.set()
        self.before_answer()
        answer = self.script.pop(0) if self.script else 204
        return web.Response(status=answer) if isinstance(answer, int) else answer

    async def wait_for(self, count: int) -> None:
        while len(self.got) < count:
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def serving(handle: Handle, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a server on a free port of loopback, with TLS where there is a context."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        scheme = "https" if context else "http"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def receiver(
    script: Sequence[int | web.Response] = (), context: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that answers by script."""
    it = Receiver(script=list(script))
    async with serving(it.handle, context) as it.url:
        yield it


@asynccontextmanager
async def hanging() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The address of a server that answers nobody before the event is set."""
    let_go = asyncio.Event()

    async def handle(_: web.Request) -> web.StreamResponse:
        await let_go.wait()
        return web.Response(status=204)

    async with serving(handle) as url:
        try:
            yield url, let_go
        finally:
            let_go.set()


def endpoint(url: str, **settings: Any) -> EndpointSettings:
    values = {"name": "desk", "url": url, "secret": SECRET, "allow_private": True} | settings
    return EndpointSettings.of(values)


class Door:
    """A dispatcher on its own clock: jitter 0, so waits are half the nominal backoff."""

    def __init__(self, folder: Path, *endpoints: EndpointSettings, **options: Any) -> None:
        self.clock = Clock()
        self.outbox = Outbox(folder / "webhooks.sqlite")
        self.dispatcher = Dispatcher(
            self.outbox, endpoints, clock_ms=self.clock, jitter=lambda: 0.0, **options
        )

    async def __aenter__(self) -> Self:
        await self.dispatcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.stop()

    def pass_time(self, seconds: float) -> None:
        """Move the clock and wake the senders, which sleep by the real one."""
        self.clock.ms += round(seconds * 1000)
        for event in self.dispatcher._wake.values():
            event.set()

    async def until(self, alert_id: str, state: str, name: str = "desk") -> None:
        while self.outbox.state(name, alert_id) != state:
            await asyncio.sleep(0.01)

    async def attempted(self, alert_id: str, times: int) -> None:
        while len(self.outbox.attempts(alert_id)) < times:
            await asyncio.sleep(0.01)
