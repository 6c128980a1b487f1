"""What the real NautilusTrader reads of an export, in the environment that holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.parts import missing

ROOT = Path(__file__).parents[2]


def interpreter() -> Path:
    """Python with requirements/nautilus.lock: that of NAUTILUS_PYTHON, or of .venv-nautilus."""
    named = os.environ.get("NAUTILUS_PYTHON")
    python = Path(named) if named else ROOT / ".venv-nautilus" / "bin" / "python"
    if not (named or python.exists()) and sys.version_info >= (3, 14):
        # in CI too: there is nothing that this Python could install
        pytest.skip(
            "nautilus_trader 1.221.0 has wheels for Python 3.11 to 3.13 alone; "
            "with one of them: make PYTHON=/path/to/python3.13 setup-nautilus"
        )
    return python if python.exists() else missing(f"{python} is missing; make setup-nautilus")


def read(catalog: Path, since_ns: int, anew: Path) -> Any:
    """Run nautilus_child over a catalog; what it told, or a failed test that shows why not."""
    child = Path(__file__).with_name("nautilus_child.py")
    done = subprocess.run(
        # -I: it sees its own packages alone, whatever PYTHONPATH says
        [interpreter(), "-I", child, catalog, str(since_ns), anew],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
