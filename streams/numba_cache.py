"""Where compiled kernels are kept between runs.

Numba decides by a function's own file whether its cached code is current; a constant imported from
another file may have changed. So the folder's name carries a hash of all core sources. Call
``prepare_numba_cache`` before ``detectors`` is imported.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from streams.cache_dir import cache_parents
from streams.sources_hash import sources_hash

log = logging.getLogger(__name__)
COMPILING: Final = "compiling the detector for this machine: up to a minute, the first time only"

ROOM_BYTES: Final = 64 << 20
"""A cache of kernels takes some 10 MiB. Numba fails where it cannot write one: better have none."""

KEEP: Final = 8
"""Folders kept whatever their age: those of the versions used last."""
UNUSED_S: Final = 86_400.0
"""A folder used within a day is kept too: a process that started then may still write to it."""


def prepare_numba_cache() -> bool:
    """Point numba at this version's folder; whether there is one that can be written.

    The parent is ``GOLDENDOG_CACHE_DIR``, else ``$XDG_CACHE_HOME/goldendog``, else
    ``~/.cache/goldendog``. Where none can be written, kernels are compiled at each start, and a
    warning says so. Idempotent and safe in several processes at once.
    """
    folder = None
    tried = []
    for parent in cache_parents():
        candidate = parent / "kernels" / _key()
        tried.append(str(parent))
        if _is_writable(candidate):
            folder = candidate
            break
    if folder is None:
        log.warning(
            "no cache folder can be written (tried %s), or its disk has less than %d MiB free: kernels "
            "are compiled at every start; set GOLDENDOG_CACHE_DIR to a folder that can be written",
            ", ".join(tried),
            ROOM_BYTES >> 20,
        )
    _point_numba_at(str(folder) if folder else "")
    if folder is not None:
        _prune(folder)
    return folder is not None


def kernels_are_cached() -> bool:
    """Whether this version's kernels were compiled before, so that a start takes no long time."""
    folder = os.environ.get("NUMBA_CACHE_DIR", "")
    return bool(folder) and any(Path(folder).rglob("*.nbi"))


def _key() -> str:
    python = ".".join(map(str, sys.version_info[:2]))
    text = f"{sources_hash()} {version('numba')} {version('numpy')} {python}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)  # its age is the time since its last use
        return shutil.disk_usage(folder).free >= ROOM_BYTES
    except OSError:
        return False


def _point_numba_at(folder: str) -> None:
    os.environ["NUMBA_CACHE_DIR"] = folder
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.config.CACHE_DIR = folder


def _prune(current: Path) -> None:
    try:
        others = [path for path in current.parent.iterdir() if path != current and path.is_dir()]
        by_use = sorted(((path.stat().st_mtime, path) for path in others), reverse=True)
    except OSError:  # another process prunes at the same time
        return
    unused_since = time.time() - UNUSED_S
    for used, path in by_use[KEEP - 1 :]:
        if used < unused_since:
            shutil.rmtree(path, ignore_errors=True)
