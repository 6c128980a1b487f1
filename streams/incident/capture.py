"""Capturing an incident from a broker: what the workers knew, read and wrote, into one file."""

from __future__ import annotations

import asyncio
import platform
import shutil
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np

from schemas.decode import decode_as
from schemas.errors import GoldendogError, RecordError, StateError, UserError
from schemas.records import Alert, Control
from schemas.topics import ALERTS, CONTROL
from streams.control.decisions import Decisions
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.incident import files
from streams.incident.files import Incident, pack
from streams.incident.slice import INPUTS, Slice, resumed_of, slice_of
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Log, LogRecord
from streams.model_store import ARRAYS_FILE, MANIFEST_FILE, SKOPS_FILE
from streams.operate.lag import lag_of
from streams.operate.opened import is_live, opened, records_of
from streams.recording.layout import Recorded, recorded_to, write_manifest
from streams.recording.record import Recorder
from streams.recording.write import PartitionWriter
from streams.sources.places import Place
from streams.worker.alerts import decode_alert

OnProgress = Callable[[int, int], None]
_LOOK_BACK: Final = 16
"""Offsets before an end among which the last record is looked for first."""
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True)
class Wanted:
    """Which stretch, and by what.

    Parameters
    ----------
    last_ms : so much before now, or before where topics of a recording end.
    from_ms, to_ms : or from a time on, and up to one.
    detection : settings, model and lexicon that the workers were started with.
    lexicon, model_folder : the lexicon's bytes, and where the model is.
    control_files : folder of lexicons and models that control records name.
    group : of the workers.
    """

    detection: Detection
    lexicon: bytes
    model_folder: Path
    control_files: Path
    group: str
    last_ms: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


async def capture(
    where: Connection, wanted: Wanted, out: Path, on_progress: OnProgress
) -> Incident:
    """Write an incident file. Raises GoldendogError of one kind or another where it cannot be."""
    live = await is_live(where)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=_folder_of(out)) as name:
        folder = Path(name)
        async with opened(where) as log:
            assert isinstance(log, KafkaLog)
            from_ms = wanted.from_ms
            if from_ms is None:
                now_ms = time.time_ns() // 1_000_000 if live else await _last_ms(log)
                from_ms = now_ms - (wanted.last_ms or 0)
            controls = [record async for record in _changes(log)]
            decisions = _heard(controls, wanted)
            slice_ = await slice_of(log, decisions, from_ms, wanted.to_ms)
            tale = await _record(log, folder / files.RECORDING, slice_, controls, on_progress)
            alerts = await _alerts(log, from_ms, wanted.to_ms)
            span = await _span(log, slice_)
        _write(folder, wanted, controls, slice_, alerts)
        incident = Incident(
            format=files.FORMAT,
            captured_ms=time.time_ns() // 1_000_000,
            versions=versions(),
            begins=slice_.begins,
            from_ms=from_ms,
            to_ms=wanted.to_ms,
            fingerprint=wanted.detection.fingerprint,
            fingerprint_parts=wanted.detection.parts,
            settings=wanted.detection.settings.canonical(),
            stands=slice_.stands,
            alerted_ms=slice_.alerted_ms,
            alerts=len(alerts),
            records=tale.records,
            undecodable=tale.undecodable,
            log_from_ms=span[0],
            log_through_ms=span[1],
            changes=[asdict(step) for step in decisions.steps],
            history_ms=decisions.history_ms,
            behind=await _behind(where, wanted.group),
        )
        text = msgspec.json.format(_ENCODER.encode(incident), indent=2)
        (folder / files.MANIFEST).write_bytes(text + b"\n")
        await to_thread(pack, folder, out)
    return incident


def versions() -> dict[str, str]:
    """What runs here."""
    try:
        number = version("goldendog")
    except PackageNotFoundError:
        number = "(not installed)"
    return {
        "goldendog": number,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": version("numba"),
        "system": platform.platform(),
    }


def _folder_of(out: Path) -> Path:
    folder = out.absolute().parent
    if out.exists():
        raise UserError(f"{out} is there already", "name another file with --out")
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "make it, or name another file with --out")
    return folder


async def _last_ms(log: Log) -> int:
    """The last log time of any input."""
    last = 0
    for topic in INPUTS:
        for p in range(await log.partitions(topic)):
            span = await log.start_offset(topic, p), await log.end_offset(topic, p)
            found = await _last_in(log, (topic, p), *span)
            last = max(last, found.timestamp if found else 0)
    return last


async def _last_in(log: Log, place: Place, first: int, end: int) -> LogRecord | None:
    """The last record of offsets [first, end); transactions leave marks behind theirs, which nobody sees."""
    low, size, last = end, _LOOK_BACK, None
    while low > first and last is None:
        low, size = max(first, low - size), 2 * size
        at = low
        while at < end and (records := await log.read(*place, at, end - at)):
            last = next((r for r in reversed(records) if r.offset < end), last)
            at = records[-1].offset + 1
    return last


