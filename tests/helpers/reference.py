"""The reference pages, made from code, so that they cannot say what is not so.

``make docs`` writes them (``python -m tests.helpers.reference``), ``make check`` compares
(``--check``). The sample alert of the README comes from the golden alerts in the same way.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Final

from streams.cli.main import COMMANDS, exit_code
from tests.helpers.golden import GOLDEN, ROOT
from tests.helpers.reference_tables import features, limits, metrics, record_tables, settings

FOLDER: Final = ROOT / "docs" / "reference"
README: Final = ROOT / "README.md"
MADE: Final = "<!-- Made from code by `make docs`: change the code, not this page. -->"


def pages() -> dict[Path, str]:
    """Every page by its path, and the README with its sample alert."""
    made = {
        "cli.md": cli(),
        "settings.md": settings(),
        "records.md": record_tables(),
        "features.md": features(),
        "metrics.md": metrics(),
        "limits.md": limits(),
    }
    found = {FOLDER / name: f"{MADE}\n\n{text}" for name, text in made.items()}
    return {**found, README: readme(README.read_text("utf-8"))}


# -- commands ----------------------------------------------------------------------------------


def help_of(*args: str) -> str:
    """What ``--help`` prints, at 80 columns."""
    out, kept = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.redirect_stdout(out):
            code = exit_code([*args, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if kept is not None:
            os.environ["COLUMNS"] = kept
    assert code == 0, f"goldendog {' '.join(args)} --help fails: is its module there?"
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def cli() -> str:
    """Every command's help."""
    text = "# Commands\n\nWhat `--help` says of each. [Running it](../running.md) says how they go together.\n"
    for name, lazy in COMMANDS.items():
        told = help_of(name)
        text += f"\n## goldendog {name}\n\n{lazy.summary}\n\n```text\n{told}\n```\n"
        for sub in re.findall(r"^  (\w+)\s", told.partition("\nCommands:\n")[2], re.MULTILINE):
            text += f"\n### goldendog {name} {sub}\n\n```text\n{help_of(name, sub)}\n```\n"
    return text


# -- the README's alert ------------------------------------------------------------------------


def sample_alert() -> str:
    """MOMO's first candidate of the golden alerts, with its two strongest reasons."""
    alerts = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    alert = next(a for a in alerts if a["symbol"] == "MOMO" and a["kind"] == "candidate")
    alert["reasons"] = alert["reasons"][:2]
    alert["fingerprint"] = "<16 hex digits: of settings, model, lexicon, code>"
    return json.dumps(alert, indent=2, ensure_ascii=False)


def readme(text: str) -> str:
    """The README with the sample alert of today."""
    block = re.compile(r'```json\n\{\n  "type": "alert".*?\n\}\n```', re.DOTALL)
    assert len(block.findall(text)) == 1
    return block.sub(lambda _: f"```json\n{sample_alert()}\n```", text)


def stale() -> list[str]:
    """Pages that are not what code says they are."""
    return [
        str(path.relative_to(ROOT))
        for path, text in pages().items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]


def main(args: list[str]) -> int:
    """Write the pages, or compare them."""
    if args == ["--check"]:
        if found := stale():
            print(f"stale: {', '.join(found)}; run `make docs`", file=sys.stderr)
            return 1
        print("the reference pages are current", file=sys.stderr)
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
