"""``goldendog run`` whose standard output cannot be written: no traceback, and no alert is passed over."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from streams.embedded import run_embedded
from streams.files.write import write_records
from streams.run.embedded import EmbeddedPlan, run_plan
from streams.run.report import Reporter, UntoldError
from streams.settings import Settings
from tests.helpers.crowd import EAGER
from tests.helpers.door import alert
from tests.helpers.embedded_child import options_of
from tests.helpers.wire import random_records

ROOT = Path(__file__).parents[2]
FULL = "goldendog: nothing more can be written: No space left on device; free some room"
CLOSED = "goldendog: standard output was closed: stopped; the next run goes on from here"


class _Stream(io.StringIO):
    """Fails as it is told, and then takes what it gets."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error: OSError | None = error

    def flush(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [(BrokenPipeError(32, "Broken pipe"), f"{CLOSED}\n"), (OSError(28, "No space left"), "")],
)
def test_an_alert_that_is_not_told_is_not_counted(
    error: OSError,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdout", _Stream(error))
    reporter = Reporter(as_json=True)
    with pytest.raises(OSError) as caught, reporter.unwrapping():
        reporter.alert(alert("gd_1", 0))
    assert caught.value is error
    assert reporter.alerts == 0
    reporter.alert(alert("gd_1", 0))
    assert reporter.alerts == 1
    assert capsys.readouterr().err == said


def test_an_untold_alert_says_why() -> None:
    assert str(UntoldError(OSError(28, "No space left"))).endswith("written: No space left")


def run(tmp_path: Path, stdout: Any) -> subprocess.Popen[bytes]:
    """A run over a wave that alerts often."""
    file, config = tmp_path / "records.ndjson", tmp_path / "goldendog.toml"
    if not file.exists():
        write_records(random_records(21), file)
        config.write_text(EAGER)
    args = ["--embedded", "--config", config, "--recorded-time", "--exit-at-end", "--json", file]
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "run", *map(str, args)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_next_run_tells_what_was_not_told(
    tmp_path: Path,
) -> None:
    with Path("/dev/full").open("wb") as full, run(tmp_path, full) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1] == FULL
    assert b"Traceback" not in errors and b"Crashed" not in errors
    with run(tmp_path, subprocess.PIPE) as process:
        told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert len(told.splitlines()) > 3
    assert b'"sequence":0' in told.splitlines()[0]


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_with_one_sentence(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with run(tmp_path, writer) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1] == CLOSED
    assert b"Traceback" not in errors and b"Crashed" not in errors


async def test_what_is_watched_ends_with_who_watches_it(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with run_embedded(options_of(tmp_path, 1)) as run:
        watching = asyncio.create_task(run.watch(work()))
        await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert ended.is_set()


def test_a_run_that_is_stopped_while_it_warms_up_makes_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warm_up(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)

    monkeypatch.setattr("streams.run.embedded.warm_up", warm_up)
    plan = EmbeddedPlan(Settings(), options_of(tmp_path / "data", 1))
    run_plan(plan, Reporter(as_json=False))
    assert capsys.readouterr().err.splitlines()[-1] == "goldendog: stopped before it began"
    assert not (tmp_path / "data").exists()
