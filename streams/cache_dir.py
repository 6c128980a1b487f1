"""Where goldendog keeps between runs what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import UserError


def cache_parents() -> list[Path]:
    """Folders to try, the best first: of ``GOLDENDOG_CACHE_DIR`` that one alone."""
    chosen = os.environ.get("GOLDENDOG_CACHE_DIR")
    if chosen:
        return [Path(chosen).expanduser()]
    xdg = os.environ.get("XDG_CACHE_HOME")
    parents = [Path(xdg) / "goldendog"] if xdg else []
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is no home
    if home != "~":
        parents.append(Path(home) / ".cache" / "goldendog")
    return parents


def cache_dir() -> Path:
    """The first of them that can be written to. Raises UserError where none can."""
    for parent in (parents := cache_parents()):
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(parent, os.W_OK | os.X_OK):
            return parent
    tried = ", ".join(map(str, parents)) or "none: there is no home folder"
    raise UserError(
        f"no cache folder can be written (tried {tried})",
        "set GOLDENDOG_CACHE_DIR to a folder that can be written",
    )
