"""``goldendog version``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from streams.sources_hash import sources_hash


def version() -> None:
    """Print the version, and the hash of the code that decides alerts."""
    try:
        number = installed_version("goldendog")
    except PackageNotFoundError:
        number = "(not installed)"
    print(f"goldendog {number}, core {sources_hash()[:12]}")
