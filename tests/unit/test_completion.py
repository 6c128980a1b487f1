"""Shell completion: the scripts are produced, and a real bash completes with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and a ``goldendog`` first in the path."""
    shim = tmp_path / "bin" / "goldendog"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streams.cli.main "$@"\n')
    shim.chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "PATH": f"{shim.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def _bash(script: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def _complete(words: str, env: dict[str, str], load: str) -> list[str]:
    """What bash offers for the last of ``words``."""
    script = f"""
        {load}
        COMP_WORDS=({words})
        COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        $(complete -p goldendog | sed 's/.*-F \\([^ ]*\\) .*/\\1/') goldendog
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return _bash(script, env).split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("goldendog ''", list(COMMANDS)),
        ("goldendog rep", ["replay"]),
        ("goldendog topics ''", ["create", "check", "describe", "repartition"]),
        ("goldendog config s", ["show"]),
        ("goldendog replay --sc", ["--scores"]),
        ("goldendog run --http-", ["--http-port"]),
    ],
)
def test_bash_completes(words: str, offered: list[str], env: dict[str, str]) -> None:
    load = 'eval "$(_GOLDENDOG_COMPLETE=source_bash goldendog)"'
    assert _complete(words, env, load) == offered


def test_bash_completes_once_installed(env: dict[str, str]) -> None:
    assert "completion installed" in _bash("goldendog --install-completion; true", env)
    assert _complete("goldendog dem", env, "source ~/.bashrc") == ["demo"]
    shown = _bash("goldendog --show-completion; true", env)
    assert _complete("goldendog dif", env, shown) == ["diff"]


@pytest.mark.parametrize(
    ("shell", "script", "asked", "answer"),
    [
        (
            "zsh",
            "#compdef goldendog",
            {"_TYPER_COMPLETE_ARGS": "goldendog repl"},
            '"replay":"Run recorded files',
        ),
        (
            "fish",
            "complete --command goldendog",
            {
                "_TYPER_COMPLETE_ARGS": "goldendog repl",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
            "replay\tRun recorded files",
        ),
    ],
)
def test_other_shells_get_a_script_and_answers(
    shell: str, script: str, asked: dict[str, str], answer: str, env: dict[str, str]
) -> None:
    assert script in _bash("goldendog", env | {"_GOLDENDOG_COMPLETE": f"source_{shell}"})
    told = _bash("goldendog", env | {"_GOLDENDOG_COMPLETE": f"complete_{shell}"} | asked)
    assert answer in told
