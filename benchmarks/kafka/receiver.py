"""A webhook's receiver on the loopback interface: what came, and when."""

from __future__ import annotations

import json
from time import monotonic
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiohttp import web

LEAST_LOGIT: Final = -8_000_000
"""Threshold of workers that are measured: a wave opens an episode as soon as there is a crowd, so
that there are many alerts to time. When an alert comes does not depend on it."""
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the one of the documents


class Received(NamedTuple):
    """An alert as it came in; ``at`` is monotonic seconds."""

    at: float
    token: str
    kind: str
    bar_end_ms: int
    alert_id: str


class Receiver:
    """Takes alerts while the block lasts; ``url`` is where."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.ids: set[str] = set()
        self.again = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        at = monotonic()
        alert: dict[str, Any] = json.loads(await request.read())
        alert = alert.get("data", alert)
        if alert["alert_id"] in self.ids:
            self.again += 1
        else:
            self.ids.add(alert["alert_id"])
            self.received.append(
                Received(
                    at, alert["token"], alert["kind"], alert["ts_bar_end_ms"], alert["alert_id"]
                )
            )
        return web.Response(status=204)

    def config(self) -> str:
        """Settings of a worker that sends here."""
        return (
            f"[engine]\ncandidate_logit_micro = {LEAST_LOGIT}\n"
            f'[[webhooks]]\nname = "bench"\nurl = "{self.url}"\nsecret = "{SECRET}"\n'
            "allow_private = true\nmax_per_day = 100000\n"
        )
