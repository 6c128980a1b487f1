"""The folder of a recording: which files there are, what each covers, and who may write.

``topic=T/day=YYYY-MM-DD/PARTITION-FIRST-NEXT.parquet`` holds the records of one partition from offset
FIRST up to NEXT, which excludes it. The files alone say how far a recording goes; the manifest only
names the topics. Files of one partition follow each other: a hole between two of them is what the
topic had lost before it was recorded.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import BusyError, InputFileError, UserError

MANIFEST: Final = "_recording.json"
FORMAT: Final = 1
_LOCK: Final = "_lock"
_PART: Final = re.compile(r"(\d{4,10})-(\d{12,19})-(\d{12,19})\.parquet\Z")


class Recorded(Struct, frozen=True):
    """A topic of a recording: its partitions, and what the brokers know it by."""

    partitions: int
    id: str = ""


class Manifest(Struct, frozen=True):
    """What a recording is of."""

    format: int
    topics: dict[str, Recorded]


@dataclass(frozen=True, order=True)
class Part:
    """A file: the records of offsets ``first`` to ``next``, the latter excluded."""

    first: int
    next: int
    path: Path = field(compare=False)

    @property
    def day(self) -> str:
        """The day of log time that its records are of."""
        return self.path.parent.name.removeprefix("day=")


def is_recording(folder: Path) -> bool:
    """Whether a folder is a recording.

    >>> is_recording(Path("/"))
    False
    """
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """What a recording is of. Raises InputFileError."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path} cannot be read: {error}", "name another folder") from None
    if manifest.format != FORMAT:
        raise InputFileError(
            f"{folder} is a recording of format {manifest.format}, this version reads {FORMAT}",
            "use the version that wrote it",
        )
    return manifest


def write_manifest(folder: Path, topics: Mapping[str, Recorded]) -> None:
    """Write what a recording is of, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(Manifest(FORMAT, dict(topics))), indent=2)
    part = folder / f".{MANIFEST}"
    part.write_bytes(text + b"\n")
    make_durable(part)
    part.replace(folder / MANIFEST)
    make_durable(folder)


@contextmanager
def recorded_to(folder: Path) -> Iterator[None]:
    """Hold a folder for one recorder, made where it is missing; what a killed one left is removed.

    Raises BusyError where another recorder has it, UserError where it holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = {path.name for path in folder.iterdir()} - {_LOCK, f".{MANIFEST}"}
        if others and not is_recording(folder):
            raise UserError(
                f"{folder} holds something that is no recording", "name another folder with --out"
            )
        lock = (folder / _LOCK).open("a")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}", "name another with --out"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(
                f"another recorder writes to {folder}", "stop it, or name another --out"
            ) from None
        for left in folder.glob("topic=*/day=*/.*.parquet"):
            left.unlink()
        yield


def parts_of(folder: Path, topic: str) -> dict[int, list[Part]]:
    """The files of a topic by partition, in the order of their offsets.

    Raises InputFileError where two of them overlap.
    """
    found: dict[int, list[Part]] = {}
    for path in folder.glob(f"topic={topic}/day=*/*.parquet"):
        if match := _PART.match(path.name):
            part = Part(int(match[2]), int(match[3]), path)
            found.setdefault(int(match[1]), []).append(part)
    for parts in found.values():
        parts.sort()
        for before, after in pairwise(parts):
            if after.first < before.next:
                raise InputFileError(
                    f"{before.path} and {after.path.name} hold the same offsets",
                    "these are two recordings in one folder: keep them apart",
                )
    return found


def part_path(folder: Path, topic: str, partition: int, log_ms: int, span: tuple[int, int]) -> Path:
    """Where the records of a span of offsets belong, by a log time.

    >>> part_path(Path("r"), "dex.ticks.v1", 3, 1_736_812_800_000, (0, 17)).as_posix()
    'r/topic=dex.ticks.v1/day=2025-01-14/0003-000000000000-000000000017.parquet'
    """
    name = f"{partition:04d}-{span[0]:012d}-{span[1]:012d}.parquet"
    return folder / f"topic={topic}" / f"day={day_of(log_ms)}" / name


def day_of(log_ms: int) -> str:
    """The day of a log time, UTC.

    >>> day_of(1_736_812_799_999), day_of(1_736_812_800_000)
    ('2025-01-13', '2025-01-14')
    """
    return f"{datetime.fromtimestamp(log_ms / 1000, UTC):%Y-%m-%d}"


def make_durable(path: Path) -> None:
    """Have a file's content, or a folder's names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
