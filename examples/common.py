"""What the other examples share: which files to read, and what to print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn


def files(records: Path, *kinds: str) -> list[str]:
    """Files of these kinds: the one that is named, or those of a folder, but no replay's output."""
    if not records.exists():
        raise FileNotFoundError(f"no such file: {records}")
    if not records.is_dir():
        return [str(records)] if records.suffix in kinds else []
    return [
        str(path)
        for path in sorted(records.rglob("*"))
        if path.suffix in kinds
        and not any(part.startswith((".", "_")) for part in path.relative_to(records).parts)
        and not (path.parent / "summary.json").is_file()
    ]


def shown(text: str) -> str:
    """A symbol as it is, but for characters that would hide or reverse others: those as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def stop(problem: str) -> NoReturn:
    """End with one line and exit code 2."""
    print(problem.splitlines()[0], file=sys.stderr)
    sys.exit(2)
