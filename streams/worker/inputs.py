"""What the detector reads, decoded: ticks and token infos, with clamped times and rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.columns import Columns, columns_of
from schemas.decode import decode_as
from schemas.errors import GapError, RecordError
from schemas.records import Heartbeat, Record, Tick, TokenInfo
from schemas.topics import MENTIONS, TICKS, TOKEN_INFO
from streams.files.ndjson import tick_columns
from streams.log.base import LogRecord
from streams.worker.dead_letters import Reject

KIND_OF: Final = {TICKS: "tick", TOKEN_INFO: "token_info"}


def input_names(partition: int, mention_partitions: int) -> list[str]:
    """Inputs of a detector partition: every partition of mentions, and its own of the others.

    >>> input_names(3, 2)
    ['social.mentions.v1/0', 'social.mentions.v1/1', 'dex.ticks.v1/3', 'tokens.info.v1/3']
    """
    mentions = [f"{MENTIONS}/{u}" for u in range(mention_partitions)]
    return [*mentions, f"{TICKS}/{partition}", f"{TOKEN_INFO}/{partition}"]


@dataclass(frozen=True)
class Decoded:
    """Records of one partition, ready to be pushed.

    ``columns`` is None where they hold progress only; ``log_start_ms`` is known from the input's
    first record alone.
    """

    columns: Columns | None
    through_offset: int
    through_log_ms: int
    log_start_ms: int | None
    rejects: list[Reject]
    progress: int
    falls: int


def declared_start_ms(first: Record, log_ms: int) -> int:
    """When a log began, by the first record of an input: as its heartbeat says, or its own time."""
    declared = first.log_start_ms if isinstance(first, Heartbeat) else None
    return log_ms if declared is None else declared


def decode_raw(topic: str, records: Sequence[LogRecord], floor_ms: int) -> Decoded:
    """Decode records of a raw topic the detector reads; ``floor_ms`` is the log time reached.

    Log time never falls within a partition: a record stamped earlier gets the time reached. The
    input's first record (``floor_ms`` below 0) says when the log began.
    """
    kept: list[Tick | TokenInfo] = []
    times: list[int] = []
    rejects: list[Reject] = []
    log_start_ms = records[0].timestamp if floor_ms < 0 else None
    progress = falls = 0
    log_ms = floor_ms
    for record in records:
        falls += record.timestamp < log_ms
        log_ms = max(log_ms, record.timestamp)
        raw = record.value or b""
        try:
            decoded = decode_as(raw, KIND_OF[topic])
        except RecordError as error:
            rejects.append(Reject(record.offset, log_ms, error, raw))
            continue
        if isinstance(decoded, Tick | TokenInfo):
            kept.append(decoded)
            times.append(log_ms)
            continue
        progress += 1
        if floor_ms < 0 and record is records[0]:
            log_start_ms = declared_start_ms(decoded, log_ms)
    columns = None
    if kept:
        build = tick_columns if topic == TICKS else columns_of
        columns = build(kept, times)  # type: ignore[arg-type]
    last = records[-1].offset
    return Decoded(columns, last, log_ms, log_start_ms, rejects, progress, falls)


def refuse_lost(topic: str, partition: int, wanted: int, start: int) -> None:
    """Raise GapError where records that were not read yet are no longer in the log.

    >>> refuse_lost("dex.ticks.v1", 0, 7, 7)
    """
    if start > wanted:
        raise GapError(
            f"{topic}/{partition}: offsets {wanted} to {start - 1} were deleted before they were "
            "read; going on would change alerts"
        )
