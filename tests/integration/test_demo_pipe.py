"""``goldendog demo`` as a process: on a pipe, as JSON, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "streams.cli.main", "demo")

DAY = re.compile(r"^-- 1\d Jan: [\d,]+ records read", re.MULTILINE)
"""A day that has passed; which ones are told depends on how fast they pass."""


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}


def run_demo(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [*COMMAND, *more],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert not list(tmp_path.glob("goldendog-demo-*"))
    return done


@pytest.mark.slow
def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--volume-divisor", "8")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "\x1b" not in text
    assert DAY.search(text)
    assert "candidate  MOMO" in text
    assert "because: " in text
    assert "still ahead" in text
    assert "next:" in text


@pytest.mark.slow
def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--volume-divisor", "60", "--json")
    summary = json.loads(done.stdout)
    momo = summary["coins"][0]
    assert momo["symbol"] == "MOMO"
    assert done.returncode == (1 if momo["candidate_ts_ms"] is None else 0)
    assert summary["records"] > 10_000
    assert summary["variation"]["volume_divisor"] == 60
    assert DAY.search(done.stderr.decode())


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--volume-divisor", "8"],
        cwd=ROOT,
        env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"-- "):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert not list(tmp_path.glob("goldendog-demo-*"))


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--volume-divisor", "8"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")
    assert not list(tmp_path.glob("goldendog-demo-*"))


@pytest.mark.slow
def test_a_disk_that_is_full_is_one_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--volume-divisor", "8"],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=280,
            check=False,
        )
    said = "goldendog: nothing more can be written: No space left on device; free some room\n"
    assert (done.returncode, done.stderr.decode()) == (1, said)
    assert not list(tmp_path.glob("goldendog-demo-*"))
