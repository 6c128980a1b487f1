"""One hash of the code that decides alerts: the sources of ``schemas`` and ``detectors``."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("detectors", "schemas")


@cache
def sources_hash() -> str:
    """Hex sha256 over every Python file of the two core packages, by path and content.

    Line endings do not count, so that a checkout on another system has the same hash. Nothing
    is imported.

    >>> len(sources_hash())
    64
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        for folder in _folders_of(package):
            for path in sorted(folder.rglob("*.py")):
                name = f"{package}/{path.relative_to(folder).as_posix()}"
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{name}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()


def _folders_of(package: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:  # pragma: no cover
        msg = f"package {package} is not importable"
        raise ImportError(msg)
    return [Path(location) for location in spec.submodule_search_locations]
