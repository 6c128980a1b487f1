"""What the how-tos show but their pages do not run: the receiver for Node, the systemd unit."""

from __future__ import annotations

import configparser
import http.client
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sinks.webhook.payload import body_of
from streams.sinks.webhook.secret import WebhookSecret
from streams.sinks.webhook.signing import headers
from tests.helpers.door import OTHER_SECRET, SECRET, alert
from tests.helpers.pages import ROOT, File, steps
from tests.helpers.parts import program
from tests.unit.test_docs import parse_command

UNIT = ROOT / "deploy" / "systemd" / "goldendog.service"


def _file(page: str, name: str) -> str:
    todo = steps((ROOT / "docs" / "howto" / page).read_text("utf-8"))
    return next(each.text for each in todo if isinstance(each, File) and each.name == name)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The page's receiver on a free port."""
    command = program("node", "apt-get install nodejs")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = int(s.getsockname()[1])
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "receiver.mjs").write_text(_file("webhook.md", "receiver.mjs"))
    process = subprocess.Popen(
        [command, "receiver.mjs"],
        cwd=tmp_path,
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port, process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _post(port: int, body: bytes, sent: dict[str, str]) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("POST", "/", body, sent)
    status = client.getresponse().status
    client.close()
    return status


def test_the_receiver_for_node_takes_ours_once_and_nothing_else(
    node: tuple[int, subprocess.Popen[str]],
) -> None:
    port, process = node
    now_s = int(time.time())
    body = body_of(alert("a", now_s * 1000), 900)
    ours = headers([WebhookSecret(OTHER_SECRET), WebhookSecret(SECRET)], "gd_a", now_s, body)
    assert _post(port, body, ours) == 204
    assert _post(port, body, ours) == 204
    other = headers([WebhookSecret(OTHER_SECRET)], "gd_a", now_s, body)
    old = headers([WebhookSecret(SECRET)], "gd_a", now_s - 301, body)
    no_time = ours | {"webhook-timestamp": "soon"}
    for wrong_body, wrong in (
        (body + b" ", ours),
        (body, ours | {"webhook-id": "gd_b"}),
        (body, other),
        (body, old),
        (body, no_time),
        (body, {}),
    ):
        assert _post(port, wrong_body, wrong) == 400
    process.terminate()
    assert process.stdout is not None
    printed = process.stdout.read()
    assert printed.count("golden_dog.candidate GDOG candidate: ") == 1
    assert printed.count("\n") == 1


def _unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text("utf-8"))
    return unit


def test_the_unit_runs_a_command_that_exists_and_writes_where_it_may() -> None:
    service = _unit()["Service"]
    command, *args = shlex.split(service["ExecStart"])
    assert command.endswith("/bin/goldendog")
    assert parse_command(args)["embedded"] is True
    environment = dict(pair.split("=", 1) for pair in shlex.split(service["Environment"]))
    assert environment["GOLDENDOG_DATA_DIR"] == f"/var/lib/{service['StateDirectory']}"
    assert environment["GOLDENDOG_CACHE_DIR"] == f"/var/cache/{service['CacheDirectory']}"
    assert service["RestartPreventExitStatus"] == "2"  # a user's mistake is not mended by time


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    command = program("systemd-analyze", "apt-get install systemd")
    text = re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text("utf-8"))
    copy = tmp_path / UNIT.name
    copy.write_text(text, "utf-8")
    done = subprocess.run(
        [command, "verify", str(copy)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert told == []
    copy.write_text(text.replace("Restart=on-failure", "Restart=sometimes"), "utf-8")
    spoilt = subprocess.run(
        [command, "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert "sometimes" in spoilt.stderr
