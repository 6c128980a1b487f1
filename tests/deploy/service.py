"""A service of compose.yaml as a container: its command, environment, volumes and health check."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.deploy.image import Container, Image

DEPLOY = Path(__file__).parents[2] / "deploy"


class NotSoError(Exception):
    """Something is not as compose.yaml, or its pages, promise."""


def say(text: str) -> None:
    """A line of what was seen."""
    print(text, flush=True)


def until(what: str, seconds: float, seen: Callable[[], Any]) -> Any:
    """Ask again until the answer is true; how long it took is told."""
    began = monotonic()
    while not (answer := seen()):
        if monotonic() - began > seconds:
            raise NotSoError(f"not within {seconds:g} s: {what}")
        sleep(0.2)
    say(f"{what} ({monotonic() - began:.1f} s)")
    return answer


def seconds_of(text: str) -> float:
    """``70s`` as compose writes it."""
    return float(text.removesuffix("s"))


def patience(check: dict[str, Any]) -> float:
    """Seconds after which a service that its check never found healthy is not."""
    start = seconds_of(check.get("start_period", "0s"))
    return start + seconds_of(check["interval"]) * int(check.get("retries", 3))


def environment(told: dict[str, Any]) -> dict[str, str]:
    """A service's variables, with what compose puts in where nothing is set."""
    whole = {name: str(value) for name, value in told.get("environment", {}).items()}
    return {k: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", v) for k, v in whole.items()}


class Service:
    """One of compose's services."""

    def __init__(self, name: str, told: dict[str, Any], image: Image, folder: Path) -> None:
        self.name, self.told, self._log = name, told, folder / f"{name}.log"
        binds = {}
        for source, inside, *_ in (each.split(":") for each in told.get("volumes", ())):
            here = DEPLOY / source if source.startswith(".") else folder / f"volume-{source}"
            if not here.exists():  # a new volume is what the image holds there, owners too
                subprocess.run(["cp", "-a", image.within(inside), here], check=True)
            binds[inside] = here.resolve()
        self.box = Container(
            image, folder / name, environment(told), binds, network=f"goldendog-{name}"
        )
        hosts = self.box.folder / "layer" / "etc" / "hosts"
        hosts.parent.mkdir(parents=True)
        shutil.copy(folder / "hosts", hosts)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """As ``docker start`` does."""
        words = [*self.box.image.entrypoint, *self.told.get("command", ())]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.box.command(words), stdout=log, stderr=log)

    def end_well(self, seconds: float) -> None:
        """Start it, and wait for its end, which must be a good one."""
        self.start()
        assert self.process is not None
        if code := self.process.wait(seconds):
            raise NotSoError(f"{self.name} ended with code {code}: {self.tail()}")
        say(f"{self.name}: {self.tail().strip().splitlines()[-1]}")

    def pid(self) -> str:
        """Its process 1, as this machine numbers it; empty before it is there."""
        assert self.process is not None
        own = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return Path(own).read_text().strip() if self.process.poll() is None else ""

    def healthy(self) -> bool:
        """Its own health check, carried out within."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise NotSoError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
        check = self.told["healthcheck"]
        within = ["nsenter", "-t", self.pid(), "-m", "-p", "-n", "-r", "-w"]
        env = [f"{k}={v}" for k, v in (self.box.image.env | self.box.env).items()]
        command = [*within, "env", "-i", *env, *check["test"][1:]]
        with suppress(subprocess.TimeoutExpired):
            limit = seconds_of(check["timeout"])
            return not subprocess.run(
                command, capture_output=True, timeout=limit, check=False
            ).returncode
        return False

    def await_healthy(self) -> None:
        """Within the time that its check allows."""
        limit = patience(self.told["healthcheck"])
        until(f"{self.name} is healthy by its own check", limit, self.healthy)

    def end(self, what: signal.Signals, seconds: float) -> int:
        """Send a signal to process 1; the exit code."""
        assert self.process is not None
        began = monotonic()
        if pid := self.pid():
            os.kill(int(pid), what)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotSoError(
                f"{self.name} did not end within {seconds:g} s of {what.name}"
            ) from None
        told = "" if what is signal.SIGKILL else f", code {code}"
        say(f"{self.name} ended {monotonic() - began:.1f} s after {what.name}{told}")
        return code

    def kill(self) -> None:
        """Leave nothing of it."""
        if self.process is not None:
            if pid := self.pid():
                os.kill(int(pid), signal.SIGKILL)
            self.process.wait()

    def tail(self) -> str:
        """The end of what it said."""
        return self._log.read_text("utf-8", "replace")[-3_000:]
