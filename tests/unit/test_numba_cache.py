from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numba
import pytest

from streams import numba_cache
from streams.numba_cache import kernels_are_cached, prepare_numba_cache
from streams.sources_hash import PACKAGES, sources_hash


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", ""))
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)


def test_the_folder_is_made_named_by_the_sources_and_told_to_numba(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(tmp_path))
    assert prepare_numba_cache()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.parent == tmp_path / "kernels"
    assert str(folder) == numba.config.CACHE_DIR
    assert not kernels_are_cached()
    monkeypatch.setattr(numba_cache, "sources_hash", lambda: "changed")
    assert prepare_numba_cache()
    assert Path(os.environ["NUMBA_CACHE_DIR"]) != folder


def test_a_kernel_compiled_once_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    prepare_numba_cache()
    assert numba.njit(cache=True)(_double)(21) == 42
    assert kernels_are_cached()


def _double(x: int) -> int:
    return 2 * x


def test_without_a_writable_folder_one_warning_and_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(blocked))
    assert not prepare_numba_cache()
    assert (os.environ["NUMBA_CACHE_DIR"], numba.config.CACHE_DIR) == ("", "")
    assert not kernels_are_cached()
    (record,) = caplog.records
    assert "set GOLDENDOG_CACHE_DIR" in record.getMessage()


def test_on_a_full_disk_there_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(tmp_path))
    usage = shutil.disk_usage(tmp_path)._replace(free=10 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert not prepare_numba_cache()
    assert numba.config.CACHE_DIR == ""
    assert "less than 64 MiB free" in caplog.text


def test_xdg_then_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLDENDOG_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert prepare_numba_cache()
    assert str(tmp_path / "xdg" / "goldendog") in os.environ["NUMBA_CACHE_DIR"]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert prepare_numba_cache()
    assert str(tmp_path / "home" / ".cache" / "goldendog") in os.environ["NUMBA_CACHE_DIR"]


def test_old_folders_go_and_recent_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(tmp_path))
    now = time.time()
    for age_days in range(12):
        folder = tmp_path / "kernels" / f"old{age_days}"
        folder.mkdir(parents=True)
        used = now - 86_400 * (age_days + 0.5)
        os.utime(folder, (used, used))
    assert prepare_numba_cache()
    left = {path.name for path in (tmp_path / "kernels").glob("old*")}
    assert left == {f"old{age}" for age in range(numba_cache.KEEP - 1)}


def test_the_hash_follows_content_and_place_not_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hash_of(files: dict[str, bytes]) -> str:
        root = tmp_path / str(time.monotonic_ns())
        for package in PACKAGES:
            (root / package).mkdir(parents=True)
        for name, content in files.items():
            (root / name).write_bytes(content)
        monkeypatch.setattr("streams.sources_hash._folders_of", lambda package: [root / package])
        return sources_hash.__wrapped__()

    base = hash_of({"schemas/a.py": b"x = 1\n"})
    assert hash_of({"schemas/a.py": b"x = 1\r\n"}) == base
    assert hash_of({"schemas/a.py": b"x = 1\n", "schemas/note.txt": b"?"}) == base
    others = [
        hash_of({"schemas/a.py": b"x = 2\n"}),
        hash_of({"schemas/b.py": b"x = 1\n"}),
        hash_of({"detectors/a.py": b"x = 1\n"}),
    ]
    assert len({base, *others}) == 4
