"""One attempt to deliver: a signed POST, and what its answer means."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import Final, Literal

import aiohttp

from streams.sinks.webhook.backoff import retry_after_s
from streams.sinks.webhook.guard import guarded_socket
from streams.sinks.webhook.settings import EndpointSettings
from streams.sinks.webhook.signing import headers

Outcome = Literal[
    "delivered",
    "redirect",
    "client_error",
    "gone",
    "throttled",
    "server_error",
    "timeout",
    "network",
    "tls",
    "refused",
]
OUTCOMES: Final[tuple[Outcome, ...]] = Outcome.__args__  # type: ignore[attr-defined]
RETRIED: Final[frozenset[Outcome]] = frozenset(
    {"throttled", "server_error", "timeout", "network", "tls"}
)
RETRIED_STATUS: Final = frozenset({404, 408, 409, 425})
"""Client errors that pass: a receiver that is being replaced, or asks to be asked again."""
MAX_BODY_BYTES: Final = 4_096


@dataclass(frozen=True)
class Answer:
    """What an attempt came to.

    Parameters
    ----------
    outcome : one of ``OUTCOMES``, the metric's label.
    status : the HTTP status, where there was an answer.
    detail : for the delivery log; holds no URL and nothing the receiver wrote.
    retry_after : seconds the receiver asked to be left alone.
    reached : the receiver may have read the alert.
    """

    outcome: Outcome
    status: int | None
    detail: str
    retry_after: float | None
    reached: bool

    @property
    def retried(self) -> bool:
        """Whether another attempt may help."""
        return self.outcome in RETRIED or self.status in RETRIED_STATUS


def outcome_of(status: int) -> Outcome:
    """Meaning of an HTTP status.

    >>> [outcome_of(s) for s in (204, 302, 404, 410, 429, 503)]
    ['delivered', 'redirect', 'client_error', 'gone', 'throttled', 'server_error']
    """
    if 200 <= status < 300:
        return "delivered"
    if status == 410:
        return "gone"
    if status == 429:
        return "throttled"
    if status < 400:
        return "redirect"
    return "client_error" if status < 500 else "server_error"


class Sender:
    """The connections to one endpoint. Make it and close it inside the event loop."""

    def __init__(self, endpoint: EndpointSettings) -> None:
        self._endpoint = endpoint
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=None if endpoint.allow_private else guarded_socket,
                limit=2,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the answer's body is thrown away: no bomb goes off
            skip_auto_headers=("Accept-Encoding",),
            trust_env=False,  # a proxy would resolve names past the guard
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def send(self, alert_id: str, body: bytes, *, now_s: float, timeout_s: float) -> Answer:
        """Make one attempt, within ``timeout_s`` seconds. Never raises for what a receiver does."""
        try:
            async with self._session.post(
                self._endpoint.url,
                data=body,
                headers=headers(self._endpoint.secrets, alert_id, int(now_s), body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                status = response.status
                wait = retry_after_s(response.headers.get("Retry-After"), now_s)
                await _drain(response)
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            outcome, detail, reached = _failure(error)
            return Answer(outcome, None, detail, None, reached)
        return Answer(outcome_of(status), status, f"HTTP {status}", wait, reached=True)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a short body, so that the connection can be used again; the status stands anyway."""
    try:
        async with asyncio.timeout(1):
            await response.content.read(MAX_BODY_BYTES)
    except (TimeoutError, aiohttp.ClientError, OSError):
        response.close()


def _failure(error: Exception) -> tuple[Outcome, str, bool]:
    """Outcome, detail, and whether the alert may have been read."""
    if isinstance(error, aiohttp.ClientSSLError):  # first: it has no os_error
        return "tls", "the TLS certificate or handshake failed", False
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "network", "the name does not resolve", False
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if cause.errno == errno.EPERM and "refused" in str(cause):
            return "refused", str(cause.strerror or "refused: not a public address"), False
        return "network", f"no connection: {errno.errorcode.get(cause.errno or 0, 'failed')}", False
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "timeout", "no connection in time", False
    if isinstance(error, TimeoutError):
        return "timeout", "no answer in time", True
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return "refused", "the URL cannot be used", False
    return "network", f"the connection broke: {type(error).__name__}", True
