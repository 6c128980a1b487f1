"""quixstreams in a virtual environment of its own: never among what goldendog installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PINNED: Final = ("quixstreams==3.28.1", "msgspec")
_TIMEOUT_S: Final = 300


def install(folder: Path) -> tuple[str | None, str]:
    """Make the environment in ``folder``; its Python, and what was done or why it was not."""
    python = str(folder / "bin" / "python")
    quiet = ["--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(folder)],
            check=True, capture_output=True, text=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
        subprocess.run(
            [python, "-m", "pip", "install", *quiet, *PINNED],
            check=True, capture_output=True, text=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        last = (str(error.stderr).strip().splitlines() or ["no reason given"])[-1]
        return None, f"left out: {PINNED[0]} could not be installed ({last[:120]})"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"left out: {PINNED[0]} could not be installed ({type(error).__name__})"
    return python, f"{PINNED[0]}, in an environment made for this run"
