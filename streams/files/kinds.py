"""Which file holds what: by its name, checked against its first bytes."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from schemas.errors import InputFileError
from streams.file_names import refuse_no_utf8

Packing = Literal["", "gz", "zst"]
SUFFIXES: Final = (".ndjson", ".jsonl", ".parquet")
PACKINGS: Final = (".gz", ".zst")
_MAGIC: Final = (
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "a zip archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ARROW1", "an Arrow IPC file"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"Obj\x01", "Avro"),
)
_KINDS: Final = "goldendog reads .ndjson and .jsonl (also .gz and .zst of them) and .parquet"
_HEAD_BYTES: Final = 4096
_MIN_PARQUET_BYTES: Final = 12


@dataclass(frozen=True)
class RecordFile:
    """A file of records, found and recognised, not yet read.

    Parameters
    ----------
    path : where it is.
    kind : ``ndjson`` or ``parquet``.
    packing : how an NDJSON file is compressed; empty where it is not.
    size : bytes on disk; 0 is an empty file, of any kind, and holds no records.
    """

    path: Path
    kind: Literal["ndjson", "parquet"]
    packing: Packing
    size: int


def find_files(paths: Sequence[Path | str]) -> list[RecordFile]:
    """Every file of records among the paths; folders are searched, sub-folders included.

    Files come in the order given, those of a folder sorted by path; one named twice counts once.
    In a folder, other files, hidden ones, and the outputs of earlier replays are passed over.
    Raises InputFileError on a missing, unreadable or mistaken file, and where there is none.
    """
    if not paths:
        raise InputFileError("no input was named", "name a file or a folder of records")
    found: dict[Path, RecordFile] = {}
    for path in map(Path, paths):
        for each in _walk(path) if path.is_dir() else (path,):
            refuse_no_utf8(each.absolute())
            found.setdefault(each.resolve(), recognise(each))
    return list(found.values())


def recognise(path: Path) -> RecordFile:
    """Tell a file's kind, or raise InputFileError that says what it is instead.

    A name without a known ending is told by content alone.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputFileError(f"{path} is no regular file", "write its records to a file first")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise InputFileError(f"no such file: {path}", "check the path") from None
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}", "check its permissions"
        ) from None
    kind, packing = _by_name(path)
    if not head:
        return RecordFile(path, kind or "ndjson", packing, 0)
    content = next((name for magic, name in _MAGIC if head.startswith(magic)), "text")
    if content == "text" and b"\0" in head:
        content = "binary data of an unknown kind"
    if kind is None:
        kind, packing = _by_content(path, content)
    expected = (
        "Parquet" if kind == "parquet" else {"gz": "gzip", "zst": "zstd", "": "text"}[packing]
    )
    if content != expected:
        raise InputFileError(f"{path} is named as {expected} but holds {content}", _rename(content))
    if kind == "parquet" and info.st_size < _MIN_PARQUET_BYTES:
        raise InputFileError(f"{path} is a Parquet file cut short", "copy or export it again")
    if content == "text":
        refuse_other_text(path, head)
    return RecordFile(path, kind, packing, info.st_size)


def refuse_other_text(path: Path, head: bytes) -> None:
    """Raise InputFileError where the first bytes are those of a JSON array, CSV or HTML."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        raise InputFileError(
            f"{path} holds one JSON array", "write one record a line: jq -c '.[]' does it"
        )
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputFileError(f"{path} is UTF-16", "write it as UTF-8")
    if start.startswith(b"<"):
        raise InputFileError(f"{path} holds HTML or XML", "write one JSON record a line")
    first = start.split(b"\n", 1)[0]
    if start and b"{" not in first and b"," in first and not first.startswith(b'"type"'):
        raise InputFileError(f"{path} looks like CSV", "write one JSON record a line, or Parquet")


def _walk(folder: Path) -> Iterator[Path]:
    found = False
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if any(part.startswith((".", "_")) for part in inner.parts) or not path.is_file():
            continue
        if _by_name(path)[0] is not None and not is_replay_output(path.parent):
            found = True
            yield path
    if not found:
        raise InputFileError(f"{folder} holds no files of records", _KINDS)


def is_replay_output(folder: Path) -> bool:
    """Whether a folder was written by a replay, and so holds no input.

    >>> is_replay_output(Path("/"))
    False
    """
    return (folder / "summary.json").is_file() and (folder / "alerts.ndjson").is_file()


def _by_name(path: Path) -> tuple[Literal["ndjson", "parquet"] | None, Packing]:
    suffixes = [s.lower() for s in path.suffixes]
    packing: Packing = ""
    if suffixes and suffixes[-1] in PACKINGS:
        packing = "gz" if suffixes.pop() == ".gz" else "zst"
    last = suffixes[-1] if suffixes else ""
    if last == ".parquet" and not packing:
        return "parquet", ""
    return ("ndjson", packing) if last in (".ndjson", ".jsonl") else (None, packing)


def _by_content(path: Path, content: str) -> tuple[Literal["ndjson", "parquet"], Packing]:
    if path.suffix.lower() not in ("", ".json", ".log", *PACKINGS):
        raise InputFileError(f"{path} is of no kind that is read here", _KINDS)
    if content == "Parquet":
        return "parquet", ""
    packings: dict[str, Packing] = {"text": "", "gzip": "gz", "zstd": "zst"}
    if content not in packings:
        raise InputFileError(f"{path} holds {content}", _KINDS)
    return "ndjson", packings[content]


def _rename(content: str) -> str:
    ending = {
        "Parquet": ".parquet",
        "gzip": ".ndjson.gz",
        "zstd": ".ndjson.zst",
        "text": ".ndjson",
    }.get(content)
    return f"rename it to end in {ending} if it holds records" if ending else _KINDS
