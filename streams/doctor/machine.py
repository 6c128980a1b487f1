"""Python, packages, clock and room on the disks."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from streams.doctor.check import Check

OLDEST: Final = (3, 11)
NEWEST: Final = (3, 14)
LITTLE_BYTES: Final = 1 << 30
NONE_BYTES: Final = 100 << 20
BUILT_S: Final = 1_764_000_000
"""November 2025: no clock that is right stands before goldendog was written."""
STEP_S: Final = 0.5
_SPEC: Final = re.compile(r"(==|>=|<=|<|>|!=)\s*([0-9][^,;\s]*)")


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Check:
    """Whether this Python is one that goldendog runs on.

    >>> check_python((3, 10, 2)).verdict, check_python((3, 11, 0)).found
    ('FAIL', 'Python 3.11.0')
    """
    found = f"Python {'.'.join(map(str, version))}"
    wanted = f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    if tuple(version[:2]) < OLDEST:
        return Check("python", "FAIL", found, f"install Python {wanted}")
    if tuple(version[:2]) > NEWEST:
        return Check("python", "WARN", f"{found} was never tried", f"use Python {wanted}")
    return Check("python", "OK", found)


def check_packages(
    requirements: Sequence[str] | None = None, installed: Mapping[str, str] | None = None
) -> Check:
    """Whether every package is there in a version that goldendog was made for.

    ``requirements`` are those of the installed goldendog, ``installed`` names to versions; both are
    read from the environment where left out.

    >>> check_packages(["numba<0.70,>=0.68"], {"numba": "0.71.2"}).found
    'numba is 0.71.2, wanted <0.70,>=0.68'
    """
    if requirements is None:
        try:
            requirements = metadata.requires("goldendog") or ()
        except metadata.PackageNotFoundError:
            return Check(
                "packages", "WARN", "goldendog is not installed", "run `make setup` in its folder"
            )
    wrong = [w for r in requirements if (w := _wrong(r, installed)) is not None]
    if wrong:
        return Check(
            "packages", "FAIL", "; ".join(wrong), "install requirements/run.lock, or `make setup`"
        )
    return Check("packages", "OK", f"{len(requirements)} packages as wanted")


def _wrong(requirement: str, installed: Mapping[str, str] | None) -> str | None:
    text, _, marker = requirement.partition(";")
    if "extra" in marker:
        return None
    name = re.match(r"[A-Za-z0-9._-]+", text)
    assert name is not None
    spec = text[name.end() :].strip()
    try:
        have = metadata.version(name[0]) if installed is None else installed[name[0]]
    except (metadata.PackageNotFoundError, KeyError):
        return f"{name[0]} is missing"
    if all(_holds(have, operator, wanted) for operator, wanted in _SPEC.findall(spec)):
        return None
    return f"{name[0]} is {have}, wanted {spec}"


def _holds(have: str, operator: str, wanted: str) -> bool:
    a, b = _numbers(have), _numbers(wanted)
    width = max(len(a), len(b))
    a, b = a + (0,) * (width - len(a)), b + (0,) * (width - len(b))
    return {
        "==": a == b, "!=": a != b, ">=": a >= b, "<=": a <= b, "<": a < b, ">": a > b,
    }[operator]  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-zA-Z+]", version)[0]))


def check_clock(now_s: float | None = None) -> Check:
    """Whether the wall clock can be right, and whether it moves as time does.

    ``now_s`` stands for the clock's time, in seconds since 1970.
    """
    now = time.time() if now_s is None else now_s
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    remedy = "set the clock, and let NTP keep it"
    if now < BUILT_S:
        return Check("clock", "FAIL", f"the clock says {shown}, before goldendog was made", remedy)
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    if abs(drift) > STEP_S:
        return Check("clock", "WARN", f"the clock stepped by {drift:+.1f} s just now", remedy)
    return Check("clock", "OK", shown)


def nearest(folder: Path) -> Path:
    """``folder``, or the one above it that is there already."""
    at = folder.absolute()
    while not at.exists() and at != at.parent:
        at = at.parent
    return at


def check_room(name: str, folder: Path, free: int | None = None) -> Check:
    """Whether the disk that holds ``folder`` (or will) has room; ``free`` stands for its bytes."""
    free = shutil.disk_usage(nearest(folder)).free if free is None else free
    found = f"{free / (1 << 30):.1f} GiB free for {folder}"
    if free < NONE_BYTES:
        return Check(name, "FAIL", found, "make room, or name another folder")
    if free < LITTLE_BYTES:
        return Check(name, "WARN", found, "make room: a busy day of records takes about a GiB")
    return Check(name, "OK", found)