async def _changes(log: KafkaLog) -> AsyncIterator[LogRecord]:
    """The control topic without its heartbeats, but for the first record and the last; times clamped."""
    log_ms, last = -1, None
    async for record in records_of(log, CONTROL):
        log_ms = max(log_ms, record.timestamp)
        kept = record._replace(timestamp=log_ms)
        last = kept
        if record.offset == 0 or _control_of(record) is not None:
            last = None
            yield kept
    if last is not None:
        yield last


def _control_of(record: LogRecord) -> Control | None:
    try:
        found = decode_as(record.value or b"", "control")
    except RecordError:
        return None
    return found if isinstance(found, Control) else None


def _heard(controls: list[LogRecord], wanted: Wanted) -> Decisions:
    decisions = Decisions(wanted.detection, ControlFiles(wanted.control_files))
    for record in controls:
        if (control := _control_of(record)) is not None:
            try:
                decisions.hear(control, record.timestamp)
            except RecordError:
                continue  # nobody uses it
    return decisions


async def _record(
    log: KafkaLog,
    folder: Path,
    slice_: Slice,
    controls: list[LogRecord],
    on_progress: OnProgress,
) -> Any:
    topics = {topic: Recorded(await log.partitions(topic)) for topic in INPUTS}
    with recorded_to(folder):
        recorder = Recorder(log, folder, topics, say=_fail, stop=asyncio.Event())
        await recorder.begin(slice_.firsts)
        await recorder.up_to(slice_.ends, on_progress)
        writer = PartitionWriter(folder, CONTROL, 0, ())
        writer.begin(0)
        if controls:
            writer.add(controls)
        writer.flush()
        write_manifest(folder, topics | {CONTROL: Recorded(1)})
    return recorder.tale


def _fail(text: str) -> None:
    raise StateError(f"{text}: capture again")


async def _alerts(log: KafkaLog, from_ms: int, to_ms: int | None) -> list[bytes]:
    """The workers' alerts of the bars that are told of, in the order of a replay's."""
    found: list[tuple[Alert, bytes]] = []
    async for record in records_of(log, ALERTS):
        raw = record.value or b""
        try:
            alert = decode_alert(raw)
        except StateError:
            continue
        end_ms = alert.ts_bar_end_ms
        if end_ms > from_ms and (to_ms is None or end_ms <= to_ms):
            found.append((alert, raw))
    found.sort(key=lambda each: (each[0].ts_bar_end_ms, each[0].token, each[0].sequence))
    return [raw for _, raw in found]


async def _span(log: KafkaLog, slice_: Slice) -> tuple[int, int]:
    """First and last log time of the slice, which never fall below what a state has reached."""
    floors = {name: log_ms for name, (_, log_ms) in resumed_of(slice_.stands).items()}
    times = []
    for (topic, p), first in slice_.firsts.items():
        end = slice_.ends[topic, p]
        found = await log.read(topic, p, first, 1) if end > first else []
        if (last := await _last_in(log, (topic, p), first, end)) is not None:
            found.append(last)
        times += [max(r.timestamp, floors.get(f"{topic}/{p}", 0)) for r in found]
    return min(times, default=0), max(times, default=0)


def _write(
    folder: Path, wanted: Wanted, controls: list[LogRecord], slice_: Slice, alerts: list[bytes]
) -> None:
    """Write alerts, states, and what decides alerts: lexicon, model, and those that records name."""
    (folder / files.ALERTS_FILE).write_bytes(b"".join(raw + b"\n" for raw in alerts))
    (folder / files.STATES).mkdir()
    for packed in slice_.states:
        path = folder / files.STATES / f"{packed.manifest.partition}.zst"
        path.write_bytes(b"".join(packed.chunks))
    (folder / files.LEXICON_FILE).write_bytes(wanted.lexicon)
    (folder / files.MODEL).mkdir()
    for name in (ARRAYS_FILE, SKOPS_FILE, MANIFEST_FILE):
        shutil.copyfile(wanted.model_folder / name, folder / files.MODEL / name)
    kept, theirs = ControlFiles(folder / files.CONTROL_FILES), ControlFiles(wanted.control_files)
    for record in controls:
        control = _control_of(record)
        if control is not None and control.setting in ("lexicon", "model"):
            theirs.copy(control, kept)


async def _behind(where: Connection, group: str) -> dict[str, Any] | None:
    """How far the workers were behind as it was captured; None where that cannot be told."""
    try:
        behind = await lag_of(where, group)
    except GoldendogError:
        return None
    return {
        "group": group,
        "state": behind.group.state,
        "members": list(behind.group.members),
        "inputs": [asdict(each) for each in behind.inputs],
    }
