"""Closes connections on which no request comes: a client that trickles headers holds no place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

HEADERS_TIMEOUT_S: Final = 10.0
"""Seconds from a connection's start until its first request's headers are all there."""
_LOOKS: Final = 10
"""Looks at the connections within that time."""


class Patience:
    """How long a new connection may take to say what it wants.

    The time of bodies and the pauses between requests have limits of their own.

    Parameters
    ----------
    timeout_s : seconds a connection has until its first headers are complete.
    """

    def __init__(self, timeout_s: float = HEADERS_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._since: dict[Any, float] = {}
        self._spoke: set[Any] = set()
        self._task: asyncio.Task[None] | None = None

    def heard(self, request: web.Request) -> None:
        """Note that a request's headers are complete."""
        self._spoke.add(request.protocol)

    def start(self, server: web.Server) -> None:
        """Watch the connections of a server until ``stop``."""
        self._task = asyncio.create_task(self._watch(server), name="patience")

    async def stop(self) -> None:
        """End watching."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self, server: web.Server) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._timeout_s / _LOOKS)
            now = clock()
            there = set(server.connections)
            self._spoke &= there  # whoever has left is forgotten
            self._since = {each: self._since.get(each, now) for each in there - self._spoke}
            for connection, since in self._since.items():
                if now - since >= self._timeout_s:
                    connection.force_close()
