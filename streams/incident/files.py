"""The file of an incident: a zip with a manifest, states, log, settings, lexicon, model and alerts."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import msgspec
import zstandard
from msgspec import Struct

from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.errors import ConfigError, InputFileError, UserError
from streams.detection import Detection
from streams.files.write import whole_file
from streams.model_store import load_model

FORMAT: Final = 1
MANIFEST: Final = "incident.json"
ALERTS_FILE: Final = "alerts.ndjson"
LEXICON_FILE: Final = "lexicon.json"
RECORDING: Final = "recording"
MODEL: Final = "model"
CONTROL_FILES: Final = "control"
STATES: Final = "states"
_TORN: Final = (zipfile.BadZipFile, zlib.error, OSError)
_PACKED: Final = (".parquet", ".zst", ".npz", ".skops")

Begins = Literal["checkpoint", "log", "warmup"]


class Stand(Struct, frozen=True):
    """Where a detector partition stood when the slice begins.

    ``next_offsets`` and ``log_ms`` are how far each input was read; -1 is no log time yet.
    """

    partition: int
    checkpoint: str
    closed_ms: int
    fingerprint: str
    next_offsets: dict[str, int]
    log_ms: dict[str, int]


class Incident(Struct, frozen=True):
    """What an incident file says of itself.

    Parameters
    ----------
    begins : with checkpoints from before ``from_ms``, with the log's first record, or as long
        before it as baselines reach.
    from_ms, to_ms : bars that end after the one and not after the other are told of; None is where
        the topics ended.
    alerted_ms : by detector partition, the event time up to which workers had written all alerts.
    history_ms : how far back baselines reach, by all that was ever in force.
    """

    format: int
    captured_ms: int
    versions: dict[str, str]
    begins: Begins
    from_ms: int
    to_ms: int | None
    fingerprint: str
    fingerprint_parts: dict[str, str]
    settings: dict[str, Any]
    stands: list[Stand]
    alerted_ms: list[int]
    alerts: int
    records: dict[str, int]
    undecodable: dict[str, int]
    log_from_ms: int
    log_through_ms: int
    changes: list[dict[str, Any]]
    history_ms: int = EngineSettings().history_ms
    behind: dict[str, Any] | None = None


def pack(folder: Path, out: Path) -> int:
    """Put a folder into the file, whole or not at all; its size in bytes."""
    with whole_file(out) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        names = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "_lock")
        for path in [folder / MANIFEST, *(p for p in names if p != folder / MANIFEST)]:
            how = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
            file.write(path, path.relative_to(folder), how)
    return out.stat().st_size


def read_incident(path: Path) -> Incident:
    """What a file says of itself. Raises InputFileError."""
    with _opened(path) as file:
        return _manifest(path, file)


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Incident, Path]]:
    """What a file says of itself, and a folder with its content, which goes at the end."""
    with TemporaryDirectory(prefix="goldendog-incident-") as name, _opened(path) as file:
        incident = _manifest(path, file)
        try:
            if (torn := file.testzip()) is not None:
                raise InputFileError(f"{path}: {torn} is damaged", "copy the file again")
            file.extractall(name)
        except _TORN as error:
            raise InputFileError(f"{path} cannot be unpacked: {error}", "copy it again") from None
        yield incident, Path(name)


def detection_of(incident: Incident, folder: Path) -> Detection:
    """What decided alerts when the slice begins, by the code that runs now."""
    try:
        settings = EngineSettings(**incident.settings)
    except (TypeError, ConfigError) as error:
        raise UserError(
            f"this version has other settings of the engine: {error}",
            "use the version that captured it (`goldendog incident show` names it)",
        ) from None
    model: Model = load_model(folder / MODEL)
    return Detection(settings, model, Lexicon.parse((folder / LEXICON_FILE).read_bytes()))


def state_in(path: Path) -> bytes:
    """A state as an engine takes it. Raises InputFileError."""
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    except (OSError, zstandard.ZstdError) as error:
        raise InputFileError(
            f"the incident's state {path.name} cannot be unpacked: {error}", "copy the file again"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        file = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputFileError(f"no such file: {path}", "check the path") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise _no_incident(path, str(error)) from None
    with file:
        yield file


def _manifest(path: Path, file: zipfile.ZipFile) -> Incident:
    try:
        raw = file.read(MANIFEST)
        number = msgspec.json.decode(raw)["format"]
        if number != FORMAT:
            raise InputFileError(
                f"{path} is an incident of format {number}, this version reads {FORMAT}",
                "use the version that captured it",
            )
        return msgspec.json.decode(raw, type=Incident)
    except (KeyError, TypeError, msgspec.DecodeError, UnicodeDecodeError, *_TORN) as error:
        raise _no_incident(path, str(error)) from None


def _no_incident(path: Path, why: str) -> InputFileError:
    return InputFileError(
        f"{path} is no incident ({why[:200]})", "name what `goldendog incident capture` wrote"
    )
