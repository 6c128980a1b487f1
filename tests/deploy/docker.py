"""``make deploy-docker``: deploy/ brought up by Docker Compose, and put through a day.

It takes compose.yaml as it stands, under a project name of its own, and leaves nothing of it but images.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from time import monotonic
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.day import WORKERS, Day
from tests.deploy.service import DEPLOY, NotSoError, patience, say, seconds_of, until

FILE = DEPLOY / "compose.yaml"
COMPOSE = ("docker", "compose", "-f", str(FILE), "-p", "goldendog-day", "--profile", "watch")
END = "import os, signal; os.kill(1, signal.SIGTERM)"  # to Docker, `docker kill` would be our wish


def compose(*words: str, check: bool = True) -> str:
    """Docker Compose on our project; what it printed.

    Raises:
        NotSoError: It failed.
    """
    ran = subprocess.run([*COMPOSE, *words], capture_output=True, text=True, check=False)
    if check and ran.returncode:
        raise NotSoError(f"docker compose {' '.join(words)}: {ran.stderr[-3_000:]}")
    return ran.stdout


class Service:
    """A service of the project, driven by Docker."""

    def __init__(self, name: str, told: dict[str, Any]) -> None:
        self.name, self.told = name, told

    def state(self) -> dict[str, Any]:
        """What ``docker inspect`` says of its container."""
        [own] = compose("ps", "--all", "--quiet", self.name).split()
        ran = subprocess.run(["docker", "inspect", own], capture_output=True, text=True, check=True)
        return dict(json.loads(ran.stdout)[0])

    def start(self) -> None:
        """Where it does not run; not what it depends on."""
        compose("up", "--detach", "--no-deps", "--no-recreate", self.name)

    def end_well(self, seconds: float) -> None:
        """Start it, and wait for its end, which must be a good one."""
        self.start()
        until(f"{self.name} ends", seconds, lambda: self.state()["State"]["Status"] == "exited")
        if code := self.state()["State"]["ExitCode"]:
            raise NotSoError(f"{self.name} ended with code {code}: {self.tail()}")
        say(f"{self.name}: {self.tail().strip().splitlines()[-1]}")

    def await_healthy(self) -> None:
        """As Docker sees it, within the time that its check allows."""
        until(
            f"{self.name} is healthy to Docker",
            patience(self.told["healthcheck"]),
            lambda: self.state()["State"]["Health"]["Status"] == "healthy",
        )

    def end(self, what: signal.Signals, seconds: float) -> int:
        """By ``kill``, or by ``stop`` with the grace that compose.yaml gives it; the exit code."""
        began = monotonic()
        if what is signal.SIGTERM:
            compose("stop", self.name)
        else:
            compose("kill", "--signal", what.name, self.name)
        took = monotonic() - began
        until(f"{self.name} has ended", seconds, lambda: not self.state()["State"]["Running"])
        code = int(self.state()["State"]["ExitCode"])
        say(f"{self.name} ended {took:.1f} s after {what.name}, code {code}")
        return code

    def comes_again(self) -> None:
        """Have its process end; Docker must start another, as ``restart`` says."""
        before = self.state()["RestartCount"]
        compose("exec", "--no-TTY", self.name, "python", "-c", END)
        until(
            f"Docker starts {self.name} again",
            seconds_of(self.told["stop_grace_period"]),
            lambda: self.state()["RestartCount"] > before,
        )
        self.await_healthy()

    def tail(self) -> str:
        """The end of what it said."""
        return compose("logs", "--no-log-prefix", "--tail", "40", self.name)


def main() -> int:
    """Bring everything up, go through a day, end everything; 1 where something is not so."""
    wants = "install Docker Engine and its plugins Compose and Buildx, and start it"
    asked = (["docker", "info"], ["docker", "compose", "version"])
    if shutil.which("docker") is None or any(
        subprocess.run(words, capture_output=True, check=False).returncode for words in asked
    ):
        print(f"make deploy-docker starts containers: {wants}")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is below ends what it started
    told = yaml.safe_load(FILE.read_text())["services"]
    services = {name: Service(name, each) for name, each in told.items()}
    try:
        compose("down", "--volumes")  # what a run left that was killed
        began = monotonic()
        compose("up", "--build", "--detach")
        say(f"docker compose up --build: everything is up ({monotonic() - began:.0f} s)")
        for name in WORKERS:
            services[name].await_healthy()
        services[WORKERS[0]].comes_again()
        Day(services).run()
    except (NotSoError, AssertionError) as error:
        say(f"NOT SO: {error}")
        return 1
    finally:
        compose("down", "--volumes", check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
