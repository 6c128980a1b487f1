"""``goldendog demo``'s options, and what it says of a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.cli.main import exit_code
from streams.scenario.export import RECORDS


def test_write_exports_a_variation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "records"
    given = ["--write", str(folder), "--volume-divisor", "60", "--shape", "late", "--json"]
    assert exit_code(["demo", *given]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["records"] == len((folder / RECORDS).read_bytes().splitlines())
    assert report["variation"]["shape"] == "late"


def test_write_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["demo", "--write", str(tmp_path), "--volume-divisor", "60"]) == 0
    assert f"next: goldendog replay {tmp_path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--shape", "zigzag"], "write one of steady, steps"),
        (["--variation", "21"], "write 1 to 20"),
        (["--leading-platform", "usenet"], "write one of x,"),
        (["--volume-divisor", "0"], "write 1 to 100"),
        (["--delay", "-5"], "write 0 to 3600 seconds"),
        (["--seed", "-1"], "write 0 or more"),
        (["--write", "/dev/null/x", "--volume-divisor", "60"], "name another with --write"),
    ],
)
def test_a_mistake_is_one_sentence(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["demo", *given]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("there", [(), ("java",)])
def test_kafka_without_java_or_maven_says_what_to_install(
    there: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in there:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert exit_code(["demo", "--kafka"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    missing = "mvn" if there else "java"
    assert f"there is no {missing} here; install it: apt-get install openjdk" in told
