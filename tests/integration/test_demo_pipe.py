"""``goldendog demo`` as a process: on a pipe, as JSON, interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "streams.cli.main", "demo", "--volume-divisor", "8")


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_a_pipe_gets_plain_lines_and_json_gets_the_same_verdict(tmp_path: Path) -> None:
    outcomes = []
    for more in ((), ("--json",)):
        done = subprocess.run(
            [*COMMAND, *more],
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            timeout=280,
            check=False,
        )
        outcomes.append(done)
        assert done.returncode == 0, done.stderr.decode()
        assert not list(tmp_path.glob("goldendog-demo-*"))
    plain, as_json = (done.stdout.decode() for done in outcomes)
    assert "\x1b" not in plain
    assert "-- 14 Jan:" in plain
    assert "candidate  MOMO" in plain
    assert "because: " in plain
    assert "still ahead" in plain
    assert "next:" in plain
    summary = json.loads(as_json)
    assert summary["records"] > 40_000
    momo = summary["coins"][0]
    assert momo["symbol"] == "MOMO"
    assert f"{momo['multiple_ahead']:.1f}x" in plain
    assert "candidate  MOMO" in outcomes[1].stderr.decode()


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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
