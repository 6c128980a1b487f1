"""Folders and files: data folder, kernel cache, model, lexicon."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from schemas.errors import GoldendogError, LexiconError
from streams.doctor.check import Check, failed
from streams.doctor.machine import nearest

AHEAD_MS: Final = 60_000


def check_data_folder(folder: Path) -> Check:
    """Whether a run can keep its log in ``folder``; a log that is there is opened and read."""
    at = nearest(folder)
    if not at.is_dir():
        return Check("data folder", "FAIL", f"{at} is no folder", "name another with --data-dir")
    if not _writable(at):
        return Check(
            "data folder",
            "FAIL",
            f"{at} cannot be written",
            "name another with --data-dir, or the setting data_dir",
        )
    if at != folder.absolute():
        return Check("data folder", "OK", f"{folder} will be made")
    return _check_log(folder)


def _check_log(folder: Path) -> Check:
    from streams.log.sqlite_file import log_path, meta_of, open_for_reading

    path = log_path(folder)
    if not path.exists():
        return Check("data folder", "OK", f"{folder} has no log yet")
    try:
        with closing(open_for_reading(path)) as db:
            stamp, _start = meta_of(db)
            last = db.execute("SELECT max(ts_log_ms) FROM records").fetchone()[0] or 0
    except GoldendogError as error:
        return failed("data folder", error)
    by = _holder(path)
    used = f", in use by process {by}" if by else ""
    ahead = last - time.time_ns() // 1_000_000
    if stamp == "append" and ahead > AHEAD_MS:
        return Check(
            "data folder",
            "WARN",
            f"the log of {folder} is {ahead / 1000:,.0f} s ahead of the clock",
            "correct the clock; until it has caught up no bar closes",
        )
    return Check("data folder", "OK", f"{folder} has a log of {stamp} time{used}")


def _holder(path: Path) -> str:
    try:
        with (path.parent / f"{path.name}.lock").open(encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return lock.read().strip() or "unknown"
    except OSError:
        pass
    return ""


def check_cache() -> Check:
    """Whether compiled kernels can be kept, and whether this version's are there."""
    from streams.numba_cache import kernels_are_cached, prepare_numba_cache

    if not prepare_numba_cache():
        return Check(
            "kernel cache",
            "WARN",
            "no cache folder can be written: each start compiles for up to a minute",
            "set GOLDENDOG_CACHE_DIR to a folder that can be written",
        )
    folder = os.environ["NUMBA_CACHE_DIR"]
    state = (
        "warm" if kernels_are_cached() else "cold, so the first start compiles for up to a minute"
    )
    return Check("kernel cache", "OK", f"{state}: {folder}")


def cache_folder() -> Path:
    """Where kernels are kept, or would be."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or tempfile.gettempdir())


def check_model(folder: Path | None) -> Check:
    """Whether the model's files are those its manifest names, made for these features."""
    from streams.model_store import default_folder, load_model

    where = default_folder() if folder is None else folder
    try:
        model = load_model(where)
    except GoldendogError as error:
        return failed("model", error)
    return Check("model", "OK", f"{len(model.feat)} trees, sha256 {model.sha256[:12]}, in {where}")


def check_lexicon(path: Path | None) -> Check:
    """Whether the lexicon can be read, and how much is in it."""
    from detectors.resolve.lexicon import Lexicon

    if path is None:
        return Check("lexicon", "OK", "none: coins are found by their contract address alone")
    try:
        lexicon = Lexicon.parse(path.read_bytes())
    except OSError as error:
        return failed(
            "lexicon",
            LexiconError(f"lexicon {path} cannot be read: {error.strerror}", "check the path"),
        )
    except GoldendogError as error:
        return failed("lexicon", error)
    found = f"{len(lexicon.versions)} versions, {len(lexicon.symbols())} tokens, in {path}"
    return Check("lexicon", "OK", found)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
