"""Plays a page of the documentation: its commands run in their order, and print what it says.

A fenced block ``console`` holds commands after ``$ `` (``> `` continues one), each followed by what it
prints on standard output, where ``...`` stands for anything. A block of any language whose first
line says ``file=NAME`` is written to that file. All blocks of a page share one folder and one shell.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.helpers.ports import free_ports

ROOT: Final = Path(__file__).parents[2]
TIMEOUT_S: Final = 240
_BLOCK: Final = re.compile(r"^```([\w+-]+)[ \t]*([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARK: Final = "\x1e"
_FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PORTS: Final = ("8080", "9000")
"""Ports that pages use: each play takes free ones in their place."""


@dataclass(frozen=True)
class Step:
    """A command and what the page says that it prints (None: nothing is said)."""

    command: str
    prints: str | None


@dataclass(frozen=True)
class File:
    """A file that the page asks for."""

    name: str
    text: str


def steps(text: str) -> list[Step | File]:
    """What there is to do on a page, in its order."""
    found: list[Step | File] = []
    for language, info, body in _BLOCK.findall(text):
        named = re.search(r"\bfile=(\S+)", info)
        if named:
            found.append(File(named[1], body))
        elif language == "console":
            found += _commands(body)
    return found


def _commands(body: str) -> list[Step]:
    found: list[tuple[list[str], list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Step("\n".join(c), "\n".join(out) if out else None) for c, out in found]


def play(page: Path, folder: Path) -> list[Step]:
    """Play a page in an empty folder; the commands that ran.

    Raises AssertionError where a command fails, or prints something else than the page says.
    """
    text = page.read_text("utf-8")
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        text = re.sub(rf"\b{port}\b", str(free), text)
    todo = steps(text)
    shutil.copytree(ROOT / "examples", folder / "examples")
    script = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT"]
    ran: list[Step] = []
    for each in todo:
        if isinstance(each, File):
            path = folder / each.name
            source = folder / ".page" / f"{len(script)}"
            source.parent.mkdir(exist_ok=True)
            source.write_text(each.text, "utf-8")
            script.append(f"mkdir -p '{path.parent}' && cp '{source}' '{path}'")
        else:
            script += [f"printf '\\n{_MARK}%d\\n' {len(ran)}", each.command]
            ran.append(each)
    (folder / ".page").mkdir(exist_ok=True)
    (folder / ".page" / "script").write_text("\n".join(script) + "\n", "utf-8")
    _compare(page, ran, _run(folder))
    return ran


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", ".page/script"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a page left running in the background
        process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _compare(page: Path, ran: list[Step], done: subprocess.CompletedProcess[str]) -> None:
    printed = re.split(rf"\n{_MARK}\d+\n", done.stdout)[1:]
    at = ran[len(printed) - 1].command if printed else "nothing"
    assert done.returncode == 0, f"{page.name}: exit code {done.returncode} at: {at}\n{done.stderr}"
    assert len(printed) == len(ran), f"{page.name}: stopped at: {at}\n{done.stderr}"
    checker = doctest.OutputChecker()
    for step, got in zip(ran, printed, strict=True):
        if step.prints is None:
            continue
        same = checker.check_output(f"{step.prints}\n", f"{got.rstrip()}\n", _FLAGS)
        told = f"{page.name}: {step.command}\nsays:\n{step.prints}\nprints:\n{got}\n{done.stderr}"
        assert same, told


def _environment(folder: Path) -> dict[str, str]:
    """A home of its own, commands of this interpreter, and the kernels compiled before."""
    shims = folder / ".page" / "bin"
    shims.mkdir(parents=True, exist_ok=True)
    for name, module in (("goldendog", "-m tests.helpers.page_goldendog"), ("python", "")):
        shim = shims / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        shim.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("GOLDENDOG_")}
    cache = os.environ.get("NUMBA_CACHE_DIR")
    if cache:
        env["GOLDENDOG_CACHE_DIR"] = str(Path(cache).parents[1])
    return env | {
        "HOME": str(folder / ".page"),
        "PATH": f"{shims}:{env['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
    }
