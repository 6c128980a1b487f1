"""Writing changes into a live control topic, and reading those that are there."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.decode import check_record, decode_as, encode_record
from schemas.errors import RecordError, UserError
from schemas.records import Control
from schemas.topics import CONTROL
from streams.control.decisions import LEAD_MS, engine_value
from streams.control.files import ControlFiles, sha256_of
from streams.log.base import Item, Log, LogRecord


@dataclass(frozen=True)
class Told:
    """A control record as it stands in the topic: when it came, and from when it is in force.

    ``problem`` says why nobody uses it, None where all do.
    """

    record: str
    ts_log_ms: int
    in_force_from_ms: int
    setting: str
    value: str
    problem: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def new_control(
    setting: str, value: str, from_ms: int | None, files: ControlFiles, now_ms: int
) -> Control:
    """A record that changes a setting, or puts a lexicon or model (by its path) in force.

    The file is kept in the folder of ``files`` and named by its hash. Raises UserError and its kin.
    """
    if setting in ("lexicon", "model"):
        keep = files.keep_lexicon if setting == "lexicon" else files.keep_model
        value = keep(Path(value))
    control = Control(
        f"{setting}-{secrets.token_hex(6)}",
        now_ms,
        now_ms + LEAD_MS if from_ms is None else from_ms,
        setting,
        value,
    )
    try:
        check_control(control)
        check_record(control)
    except RecordError as error:
        raise UserError(error.problem, error.remedy) from None
    return control


async def send(log: Log, control: Control) -> Told:
    """Append a record to a topic that stamps what comes; what became of it."""
    (offset,) = await log.append(CONTROL, 0, [Item(None, encode_record(control))])
    (found,) = [told async for told in in_topic(log, offset) if told.record == control.id]
    return found


async def in_topic(log: Log, offset: int = 0) -> AsyncIterator[Told]:
    """The control records of a topic from an offset on, in its order."""
    end = await log.end_offset(CONTROL, 0)
    offset = max(offset, await log.start_offset(CONTROL, 0))
    floor = -1
    while offset < end:
        records = await log.read(CONTROL, 0, offset)
        if not records:
            return
        for told in told_of(records, floor):
            yield told
        floor = max(floor, *(record.timestamp for record in records))
        offset = records[-1].offset + 1


def told_of(records: Iterable[LogRecord], floor_ms: int = -1) -> list[Told]:
    """Control records among others, such as heartbeats; ``floor_ms`` is the log time before."""
    found: list[Told] = []
    for record in records:
        floor_ms = max(floor_ms, record.timestamp)
        try:
            control = decode_as(record.value or b"", "control")
            if not isinstance(control, Control):
                continue
        except RecordError:
            continue
        try:
            check_control(control)
            problem = None
        except RecordError as error:
            problem = str(error)
        from_ms = max(control.effective_log_ms, floor_ms + LEAD_MS)
        found.append(Told(control.id, floor_ms, from_ms, control.setting, control.value, problem))
    return found


def check_control(control: Control) -> None:
    """Raise RecordError where no worker can use a control record."""
    if control.setting in ("lexicon", "model"):
        sha256_of(control.value)
    else:
        engine_value(control.setting, control.value)
