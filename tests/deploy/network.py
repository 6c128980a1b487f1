"""Compose's network: a namespace for each service on one bridge, names, and published ports."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

BRIDGE, SUBNET = "goldendog0", "10.213.77"


def ip(*words: str, check: bool = True) -> None:
    """Iproute2."""
    subprocess.run(["ip", *words], check=check, capture_output=not check)


def addresses_of(names: Iterable[str]) -> dict[str, str]:
    """One for each service."""
    return {name: f"{SUBNET}.{i}" for i, name in enumerate(names, 2)}


def _clear(names: Iterable[str]) -> None:
    for name in names:
        ip("netns", "del", f"goldendog-{name}", check=False)
    ip("link", "del", BRIDGE, check=False)


@contextmanager
def network(addresses: dict[str, str], hosts: Path) -> Iterator[None]:
    """A bridge, and a namespace for each name; ``hosts`` tells them of each other."""
    lines = ["127.0.0.1 localhost", *(f"{a} {name}" for name, a in addresses.items())]
    hosts.write_text("\n".join(lines) + "\n")
    _clear(addresses)  # what a run left that was killed
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for i, (name, address) in enumerate(addresses.items()):
            space = f"goldendog-{name}"
            ip("netns", "add", space)
            ip("link", "add", f"gd{i}", "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", f"gd{i}", "master", BRIDGE, "up")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        yield
    finally:
        _clear(addresses)


def publish(services: dict[str, dict[str, Any]], addresses: dict[str, str]) -> None:
    """Ports as compose publishes them: of this machine, handed on to the services."""
    loop = asyncio.new_event_loop()

    async def pump(a: asyncio.StreamReader, b: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await a.read(65_536):
                b.write(some)
                await b.drain()
        b.close()

    async def listen(at: str, port: str, host: str, inside: str) -> None:
        async def accept(a: asyncio.StreamReader, b: asyncio.StreamWriter) -> None:
            try:
                c, d = await asyncio.open_connection(host, int(inside))
            except OSError:
                b.close()
                return
            await asyncio.gather(pump(a, d), pump(c, b))

        await asyncio.start_server(accept, at, int(port))

    for name, told in services.items():
        for mapped in told.get("ports", ()):
            at, port, inside = mapped.split(":")
            loop.run_until_complete(listen(at, port, addresses[name], inside))
    Thread(target=loop.run_forever, daemon=True).start()
