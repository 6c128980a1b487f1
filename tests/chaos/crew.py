"""Worker processes as a supervisor keeps them: started, killed, frozen, started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.helpers.ports import free_ports
from tests.kafka.live import ROOT

STOP_S = 60.0
RESTART_PAUSE_S = 0.5


@dataclass
class Process:
    """One life of a worker, and the port of its metrics."""

    popen: subprocess.Popen[bytes]
    port: int

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None


class Worker:
    """A ``goldendog run`` with a data folder of its own, over any number of lives.

    Parameters
    ----------
    name : of its data folder, and of its log beside it.
    args : of ``goldendog run``.
    options : variables of its environment; ``DOOM`` has it kill itself (see ``tests.chaos.doomed``).
    """

    def __init__(
        self, name: str, folder: Path, args: Sequence[str], options: Mapping[str, str]
    ) -> None:
        self.name = name
        self.folder = folder
        self.options = dict(options)
        self.starts = 0
        self.codes: list[int] = []
        """Exit codes of its lives, negative for a signal."""
        self.process: Process | None = None
        self._args = args
        self._keeper: asyncio.Task[None] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._said_before = 0
        self._log = folder / "worker.log"
        self._log.touch()

    def start(self, doom: str = "") -> Process:
        """Begin a life."""
        (port,) = free_ports(1)
        args = ("run", *self._args, "--data-dir", str(self.folder), "--http-port", str(port))
        env = os.environ | {"GOLDENDOG_CONFIG": "", "DOOM": doom, "GOLDENDOG_LOG__FORMAT": "json"}
        self._said_before = len(self.said())
        with self._log.open("ab") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.doomed", *args, "--json"],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=env | self.options,
            )
        self.starts += 1
        self.process = Process(popen, port)
        return self.process

    def keep(self) -> None:
        """Start it, and start it again whenever it has ended, as a supervisor does."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keeper of {self.name}")

    async def _keep(self) -> None:
        while True:
            process = self.start() if self.process is None else self.process
            while process.alive:
                await asyncio.sleep(0.05)
            self._ended()
            await asyncio.sleep(RESTART_PAUSE_S)

    async def unkept(self) -> None:
        """From here on nobody starts it again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the present life."""
        assert self.process is not None
        self.process.popen.send_signal(number)

    async def wait(self, seconds: float = STOP_S) -> int:
        """Wait until the present life has ended; its exit code."""
        assert self.process is not None
        code = await asyncio.to_thread(self.process.popen.wait, seconds)
        self._ended()
        return code

    async def kill(self) -> None:
        """End the present life as a crash would."""
        self.signal(signal.SIGKILL)
        if self._keeper is None:
            await self.wait()

    async def drain(self) -> float:
        """Ask it to stop by SIGTERM, which must end with code 0; the seconds this took."""
        await self.unkept()
        began = monotonic()
        self.signal(signal.SIGTERM)
        code = await self.wait()
        assert code == 0, f"{self.name} ended with {code}: {self.said()[-3_000:]}"
        return monotonic() - began

    async def end(self) -> None:
        """End it by force, if it lives."""
        await self.unkept()
        if self.process is not None:
            self.process.popen.kill()
            await self.wait()

    @property
    def there(self) -> bool:
        """Whether it lives, or somebody will start it again."""
        return self.process is not None or self._keeper is not None

    @property
    def working(self) -> bool:
        """Whether its present life has joined the group."""
        alive = self.process is not None and self.process.alive
        return alive and self.said()[self._said_before :].count("working on") > 0

    def said(self) -> str:
        """What all its lives logged."""
        return self._log.read_text("utf-8", "replace")

    def _ended(self) -> None:
        assert self.process is not None
        self.codes.append(self.process.popen.wait())
        self.process = None
