"""What the detector reads, decoded: ticks and token infos, with clamped times and rejects."""

from __future__ import annotations

from asyncio import gather
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.columns import Columns, columns_of
from schemas.decode import decode_as
from schemas.errors import GapError, RecordError
from schemas.records import Heartbeat, Record, Tick, TokenInfo
from schemas.topics import MENTIONS, TICKS, TOKEN_INFO
from streams.files.ndjson import tick_columns
from streams.log.base import Log, LogRecord
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
    for row, record in enumerate(records):
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
        if floor_ms < 0 and row == 0:
            log_start_ms = declared_start_ms(decoded, log_ms)
    columns = None
    if kept:
        build = tick_columns if topic == TICKS else columns_of
        columns = build(kept, times)  # type: ignore[arg-type]
    last = records[-1].offset
    return Decoded(columns, last, log_ms, log_start_ms, rejects, progress, falls)


def beyond(records: Sequence[LogRecord], offset: int) -> Sequence[LogRecord]:
    """Those of some records, in order, that lie at an offset or after it.

    >>> read = [LogRecord("t", 0, offset, 0, None, None) for offset in (3, 5)]
    >>> [record.offset for record in beyond(read, 4)], beyond(read, 3) is read
    ([5], True)
    """
    if not records or records[0].offset >= offset:
        return records
    return records[bisect_left(records, offset, key=lambda record: record.offset) :]


class LostInputError(GapError):
    """Records were gone before they were read.

    Parameters
    ----------
    name : of the input, as ``topic/partition``.
    first, end : offsets that are gone, ``end`` excluded; equal where nobody can say.
    why : what became of them.
    """

    def __init__(self, name: str, first: int, end: int, why: str) -> None:
        self.name, self.first, self.end = name, first, end
        super().__init__(f"{name}: {why}; going on would change alerts")


def refuse_lost(topic: str, partition: int, wanted: int, start: int) -> None:
    """Raise LostInputError where records that were not read yet are no longer in the log.

    >>> refuse_lost("dex.ticks.v1", 0, 7, 7)
    """
    if start > wanted:
        raise LostInputError(
            f"{topic}/{partition}",
            wanted,
            start,
            f"offsets {wanted} to {start - 1} were deleted before they were read",
        )


def refuse_remade(topic: str, partition: int, wanted: int, end: int) -> None:
    """Raise LostInputError where a log ends before what was read of it: it is another log.

    >>> refuse_remade("dex.ticks.v1", 0, 7, 7)
    """
    if end < wanted:
        raise LostInputError(
            f"{topic}/{partition}",
            end,
            end,
            f"it was read up to offset {wanted} and ends at {end}: the topic was made anew",
        )


async def refuse_another(
    log: Log, topic: str, partition: int, wanted: int, reached_ms: int | None
) -> None:
    """Raise LostInputError where a log is not the one that was read up to ``wanted``.

    It may begin after that, end before it, or have outgrown it: then the record before ``wanted`` was
    logged after ``reached_ms``, the highest log time read (None where not known), which no record
    that was read can be.
    """
    start, end = await gather(log.start_offset(topic, partition), log.end_offset(topic, partition))
    refuse_lost(topic, partition, wanted, start)
    refuse_remade(topic, partition, wanted, end)
    if reached_ms is None or reached_ms < 0 or start >= wanted:
        return
    for record in await log.read(topic, partition, wanted - 1, 1):
        if record.offset < wanted and record.timestamp > reached_ms:
            raise LostInputError(
                f"{topic}/{partition}",
                start,
                start,
                f"the record at offset {record.offset} is later than all that was read up to there: "
                "the topic was made anew",
            )
