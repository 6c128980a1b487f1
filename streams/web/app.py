"""The web application, and serving it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from aiohttp import web

from schemas.errors import BusyError, UserError
from streams.web.alerts import AlertsDoor
from streams.web.health import Health
from streams.web.intake import Intake
from streams.web.patience import HEADERS_TIMEOUT_S, Patience
from streams.web.problem import HttpError, json_response
from streams.web.records import Limits, RecordsDoor
from streams.web.token import Token

_log = structlog.get_logger("goldendog.web")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PATIENCE: Final = web.AppKey("patience", Patience)
_PATHS: Final = "POST /v1/records, GET /v1/alerts, /metrics, /healthz or /readyz"


class MetricsPage(Protocol):
    """What the door needs of the metrics (streams.metrics)."""

    def render(self, accept: str) -> tuple[bytes, str]:
        """Give the exposition and its content type."""
        ...

    def count_request(self, route: str, status: int) -> None:
        """Count an answered request."""


def make_web_app(
    intake: Intake | None,
    metrics: MetricsPage,
    health: Health,
    token: Token | None = None,
    limits: Limits | None = None,
    *,
    headers_timeout_s: float = HEADERS_TIMEOUT_S,
) -> web.Application:
    """Make the application. Serve it by ``serve``, which leaves bodies packed.

    Parameters
    ----------
    intake : takes records and reads alerts; None where the process has no log of its own, and
        then there is no ``/v1``.
    metrics, health : behind ``/metrics``, ``/healthz`` and ``/readyz``, which need no token.
    token : what ``/v1`` asks for; required where there is an intake.
    limits : what one request may ask for.
    headers_timeout_s : seconds a connection has until its first request's headers are there.
    """
    patience = Patience(headers_timeout_s)
    guard = _Guard(metrics, token)

    @web.middleware
    async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
        patience.heard(request)
        return await guard(request, handler)

    app = web.Application(middlewares=[guarded])
    app[_PATIENCE] = patience
    if intake is not None:
        if token is None:
            raise ValueError("the door needs a token")
        app.router.add_post("/v1/records", RecordsDoor(intake, limits or Limits()).post)
        app.router.add_get("/v1/alerts", AlertsDoor(intake.log).get)
    pages = _Pages(metrics, health)
    app.router.add_get("/metrics", pages.metrics)
    app.router.add_get("/healthz", pages.healthz)
    app.router.add_get("/readyz", pages.readyz)

    async def turning(_: web.Application) -> None:
        health.start()

    async def still(_: web.Application) -> None:
        await health.stop()

    app.on_startup.append(turning)
    app.on_cleanup.append(still)
    return app


class _Guard:
    """Asks for the token, and turns every error into JSON."""

    def __init__(self, metrics: MetricsPage, token: Token | None) -> None:
        self._metrics = metrics
        self._token = token

    async def __call__(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        response = await self._answer(request, handler)
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        self._metrics.count_request(route, response.status)
        if response.status >= 400 and not request.content.is_eof():
            response.force_close()  # the rest of the body is not read
        return response

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if request.path.startswith("/v1/"):
                self._admit(request)
            return await handler(request)
        except HttpError as problem:
            return problem.response()
        except web.HTTPException as error:
            wrong = "this path has no such method" if error.status == 405 else "no such path"
            return HttpError(error.status, wrong, f"use {_PATHS}").response()
        except Exception:  # noqa: BLE001 - logged, counted by its status, told to the client
            _log.exception("a request failed", method=request.method)
            return HttpError(500, "goldendog failed", "see its log").response()

    def _admit(self, request: web.Request) -> None:
        if self._token is not None and not self._token.admits(request.headers.get("Authorization")):
            raise HttpError(
                401,
                "the token is missing or wrong",
                "send `Authorization: Bearer <http.token>`",
                {"WWW-Authenticate": 'Bearer realm="goldendog"'},
            )


class _Pages:
    def __init__(self, metrics: MetricsPage, health: Health) -> None:
        self._metrics = metrics
        self._health = health

    async def metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def healthz(self, _: web.Request) -> web.Response:
        alive = self._health.alive
        return json_response(
            {"alive": alive, "event_loop_lag_s": round(self._health.lag_s, 3)},
            status=200 if alive else 503,
        )

    async def readyz(self, _: web.Request) -> web.Response:
        checks = self._health.findings()
        ready = all(finding.ok for finding in checks.values())
        told = {"ready": ready, "checks": checks, "partitions": self._health.partitions()}
        return json_response(told, status=200 if ready else 503)


class Served:
    """An application that is up. ``host`` and ``port`` say where."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, patience: Patience | None = None
    ) -> None:
        self._runner = runner
        self._patience = patience
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """Address to reach it at, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Let requests under way end, for some seconds, and close."""
        if self._patience is not None:
            await self._patience.stop()
        await self._runner.cleanup()


async def serve(app: web.Application, host: str, port: int) -> Served:
    """Serve an application; port 0 takes any free one.

    Raises BusyError where the port is in use, UserError where the address cannot be used.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # the door unpacks by itself, within limits
        shutdown_timeout=5.0,
        keepalive_timeout=75.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise BusyError(
                f"port {port} of {host} is used by another process",
                "stop it, or choose another port: http.port, 0 for any free one",
            ) from None
        # Python 3.13 passes over addresses that are not ours, and has no number for "none is left".
        if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, None):
            raise UserError(
                f"{host} is no address of this machine", "use 127.0.0.1, or 0.0.0.0 for all"
            ) from None
        raise UserError(
            f"port {port} of {host} cannot be used: {error.strerror}",
            "choose a port from 1024 on: http.port",
        ) from None
    bound = runner.addresses[0]
    patience = app.get(_PATIENCE)
    if patience is not None and runner.server is not None:
        patience.start(runner.server)
    return Served(runner, host, int(bound[1]), patience)
