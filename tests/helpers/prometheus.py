"""Prometheus and promtool as they are on this machine; what to install where they are not."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.parts import program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
_INSTALL = "apt-get install -y --no-install-recommends prometheus"


def promtool(*arguments: str, given: bytes = b"") -> str:
    """Run promtool; its output, or a failed test that shows it."""
    done = subprocess.run(
        [program("promtool", _INSTALL), *arguments],
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


class Prometheus:
    """A Prometheus that is up."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:
        """Ask its API."""
        asked = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(asked, timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def value_of(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression to labels and values."""
        found = self.get("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Start Prometheus with our rules, scraping ``target`` each second; end it afterwards."""
    binary = program("prometheus", _INSTALL)
    config = (DEPLOY / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:8080", target).replace(": 15s", ": 1s")
    config = config.replace("goldendog.rules.yml", str(DEPLOY / "goldendog.rules.yml"))
    (folder / "prometheus.yml").write_text(config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        it = Prometheus(f"http://127.0.0.1:{port}")
        _await_ready(it, process, folder / "prometheus.log")
        yield it
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(it: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{it.url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prometheus did not start:\n{log.read_text()}")
