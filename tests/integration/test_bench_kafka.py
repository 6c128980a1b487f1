"""``make bench-kafka`` in a tiny form, on a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.kafka", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.broker
def test_a_backlog_is_read_to_its_end_by_workers_and_peers(bare_broker: str) -> None:
    asked = ["--quick", "--json", "--no-quix", "--only", "backlog", "--bootstrap", bare_broker]
    ran = bench(*asked)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert list(report) == ["machine", "backlog"]
    part = report["backlog"]
    assert set(part["rows"]) == {"detect", "resolve", "faust_decode", "faust_scores"}
    assert {name: row["records"] for name, row in part["rows"].items()} == {
        "detect": part["sizes"]["ticks"],
        "resolve": part["sizes"]["mentions"],
        "faust_decode": part["sizes"]["faust"],
        "faust_scores": part["sizes"]["faust"],
    }
    assert all(row["least"] > 0 for row in part["rows"].values())
    assert 190 < part["bytes_per_tick"] < 230
    ratio = part["ratios"]["detect_to_faust_decode"]
    faust = part["rows"]["faust_decode"]["records_per_cpu_s"]
    assert ratio * faust == pytest.approx(part["rows"]["detect"]["records_per_cpu_s"])
    assert part["quixstreams"] == "left out: not asked for"


@pytest.mark.broker
def test_a_broker_with_topics_of_ours_is_left_alone(bare_broker: str) -> None:
    from streams.kafka.admin import topics_create, topics_describe

    topics_create(bare_broker, 1)
    there = [state.name for state in topics_describe(bare_broker)]
    ran = bench("--quick", "--only", "backlog", "--bootstrap", bare_broker)
    assert ran.returncode == 2
    assert "measuring deletes it" in ran.stderr
    assert [state.name for state in topics_describe(bare_broker)] == there
