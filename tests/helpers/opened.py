"""Files that this process holds open."""

from __future__ import annotations

from pathlib import Path

import psutil


def open_below(folder: Path) -> list[str]:
    """Names of the files below ``folder`` that are open here."""
    opened = (Path(file.path) for file in psutil.Process().open_files())
    return sorted(path.name for path in opened if path.is_relative_to(folder))
