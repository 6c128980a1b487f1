"""The demo on Apache Kafka: the alerts of the embedded one, and nothing left behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pytest
from rich.console import Console

from schemas.records import Alert, Record
from streams.demo.board import Board
from streams.demo.kafka_stage import PARTITIONS, kafka_stage
from streams.demo.play import play
from streams.demo.screen import PlainScreen
from streams.demo.stage import Open, embedded_stage
from streams.model_store import load_default_model
from streams.scenario.coins import lexicon_text
from streams.worker.alerts import encode_alert
from tests.kafka.live import FROM_MS, PATIENCE_S, ROOT, goldendog, scenario

HOURS = 5

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def played(opening: Open, records: list[Record]) -> tuple[list[Alert], Board, str]:
    """Alerts in the order in which they were told, the board, and what a pipe got."""
    out = io.StringIO()
    board = Board({}, load_default_model().probability, len(records))
    screen = PlainScreen(Console(file=out, width=200), board)
    with screen:
        await play(opening, iter(records), board, screen, 0.0)
    return board.alerts, board, out.getvalue()


async def test_its_alerts_and_its_lines_are_the_embedded_ones(
    bare_broker: str, tmp_path: Path
) -> None:
    records = scenario(HOURS)
    said: list[str] = []
    lexicon = lexicon_text().encode()
    stage = kafka_stage(bare_broker, tmp_path, lexicon, FROM_MS, said.append)
    alerts, board, text = await played(stage, records)
    expected, embedded, lines = await played(embedded_stage(load_default_model()), records)
    assert [encode_alert(alert) for alert in alerts] == [encode_alert(alert) for alert in expected]
    assert len({alert.token for alert in alerts}) > 1  # of both partitions
    assert told(text) == told(lines)
    assert "candidate  MOMO" in text
    assert board.now_ms == embedded.now_ms
    assert {n: h.mentions_15m for n, h in board.hottest(99)} == {
        n: h.mentions_15m for n, h in embedded.hottest(99)
    }
    assert said == [f"starting {PARTITIONS} workers ..."]


def told(text: str) -> list[str]:
    """Lines, but for those that count records: what was fed ahead of the detectors differs."""
    return [line for line in text.splitlines() if not line.startswith("-- ")]


@pytest.mark.usefixtures("kafka_broker")
def test_a_signal_ends_the_broker_and_the_workers(tmp_path: Path) -> None:
    folder = tmp_path / "told-apart-by-this-name"
    folder.mkdir()
    with subprocess.Popen(
        goldendog("demo", "--kafka", "--volume-divisor", "60"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("starting 2 workers"):
                break
        until = monotonic() + PATIENCE_S
        while len(of(folder)) < 4:  # the demo's, the broker's, and the workers'
            assert monotonic() < until
            sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert of(folder) == []
    assert not list(folder.glob("goldendog-demo-*"))


def of(folder: Path) -> list[str]:
    """Processes that have a folder in their environment."""
    mark = f"TMPDIR={folder}".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            environment = (each / "environ").read_bytes().split(b"\0")
            alive = (each / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            continue
        if alive and mark in environment:
            found.append(each.name)
    return found
